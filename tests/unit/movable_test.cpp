// cantmove reasons, each against a real process that does the thing.
#include "runtime/deputy/movable.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <functional>

#include "runtime/kernel/shared_memory.h"

namespace pmi {
namespace {

// A child that has run `prepare` and now sleeps; ended and reaped at the end.
class Child {
  public:
    explicit Child(const std::function<void()>& prepare, int flags = 0) {
        int ready[2];
        EXPECT_EQ(::pipe(ready), 0);
        pid = static_cast<pid_t>(::syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0));
        if (pid == 0) {
            prepare();
            (void)!::write(ready[1], "x", 1);
            for (;;) ::pause();
        }
        ::close(ready[1]);
        char c = 0;
        EXPECT_EQ(::read(ready[0], &c, 1), 1) << "the child failed";
        ::close(ready[0]);
    }
    ~Child() {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, __WALL);
    }
    std::string reason() const { return cantmove_reason(pid).value_or(""); }
    pid_t pid;
};

void* shared_map(size_t size, int flags = MAP_ANONYMOUS, int fd = -1) {
    return ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(Movable, AnOrdinaryProcessIs) {
    Child child([] {});
    EXPECT_EQ(child.reason(), "");
}

TEST(Movable, SoAreMlockedAndStoppedOnes) {
    Child child([] { ::mlockall(MCL_CURRENT); });
    ::kill(child.pid, SIGSTOP);
    EXPECT_EQ(child.reason(), "");
}

TEST(Movable, NoSuchProcess) { EXPECT_TRUE(contains(*cantmove_reason(1 << 30), "no process")); }

TEST(Movable, Zombie) {
    pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    siginfo_t info;
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
    EXPECT_TRUE(contains(*cantmove_reason(pid), "zombie"));
    ::waitpid(pid, nullptr, 0);
}

TEST(Movable, AnEndedLeaderIsNoZombie) {
    pid_t pid = ::fork();
    if (pid == 0) {
        pthread_t thread;
        ::pthread_create(
            &thread, nullptr,
            [](void*) -> void* {
                for (;;) ::pause();
            },
            nullptr);
        ::syscall(SYS_exit, 0);  // this thread alone
    }
    for (int i = 0; i < 200; i++) {
        auto stat = read_stat(pid);
        if (stat && stat->state == 'Z') break;
        ::usleep(10000);
    }
    EXPECT_EQ(cantmove_reason(pid).value_or(""), "");
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
}

TEST(Movable, SharedAnonymousMemory) {
    void* map = shared_map(4096);
    Child child([] {});
    EXPECT_TRUE(contains(child.reason(), fmt::format("memory shared with PID {}", ::getpid()))) << child.reason();
    EXPECT_TRUE(contains(child.reason(), "anonymous"));
    ::munmap(map, 4096);
    EXPECT_EQ(child.reason(), "") << "its only user can move";
}

TEST(Movable, SharedMemoryObject) {
    int fd = ::memfd_create("table", 0);
    ASSERT_EQ(::ftruncate(fd, 4096), 0);
    void* map = shared_map(4096, 0, fd);
    Child child([] {});
    EXPECT_TRUE(contains(child.reason(), "memfd:table")) << child.reason();
    ::munmap(map, 4096);
    ::close(fd);
}

TEST(Movable, SystemVSharedMemory) {
    int id = ::shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    if (id < 0) GTEST_SKIP() << "no System V shared memory";
    void* map = ::shmat(id, nullptr, 0);
    ::shmctl(id, IPC_RMID, nullptr);
    Child child([] {});
    EXPECT_TRUE(contains(child.reason(), "System V")) << child.reason();
    ::shmdt(map);
    EXPECT_EQ(child.reason(), "");
}

// The id of a System V segment is its inode number: the first one after a boot has 0.
TEST(Movable, TheFirstSystemVSegment) {
    MapsEntry segment;
    segment.shared = segment.write = true;
    segment.name = "/SYSV00000000 (deleted)";
    EXPECT_TRUE(is_same_live_memory(segment, segment));
    segment.name = "";
    EXPECT_FALSE(is_same_live_memory(segment, segment));
}

TEST(Movable, MemoryThatAnotherProcessHasADescriptorOf) {
    int fd = ::memfd_create("held", 0);
    ASSERT_EQ(::ftruncate(fd, 4096), 0);
    Child child([fd] { shared_map(4096, 0, fd); });
    EXPECT_EQ(child.reason(), "");  // this test is the same image as the child: not another one
    pid_t holder = 0;
    char* const arguments[] = {const_cast<char*>("sleep"), const_cast<char*>("60"), nullptr};
    ASSERT_EQ(::posix_spawnp(&holder, "sleep", nullptr, nullptr, arguments, environ), 0);
    ::close(fd);
    EXPECT_TRUE(contains(child.reason(), fmt::format("PID {} can share", holder))) << child.reason();
    ::kill(holder, SIGKILL);
    ::waitpid(holder, nullptr, 0);
    EXPECT_EQ(child.reason(), "");
}

TEST(Movable, ReadersOfOneFileAreNoObstacle) {
    int fd = ::memfd_create("readers", 0);
    ASSERT_EQ(::ftruncate(fd, 4096), 0);
    void* map = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
    Child child([] {});
    EXPECT_EQ(child.reason(), "");
    ::mprotect(map, 4096, PROT_READ | PROT_WRITE);
    EXPECT_TRUE(contains(child.reason(), "memory shared"));
    ::munmap(map, 4096);
    ::close(fd);
}

TEST(Movable, SharedAddressSpace) {
    Child child([] {
        static char stack[65536];
        (void)::clone(
            [](void*) -> int {
                for (;;) ::pause();
            },
            stack + sizeof stack, CLONE_VM | SIGCHLD, nullptr);
        ::prctl(PR_SET_NAME, "vm-parent");
    });
    std::string reason = child.reason();
    if (reason.empty()) GTEST_SKIP() << "kcmp is not to be had";
    EXPECT_TRUE(contains(reason, "CLONE_VM")) << reason;
    auto at = reason.find("PID ");
    pid_t other = std::atoi(reason.c_str() + at + 4);
    if (other > 1) ::kill(other, SIGKILL);
}

// In a child of a test's child: until that one is ended, which may be at once.
[[noreturn]] void stay_as_long_as(pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);
    for (;;) ::pause();
}

