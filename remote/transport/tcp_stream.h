// A stream (stream.h) over a TCP connection of its own. Its keys were agreed over the CURVE connection; it begins as a call
// channel does (call_handshake.h). Each end has two threads, so that what the owner does with one message, sealing and sending
// the next and receiving and opening the one before overlap; what waits between them is bounded.
//   frame: u32 bytes of text, u32 its length when decompressed (0: it is not compressed, else LZ4), text, tag[16]. The first
//   8 bytes are sealed along. In clear with Security::Insecure, without the tag.
// What a slow link carries is compressed first (link_gauge.h).
#pragma once
#include <memory>
#include <string>

#include "remote/transport/call_channel.h"
#include "remote/transport/stream.h"

namespace pmi {

// Of one session: the keys of its streams are made from those of its call channel.
ChannelKeys stream_keys(const ChannelKeys& session);
// The same, of the connections for memory that comes later (remote/movers/page_server.h).
ChannelKeys page_keys(const ChannelKeys& session);

// The server's end, on an address such as "0.0.0.0" and a free port, which is returned through `port`. The first client that
// knows the keys is the only one.
Expected<std::unique_ptr<Stream>> listen_stream(const std::string& address, const ChannelKeys& keys, Security security,
                                                uint16_t* port);
Expected<std::unique_ptr<Stream>> connect_stream(const std::string& host, uint16_t port, const ChannelKeys& keys, Security security,
                                                 int timeout_ms);

}  // namespace pmi
