#include <zmq.hpp>

#include "remote/transport/stream.h"
#include "remote/transport/zmq_context.h"

namespace pmi {

namespace {

class ZmqTransport final : public Transport {
  public:
    explicit ZmqTransport(std::shared_ptr<ZmqContext> context) : context_(std::move(context)) {}
    const std::shared_ptr<ZmqContext>& context() const { return context_; }

  private:
    std::shared_ptr<ZmqContext> context_;
};

}  // namespace

Expected<std::unique_ptr<Transport>> Transport::create(std::shared_ptr<const Keyring> ring, Security security) {
    PMI_ASSERT(ring != nullptr || security == Security::Insecure);
    try {
        auto context = std::make_shared<ZmqContext>(std::move(ring), security);
        return std::unique_ptr<Transport>(new ZmqTransport(std::move(context)));
    } catch (const zmq::error_t& e) {
        return fail_code(e.num(), "start libzmq");
    }
}

std::shared_ptr<ZmqContext> context_of(Transport& transport) { return dynamic_cast<ZmqTransport&>(transport).context(); }

}  // namespace pmi
