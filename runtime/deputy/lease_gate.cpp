#include "runtime/deputy/lease_gate.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/thread.h"
#include "runtime/kernel/shared_memory.h"

namespace pmi {
namespace {

constexpr int kSignal = SIGIO;

sigset_t the_signal() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, kSignal);
    return set;
}

// Of the open file description, which the program has too.
bool set_owner(int file, pid_t thread) {
    f_owner_ex owner{F_OWNER_TID, thread};
    return ::fcntl(file, F_SETOWN_EX, &owner) == 0;
}

}  // namespace

Expected<std::unique_ptr<LeaseGate>> LeaseGate::create(MustWait must_wait) {
    std::unique_ptr<LeaseGate> gate(new LeaseGate(std::move(must_wait)));
    TRY_ASSIGN(gate->thread_, start_thread([raw = gate.get()] { raw->run(); }));
    gate->tid_.wait(0);
    return gate;
}

LeaseGate::~LeaseGate() {
    ending_ = true;
    if (thread_.joinable()) {
        ::pthread_kill(thread_.native_handle(), kSignal);
        thread_.join();
    }
    for (const auto& lease : leases_) give_back(lease.file);
}

Status LeaseGate::guard(int file) {
    Lease lease{file};
    if (::fstat(file, &lease.identity) != 0) return fail_errno("stat a mapped file");
    std::lock_guard lock(mutex_);
    if (!set_owner(file, tid_)) return fail_errno("F_SETOWN_EX of a mapped file");
    if (::fcntl(file, F_SETLEASE, F_WRLCK) != 0) {
        int why = errno;
        (void)set_owner(file, 0);
        if (why == EAGAIN)
            return fail(
                "it is open elsewhere, or in the program itself twice, and to hold others up all the same takes CAP_SYS_ADMIN");
        return fail_code(why, "hold up others that open a mapped file (F_SETLEASE)");
    }
    std::erase_if(leases_, [&](const Lease& l) { return l.file == file; });
    leases_.push_back(lease);
    return {};
}

void LeaseGate::give_back(int file) {
    if (::fcntl(file, F_SETLEASE, F_UNLCK) != 0) spdlog::error("give a lease back: errno {}", errno);
    (void)set_owner(file, 0);
}

void LeaseGate::unguard(int file) {
    std::lock_guard lock(mutex_);
    std::erase_if(leases_, [&](const Lease& lease) {
        if (lease.file == file) give_back(file);
        return lease.file == file;
    });
}

void LeaseGate::run() {
    sigset_t set = the_signal();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    tid_ = static_cast<pid_t>(::syscall(SYS_gettid));
    tid_.notify_one();
    timespec often{0, kLookEveryMs * 1'000'000L};
    while (!ending_) {
        (void)::sigtimedwait(&set, nullptr, &often);
        look();
    }
}

// Not under the lock: whoever answers may be about to guard another file.
void LeaseGate::look() {
    for (const auto& identity : take_news()) {
        bool waits = must_wait_(0, identity);
        std::lock_guard lock(mutex_);
        for (auto& lease : leases_)
            if (same_file(lease.identity, identity)) lease.until_ns = monotonic_ns() + (waits ? kLongestWaitNs : 0);
    }
    std::lock_guard lock(mutex_);
    std::erase_if(leases_, [now = monotonic_ns()](const Lease& lease) {
        bool is_over = lease.until_ns != 0 && lease.until_ns <= now;
        if (is_over) give_back(lease.file);
        return is_over;
    });
}

// The files that somebody has begun to wait for: such a lease shows as what it is to become.
std::vector<struct stat> LeaseGate::take_news() {
    std::vector<struct stat> files;
    std::lock_guard lock(mutex_);
    for (const auto& lease : leases_)
        if (lease.until_ns == 0 && ::fcntl(lease.file, F_GETLEASE) != F_WRLCK) files.push_back(lease.identity);
    return files;
}

}  // namespace pmi
