// By write leases, "Leases" in fcntl(2): for files of the user who runs this. The kernel grants one only on the single open file
// description that there is of the file (Linux 5.3), so that whoever else has it open or mapped is noticed at once, and gives it
// back after /proc/sys/fs/lease-break-time seconds at the latest. open(2) with O_NONBLOCK does not wait, and fails with EAGAIN.
#pragma once
#include <signal.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/deputy/open_gate.h"

namespace pmi {

class LeaseGate final : public OpenGate {
  public:
    static Expected<std::unique_ptr<LeaseGate>> create(MustWait must_wait);
    ~LeaseGate() override;
    Status guard(int file) override;
    void unguard(int file) override;
    bool wants_programs_own() const override { return true; }

  private:
    struct Lease {
        int file;
        struct stat identity {};
        int64_t until_ns = 0;  // somebody waits, at most until then
    };
    explicit LeaseGate(MustWait must_wait) : must_wait_(std::move(must_wait)) {}
    void run();
    void look();
    std::vector<struct stat> take_news();
    static void give_back(int file);

    MustWait must_wait_;
    std::mutex mutex_;
    std::vector<Lease> leases_;
    std::atomic<pid_t> tid_{0};  // of the thread, to which the kernel says that somebody waits
    std::atomic<bool> ending_{false};
    std::thread thread_;
};

}  // namespace pmi
