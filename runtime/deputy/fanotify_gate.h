// By permission events, fanotify(7): needs CAP_SYS_ADMIN and a kernel with CONFIG_FANOTIFY_ACCESS_PERMISSIONS. Those that have the
// file open already are not noticed.
#pragma once
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/base/fd.h"
#include "runtime/deputy/open_gate.h"

namespace pmi {

class FanotifyGate final : public OpenGate {
  public:
    static std::unique_ptr<FanotifyGate> create(MustWait must_wait);  // null: not permitted
    ~FanotifyGate() override;
    Status guard(int file) override;
    void unguard(int file) override;
    bool wants_programs_own() const override { return false; }

  private:
    struct Waiting {
        Fd event;  // its file, as the kernel names it in the answer
        struct stat file {};
        int64_t until_ns = 0;
    };
    FanotifyGate(Fd events, Fd stop, MustWait must_wait);
    void run();
    void take_events();
    void let_in(const std::function<bool(const Waiting&)>& which);

    Fd events_, stop_;
    MustWait must_wait_;
    std::mutex mutex_;
    std::vector<Waiting> waiting_;
    std::thread thread_;
};

}  // namespace pmi
