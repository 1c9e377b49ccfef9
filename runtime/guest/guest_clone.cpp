// A new task while away exists twice: home makes the deputy first, and so the number; then the guest is made here
// with the same number. One clone at a time, since "the next number" is one for the whole jail.
//   thread          the program's own call runs here as it is
//   fork, vfork     is issued again as a clone3 with CLONE_PARENT, so that the guest's child belongs to the jail's
//                   init: no second SIGCHLD, no zombie that keeps the number. The real parent is the deputy, at home.
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "runtime/base/log.h"
#include "runtime/guest/guest_memory_access.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/tracee/interrupted.h"

namespace pmi {
namespace {

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif

// As clone3 has it, whichever call asked.
struct CloneRequest {
    clone_args args{};
    bool is_thread() const { return (args.flags & CLONE_THREAD) != 0; }
};

// As copy_struct_from_user in include/linux/uaccess.h: what this kernel does not know of has to be zeros.
int64_t read_clone_args(uint64_t address, uint64_t size, const GuestMemory& memory, clone_args& args) {
    std::vector<std::byte> given(size);
    if (memory.read(address, given) != size) return -EFAULT;
    auto known = std::min(given.size(), sizeof args);
    std::memcpy(&args, given.data(), known);
    bool has_more =
        std::any_of(given.begin() + static_cast<ptrdiff_t>(known), given.end(), [](std::byte b) { return b != std::byte{0}; });
    return has_more ? -E2BIG : 0;
}

CloneRequest request_of(const Notification& n, const GuestMemory& memory, int64_t* error) {
    CloneRequest r;
    *error = 0;
    switch (n.nr) {
        case SYS_fork: r.args.exit_signal = SIGCHLD; break;
        case SYS_vfork:
            r.args.flags = CLONE_VFORK | CLONE_VM;
            r.args.exit_signal = SIGCHLD;
            break;
        case SYS_clone:
            r.args.flags = n.args[0] & 0xffffff00ULL;
            r.args.exit_signal = n.args[0] & 0xff;
            r.args.stack = n.args[1];
            r.args.parent_tid = n.args[2];
            r.args.child_tid = n.args[3];
            r.args.tls = n.args[4];
            if (r.args.flags & CLONE_PIDFD) r.args.pidfd = n.args[2];
            break;
        default: {
            uint64_t size = n.args[1];
            if (size < CLONE_ARGS_SIZE_VER0) *error = -EINVAL;
            if (size > 4096) *error = -E2BIG;
            if (*error == 0) *error = read_clone_args(n.args[0], size, memory, r.args);
        }
    }
    return r;
}

// What a kernel refuses for its arguments (copy_process and clone3_args_valid in kernel/fork.c). The deputy's half, which has
// neither stack nor memory nor TLS of the program's, would be made all the same.
bool is_refused(const CloneRequest& r, bool is_clone3) {
    constexpr uint64_t kDetached = 0x00400000, kLastFlag = 0x200000000ULL;  // CLONE_DETACHED, CLONE_INTO_CGROUP
    constexpr uint64_t kTaskSize = (uint64_t{1} << 47) - 4096;
    const clone_args& a = r.args;
    auto has = [&](uint64_t flag) { return (a.flags & flag) != 0; };
    if (r.is_thread() && !has(CLONE_SIGHAND)) return true;
    if (has(CLONE_SIGHAND) && !has(CLONE_VM)) return true;
    if (has(CLONE_SIGHAND) && has(CLONE_CLEAR_SIGHAND)) return true;
    if (has(CLONE_PIDFD) && has(kDetached)) return true;
    if (has(CLONE_SETTLS) && a.tls >= kTaskSize) return true;
    if (!is_clone3) return has(CLONE_PIDFD) && has(CLONE_PARENT_SETTID);
    if ((a.flags & ~(2 * kLastFlag - 1)) != 0 || has(kDetached) || has(CSIGNAL)) return true;
    if (a.exit_signal > 64 || (a.exit_signal != 0 && has(CLONE_THREAD | CLONE_PARENT))) return true;
    return (a.stack == 0) != (a.stack_size == 0) || a.stack >= kTaskSize || a.stack_size > kTaskSize - a.stack;
}

// Home's half would be made, and nobody be told of it.
bool can_tell_pidfd(const CloneRequest& r, GuestMemory& memory) {
    if ((r.args.flags & CLONE_PIDFD) == 0) return true;
    std::array<std::byte, sizeof(int)> there{};
    return memory.read(r.args.pidfd, there) == there.size() && memory.write(r.args.pidfd, there) == there.size();
}

const char* why_not_here(const CloneRequest& r, const GuestProcess& p, bool is_clone3) {
    constexpr uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                     CLONE_NEWNET | 0x80 /* CLONE_NEWTIME */;
    if (r.args.flags & kNamespaces) return "clone into new namespaces";
    if (r.args.flags & (CLONE_PTRACE | CLONE_INTO_CGROUP)) return "clone with CLONE_PTRACE or CLONE_INTO_CGROUP";
    if (r.args.set_tid_size != 0 || r.args.set_tid != 0) return "clone with set_tid";
    // The call that a thread is made by runs here as it is.
    if (r.is_thread() && (r.args.flags & (CLONE_PIDFD | CLONE_UNTRACED)))
        return "clone of a thread with CLONE_PIDFD or CLONE_UNTRACED";
    if (!r.is_thread() && (r.args.flags & CLONE_SIGHAND)) return "clone of a process that shares handlers of signals";
    if (r.args.exit_signal > 64) return "clone with an exit signal that is none";
    if (is_refused(r, is_clone3)) return "clone with arguments that are refused";
    if (r.is_thread()) return (r.args.flags & CLONE_VM) ? nullptr : "clone of a thread without CLONE_VM";
    if ((r.args.flags & CLONE_VM) && !(r.args.flags & CLONE_VFORK)) return "clone of a process that shares memory";
    if (r.args.flags & CLONE_VM) return nullptr;
    return p.stores_in_files ? "fork with writable shared memory" : nullptr;
}

// What the deputy does: no shared memory (it has none), no TLS, no stack.
Flattened deputy_clone(const CloneRequest& r) {
    clone_args a{};
    constexpr uint64_t kKept = CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_IO | CLONE_PARENT | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
    a.flags = r.args.flags & kKept;
    if (r.is_thread())
        a.flags |= CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
    else if (!(r.args.flags & CLONE_PARENT))  // clone3 takes none with that, clone takes no notice of it
        a.exit_signal = r.args.exit_signal;
    Flattened f;
    f.call.nr = SYS_clone3;
    f.call.args = {0, CLONE_ARGS_SIZE_VER0, 0, 0, 0, 0};
    f.call.arena_size = sizeof a + 8;
    auto bytes = std::as_bytes(std::span(&a, 1));
    f.call.put_in(0, ByteBuffer(bytes));
    f.call.relocs.push_back({0, 0});
    if (a.flags & CLONE_PIDFD) {
        f.call.relocs.push_back({static_cast<uint32_t>(6 + offsetof(clone_args, pidfd)), static_cast<uint32_t>(sizeof a)});
        f.call.out.push_back({static_cast<uint32_t>(sizeof a), 4, OutWhen::IfOk});
        f.back.push_back({static_cast<uint32_t>(sizeof a), r.args.pidfd, 4});
    }
    return f;
}

}  // namespace

Status GuestSupervisor::begin_clone(GuestThread& t) {
    // A signal makes the kernel start a clone over (-ERESTARTNOINTR): the deputy's half is there already.
    if (cloning_ && cloning_->parent == &t && cloning_->child) return clone_here(t, cloning_->child);
    clone_queue_.emplace_back(t.process->pid, t.tid);
    return start_next_clone();
}

Status GuestSupervisor::start_next_clone() {
    auto may_start = [&](const auto& asked) {
        const GuestThread* t = thread_of(asked.first, asked.second);
        return t == nullptr || !t->process->freeze_is_wanted;
    };
    while (!cloning_) {
        auto next = std::find_if(clone_queue_.begin(), clone_queue_.end(), may_start);
        if (next == clone_queue_.end()) return {};
        auto [pid, tid] = *next;
        clone_queue_.erase(next);
        GuestThread* t = thread_of(pid, tid);
        if (t == nullptr || !t->notification) continue;
        if (t->process->held()) {
            TRY(run_again(*t));
            continue;
        }
        TRY(clone_at_home(*t));
    }
    return {};
}

Status GuestSupervisor::clone_at_home(GuestThread& t) {
    GuestMemoryAccess memory(*t.process->memory);
    int64_t error = 0;
    CloneRequest r = request_of(*t.notification, memory, &error);
    if (error != 0) return answer(t, error);
    // A child would find nothing in place of what its parent has not got yet.
    if ((r.args.flags & CLONE_VM) == 0 && lacks_pages(*t.process)) return when_all_are_there(t);
    if (const char* why = why_not_here(r, *t.process, t.notification->nr == SYS_clone3)) return go_home(t, t.notification->nr, why);
    if (!can_tell_pidfd(r, memory)) return go_home(t, t.notification->nr, "clone with CLONE_PIDFD and no place for it");
    // The kernel would refuse the guest's half when home's is there already. Only this thread makes tasks in the jail.
    if (!has_room_for_task(parts_.task_groups))
        return go_home(t, t.notification->nr, "a new task, of which this node allows no more");
    // A child that runs in this memory sees its parent's answers.
    bool shares_answers = !r.is_thread() && (r.args.flags & CLONE_VM) != 0;
    if (shares_answers) take_answers_back(*t.process);
    close_masks(*t.process);
    cloning_ = Cloning{};
    cloning_->parent = &t;
    cloning_->flags = r.args.flags;
    cloning_->is_fork = !r.is_thread();
    // Home's reply must find us here even if it is a restart: `then` sees every result.
    return forward_call(t, nullptr, CallKind::Clone, deputy_clone(r),
                        [this, &t](const Reply& reply, const Flattened& sent) -> Status {
                            GuestMemoryAccess out(*t.process->memory);
                            int64_t result = apply(sent, reply, out);
                            if (result <= 0) {
                                cloning_.reset();
                                TRY(finish(t, result));
                                return start_next_clone();
                            }
                            return clone_here(t, HomePid(static_cast<int32_t>(result)));
                        });
}

Status GuestSupervisor::clone_here(GuestThread& t, HomePid child) {
    cloning_->child = child;
    TRY(parts_.jail.set_next_pid(child));
    if (!cloning_->is_fork) return listener_->let_run(std::exchange(t.notification, std::nullopt)->id);
    TRY(stop_then(t, [this, &t] { return fork_here(t); }));
    return give(t, kErestartNoIntr);
}

// The thread is stopped, its fork cancelled: make it a clone3 with our arguments.
Status GuestSupervisor::fork_here(GuestThread& t) {
    TRY_ASSIGN(Registers r, get_registers(t.outer));
    cloning_->original = r;
    Notification asked;
    asked.nr = static_cast<int64_t>(r.orig_rax);
    asked.args = {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9};
    GuestMemoryAccess memory(*t.process->memory);
    int64_t error = 0;
    clone_args a = request_of(asked, memory, &error).args;
    constexpr uint64_t kAtHomeOnly = CLONE_UNTRACED | CLONE_PIDFD | CLONE_FILES | CLONE_FS | CLONE_IO | CLONE_SYSVSEM;
    a.flags = (a.flags & ~kAtHomeOnly) | CLONE_PARENT;
    a.exit_signal = 0;
    a.pidfd = 0;
    if (asked.nr == SYS_clone && a.stack != 0) a.stack_size = 0;
    // Where no batch gets to: another thread may run one meanwhile, or a vfork's child, whose memory this is too.
    AgentPlace agent = agent_of(*t.process);
    uint64_t scratch = agent.scratch + agent.scratch_size - sizeof(clone_args);
    // clone3 takes the stack's lowest address and its size; clone its top: a stack "of 8 bytes" gives the same top.
    if (asked.nr == SYS_clone && a.stack != 0) {
        a.stack -= 8;
        a.stack_size = 8;
    }
    TRY(t.process->memory->put(scratch, a));
    // No handler may run before our call does: its calls would be taken for ours.
    TRY_ASSIGN(cloning_->signal_mask, get_signal_mask(t.outer));
    TRY(set_signal_mask(t.outer, kInjectionMask));
    Registers changed = r;
    changed.rax = SYS_clone3;
    changed.orig_rax = static_cast<uint64_t>(-1);
    changed.rip = r.rip - 2;
    changed.rdi = scratch;
    changed.rsi = CLONE_ARGS_SIZE_VER0;
    TRY(set_registers(t.outer, changed));
    t.injecting = true;  // its notification is ours
    t.stopped = false;
    return resume(t.outer);
}

Status GuestSupervisor::clone_event(GuestThread& t, const Stop& stop) {
    bool is_clone = stop.event == PTRACE_EVENT_CLONE || stop.event == PTRACE_EVENT_FORK || stop.event == PTRACE_EVENT_VFORK;
    if (!is_clone || !cloning_ || cloning_->parent != &t) return go_on(t);
    TRY_ASSIGN(uint64_t message, event_message(t.outer));
    spdlog::debug("{}: clone event, {}", t.tid.value, message);
    t.injecting = false;
    if (cloning_->is_fork) {
        // Still inside the call: what is set now is what the program finds in its registers.
        TRY_ASSIGN(Registers r, get_registers(t.outer));
        const Registers& o = cloning_->original;
        r.rdi = o.rdi;
        r.rsi = o.rsi;
        TRY(set_registers(t.outer, r));
        TRY(set_signal_mask(t.outer, cloning_->signal_mask));
    }
    // Before the parent goes on: it may end at once, and the child has to be known by then.
    auto adopted = adopt_child(static_cast<pid_t>(message));
    if (t.process->ends_after_clone) {
        kill_process(*t.process);
        return adopted;
    }
    // A vfork's parent is not held for a freeze: it could not be stopped until the child is gone anyway.
    t.stopped = false;
    TRY(resume(t.outer));
    return adopted;
}

Status GuestSupervisor::adopt_child(pid_t outer) {
    constexpr int kFirstStopTimeoutMs = 5000;
    if (unclaimed_stops_.erase(outer) == 0) {
        TRY_ASSIGN(int status, wait(outer, kFirstStopTimeoutMs));
        if (classify(status).kind == Stop::Kind::Exited) {
            cloning_.reset();
            return start_next_clone();
        }
    }
    Cloning done = *cloning_;
    cloning_.reset();
    GuestProcess& parent = *done.parent->process;
    GuestThread* child = nullptr;
    if (done.is_fork) {
        auto made = std::make_unique<GuestProcess>();
        made->pid = done.child;
        made->outer = outer;
        made->memory = std::make_unique<RemoteMemory>(outer);
        made->image = parent.image;
        made->image.set_pid(done.child.value);
        made->image.clear_cpu_user_ns();
        made->image.clear_cpu_system_ns();
        made->image.clear_cpu_home_ns();
        TRY(limit_cpu(*made));
        made->shares_memory = (done.flags & CLONE_VM) != 0;
        if (done.flags & CLONE_VFORK) {
            made->vfork_parent = parent.pid;
            parent.vfork_children++;
        }
        made->stores_in_files = parent.stores_in_files;
        child = &add_thread(*made, done.child, outer);
        processes_[done.child] = std::move(made);
        TRY_ASSIGN(Registers r, get_registers(outer));
        r.rdi = done.original.rdi;
        r.rsi = done.original.rsi;
        TRY(set_registers(outer, r));
        TRY(set_signal_mask(outer, done.signal_mask));
    } else {
        child = &add_thread(parent, done.child, outer);
    }
    child->home_mask = done.parent->home_mask;
    child->mask_is_late = done.parent->mask_is_late;
    TRY(inherit_patches(*done.parent, *child));
    spdlog::debug("new guest task {} ({})", done.child.value, outer);
    child->stopped = true;
    TRY(go_on(*child));
    return start_next_clone();
}

}  // namespace pmi