// What is looked for once more when it stands still.
TEST(Movable, WhatHasComeSince) {
    MovableContext again;
    again.again = true;
    Child quiet([] {});
    EXPECT_FALSE(cantmove_reason(quiet.pid, again));
    Child sharing([] {
        shared_map(4096);
        pid_t parent = ::getpid();
        if (::fork() == 0) stay_as_long_as(parent);
    });
    SharerSearch search(sharing.pid);
    EXPECT_TRUE(contains(cantmove_sharing(search).value_or(""), "memory shared with PID"));
    Child with_address_space([] {
        static char stack[65536];
        static pid_t parent = ::getpid();
        ::clone([](void*) -> int { stay_as_long_as(parent); }, stack + sizeof stack, CLONE_VM, nullptr);
    });
    EXPECT_TRUE(contains(cantmove_reason(with_address_space.pid, again).value_or(""), "the whole address space"));
}

// A second look reads the mappings of those that are new or have changed.
TEST(Movable, SharersAgain) {
    int file = ::memfd_create("shared", MFD_CLOEXEC);
    ASSERT_GE(file, 0);
    ASSERT_EQ(::ftruncate(file, 8192), 0);
    static int mapped_later;
    mapped_later = file;
    Child one([&] { shared_map(8192, 0, file); });
    Child other([] { ::signal(SIGUSR1, [](int) { shared_map(8192, 0, mapped_later); }); });
    SharerSearch search(one.pid);
    EXPECT_EQ(cantmove_sharing(search).value_or(""), "");
    EXPECT_EQ(cantmove_sharing(search).value_or(""), "");
    {
        Child late([&] { shared_map(8192, 0, file); });
        EXPECT_TRUE(contains(cantmove_sharing(search).value_or(""), fmt::format("PID {}", late.pid)));
    }
    EXPECT_EQ(cantmove_sharing(search).value_or(""), "");
    ::kill(other.pid, SIGUSR1);
    auto ours = read_maps(one.pid);
    ASSERT_TRUE(ours);
    while (!find_sharer(one.pid, *ours, {other.pid})) ::sched_yield();
    EXPECT_TRUE(contains(cantmove_sharing(search).value_or(""), fmt::format("PID {}", other.pid)));
    ::close(file);
}

TEST(Movable, Traced) {
    Child child([] {});
    ASSERT_EQ(::ptrace(PTRACE_SEIZE, child.pid, 0, 0), 0);
    EXPECT_TRUE(contains(child.reason(), "traced by PID"));
    MovableContext context;
    context.own_tracers = {::getpid()};
    EXPECT_FALSE(cantmove_reason(child.pid, context));
    ::ptrace(PTRACE_INTERRUPT, child.pid, 0, 0);
    ::waitpid(child.pid, nullptr, __WALL);
    ::ptrace(PTRACE_DETACH, child.pid, 0, 0);
}

