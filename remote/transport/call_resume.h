// How a call channel goes on over a new connection after a cut. Three messages, so that a recorded one is of no use to
// anybody: each side answers the other's random bytes. Both say how many frames they have received; the rest is sent again.
//   hello:    "PMIR", version, 0, 0, 0, token[16], random[16], received u64, mac[16] under to_node
//   answer:   "PMIR", version, 0, 0, 0, random[16], received u64, mac[16] under to_home, over the hello too
//   confirm:  mac[16] under to_node, over hello and answer
#pragma once
#include <array>
#include <cstdint>

#include "remote/transport/call_channel.h"
#include "runtime/base/error.h"

namespace pmi {

using ResumeHello = std::array<unsigned char, 64>;
using ResumeAnswer = std::array<unsigned char, 48>;
using ResumeConfirm = std::array<unsigned char, 16>;

// Home's part.
ResumeHello make_resume_hello(const ChannelKeys& keys, uint64_t received);
// What the node has received. Errors: EACCES, it does not know the keys.
Expected<uint64_t> check_resume_answer(const ResumeHello& hello, const ResumeAnswer& answer, const ChannelKeys& keys);
ResumeConfirm make_resume_confirm(const ResumeHello& hello, const ResumeAnswer& answer, const ChannelKeys& keys);

// The node's part. Checks are made in constant time.
Expected<uint64_t> check_resume_hello(const ResumeHello& hello, const ChannelKeys& keys);
ResumeAnswer make_resume_answer(const ResumeHello& hello, const ChannelKeys& keys, uint64_t received);
bool is_resume_confirm(const ResumeConfirm& confirm, const ResumeHello& hello, const ResumeAnswer& answer, const ChannelKeys& keys);

}  // namespace pmi
