// How a call channel starts. Home sends a hello, the node an answer; each proves with a MAC that it knows the
// keys which were agreed over the CURVE connection. Both put in random bytes, from which the frames' keys are
// derived, so that no key seals two frames number 0 even if a channel is made twice from the same agreement.
//   hello:  "PMIC", version, ciphers (bit n: Cipher n), 0, 0, token[16], random[16], mac[16] under to_node
//   answer: "PMIC", version, the cipher, 0, 0, random[16], mac[16] under to_home, over the hello too
#pragma once
#include <array>
#include <cstddef>

#include "remote/transport/call_channel.h"
#include "remote/transport/frame_sealer.h"
#include "runtime/base/error.h"

namespace pmi {

using Hello = std::array<unsigned char, 56>;
using HelloAnswer = std::array<unsigned char, 40>;

struct SessionKeys {
    Cipher cipher = Cipher::None;
    CipherKey to_node{}, to_home{};
};

Hello make_hello(const ChannelKeys& keys, Security security);
// The node's part: checks a hello (in constant time), makes the answer and the session's keys.
Expected<SessionKeys> answer_hello(const Hello& hello, const ChannelKeys& keys, Security security, HelloAnswer* answer);
// Home's part.
Expected<SessionKeys> check_answer(const Hello& hello, const HelloAnswer& answer, const ChannelKeys& keys, Security security);

}  // namespace pmi
