// A guest that is laid out while its program still runs at the source: there mappings come and go meanwhile.
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <cstring>

#include "kernel-assist/userspace/region_changes.h"
#include "kernel-assist/userspace/userspace_assist.h"
#include "runtime/guest/guest_builder.h"

namespace pmi {
namespace {

constexpr size_t kDropsAtOnce = 1000;
constexpr size_t kFilesAtOnce = 8;  // the socket holds that many

Status send_descriptor(int socket, int fd) {
    char byte = 0, control[CMSG_SPACE(sizeof fd)]{};
    iovec iov{&byte, 1};
    msghdr m{};
    m.msg_iov = &iov;
    m.msg_iovlen = 1;
    m.msg_control = control;
    m.msg_controllen = sizeof control;
    cmsghdr* c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
    if (::sendmsg(socket, &m, MSG_NOSIGNAL) < 0) return fail_errno("pass a file to the guest");
    return {};
}

// recvmsg(2) of one descriptor, performed there; gives the address of the control data.
struct Receipt {
    size_t call;
    uint64_t control;
};
Receipt receive_there(Batch& batch, uint64_t socket) {
    uint64_t byte = batch.space(1), control = batch.space(CMSG_SPACE(sizeof(int)));
    iovec iov{reinterpret_cast<void*>(byte), 1};  // NOLINT: an address over there
    uint64_t iov_there = batch.data(&iov, sizeof iov);
    msghdr m{};
    m.msg_iov = reinterpret_cast<iovec*>(iov_there);  // NOLINT
    m.msg_iovlen = 1;
    m.msg_control = reinterpret_cast<void*>(control);  // NOLINT
    m.msg_controllen = CMSG_SPACE(sizeof(int));
    uint64_t message = batch.data(&m, sizeof m);
    return {batch.call(SYS_recvmsg, socket, message, 0), control};
}

}  // namespace

Status GuestBuilder::pass_new_files() {
    std::vector<std::pair<FileKey, int>> wanted;
    for (const auto& r : image_.regions())
        if (r.kind() == wire::Region::FILE && stub_fds_.try_emplace(key_of(r), 0).second)
            wanted.emplace_back(key_of(r), twin_fd_for(r));
    for (size_t next = 0; next < wanted.size();) {
        Batch batch(outer_, outer_, agent(), waiter_);
        std::vector<std::pair<FileKey, Receipt>> receipts;
        for (size_t n = 0; n < kFilesAtOnce && next < wanted.size(); n++, next++) {
            TRY(send_descriptor(line_.get(), wanted[next].second));
            receipts.emplace_back(wanted[next].first, receive_there(batch, line_there_));
        }
        TRY(batch.run());
        for (const auto& [key, receipt] : receipts) {
            TRY(batch.check(receipt.call, "take a file"));
            std::string control = batch.bytes(receipt.control, CMSG_SPACE(sizeof(int)));
            cmsghdr head;
            std::memcpy(&head, control.data(), sizeof head);
            if (head.cmsg_type != SCM_RIGHTS || head.cmsg_len != CMSG_LEN(sizeof(int))) return fail("the guest got no file");
            int fd = -1;
            std::memcpy(&fd, control.data() + CMSG_LEN(0), sizeof fd);
            stub_fds_[key] = static_cast<uint64_t>(fd);
        }
    }
    return {};
}

Status GuestBuilder::reshape(const wire::Image& before) {
    TRY(twins_.prepare(image_));
    TRY(pass_new_files());
    return apply(plan_regions(before, image_));
}

Status GuestBuilder::apply(const RegionPlan& plan) {
    auto backing_of = [this](const RegionStep& s) {
        const wire::Region& r = *s.target;
        Backing backing = kAnonymousMemory;
        if (r.kind() == wire::Region::FILE) backing = {MAP_PRIVATE, fd_for(r), r.offset() + (s.range.start - r.start())};
        if (r.shared()) backing.flags ^= MAP_PRIVATE ^ MAP_SHARED;
        return backing;
    };
    return change_regions(outer_, plan, agent(), waiter_, Locks::Later, backing_of);  // locks come last of all
}

Status GuestBuilder::drop(const std::vector<AddressRange>& ranges) {
    for (size_t next = 0; next < ranges.size();) {
        Batch batch(outer_, outer_, agent(), waiter_);
        std::vector<size_t> calls;
        for (; calls.size() < kDropsAtOnce && next < ranges.size(); next++)
            calls.push_back(batch.call(SYS_madvise, ranges[next].start, ranges[next].end - ranges[next].start, MADV_DONTNEED));
        TRY(batch.run());
        for (size_t call : calls) TRY(batch.check(call, "drop pages"));
    }
    return {};
}

Expected<UserFault> GuestBuilder::make_userfault(UserFault::Track track) {
    Injector injector(outer_, waiter_);
    uint64_t instruction = agent_address(image_.agent_base(), pmi_agent_syscall);
    int64_t nr = faults_there_ ? SYS_ioctl : SYS_userfaultfd;
    std::array<uint64_t, 6> from_device{faults_there_.value_or(0), UserFault::kMakeFromDevice, UserFault::kFlags, 0, 0, 0};
    std::array<uint64_t, 6> by_itself{UserFault::kFlags, 0, 0, 0, 0, 0};
    TRY_ASSIGN(int64_t there, injector.call_at(instruction, nr, faults_there_ ? from_device : by_itself));
    if (there < 0) return fail_code(static_cast<int>(-there), "userfaultfd in the guest");
    Fd taken(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd_.get(), static_cast<int>(there), 0)));
    if (!taken.valid()) return fail_errno("take the guest's userfaultfd");
    TRY(injector.call_at(instruction, SYS_close, {static_cast<uint64_t>(there), 0, 0, 0, 0, 0}));
    return UserFault::adopt(std::move(taken), track);
}

Expected<DirtyTracking> GuestBuilder::start_tracking() {
    return DirtyTracking::start(outer_, outer_, agent_address(image_.agent_base(), pmi_agent_syscall), waiter_);
}

}  // namespace pmi