TEST(Movable, SeccompFilter) {
    Child child([] {
        sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
        sock_fprog filter{1, code};
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
    });
    EXPECT_TRUE(contains(child.reason(), "seccomp"));
    MovableContext context;
    context.own_filters = 1;
    EXPECT_FALSE(cantmove_reason(child.pid, context)) << "pmirun's own filter";
}

TEST(Movable, IoUring) {
    Child child([] {
        char parameters[120] = {};
        if (::syscall(SYS_io_uring_setup, 4, parameters) < 0) ::prctl(PR_SET_NAME, "no-uring");
    });
    auto stat = read_stat(child.pid);
    if (stat && stat->comm == "no-uring") GTEST_SKIP() << "no io_uring here";
    EXPECT_TRUE(contains(child.reason(), "io_uring"));
}

TEST(Movable, Userfaultfd) {
    Child child([] {
        if (::syscall(SYS_userfaultfd, O_CLOEXEC | 1) < 0) ::prctl(PR_SET_NAME, "no-uffd");
    });
    auto stat = read_stat(child.pid);
    if (stat && stat->comm == "no-uffd") GTEST_SKIP() << "no userfaultfd here";
    EXPECT_TRUE(contains(child.reason(), "userfaultfd"));
}

TEST(Movable, AsynchronousIo) {
    Child child([] {
        static unsigned long context = 0;
        if (::syscall(SYS_io_setup, 4, &context) < 0) ::prctl(PR_SET_NAME, "no-aio");
    });
    auto stat = read_stat(child.pid);
    if (stat && stat->comm == "no-aio") GTEST_SKIP() << "no io_setup here";
    EXPECT_TRUE(contains(child.reason(), "asynchronous I/O")) << child.reason();
}

TEST(Movable, TimerOnCpuTime) {
    auto make_timer = [](clockid_t clock) {
        timer_t timer;
        if (::timer_create(clock, nullptr, &timer) != 0) ::_exit(1);
    };
    Child monotonic([&] { make_timer(CLOCK_MONOTONIC); });
    EXPECT_EQ(monotonic.reason(), "");
    Child cpu([&] { make_timer(CLOCK_PROCESS_CPUTIME_ID); });
    if (::access("/proc/self/timers", R_OK) != 0) GTEST_SKIP() << "no /proc/PID/timers here";
    EXPECT_TRUE(contains(cpu.reason(), "a timer on CPU time")) << cpu.reason();
}

TEST(Movable, NotDumpable) {
    if (::geteuid() == 0) GTEST_SKIP() << "root may look inside anything";
    Child child([] { ::prctl(PR_SET_DUMPABLE, 0); });
    EXPECT_TRUE(contains(child.reason(), "not dumpable"));
}

TEST(Movable, OwnPidNamespace) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    Child child([] {}, CLONE_NEWPID);
    EXPECT_TRUE(contains(child.reason(), "PID namespace"));
}

MapsEntry mapping(const std::string& name, const std::string& flags) {
    MapsEntry e;
    e.name = name;
    e.vm_flags = flags;
    return e;
}

TEST(CantmoveMapping, ByFlags) {
    EXPECT_TRUE(contains(*cantmove_mapping(mapping("/dev/dri/card0", "rd wr sh io pf de")), "/dev/dri/card0"));
    EXPECT_TRUE(contains(*cantmove_mapping(mapping("", "rd wr mr ht")), "huge"));
    EXPECT_TRUE(contains(*cantmove_mapping(mapping("", "rd wr ss")), "shadow stack"));
    EXPECT_TRUE(contains(*cantmove_mapping(mapping("", "rd wr mr sl")), "sealed"));
    EXPECT_TRUE(contains(*cantmove_mapping(mapping("", "rd wr mr um")), "userfaultfd"));
    EXPECT_TRUE(contains(*cantmove_mapping(mapping("anon_inode:[perf_event]", "rd wr sh")), "performance"));
    for (const char* own : {"[vvar]", "[vvar_vclock]", "[vsyscall]"})
        EXPECT_FALSE(cantmove_mapping(mapping(own, "rd mr pf io de dd sl"))) << own;
    EXPECT_FALSE(cantmove_mapping(mapping("[heap]", "rd wr mr mw me ac lo")));
}

TEST(CantmoveDescriptor, ByLink) {
    EXPECT_TRUE(cantmove_descriptor("anon_inode:[io_uring]"));
    EXPECT_TRUE(cantmove_descriptor("anon_inode:[userfaultfd]"));
    EXPECT_TRUE(cantmove_descriptor("anon_inode:kvm-vm"));
    for (const char* fine : {"anon_inode:[eventpoll]", "socket:[12]", "/tmp/anon_inode:[io_uring]", "pipe:[1]"})
        EXPECT_FALSE(cantmove_descriptor(fine)) << fine;
}

}  // namespace
}  // namespace pmi
