// Home's end of a session on a node: place asked for, connections made, and a thread that receives the call channel's
// frames: calls go straight to the call server, everything else is queued for the tracer.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "remote/config/node_address.h"
#include "remote/movers/page_finder.h"
#include "remote/movers/page_server.h"
#include "remote/transport/call_channel.h"
#include "remote/transport/keys.h"
#include "remote/transport/stream.h"
#include "remote/transport/tcp_stream.h"
#include "remote/wire/wire.pb.h"
#include "runtime/base/fd.h"
#include "runtime/deputy/call_server.h"

namespace pmi {

// Frames and losses that the tracer has to deal with; wakes it through an eventfd.
struct SessionEvent {
    class NodeSession* session = nullptr;
    Frame frame;
    std::optional<Error> lost;  // the connection is gone
};
class SessionEvents {
  public:
    static Expected<std::unique_ptr<SessionEvents>> create();
    int fd() const { return wake_.get(); }
    void push(SessionEvent event);
    void wake();  // for nothing in particular
    std::vector<SessionEvent> take();

  private:
    explicit SessionEvents(Fd wake) : wake_(std::move(wake)) {}
    Fd wake_;
    std::mutex mutex_;
    std::deque<SessionEvent> events_;
};

class NodeSession {
  public:
    // Measures the node's clocks (host's offsets are filled in), asks it for a place and connects to it. Nothing has
    // been done to the program yet.
    static Expected<std::unique_ptr<NodeSession>> open(Transport& transport, const Keyring* ring, Security security,
                                                       const NodeAddress& to, wire::Host host);
    ~NodeSession();

    const std::string& node() const { return address_.name; }
    const wire::Machine& machine() const { return machine_; }
    Stream& stream() { return *stream_; }
    // Before a stream that has been idle is used: makes another one if it was lost with a cut. Error: the node can't be
    // reached now.
    Status renew_stream();
    // Whatever is on its way in it.
    void give_up_stream() {
        if (stream_) stream_->abandon();
        stream_.reset();
    }
    // For memory that comes later: the node waits there.
    Expected<PageLines> connect_pages(const LaterPorts& ports) const;
    bool is_cut() const { return channel_->is_cut(); }
    // The connection is gone, for good. True before the event that tells of it.
    bool is_lost() const { return is_lost_; }
    // Makes it so: its guests end there.
    void break_off() { channel_->shut_down(); }
    // The same, and waits until all that has come is among the events: nothing comes any more.
    void end() {
        break_off();
        if (receiver_.joinable()) receiver_.join();
    }
    std::shared_ptr<CallChannel> channel() const { return channel_; }
    // Its guests may block signals of which it has not told yet. True before any call that was made since is begun.
    bool masks_late() const { return masks_late_; }
    PageFinder* finder() { return finder_ ? &*finder_ : nullptr; }  // null: the node looks for none
    // From now on frames are received. A session serves one family of deputies.
    Status start(std::shared_ptr<CallServer> server, SessionEvents& events);
    template <typename Head>
    Status send(FrameType type, const Head& head) {
        return channel_->send(static_cast<uint8_t>(type), head_bytes(head));
    }

  private:
    NodeSession(NodeAddress to, wire::Machine machine, const ChannelKeys& keys, Security security,
                std::shared_ptr<CallChannel> channel, int resume_ms)
        : address_(std::move(to)),
          machine_(std::move(machine)),
          stream_keys_(stream_keys(keys)),
          page_keys_(page_keys(keys)),
          security_(security),
          resume_ms_(resume_ms),
          channel_(std::move(channel)) {}
    Status connect_stream(uint16_t port);
    Status take_stream_port(std::span<const std::byte> body);
    void receive_frames(CallServer& server, SessionEvents& events);
    Expected<Frame> next_frame();
    const NodeAddress address_;
    const wire::Machine machine_;
    const ChannelKeys stream_keys_, page_keys_;
    const Security security_;
    const int resume_ms_;
    std::unique_ptr<Stream> stream_;
    std::optional<PageFinder> finder_;
    std::shared_ptr<CallChannel> channel_;
    std::mutex port_mutex_;
    std::condition_variable port_told_;
    std::optional<uint16_t> stream_port_;  // the node's answer to NewStream
    std::atomic<bool> masks_late_ = false, is_lost_ = false;
    // Of receiver_: the last call is begun, the next one may come within microseconds.
    int64_t begun_ns_ = 0;
    bool calls_are_close_ = false;  // the last one came so soon after the one before
    std::thread receiver_;
};

}  // namespace pmi
