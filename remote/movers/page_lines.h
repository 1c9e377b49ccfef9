// The connections of a post-copy, at either end (page_server.h, page_fetcher.h).
#pragma once
#include <memory>

#include "remote/transport/call_channel.h"
#include "remote/transport/stream.h"

namespace pmi {

struct PageLines {
    std::unique_ptr<CallChannel> demand;
    std::unique_ptr<Stream> push;
};

// Of a thread that brings what nobody waits for yet: others of this process go first.
void stand_back();

}  // namespace pmi
