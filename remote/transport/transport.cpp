#include <latch>
#include <vector>
#include <zmq.hpp>

#include "remote/transport/stream.h"
#include "remote/transport/zmq_context.h"
#include "runtime/base/thread.h"

namespace pmi {

namespace {

class ZmqTransport final : public Transport {
  public:
    explicit ZmqTransport(std::shared_ptr<ZmqContext> context) : context_(std::move(context)) {}
    const std::shared_ptr<ZmqContext>& context() const { return context_; }

  private:
    std::shared_ptr<ZmqContext> context_;
};

// libzmq ends the process when it can't make its threads (an I/O thread, a reaper; ZAP's and ours come beside them).
Status find_out_about_threads() {
    constexpr int kThreads = 4;
    std::latch all_tried(1);
    std::vector<std::thread> made;
    Status could;
    for (int i = 0; i < kThreads && could; i++) {
        auto thread = start_thread([&] { all_tried.wait(); });
        if (thread)
            made.push_back(std::move(*thread));
        else
            could = std::move(thread.error());
    }
    all_tried.count_down();
    for (auto& thread : made) thread.join();
    return could;
}

}  // namespace

Expected<std::unique_ptr<Transport>> Transport::create(std::shared_ptr<const Keyring> ring, Security security) {
    PMI_ASSERT(ring != nullptr || security == Security::Insecure);
    TRY(find_out_about_threads());
    try {
        auto context = std::make_shared<ZmqContext>(std::move(ring), security);
        return std::unique_ptr<Transport>(new ZmqTransport(std::move(context)));
    } catch (const zmq::error_t& e) {
        return fail_code(e.num(), "start libzmq");
    }
}

std::shared_ptr<ZmqContext> context_of(Transport& transport) { return dynamic_cast<ZmqTransport&>(transport).context(); }

}  // namespace pmi
