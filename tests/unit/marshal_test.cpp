// The marshaller, proved on the kernel: a call is made directly, and again the long way that a forwarded call
// goes: flattened, encoded, decoded, laid out in an arena of its own, performed, collected, encoded, decoded,
// applied. Both must give the same. The "guest's memory" is this process' own, read so that a bad address is
// an error, not a crash.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <thread>

#include "interpose/marshal/call.h"
#include "interpose/marshal/flatten.h"
#include "interpose/syscall/row.h"
#include "interpose/syscall/sizes.h"
#include "runtime/base/fd.h"

namespace pmi {
namespace {

// --- The two ways
// ----------------------------------------------------------------------------------------------

class OwnMemory : public GuestMemory {
  public:
    size_t read(uint64_t address, std::span<std::byte> to) const override {
        return by_pages(address, to.size(), [&](size_t done, size_t piece) {
            iovec mine{to.data() + done, piece}, theirs{reinterpret_cast<void*>(address + done), piece};
            return process_vm_readv(getpid(), &mine, 1, &theirs, 1, 0) == static_cast<ssize_t>(piece);
        });
    }
    size_t write(uint64_t address, std::span<const std::byte> from) override {
        return by_pages(address, from.size(), [&](size_t done, size_t piece) {
            iovec mine{const_cast<std::byte*>(from.data() + done), piece};
            iovec theirs{reinterpret_cast<void*>(address + done), piece};
            return process_vm_writev(getpid(), &mine, 1, &theirs, 1, 0) == static_cast<ssize_t>(piece);
        });
    }

  private:
    template <typename Copy>
    static size_t by_pages(uint64_t address, size_t size, Copy copy) {
        size_t done = 0;
        while (done < size) {
            size_t piece = std::min<size_t>(size - done, 4096 - (address + done) % 4096);
            if (!copy(done, piece)) break;
            done += piece;
        }
        return done;
    }
};

using Args = std::array<uint64_t, 6>;

// The call itself, outside of libc: no cancellation, no errno.
int64_t raw(int64_t nr, const Args& a) {
    register uint64_t r10 asm("r10") = a[3];
    register uint64_t r8 asm("r8") = a[4];
    register uint64_t r9 asm("r9") = a[5];
    int64_t result;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
}

template <typename T>
uint64_t word(T value) {
    if constexpr (std::is_pointer_v<T>)
        return reinterpret_cast<uint64_t>(value);
    else if constexpr (std::is_null_pointer_v<T>)
        return 0;
    else
        return static_cast<uint64_t>(static_cast<int64_t>(value));
}

template <typename... A>
Args args_of(A... a) {
    return Args{word(a)...};
}

template <typename... A>
int64_t direct(int64_t nr, A... a) {
    return raw(nr, args_of(a...));
}

template <typename... A>
Flattening flattened(int64_t nr, A... a) {
    OwnMemory memory;
    return flatten(*find_row(nr), args_of(a...), memory);
}

constexpr int64_t kWentHome = -100000;
constexpr int64_t kRanLocally = -100001;

// Home's part, in an arena full of old bytes: gives the reply's.
ByteBuffer perform(const Call& call) {
    size_t size = std::max<size_t>(call.arena_size, 1);
    Mapping arena(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), size);
    std::span<std::byte> memory(arena.data(), size);
    if (size < (1u << 20)) std::memset(memory.data(), 0xa5, size);
    Args args = lay_out(call, memory, reinterpret_cast<uint64_t>(memory.data()));
    int64_t result = raw(call.nr, args);
    return encode(collect(call, memory, result)).whole();
}

int64_t away_with(int64_t nr, const Args& args) {
    OwnMemory memory;
    Flattening how = flatten(*find_row(nr), args, memory);
    if (auto* refused = std::get_if<Refused>(&how)) return refused->result;
    if (std::holds_alternative<GoHome>(how)) return kWentHome;
    if (std::holds_alternative<RunLocally>(how)) return kRanLocally;
    const Flattened& sent = std::get<Flattened>(how);
    ByteBuffer bytes = encode(sent.call).whole();
    auto call = decode_call(bytes);
    EXPECT_TRUE(call) << find_row(nr)->name << ": " << call.error().message();
    if (!call) return kWentHome;
    bytes = perform(*call);
    auto reply = decode_reply(bytes);
    EXPECT_TRUE(reply) << find_row(nr)->name << ": " << reply.error().message();
    if (!reply) return kWentHome;
    return apply(sent, *reply, memory);
}

template <typename... A>
int64_t away(int64_t nr, A... a) {
    return away_with(nr, args_of(a...));
}

// For calls that can be made twice: the same result, and the same bytes in `out`.
template <typename T, typename... A>
void expect_same(const char* what, T& out, int64_t nr, A... a) {
    std::memset(static_cast<void*>(&out), 0x5c, sizeof out);
    int64_t expected = direct(nr, a...);
    std::array<char, sizeof out> there;
    std::memcpy(there.data(), &out, sizeof out);
    std::memset(static_cast<void*>(&out), 0x5c, sizeof out);
    int64_t got = away(nr, a...);
    EXPECT_EQ(got, expected) << what;
    EXPECT_EQ(std::memcmp(there.data(), &out, sizeof out), 0) << what;
}
template <typename... A>
void expect_same_result(const char* what, int64_t nr, A... a) {
    EXPECT_EQ(away(nr, a...), direct(nr, a...)) << what;
}

// A directory that goes away with the test, and is the working directory meanwhile.
class InDirectory : public ::testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/pmi-marshal-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        name_ = name;
        ASSERT_NE(getcwd(before_, sizeof before_), nullptr);
        ASSERT_EQ(chdir(name), 0);
    }
    void TearDown() override {
        ASSERT_EQ(chdir(before_), 0);
        ASSERT_EQ(system(("rm -rf " + name_).c_str()), 0);
    }
    static Fd make_file(const char* name, std::string_view content) {
        Fd fd(open(name, O_RDWR | O_CREAT | O_TRUNC, 0644));
        EXPECT_EQ(write(fd.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
        lseek(fd.get(), 0, SEEK_SET);
        return fd;
    }
    std::string name_;
    char before_[PATH_MAX];
};
using Files = InDirectory;

// `size` bytes that end where nothing is mapped.
class Edge {
  public:
    explicit Edge(size_t pages = 1) : size_(pages * 4096) {
        base_ = static_cast<char*>(mmap(nullptr, size_ + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        munmap(base_ + size_, 4096);
    }
    Edge(const Edge&) = delete;
    Edge& operator=(const Edge&) = delete;
    ~Edge() { munmap(base_, size_); }
    char* end() { return base_ + size_; }
    char* before_end(size_t n) { return end() - n; }

  private:
    char* base_;
    size_t size_;
};

char* const kNowhere = reinterpret_cast<char*>(0x10);

// --- Bytes of files
// --------------------------------------------------------------------------------------------

TEST_F(Files, ReadAndWrite) {
    Fd fd = make_file("f", "0123456789abcdef");
    char buffer[32] = {};
    EXPECT_EQ(away(SYS_read, fd.get(), buffer, 10), 10);
    EXPECT_STREQ(buffer, "0123456789");
    EXPECT_EQ(away(SYS_lseek, fd.get(), 0, SEEK_CUR), 10);
    expect_same("pread64", buffer, SYS_pread64, fd.get(), buffer, sizeof buffer, 4);
    EXPECT_EQ(away(SYS_pwrite64, fd.get(), "XY", 2, 1), 2);
    EXPECT_EQ(away(SYS_write, fd.get(), "QRS", 3), 3);
    EXPECT_EQ(away(SYS_pread64, fd.get(), buffer, 32, 0), 16);
    EXPECT_EQ(std::string(buffer, 16), "0XY3456789QRSdef");
    EXPECT_EQ(away(SYS_read, fd.get(), buffer, 0), 0);
    EXPECT_EQ(away(SYS_read, fd.get(), nullptr, 0), 0);
    expect_same_result("read from null", SYS_read, fd.get(), nullptr, 5);
    EXPECT_EQ(away(SYS_read, fd.get(), kNowhere, 2), -EFAULT);
    EXPECT_EQ(away(SYS_write, fd.get(), kNowhere, 2), -EFAULT);
    EXPECT_EQ(away(SYS_read, -1, buffer, 2), -EBADF);
}

TEST_F(Files, Vectors) {
    Fd fd = make_file("f", "0123456789abcdefghij");
    char a[4] = {}, b[8] = {}, c[16] = {};
    iovec vec[] = {{a, 3}, {nullptr, 0}, {b, 7}, {c, 16}};
    EXPECT_EQ(away(SYS_readv, fd.get(), vec, 4), 20);
    EXPECT_EQ(std::string(a) + "|" + b + "|" + std::string(c, 10), "012|3456789|abcdefghij");
    EXPECT_EQ(away(SYS_preadv, fd.get(), vec, 3, 5, 0), 10);
    EXPECT_EQ(std::string(a) + "|" + b, "567|89abcde");
    EXPECT_EQ(away(SYS_preadv2, fd.get(), vec, 1, 1, 0, 0), 3);
    EXPECT_STREQ(a, "123");
    iovec out[] = {{const_cast<char*>("AB"), 2}, {const_cast<char*>("CDE"), 3}};
    EXPECT_EQ(away(SYS_pwritev, fd.get(), out, 2, 2, 0), 5);
    EXPECT_EQ(away(SYS_pwritev2, fd.get(), out, 2, 12, 0, 0), 5);
    EXPECT_EQ(direct(SYS_lseek, fd.get(), 0, SEEK_SET), 0);
    EXPECT_EQ(away(SYS_writev, fd.get(), out, 1), 2);
    char all[21] = {};
    EXPECT_EQ(away(SYS_pread64, fd.get(), all, 20, 0), 20);
    EXPECT_STREQ(all, "ABABCDE789abABCDEhij");
    expect_same_result("too many", SYS_readv, fd.get(), vec, 1025);
    expect_same_result("none", SYS_readv, fd.get(), vec, 0);
    expect_same_result("vector nowhere", SYS_readv, fd.get(), kNowhere, 1);
    iovec negative[] = {{a, 3}, {b, static_cast<size_t>(-1)}};
    expect_same_result("negative length", SYS_readv, fd.get(), negative, 2);
    EXPECT_EQ(away(SYS_readv, fd.get(), std::array<iovec, 1>{{{kNowhere, 3}}}.data(), 1), kWentHome);
}

TEST_F(Files, PartlyBadBuffers) {
    Edge edge;
    Fd fd = make_file("f", "0123456789");
    EXPECT_EQ(away(SYS_write, fd.get(), edge.before_end(100), 5000), kWentHome);
    iovec out[] = {{const_cast<char*>("ab"), 2}, {edge.before_end(10), 20}, {const_cast<char*>("cd"), 2}};
    EXPECT_EQ(away(SYS_writev, fd.get(), out, 3), kWentHome);
    EXPECT_EQ(away(SYS_pread64, fd.get(), edge.before_end(50), 5000, 0), kWentHome);
    EXPECT_EQ(away(SYS_pread64, fd.get(), edge.end(), 10, 0), -EFAULT);
    EXPECT_EQ(away(SYS_lseek, fd.get(), 0, SEEK_END), 10);
}

// Found before the call is made, or what it brings would be lost.
TEST_F(Files, BuffersForReading) {
    Fd fd = make_file("f", "0123456789");
    auto* page = static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    struct ReadOnly : OwnMemory {
        bool is_read_only(uint64_t, uint64_t) const override { return true; }
    } memory;
    EXPECT_TRUE(std::holds_alternative<GoHome>(flatten(*find_row(SYS_read), args_of(fd.get(), page, 10), memory)));
    iovec vec{page, 10};
    EXPECT_TRUE(std::holds_alternative<GoHome>(flatten(*find_row(SYS_readv), args_of(fd.get(), &vec, 1), memory)));
    EXPECT_TRUE(std::holds_alternative<GoHome>(flatten(*find_row(SYS_fstat), args_of(fd.get(), page), memory)));
    EXPECT_TRUE(std::holds_alternative<Flattened>(flatten(*find_row(SYS_write), args_of(fd.get(), page, 10), memory)));
    munmap(page, 4096);
}

TEST_F(Files, HugeCounts) {
    Fd fd = make_file("f", "0123456789");
    size_t half = 1u << 30;
    auto* large =
        static_cast<char*>(mmap(nullptr, half, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    ASSERT_NE(large, MAP_FAILED);
    expect_same_result("the largest count", SYS_pread64, fd.get(), large, SSIZE_MAX, 0);
    expect_same_result("negative count", SYS_pread64, fd.get(), large, -1, 0);
    auto how = flattened(SYS_read, fd.get(), large, half);
    EXPECT_TRUE(std::holds_alternative<GoHome>(how));
    munmap(large, half);
}

TEST_F(Files, BuffersKeepTheirAlignment) {
    Fd fd = make_file("f", std::string(8192, 'z'));
    alignas(4096) static char buffer[8192];
    auto how = flattened(SYS_read, fd.get(), buffer, 4096);
    EXPECT_EQ(std::get<Flattened>(how).call.relocs.at(0).target % 4096, 0u);
    how = flattened(SYS_read, fd.get(), buffer + 512, 4096);
    EXPECT_EQ(std::get<Flattened>(how).call.relocs.at(0).target % 512, 0u);
}

TEST_F(Files, CopiesBetweenFds) {
    Fd from = make_file("from", std::string(5000, 'q')), to = make_file("to", "");
    int64_t at = 100, to_at = 7;
    EXPECT_EQ(away(SYS_sendfile, to.get(), from.get(), &at, 1000), 1000);
    EXPECT_EQ(at, 1100);
    EXPECT_EQ(away(SYS_sendfile, to.get(), from.get(), nullptr, 10), 10);
    EXPECT_EQ(away(SYS_copy_file_range, from.get(), &at, to.get(), &to_at, 50, 0), 50);
    EXPECT_EQ(at, 1150);
    EXPECT_EQ(to_at, 57);
    int pipes[4];
    ASSERT_EQ(away(SYS_pipe2, pipes, O_NONBLOCK), 0);
    ASSERT_EQ(away(SYS_pipe, pipes + 2), 0);
    EXPECT_EQ(away(SYS_splice, from.get(), &at, pipes[1], nullptr, 500, 0), 500);
    EXPECT_EQ(at, 1650);
    EXPECT_EQ(away(SYS_tee, pipes[0], pipes[3], 200, 0), 200);
    EXPECT_EQ(away(SYS_readahead, from.get(), 0, 100), 0);
    EXPECT_EQ(away(SYS_fadvise64, from.get(), 0, 100, POSIX_FADV_NORMAL), 0);
    EXPECT_EQ(away(SYS_sync_file_range, from.get(), 0, 0, 0), 0);
    EXPECT_EQ(away(SYS_pipe, kNowhere), -EFAULT);
    for (int fd : pipes) close(fd);
}

// --- Names and inodes
// ------------------------------------------------------------------------------------------

TEST_F(Files, NamesInAndOut) {
    EXPECT_EQ(away(SYS_mkdir, "d", 0755), 0);
    EXPECT_EQ(away(SYS_mkdirat, AT_FDCWD, "e", 0755), 0);
    int fd = static_cast<int>(away(SYS_open, "d/f", O_RDWR | O_CREAT, 0600));
    ASSERT_GE(fd, 0);
    EXPECT_EQ(away(SYS_close, fd), 0);
    fd = static_cast<int>(away(SYS_creat, "g", 0600));
    ASSERT_GE(fd, 0);
    close(fd);
    EXPECT_EQ(away(SYS_link, "g", "h"), 0);
    EXPECT_EQ(away(SYS_linkat, AT_FDCWD, "g", AT_FDCWD, "i", 0), 0);
    EXPECT_EQ(away(SYS_symlink, "g", "s"), 0);
    EXPECT_EQ(away(SYS_symlinkat, "d/f", AT_FDCWD, "t"), 0);
    EXPECT_EQ(away(SYS_rename, "h", "hh"), 0);
    EXPECT_EQ(away(SYS_renameat2, AT_FDCWD, "i", AT_FDCWD, "ii", RENAME_NOREPLACE), 0);
    EXPECT_EQ(away(SYS_access, "hh", R_OK), 0);
    EXPECT_EQ(away(SYS_faccessat2, AT_FDCWD, "nothing", R_OK, 0), -ENOENT);
    EXPECT_EQ(away(SYS_chmod, "hh", 0640), 0);
    EXPECT_EQ(away(SYS_fchmodat, AT_FDCWD, "hh", 0600), 0);
    EXPECT_EQ(away(SYS_lchown, "s", getuid(), getgid()), 0);
    EXPECT_EQ(away(SYS_truncate, "hh", 100), 0);
    EXPECT_EQ(away(SYS_unlink, "ii"), 0);
    EXPECT_EQ(away(SYS_unlinkat, AT_FDCWD, "e", AT_REMOVEDIR), 0);
    EXPECT_EQ(away(SYS_mknod, "fifo", S_IFIFO | 0600, 0), 0);
    char buffer[64];
    expect_same("readlink", buffer, SYS_readlink, "t", buffer, sizeof buffer);
    expect_same("readlink, cut", buffer, SYS_readlink, "t", buffer, 2);
    expect_same("readlink, negative", buffer, SYS_readlink, "t", buffer, -1);
    expect_same("readlinkat", buffer, SYS_readlinkat, AT_FDCWD, "s", buffer, 64);
    expect_same("getcwd", buffer, SYS_getcwd, buffer, sizeof buffer);
    expect_same("getcwd, short", buffer, SYS_getcwd, buffer, 3);
    EXPECT_EQ(away(SYS_chdir, "d"), 0);
    EXPECT_EQ(away(SYS_access, "f", R_OK), 0);
}

TEST_F(Files, BadNames) {
    Edge edge;
    std::strcpy(edge.before_end(2), "x");
    EXPECT_EQ(away(SYS_access, edge.before_end(2), F_OK), -ENOENT);
    *edge.before_end(1) = 'y';
    EXPECT_EQ(away(SYS_access, edge.before_end(2), F_OK), -EFAULT);
    EXPECT_EQ(away(SYS_access, kNowhere, F_OK), -EFAULT);
    expect_same_result("null", SYS_access, nullptr, F_OK);
    expect_same_result("empty", SYS_access, "", F_OK);
    std::string longest(4095, '/'), too_long(4096, '/');
    expect_same_result("longest", SYS_access, longest.c_str(), F_OK);
    expect_same_result("too long", SYS_access, too_long.c_str(), F_OK);
}

TEST_F(Files, Inodes) {
    Fd fd = make_file("f", "0123456789");
    struct stat st;
    struct statx stx;
    struct statfs fs;
    expect_same("stat", st, SYS_stat, "f", &st);
    expect_same("lstat", st, SYS_lstat, "f", &st);
    expect_same("fstat", st, SYS_fstat, fd.get(), &st);
    expect_same("fstat, bad fd", st, SYS_fstat, -1, &st);
    expect_same("newfstatat", st, SYS_newfstatat, AT_FDCWD, "f", &st, 0);
    expect_same("newfstatat of the fd", st, SYS_newfstatat, fd.get(), "", &st, AT_EMPTY_PATH);
    expect_same("statx", stx, SYS_statx, AT_FDCWD, "f", 0, STATX_BASIC_STATS, &stx);
    // Of /proc: what a disk has left is changed by others between two looks.
    Fd proc(open("/proc/self/stat", O_RDONLY));
    expect_same("statfs", fs, SYS_statfs, "/proc", &fs);
    EXPECT_EQ(fs.f_type, PROC_SUPER_MAGIC);
    expect_same("fstatfs", fs, SYS_fstatfs, proc.get(), &fs);
    EXPECT_EQ(fs.f_namelen, NAME_MAX);
    expect_same_result("statfs of a relative name", SYS_statfs, "f", &fs);
    expect_same("fstatfs, bad fd", fs, SYS_fstatfs, -1, &fs);
    EXPECT_EQ(away(SYS_stat, "f", kNowhere), -EFAULT);
    EXPECT_EQ(away(SYS_stat, "none", kNowhere), -ENOENT);
    timespec times[2] = {{1000, 5}, {2000, 6}};
    EXPECT_EQ(away(SYS_utimensat, AT_FDCWD, "f", times, 0), 0);
    EXPECT_EQ(away(SYS_utimensat, fd.get(), nullptr, times, 0), 0);
    ASSERT_EQ(fstat(fd.get(), &st), 0);
    EXPECT_EQ(st.st_mtim.tv_sec, 2000);
    EXPECT_EQ(st.st_mtim.tv_nsec, 6);
    timeval old[2] = {{3000, 0}, {4000, 0}};
    EXPECT_EQ(away(SYS_utimes, "f", old), 0);
    EXPECT_EQ(away(SYS_fchmod, fd.get(), 0600), 0);
    EXPECT_EQ(away(SYS_ftruncate, fd.get(), 4), 0);
    EXPECT_EQ(away(SYS_fallocate, fd.get(), 0, 0, 100), 0);
    EXPECT_EQ(away(SYS_fsync, fd.get()), 0);
    EXPECT_EQ(away(SYS_fdatasync, fd.get()), 0);
    open_how how{O_RDONLY, 0, RESOLVE_NO_SYMLINKS};
    Fd again(static_cast<int>(away(SYS_openat2, AT_FDCWD, "f", &how, sizeof how)));
    EXPECT_TRUE(again.valid());
    expect_same_result("openat2, short", SYS_openat2, AT_FDCWD, "f", &how, 3);
    uint64_t range[2] = {0, 0};
    uint64_t cached[5];
    expect_same("cachestat", cached, 451, fd.get(), range, cached, 0);
}

TEST_F(Files, Directories) {
    for (int i = 0; i < 50; i++) make_file(("file" + std::to_string(i)).c_str(), "");
    for (int nr : {SYS_getdents64, SYS_getdents}) {
        Fd one(open(".", O_RDONLY | O_DIRECTORY)), other(open(".", O_RDONLY | O_DIRECTORY));
        for (int64_t n = 1; n > 0;) {
            char a[700] = {}, b[700] = {};
            n = direct(nr, one.get(), a, sizeof a);
            EXPECT_EQ(away(nr, other.get(), b, sizeof b), n);
            EXPECT_EQ(std::memcmp(a, b, sizeof a), 0);
        }
        char c[8];
        expect_same("getdents, short", c, nr, one.get(), c, sizeof c);
    }
}

TEST_F(Files, ExtendedAttributes) {
    Fd fd = make_file("f", "");
    int64_t set = away(SYS_setxattr, "f", "user.one", "value", 5, 0);
    if (set == -EOPNOTSUPP) GTEST_SKIP() << "no user attributes here";
    ASSERT_EQ(set, 0);
    EXPECT_EQ(away(SYS_fsetxattr, fd.get(), "user.two", "other", 5, XATTR_CREATE), 0);
    EXPECT_EQ(away(SYS_fsetxattr, fd.get(), "user.two", "other", 5, XATTR_CREATE), -EEXIST);
    char buffer[64];
    expect_same("getxattr", buffer, SYS_getxattr, "f", "user.one", buffer, sizeof buffer);
    expect_same("getxattr of its size", buffer, SYS_getxattr, "f", "user.one", nullptr, 0);
    expect_same("getxattr, short", buffer, SYS_getxattr, "f", "user.one", buffer, 2);
    expect_same("fgetxattr", buffer, SYS_fgetxattr, fd.get(), "user.none", buffer, sizeof buffer);
    expect_same("listxattr", buffer, SYS_listxattr, "f", buffer, sizeof buffer);
    expect_same("flistxattr", buffer, SYS_flistxattr, fd.get(), buffer, sizeof buffer);
    std::string long_name = "user." + std::string(300, 'n');
    expect_same_result("long name", SYS_setxattr, "f", long_name.c_str(), "v", 1, 0);
    EXPECT_EQ(away(SYS_removexattr, "f", "user.one"), 0);
    struct {
        uint64_t value;
        uint32_t size, flags;
    } args{word(buffer), sizeof buffer, 0};
    if (direct(464, AT_FDCWD, "f", 0, "user.two", &args, sizeof args) != -ENOSYS) {
        expect_same("getxattrat", buffer, 464, AT_FDCWD, "f", 0, "user.two", &args, sizeof args);
        std::strcpy(buffer, "new");
        args.size = 3;
        EXPECT_EQ(away(463, AT_FDCWD, "f", 0, "user.three", &args, sizeof args), 0);
        EXPECT_EQ(getxattr("f", "user.three", buffer, sizeof buffer), 3);
        expect_same_result("xattr_args, short", 463, AT_FDCWD, "f", 0, "user.three", &args, 3);
    }
}

TEST_F(Files, Handles) {
    make_file("f", "");
    union {
        file_handle handle;
        char bytes[8 + 128];
    } h;
    int mount = 0;
    h.handle.handle_bytes = 0;
    if (name_to_handle_at(AT_FDCWD, "f", &h.handle, &mount, 0) != 0 && errno == EOPNOTSUPP) GTEST_SKIP() << "no handles here";
    h.handle.handle_bytes = 0;
    EXPECT_EQ(away(SYS_name_to_handle_at, AT_FDCWD, "f", &h, &mount, 0), -EOVERFLOW);
    EXPECT_GT(h.handle.handle_bytes, 0u);
    ASSERT_EQ(away(SYS_name_to_handle_at, AT_FDCWD, "f", &h, &mount, 0), 0);
    EXPECT_NE(mount, 0);
    Fd here(open(".", O_RDONLY));
    Fd fd(static_cast<int>(away(SYS_open_by_handle_at, here.get(), &h, O_RDONLY)));
    int64_t expected = direct(SYS_open_by_handle_at, here.get(), &h, O_RDONLY);
    EXPECT_EQ(fd.valid(), expected >= 0);
    if (expected >= 0) close(static_cast<int>(expected));
    h.handle.handle_bytes = 1000;
    expect_same_result("handle too large", SYS_name_to_handle_at, AT_FDCWD, "f", &h, &mount, 0);
}

TEST_F(Files, WatchesAndMemoryFiles) {
    Fd watch(static_cast<int>(away(SYS_inotify_init1, IN_NONBLOCK)));
    EXPECT_GT(away(SYS_inotify_add_watch, watch.get(), ".", IN_CREATE), 0);
    make_file("new", "");
    alignas(inotify_event) char event[256] = {};
    EXPECT_EQ(away(SYS_read, watch.get(), event, sizeof event), 32);
    EXPECT_STREQ(reinterpret_cast<inotify_event*>(event)->name, "new");
    Fd memory(static_cast<int>(away(SYS_memfd_create, "name", MFD_CLOEXEC)));
    EXPECT_TRUE(memory.valid());
    expect_same_result("sysfs(1)", SYS_sysfs, 1, "tmpfs", 0);
    expect_same_result("sysfs(3)", SYS_sysfs, 3, 0, 0);
    EXPECT_EQ(away(SYS_sysfs, 2, 0, event), kWentHome);
    expect_same_result("mount", SYS_mount, "none", "/nonexistent", "tmpfs", 0, "size=1m");
    expect_same_result("mount, no data", SYS_mount, nullptr, "/nonexistent", nullptr, 0, nullptr);
    expect_same_result("umount2", SYS_umount2, "/nonexistent", 0);
    expect_same_result("quotactl", SYS_quotactl, 0x80000700 | 0, "/nonexistent", 0, event);
    expect_same_result("swapon", SYS_swapon, "/nonexistent", 0);
}

TEST_F(Files, Locks) {
    Fd fd = make_file("f", "0123456789");
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_len = 5;
    EXPECT_EQ(away(SYS_fcntl, fd.get(), F_SETLK, &lock), 0);
    struct flock seen {};
    seen.l_type = F_WRLCK;
    pid_t child = fork();
    if (child == 0) {
        bool ok = away(SYS_fcntl, fd.get(), F_GETLK, &seen) == 0 && seen.l_pid == getppid() && seen.l_len == 5;
        _exit(ok ? 0 : 1);
    }
    int status = -1;
    EXPECT_EQ(away(SYS_wait4, child, &status, 0, nullptr), child);
    EXPECT_EQ(status, 0);
    Fd other(open("f", O_RDWR));
    struct flock description {};
    description.l_type = F_RDLCK;
    EXPECT_EQ(away(SYS_fcntl, other.get(), F_OFD_SETLK, &description), -EAGAIN);
    EXPECT_EQ(away(SYS_flock, other.get(), LOCK_EX), 0);
    EXPECT_EQ(away(SYS_flock, fd.get(), LOCK_EX | LOCK_NB), -EAGAIN);
    EXPECT_EQ(away(SYS_fcntl, fd.get(), F_SETLK, kNowhere), -EFAULT);
}

TEST_F(Files, Fcntl) {
    Fd fd = make_file("f", "");
    expect_same_result("F_GETFD", SYS_fcntl, fd.get(), F_GETFD, 0);
    expect_same_result("F_GETFL", SYS_fcntl, fd.get(), F_GETFL, 0);
    EXPECT_EQ(away(SYS_fcntl, fd.get(), F_SETFD, FD_CLOEXEC), 0);
    EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
    Fd copy(static_cast<int>(away(SYS_fcntl, fd.get(), F_DUPFD_CLOEXEC, 100)));
    EXPECT_GE(copy.get(), 100);
    f_owner_ex owner{F_OWNER_PID, getpid()}, there{};
    EXPECT_EQ(away(SYS_fcntl, fd.get(), F_SETOWN_EX, &owner), 0);
    expect_same("F_GETOWN_EX", there, SYS_fcntl, fd.get(), F_GETOWN_EX, &there);
    uint64_t hint;
    expect_same("F_GET_RW_HINT", hint, SYS_fcntl, fd.get(), F_GET_RW_HINT, &hint);
    EXPECT_EQ(away(SYS_fcntl, fd.get(), 7777, &hint), kWentHome);
    expect_same_result("unknown", SYS_fcntl, fd.get(), 7777, 1);
    EXPECT_EQ(away(SYS_dup2, fd.get(), copy.get()), copy.get());
    EXPECT_EQ(away(SYS_dup3, fd.get(), copy.get(), O_CLOEXEC), copy.get());
    EXPECT_EQ(away(SYS_close_range, copy.get(), copy.get(), 0), 0);
    copy.release();
}

// --- Waiting
// ---------------------------------------------------------------------------------------------------

class Pipes : public ::testing::Test {
  protected:
    void SetUp() override { ASSERT_EQ(pipe(ends_), 0); }
    void TearDown() override {
        close(ends_[0]);
        close(ends_[1]);
    }
    int ends_[2];
};

TEST_F(Pipes, Poll) {
    pollfd fds[2] = {{ends_[0], POLLIN, 7}, {ends_[1], POLLOUT, 7}};
    EXPECT_EQ(away(SYS_poll, fds, 2, 0), 1);
    EXPECT_EQ(fds[0].revents, 0);
    EXPECT_EQ(fds[1].revents, POLLOUT);
    ASSERT_EQ(write(ends_[1], "x", 1), 1);
    timespec timeout{5, 0};
    sigset_t mask;
    sigemptyset(&mask);
    EXPECT_EQ(away(SYS_ppoll, fds, 2, &timeout, &mask, 8), 2);
    EXPECT_EQ(fds[0].revents, POLLIN);
    EXPECT_LE(timeout.tv_sec, 5);
    timeout = {0, 20'000'000};
    EXPECT_EQ(away(SYS_ppoll, fds, 0, &timeout, nullptr, 8), 0);
    EXPECT_EQ(timeout.tv_nsec, 0);
    EXPECT_EQ(away(SYS_poll, kNowhere, 1, 0), -EFAULT);
    expect_same_result("poll on nothing", SYS_poll, nullptr, 0, 0);
}

TEST_F(Pipes, Select) {
    ASSERT_EQ(write(ends_[1], "x", 1), 1);
    for (int count : {FD_SETSIZE, ends_[1] + 1, 1 << 19}) {
        fd_set in, out;
        FD_ZERO(&in);
        FD_ZERO(&out);
        FD_SET(ends_[0], &in);
        FD_SET(ends_[1], &out);
        timeval timeout{5, 0};
        EXPECT_EQ(away(SYS_select, count, &in, &out, nullptr, &timeout), 2) << count;
        EXPECT_TRUE(FD_ISSET(ends_[0], &in) && FD_ISSET(ends_[1], &out));
        FD_ZERO(&in);
        FD_SET(ends_[1], &in);
        timeout = {0, 1000};
        EXPECT_EQ(away(SYS_select, count, &in, nullptr, nullptr, &timeout), 0) << count;
        EXPECT_FALSE(FD_ISSET(ends_[1], &in));
        EXPECT_EQ(timeout.tv_usec, 0);
    }
    expect_same_result("negative", SYS_select, -1, nullptr, nullptr, nullptr, nullptr);
    EXPECT_EQ(away(SYS_select, 1, kNowhere, nullptr, nullptr, nullptr), -EFAULT);
    fd_set closed;
    FD_ZERO(&closed);
    FD_SET(900, &closed);
    timeval none{0, 0};
    expect_same_result("closed fd", SYS_select, 1024, &closed, nullptr, nullptr, &none);
}

TEST_F(Pipes, Pselect) {
    fd_set in;
    FD_ZERO(&in);
    FD_SET(ends_[0], &in);
    ASSERT_EQ(write(ends_[1], "x", 1), 1);
    sigset_t mask;
    sigemptyset(&mask);
    struct {
        const sigset_t* set;
        size_t size;
    } packed{&mask, 8};
    timespec timeout{5, 0};
    EXPECT_EQ(away(SYS_pselect6, ends_[0] + 1, &in, nullptr, nullptr, &timeout, &packed), 1);
    EXPECT_EQ(away(SYS_pselect6, ends_[0] + 1, &in, nullptr, nullptr, &timeout, nullptr), 1);
    packed.size = 3;
    expect_same_result("mask of a wrong size", SYS_pselect6, ends_[0] + 1, &in, nullptr, nullptr, &timeout, &packed);
}

TEST_F(Pipes, Epoll) {
    Fd epoll(static_cast<int>(away(SYS_epoll_create1, EPOLL_CLOEXEC)));
    epoll_event event{EPOLLIN | EPOLLOUT, {}};
    event.data.u64 = 0x1122334455667788;
    EXPECT_EQ(away(SYS_epoll_ctl, epoll.get(), EPOLL_CTL_ADD, ends_[1], &event), 0);
    EXPECT_EQ(away(SYS_epoll_ctl, epoll.get(), EPOLL_CTL_ADD, ends_[1], &event), -EEXIST);
    epoll_event seen[4];
    expect_same("epoll_wait", seen, SYS_epoll_wait, epoll.get(), seen, 4, 0);
    EXPECT_EQ(std::memcmp(&seen[0].data, &event.data, sizeof event.data), 0);
    expect_same("epoll_wait, none", seen, SYS_epoll_wait, epoll.get(), seen, 0, 0);
    expect_same("epoll_wait, huge", seen, SYS_epoll_wait, epoll.get(), seen, INT_MAX, 0);
    sigset_t mask;
    sigemptyset(&mask);
    expect_same("epoll_pwait", seen, SYS_epoll_pwait, epoll.get(), seen, 4, 0, &mask, 8);
    timespec timeout{0, 1000};
    expect_same("epoll_pwait2", seen, SYS_epoll_pwait2, epoll.get(), seen, 4, &timeout, nullptr, 8);
    EXPECT_EQ(away(SYS_epoll_wait, epoll.get(), kNowhere, 4, 0), -EFAULT);
    EXPECT_EQ(away(SYS_epoll_ctl, epoll.get(), EPOLL_CTL_DEL, ends_[1], nullptr), 0);
}

TEST_F(Pipes, EventsTimersSignals) {
    Fd event(static_cast<int>(away(SYS_eventfd2, 3, EFD_NONBLOCK)));
    uint64_t count = 0;
    EXPECT_EQ(away(SYS_read, event.get(), &count, 8), 8);
    EXPECT_EQ(count, 3u);
    Fd timer(static_cast<int>(away(SYS_timerfd_create, CLOCK_MONOTONIC, 0)));
    itimerspec set{{0, 0}, {0, 1'000'000}}, old;
    EXPECT_EQ(away(SYS_timerfd_settime, timer.get(), 0, &set, &old), 0);
    EXPECT_EQ(old.it_value.tv_sec, 0);
    EXPECT_EQ(away(SYS_read, timer.get(), &count, 8), 8);
    expect_same("timerfd_gettime", old, SYS_timerfd_gettime, timer.get(), &old);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &mask, nullptr), 0);
    Fd signals(static_cast<int>(away(SYS_signalfd4, -1, &mask, 8, SFD_NONBLOCK)));
    ASSERT_EQ(away(SYS_tgkill, getpid(), gettid(), SIGUSR1), 0);
    uint64_t pending = 0;
    EXPECT_EQ(away(SYS_rt_sigpending, &pending, 8), 0);
    EXPECT_EQ(pending, 1u << (SIGUSR1 - 1));
    signalfd_siginfo info;
    EXPECT_EQ(away(SYS_read, signals.get(), &info, sizeof info), static_cast<int64_t>(sizeof info));
    EXPECT_EQ(info.ssi_signo, static_cast<uint32_t>(SIGUSR1));
    siginfo_t sent{}, got{};
    sent.si_code = SI_QUEUE;
    sent.si_value.sival_int = 77;
    EXPECT_EQ(away(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, &sent), 0);
    timespec timeout{1, 0};
    EXPECT_EQ(away(SYS_rt_sigtimedwait, &mask, &got, &timeout, 8), SIGUSR1);
    EXPECT_EQ(got.si_value.sival_int, 77);
    timeout = {0, 1000};
    EXPECT_EQ(away(SYS_rt_sigtimedwait, &mask, &got, &timeout, 8), -EAGAIN);
    pthread_sigmask(SIG_UNBLOCK, &mask, nullptr);
}

// --- Sockets
// ---------------------------------------------------------------------------------------------------

class Sockets : public ::testing::Test {
  protected:
    void SetUp() override { ASSERT_EQ(away(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair_), 0); }
    void TearDown() override {
        close(pair_[0]);
        close(pair_[1]);
    }
    int pair_[2];
};

TEST(Internet, ConnectAcceptAndNames) {
    Fd server(static_cast<int>(away(SYS_socket, AF_INET, SOCK_STREAM, 0)));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(away(SYS_bind, server.get(), &address, sizeof address), 0);
    ASSERT_EQ(away(SYS_listen, server.get(), 5), 0);
    socklen_t size = sizeof address;
    ASSERT_EQ(away(SYS_getsockname, server.get(), &address, &size), 0);
    EXPECT_EQ(size, sizeof address);
    EXPECT_NE(address.sin_port, 0);
    Fd client(static_cast<int>(away(SYS_socket, AF_INET, SOCK_STREAM, 0)));
    ASSERT_EQ(away(SYS_connect, client.get(), &address, sizeof address), 0);
    sockaddr_in peer;
    size = 8;  // cut, and told how long it would be
    std::memset(&peer, 0x77, sizeof peer);
    Fd accepted(static_cast<int>(away(SYS_accept4, server.get(), &peer, &size, SOCK_CLOEXEC)));
    ASSERT_TRUE(accepted.valid());
    EXPECT_EQ(size, sizeof peer);
    EXPECT_EQ(peer.sin_zero[0], 0x77);
    size = sizeof peer;
    socklen_t same = sizeof peer;
    sockaddr_in expected;
    ASSERT_EQ(getpeername(accepted.get(), reinterpret_cast<sockaddr*>(&expected), &same), 0);
    ASSERT_EQ(away(SYS_getpeername, accepted.get(), &peer, &size), 0);
    EXPECT_EQ(std::memcmp(&peer, &expected, sizeof peer), 0);
    EXPECT_EQ(away(SYS_sendto, client.get(), "hello", 5, 0, nullptr, 0), 5);
    char buffer[16] = {};
    EXPECT_EQ(away(SYS_recvfrom, accepted.get(), buffer, sizeof buffer, MSG_PEEK, nullptr, nullptr), 5);
    EXPECT_EQ(away(SYS_recvfrom, accepted.get(), buffer, sizeof buffer, 0, &peer, &size), 5);
    EXPECT_STREQ(buffer, "hello");
    EXPECT_EQ(away(SYS_shutdown, client.get(), SHUT_WR), 0);
    EXPECT_EQ(away(SYS_recvfrom, accepted.get(), buffer, sizeof buffer, 0, nullptr, nullptr), 0);
    EXPECT_EQ(away(SYS_accept, server.get(), &peer, kNowhere), -EFAULT);
    expect_same_result("bind, negative", SYS_bind, server.get(), &address, -1);
    EXPECT_EQ(away(SYS_sendto, client.get(), "x", 1, 0x4000000, nullptr, 0), kWentHome);
}

TEST(Internet, DatagramsWithAddresses) {
    Fd one(socket(AF_INET, SOCK_DGRAM, 0)), other(socket(AF_INET, SOCK_DGRAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(one.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    ASSERT_EQ(getsockname(one.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    EXPECT_EQ(away(SYS_sendto, other.get(), "datagram", 8, 0, &address, sizeof address), 8);
    sockaddr_in from{};
    char buffer[4];
    size = sizeof from;
    EXPECT_EQ(away(SYS_recvfrom, one.get(), buffer, sizeof buffer, MSG_TRUNC, &from, &size), 8);
    EXPECT_EQ(std::memcmp(buffer, "data", 4), 0);
    EXPECT_EQ(from.sin_family, AF_INET);
    EXPECT_EQ(size, sizeof from);
}

TEST_F(Sockets, MessagesWithEverything) {
    int passed[2];
    ASSERT_EQ(pipe(passed), 0);
    union {
        cmsghdr header;
        char bytes[CMSG_SPACE(sizeof passed)];
    } control{};
    iovec out[] = {{const_cast<char*>("one"), 3}, {const_cast<char*>("two"), 3}};
    msghdr message{};
    message.msg_iov = out;
    message.msg_iovlen = 2;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    control.header = {CMSG_LEN(sizeof passed), SOL_SOCKET, SCM_RIGHTS};
    std::memcpy(CMSG_DATA(&control.header), passed, sizeof passed);
    EXPECT_EQ(away(SYS_sendmsg, pair_[0], &message, 0), 6);
    char a[4] = {}, b[10] = {}, room[256];
    sockaddr_un name;
    iovec in[] = {{a, 2}, {b, 9}};
    msghdr got{&name, sizeof name, in, 2, room, sizeof room, 0x1234};
    EXPECT_EQ(away(SYS_recvmsg, pair_[1], &got, MSG_CMSG_CLOEXEC), 6);
    EXPECT_STREQ(a, "on");
    EXPECT_STREQ(b, "etwo");
    EXPECT_EQ(got.msg_namelen, 0u);
    EXPECT_EQ(got.msg_flags, static_cast<int>(MSG_CMSG_CLOEXEC));
    EXPECT_EQ(got.msg_iov, in);
    EXPECT_EQ(got.msg_control, room);
    ASSERT_EQ(got.msg_controllen, CMSG_SPACE(sizeof passed));
    int received[2];
    std::memcpy(received, CMSG_DATA(CMSG_FIRSTHDR(&got)), sizeof received);
    EXPECT_EQ(write(received[1], "x", 1), 1);
    EXPECT_EQ(read(passed[0], a, 1), 1);
    for (int fd : {passed[0], passed[1], received[0], received[1]}) close(fd);
}

TEST_F(Sockets, BadMessages) {
    char buffer[8];
    iovec vec{buffer, sizeof buffer};
    msghdr message{};
    message.msg_iov = &vec;
    message.msg_iovlen = 2000;
    expect_same_result("too many buffers", SYS_sendmsg, pair_[0], &message, 0);
    message.msg_iovlen = 1;
    message.msg_name = buffer;
    message.msg_namelen = static_cast<socklen_t>(-1);
    expect_same_result("negative name", SYS_sendmsg, pair_[0], &message, 0);
    message.msg_name = nullptr;
    message.msg_control = kNowhere;
    message.msg_controllen = 32;
    EXPECT_EQ(away(SYS_sendmsg, pair_[0], &message, 0), -EFAULT);
    message.msg_controllen = size_t{1} << 40;
    expect_same_result("control of a terabyte", SYS_sendmsg, pair_[0], &message, 0);
    EXPECT_EQ(away(SYS_sendmsg, pair_[0], kNowhere, 0), -EFAULT);
    EXPECT_EQ(away(SYS_recvmsg, pair_[0], kNowhere, 0), -EFAULT);
    message.msg_controllen = 0;
    vec.iov_base = kNowhere;
    EXPECT_EQ(away(SYS_recvmsg, pair_[0], &message, MSG_DONTWAIT), kWentHome);
    EXPECT_EQ(away(SYS_sendmsg, pair_[0], &message, 0x4000000), kWentHome);
}

TEST_F(Sockets, ManyMessages) {
    iovec out[3] = {{const_cast<char*>("a"), 1}, {const_cast<char*>("bb"), 2}, {const_cast<char*>("ccc"), 3}};
    mmsghdr sent[3] = {};
    for (int i = 0; i < 3; i++) {
        sent[i].msg_hdr.msg_iov = &out[i];
        sent[i].msg_hdr.msg_iovlen = 1;
    }
    EXPECT_EQ(away(SYS_sendmmsg, pair_[0], sent, 3, 0), 3);
    EXPECT_EQ(sent[2].msg_len, 3u);
    char buffers[5][8] = {};
    iovec in[5];
    mmsghdr got[5] = {};
    for (int i = 0; i < 5; i++) {
        std::memset(buffers[i], '.', 7);
        in[i] = {buffers[i], 7};
        got[i].msg_hdr.msg_iov = &in[i];
        got[i].msg_hdr.msg_iovlen = 1;
        got[i].msg_len = 99;
    }
    timespec timeout{1, 0};
    EXPECT_EQ(away(SYS_recvmmsg, pair_[1], got, 5, MSG_DONTWAIT, &timeout), 3);
    EXPECT_STREQ(buffers[0], "a......");
    EXPECT_STREQ(buffers[2], "ccc....");
    EXPECT_STREQ(buffers[3], ".......");
    EXPECT_EQ(got[1].msg_len, 2u);
    EXPECT_EQ(got[3].msg_len, 99u);
    EXPECT_EQ(away(SYS_recvmmsg, pair_[1], got, 5, MSG_DONTWAIT, nullptr), -EAGAIN);
}

TEST_F(Sockets, Options) {
    int number = 0;
    socklen_t size = sizeof number;
    EXPECT_EQ(away(SYS_getsockopt, pair_[0], SOL_SOCKET, SO_TYPE, &number, &size), 0);
    EXPECT_EQ(number, SOCK_DGRAM);
    ucred peer{}, expected{};
    size = sizeof peer;
    socklen_t same = sizeof peer;
    EXPECT_EQ(away(SYS_getsockopt, pair_[0], SOL_SOCKET, SO_PEERCRED, &peer, &size), 0);
    ASSERT_EQ(getsockopt(pair_[0], SOL_SOCKET, SO_PEERCRED, &expected, &same), 0);
    EXPECT_EQ(std::memcmp(&peer, &expected, sizeof peer), 0);
    number = 1;
    EXPECT_EQ(away(SYS_setsockopt, pair_[0], SOL_SOCKET, SO_PASSCRED, &number, sizeof number), 0);
    timeval wait{3, 0};
    EXPECT_EQ(away(SYS_setsockopt, pair_[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    timeval there{};
    size = sizeof there;
    EXPECT_EQ(away(SYS_getsockopt, pair_[0], SOL_SOCKET, SO_RCVTIMEO, &there, &size), 0);
    EXPECT_EQ(there.tv_sec, 3);
    EXPECT_EQ(away(SYS_getsockopt, pair_[0], SOL_SOCKET, SO_TYPE, &number, kNowhere), -EFAULT);
    expect_same_result("negative length", SYS_setsockopt, pair_[0], SOL_SOCKET, SO_PASSCRED, &number, -1);
    EXPECT_EQ(away(SYS_setsockopt, pair_[0], IPPROTO_IP, 64, &number, 4), kWentHome);
}

TEST_F(Sockets, AttachedFilters) {
    sock_filter code[] = {{BPF_RET | BPF_K, 0, 0, 3}};  // cuts every datagram to three bytes
    sock_fprog program{1, code};
    ASSERT_EQ(away(SYS_setsockopt, pair_[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
    ASSERT_EQ(send(pair_[0], "abcdef", 6, 0), 6);
    char buffer[8];
    EXPECT_EQ(recv(pair_[1], buffer, sizeof buffer, 0), 3);
    sock_filter back[4] = {};
    socklen_t count = 4;
    EXPECT_EQ(away(SYS_getsockopt, pair_[1], SOL_SOCKET, SO_GET_FILTER, back, &count), 0);
    EXPECT_EQ(count, 1u);
    EXPECT_EQ(back[0].k, 3u);
    program.filter = reinterpret_cast<sock_filter*>(kNowhere);
    EXPECT_EQ(away(SYS_setsockopt, pair_[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), -EFAULT);
}

// --- ioctl
// -----------------------------------------------------------------------------------------------------

TEST(Ioctl, Terminal) {
    int main_end, line;
    ASSERT_EQ(openpty(&main_end, &line, nullptr, nullptr, nullptr), 0);
    char settings[60];
    winsize window{40, 100, 1, 2};
    expect_same("TCGETS", settings, SYS_ioctl, line, TCGETS, settings);
    EXPECT_EQ(away(SYS_ioctl, line, TCGETS, settings), 0);
    settings[12] = static_cast<char>(settings[12] & ~8);  // ECHO
    EXPECT_EQ(away(SYS_ioctl, line, TCSETSW, settings), 0);
    expect_same("TCGETS2", settings, SYS_ioctl, line, 0x802c542a, settings);
    EXPECT_EQ(away(SYS_ioctl, line, TIOCSWINSZ, &window), 0);
    expect_same("TIOCGWINSZ", window, SYS_ioctl, main_end, TIOCGWINSZ, &window);
    EXPECT_EQ(window.ws_col, 100);
    int number;
    expect_same("TIOCGPTN", number, SYS_ioctl, main_end, TIOCGPTN, &number);
    expect_same("FIONREAD", number, SYS_ioctl, line, FIONREAD, &number);
    expect_same("TIOCOUTQ", number, SYS_ioctl, line, TIOCOUTQ, &number);
    expect_same("TIOCGPGRP of another terminal", number, SYS_ioctl, line, TIOCGPGRP, &number);
    EXPECT_EQ(away(SYS_ioctl, line, TCFLSH, TCIOFLUSH), 0);
    number = 1;
    EXPECT_EQ(away(SYS_ioctl, main_end, TIOCPKT, &number), 0);
    EXPECT_EQ(away(SYS_ioctl, main_end, FIONBIO, &number), 0);
    EXPECT_EQ(away(SYS_ioctl, main_end, FIOCLEX, 0), 0);
    int peer = static_cast<int>(away(SYS_ioctl, main_end, TIOCGPTPEER, O_RDWR | O_NOCTTY));
    EXPECT_GE(peer, 0);
    EXPECT_EQ(away(SYS_ioctl, line, TCGETS, kNowhere), -EFAULT);
    close(peer);
    close(line);
    close(main_end);
}

TEST(Ioctl, Interfaces) {
    Fd fd(socket(AF_INET, SOCK_DGRAM, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    for (unsigned long what : {SIOCGIFINDEX, SIOCGIFFLAGS, SIOCGIFMTU, SIOCGIFADDR}) {
        ifreq expected = request, got = request;
        EXPECT_EQ(away(SYS_ioctl, fd.get(), what, &got), direct(SYS_ioctl, fd.get(), what, &expected));
        EXPECT_EQ(std::memcmp(&got, &expected, sizeof got), 0);
    }
    ifreq mine[8], other[8];
    std::memset(mine, 0, sizeof mine);
    std::memset(other, 0, sizeof other);
    ifconf list{}, expected{};
    EXPECT_EQ(away(SYS_ioctl, fd.get(), SIOCGIFCONF, &list), 0);
    EXPECT_GT(list.ifc_len, 0);
    list.ifc_len = expected.ifc_len = sizeof mine;
    list.ifc_req = mine;
    expected.ifc_req = other;
    EXPECT_EQ(away(SYS_ioctl, fd.get(), SIOCGIFCONF, &list), 0);
    ASSERT_EQ(direct(SYS_ioctl, fd.get(), SIOCGIFCONF, &expected), 0);
    EXPECT_EQ(list.ifc_len, expected.ifc_len);
    EXPECT_EQ(list.ifc_req, mine);
    EXPECT_EQ(std::memcmp(mine, other, sizeof mine), 0);
}

TEST_F(Files, Ioctls) {
    Fd fd = make_file("f", "x");
    struct {
        int flags, after;
    } attributes;
    expect_same("FS_IOC_GETFLAGS", attributes, SYS_ioctl, fd.get(), FS_IOC_GETFLAGS, &attributes.flags);
    EXPECT_EQ(attributes.after, 0x5c5c5c5c);
    int size;
    expect_same("FIGETBSZ", size, SYS_ioctl, fd.get(), FIGETBSZ, &size);
    char large[64] = {};
    EXPECT_EQ(away(SYS_ioctl, fd.get(), _IO('z', 1), large), kWentHome);
    expect_same_result("unknown, a number", SYS_ioctl, fd.get(), _IO('z', 1), 7);
    EXPECT_EQ(away(SYS_ioctl, fd.get(), _IOWR('z', 1, large), large), -ENOTTY);
    EXPECT_EQ(away(SYS_ioctl, fd.get(), _IOR('z', 1, large), large), -ENOTTY);
    char* inside = large;
    std::memcpy(large + 20, &inside, sizeof inside);
    EXPECT_EQ(away(SYS_ioctl, fd.get(), _IOWR('z', 1, large), large), kWentHome);
    EXPECT_EQ(away(SYS_ioctl, fd.get(), _IOWR('d', 1, large), large), kWentHome);
    EXPECT_EQ(away(SYS_ioctl, fd.get(), 0xc020660b, large), kWentHome);  // FS_IOC_FIEMAP
}

// --- IPC
// -------------------------------------------------------------------------------------------------------

TEST(Ipc, Semaphores) {
    int id = static_cast<int>(away(SYS_semget, IPC_PRIVATE, 3, 0600));
    ASSERT_GE(id, 0);
    EXPECT_EQ(away(SYS_semctl, id, 1, SETVAL, 5), 0);
    EXPECT_EQ(away(SYS_semctl, id, 1, GETVAL, 0), 5);
    sembuf operations[2] = {{0, 2, 0}, {1, -1, 0}};
    EXPECT_EQ(away(SYS_semop, id, operations, 2), 0);
    EXPECT_EQ(away(SYS_semctl, id, 1, GETVAL, 0), 4);
    sembuf never{2, -1, 0};
    timespec timeout{0, 1'000'000};
    EXPECT_EQ(away(SYS_semtimedop, id, &never, 1, &timeout), -EAGAIN);
    char status[104];
    expect_same("IPC_STAT", status, SYS_semctl, id, 0, IPC_STAT, status);
    uint16_t values[3] = {7, 8, 9};
    EXPECT_EQ(away(SYS_semctl, id, 0, SETALL, values), 0);
    EXPECT_EQ(away(SYS_semctl, id, 2, GETVAL, 0), 9);
    EXPECT_EQ(away(SYS_semctl, id, 0, GETALL, values), kWentHome);
    seminfo limits;
    expect_same("IPC_INFO", limits, SYS_semctl, 0, 0, IPC_INFO, &limits);
    EXPECT_EQ(away(SYS_semop, id, kNowhere, 1), -EFAULT);
    EXPECT_EQ(away(SYS_semctl, id, 0, IPC_RMID, 0), 0);
}

TEST(Ipc, Messages) {
    int id = static_cast<int>(away(SYS_msgget, IPC_PRIVATE, 0600));
    ASSERT_GE(id, 0);
    struct {
        long type;
        char text[16];
    } message{4, "hello"}, got;
    EXPECT_EQ(away(SYS_msgsnd, id, &message, 6, 0), 0);
    std::memset(&got, 0x11, sizeof got);
    EXPECT_EQ(away(SYS_msgrcv, id, &got, sizeof got.text, 0, 0), 6);
    EXPECT_EQ(got.type, 4);
    EXPECT_STREQ(got.text, "hello");
    EXPECT_EQ(got.text[6], 0x11);
    EXPECT_EQ(away(SYS_msgrcv, id, &got, sizeof got.text, 0, IPC_NOWAIT), -ENOMSG);
    expect_same_result("negative size", SYS_msgsnd, id, &message, -1, 0);
    char status[120];
    expect_same("IPC_STAT", status, SYS_msgctl, id, IPC_STAT, status);
    EXPECT_EQ(away(SYS_msgctl, id, IPC_RMID, nullptr), 0);
    id = static_cast<int>(away(SYS_shmget, IPC_PRIVATE, 4096, 0600));
    ASSERT_GE(id, 0);
    expect_same("shm IPC_STAT", status, SYS_shmctl, id, IPC_STAT, status);
    expect_same("SHM_INFO", status, SYS_shmctl, 0, 14, status);
    EXPECT_EQ(away(SYS_shmctl, id, IPC_RMID, nullptr), 0);
}

TEST(Ipc, PosixQueues) {
    mq_attr attributes{};
    attributes.mq_maxmsg = 2;
    attributes.mq_msgsize = 32;
    int64_t fd = away(SYS_mq_open, "pmi-marshal-test", O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    if (fd == -ENOSYS) GTEST_SKIP() << "no POSIX message queues here";
    ASSERT_GE(fd, 0);
    Fd queue(static_cast<int>(fd));
    mq_attr there;
    expect_same("mq_getsetattr", there, SYS_mq_getsetattr, queue.get(), nullptr, &there);
    EXPECT_EQ(there.mq_msgsize, 32);
    EXPECT_EQ(away(SYS_mq_timedsend, queue.get(), "text", 4, 9, nullptr), 0);
    char buffer[32] = {};
    unsigned priority = 0;
    EXPECT_EQ(away(SYS_mq_timedreceive, queue.get(), buffer, sizeof buffer, &priority, nullptr), 4);
    EXPECT_EQ(priority, 9u);
    EXPECT_STREQ(buffer, "text");
    timespec past{1, 0};
    EXPECT_EQ(away(SYS_mq_timedreceive, queue.get(), buffer, sizeof buffer, nullptr, &past), -ETIMEDOUT);
    sigevent none{};
    none.sigev_notify = SIGEV_NONE;
    EXPECT_EQ(away(SYS_mq_notify, queue.get(), &none), 0);
    EXPECT_EQ(away(SYS_mq_notify, queue.get(), nullptr), 0);
    EXPECT_EQ(away(SYS_mq_unlink, "pmi-marshal-test"), 0);
}

TEST(Ipc, Keys) {
    int64_t ring = away(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -2, 1);  // KEY_SPEC_PROCESS_KEYRING
    if (ring < 0) GTEST_SKIP() << "no keys here";
    int64_t key = away(SYS_add_key, "user", "pmi-test", "secret", 6, ring);
    ASSERT_GT(key, 0);
    char buffer[64];
    expect_same("read", buffer, SYS_keyctl, KEYCTL_READ, key, buffer, sizeof buffer);
    expect_same("read, short", buffer, SYS_keyctl, KEYCTL_READ, key, buffer, 3);
    expect_same("describe", buffer, SYS_keyctl, KEYCTL_DESCRIBE, key, buffer, sizeof buffer);
    EXPECT_EQ(away(SYS_keyctl, KEYCTL_SEARCH, ring, "user", "pmi-test", 0), key);
    EXPECT_EQ(away(SYS_keyctl, KEYCTL_UPDATE, key, "new", 3), 0);
    expect_same_result("request_key", SYS_request_key, "user", "pmi-none", nullptr, 0);
    EXPECT_EQ(away(SYS_keyctl, KEYCTL_DH_COMPUTE, buffer, buffer, 8, 0), kWentHome);
    EXPECT_EQ(away(SYS_keyctl, KEYCTL_UNLINK, key, ring), 0);
}

// --- Tasks, time
// -----------------------------------------------------------------------------------------------

TEST(Task, WhoIsIt) {
    for (int nr : {SYS_getppid, SYS_getuid, SYS_getgid, SYS_geteuid, SYS_getegid, SYS_getpgrp}) expect_same_result("identity", nr);
    utsname names;
    expect_same("uname", names, SYS_uname, &names);
    uint32_t a[3];
    expect_same("getresuid", a, SYS_getresuid, a, a + 1, a + 2);
    expect_same("getresgid", a, SYS_getresgid, a, a + 1, a + 2);
    uint32_t groups[64];
    expect_same("getgroups", groups, SYS_getgroups, 64, groups);
    expect_same("getgroups, how many", groups, SYS_getgroups, 0, nullptr);
    expect_same("getgroups, negative", groups, SYS_getgroups, -1, groups);
    expect_same_result("getpgid", SYS_getpgid, 0);
    expect_same_result("getsid", SYS_getsid, 0);
    expect_same_result("getpriority", SYS_getpriority, PRIO_PROCESS, 0);
    rlimit limit;
    expect_same("getrlimit", limit, SYS_getrlimit, RLIMIT_NOFILE, &limit);
    expect_same("prlimit64", limit, SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2];
    expect_same("capget", data, SYS_capget, &header, data);
    EXPECT_EQ(away(SYS_capset, &header, data), 0);
    header.version = 1;
    EXPECT_EQ(away(SYS_capget, &header, nullptr), 0);
    EXPECT_EQ(header.version, static_cast<uint32_t>(_LINUX_CAPABILITY_VERSION_3));
    expect_same_result("personality", SYS_personality, 0xffffffff);
    EXPECT_EQ(away(SYS_personality, READ_IMPLIES_EXEC), kWentHome);
    struct sysinfo info;
    EXPECT_EQ(away(SYS_sysinfo, &info), 0);
    EXPECT_GT(info.totalram, 0u);
}

TEST(Task, Scheduling) {
    uint64_t mask[128];
    expect_same("sched_getaffinity", mask, SYS_sched_getaffinity, 0, sizeof mask, mask);
    expect_same("sched_getaffinity, short", mask, SYS_sched_getaffinity, 0, 3, mask);
    int64_t size = away(SYS_sched_getaffinity, 0, sizeof mask, mask);
    EXPECT_EQ(away(SYS_sched_setaffinity, 0, size, mask), 0);
    sched_param parameter;
    expect_same("sched_getparam", parameter, SYS_sched_getparam, 0, &parameter);
    expect_same_result("sched_getscheduler", SYS_sched_getscheduler, 0);
    EXPECT_EQ(away(SYS_sched_setscheduler, 0, SCHED_OTHER, &parameter), 0);
    char attributes[64];
    expect_same("sched_getattr", attributes, SYS_sched_getattr, 0, attributes, sizeof attributes, 0);
    EXPECT_EQ(away(SYS_sched_setattr, 0, attributes, 0), 0);
    uint32_t absurd = 7;
    expect_same("sched_setattr", absurd, SYS_sched_setattr, 0, &absurd, 0);
    timespec interval;
    expect_same("sched_rr_get_interval", interval, SYS_sched_rr_get_interval, 0, &interval);
    expect_same_result("ioprio_get", SYS_ioprio_get, 1, 0);
}

TEST(Task, Prctl) {
    char name[16];
    EXPECT_EQ(away(SYS_prctl, PR_SET_NAME, "a name that is far too long"), 0);
    expect_same("PR_GET_NAME", name, SYS_prctl, PR_GET_NAME, name);
    EXPECT_STREQ(name, "a name that is ");
    int number;
    expect_same("PR_GET_PDEATHSIG", number, SYS_prctl, PR_GET_PDEATHSIG, &number);
    expect_same("PR_GET_CHILD_SUBREAPER", number, SYS_prctl, PR_GET_CHILD_SUBREAPER, &number);
    expect_same_result("PR_GET_DUMPABLE", SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0);
    expect_same_result("PR_CAPBSET_READ", SYS_prctl, PR_CAPBSET_READ, 1, 0, 0, 0);
    char auxv[1024];
    expect_same("PR_GET_AUXV", auxv, SYS_prctl, 0x41555856, auxv, sizeof auxv, 0, 0);
    EXPECT_EQ(away(SYS_prctl, PR_SET_THP_DISABLE, 0, 0, 0, 0), kRanLocally);
    EXPECT_EQ(away(SYS_prctl, PR_SET_VMA, 0, name, 16, name), kRanLocally);
    EXPECT_EQ(away(SYS_prctl, PR_SET_MM, 1, 0, 0, 0), kWentHome);
    EXPECT_EQ(away(SYS_prctl, 99999, name, 0, 0, 0), kWentHome);
    expect_same_result("unknown", SYS_prctl, 99999, 1, 2, 3, 4);
}

TEST(Task, Waiting) {
    pid_t child = fork();
    if (child == 0) _exit(3);
    siginfo_t info;
    std::memset(&info, 0x44, sizeof info);
    rusage usage{};
    EXPECT_EQ(away(SYS_waitid, P_PID, child, &info, WEXITED | WNOWAIT, &usage), 0);
    EXPECT_EQ(info.si_pid, child);
    EXPECT_EQ(info.si_status, 3);
    EXPECT_GT(usage.ru_maxrss, 0);
    int status = 0;
    EXPECT_EQ(away(SYS_wait4, child, &status, 0, &usage), child);
    EXPECT_EQ(WEXITSTATUS(status), 3);
    status = 0x1234567;
    expect_same_result("nobody", SYS_wait4, -1, &status, WNOHANG, nullptr);
    EXPECT_EQ(status, 0x1234567);
    child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    EXPECT_EQ(away(SYS_wait4, -1, &status, WNOHANG, &usage), 0);
    EXPECT_EQ(status, 0x1234567) << "nothing was reaped, nothing is written";
    EXPECT_EQ(away(SYS_kill, child, SIGKILL), 0);
    EXPECT_EQ(away(SYS_wait4, child, &status, 0, nullptr), child);
    EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

int run_exec_in_child(int nr) {
    pid_t child = fork();
    if (child == 0) {
        const char* argv[] = {"sh", "-c", "test \"$PMI\" = yes && test \"$1\" = last && exit 42", "x", "last", nullptr};
        const char* envp[] = {"PMI=yes", nullptr};
        if (nr == SYS_execve)
            away(nr, "/bin/sh", argv, envp);
        else
            away(nr, AT_FDCWD, "/bin/sh", argv, envp, 0);
        _exit(1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

TEST(Task, Exec) {
    EXPECT_EQ(run_exec_in_child(SYS_execve), 42);
    EXPECT_EQ(run_exec_in_child(SYS_execveat), 42);
    const char* none[] = {nullptr};
    expect_same_result("no such file", SYS_execve, "/nonexistent", none, none);
    EXPECT_EQ(away(SYS_execve, "/nonexistent", kNowhere, none), -EFAULT);
    const char* bad[] = {kNowhere, nullptr};
    EXPECT_EQ(away(SYS_execve, "/nonexistent", bad, none), -EFAULT);
    std::string long_one(130 << 10, 'x');
    const char* too_long[] = {long_one.c_str(), nullptr};
    EXPECT_EQ(away(SYS_execve, "/bin/true", too_long, none), -E2BIG);
    std::string hundred(100 << 10, 'x');
    std::vector<const char*> many(71, hundred.c_str());
    many.back() = nullptr;
    EXPECT_EQ(away(SYS_execve, "/bin/true", many.data(), none), -E2BIG);
    std::vector<const char*> short_ones(20001, "x");
    short_ones.back() = nullptr;
    EXPECT_EQ(away(SYS_execve, "/bin/true", short_ones.data(), none), kWentHome);
}

TEST(Time, ClocksAndTimers) {
    timespec resolution;
    expect_same("clock_getres", resolution, SYS_clock_getres, CLOCK_REALTIME, &resolution);
    timespec now{};
    EXPECT_EQ(away(SYS_clock_gettime, CLOCK_REALTIME, &now), 0);
    EXPECT_GT(now.tv_sec, 1'000'000'000);
    timeval of_day{};
    struct timezone zone {};
    EXPECT_EQ(away(SYS_gettimeofday, &of_day, &zone), 0);
    EXPECT_NEAR(static_cast<double>(of_day.tv_sec), static_cast<double>(now.tv_sec), 2);
    long seconds = 0;
    EXPECT_EQ(away(SYS_time, &seconds), seconds);
    timex adjust{};
    EXPECT_GE(away(SYS_adjtimex, &adjust), 0);
    EXPECT_GT(adjust.tick, 0);
    sigevent none{};
    none.sigev_notify = SIGEV_NONE;
    int timer = -1;
    ASSERT_EQ(away(SYS_timer_create, CLOCK_MONOTONIC, &none, &timer), 0);
    itimerspec set{{0, 0}, {100, 0}}, old{};
    EXPECT_EQ(away(SYS_timer_settime, timer, 0, &set, nullptr), 0);
    EXPECT_EQ(away(SYS_timer_gettime, timer, &old), 0);
    EXPECT_NEAR(static_cast<double>(old.it_value.tv_sec), 99.5, 0.6);
    EXPECT_EQ(away(SYS_timer_getoverrun, timer), 0);
    EXPECT_EQ(away(SYS_timer_delete, timer), 0);
    EXPECT_EQ(away(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &none, &timer), kWentHome);
    itimerval interval{{0, 0}, {50, 0}}, before{};
    EXPECT_EQ(away(SYS_setitimer, ITIMER_REAL, &interval, &before), 0);
    EXPECT_EQ(away(SYS_getitimer, ITIMER_REAL, &before), 0);
    EXPECT_GT(before.it_value.tv_sec, 40);
    EXPECT_GT(away(SYS_alarm, 0), 40);
}

void ignore_signal(int) {}

TEST(Time, Sleeps) {
    timespec wanted{0, 2'000'000}, left{7, 7};
    EXPECT_EQ(away(SYS_nanosleep, &wanted, &left), 0);
    EXPECT_EQ(left.tv_sec, 7) << "nothing is left, nothing is written";
    EXPECT_EQ(away(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &wanted, nullptr), 0);
    EXPECT_EQ(away(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, &wanted, nullptr), kWentHome);
    EXPECT_EQ(away(SYS_nanosleep, kNowhere, nullptr), -EFAULT);
    struct sigaction action {
    }, old;
    action.sa_handler = ignore_signal;
    sigaction(SIGALRM, &action, &old);
    itimerval soon{{0, 0}, {0, 20'000}};
    setitimer(ITIMER_REAL, &soon, nullptr);
    wanted = {30, 0};
    EXPECT_EQ(away(SYS_nanosleep, &wanted, &left), -EINTR);
    EXPECT_EQ(left.tv_sec, 29);
    setitimer(ITIMER_REAL, &soon, nullptr);
    EXPECT_EQ(away(SYS_pause), -EINTR);
    setitimer(ITIMER_REAL, &soon, nullptr);
    sigset_t mask;
    sigemptyset(&mask);
    EXPECT_EQ(away(SYS_rt_sigsuspend, &mask, 8), -EINTR);
    sigaction(SIGALRM, &old, nullptr);
}

// --- What must never happen
// ------------------------------------------------------------------------------------

// Some numbers are special only because some of their values go home.
bool is_number(const Row& row, unsigned i) {
    ArgKind kind = row.args[i].kind;
    bool checked = (row.nr == SYS_sendto && i == 3) ||
                   (i == 0 && (row.nr == SYS_personality || row.nr == SYS_timer_create || row.nr == SYS_clock_nanosleep));
    return kind == ArgKind::Value || kind == ArgKind::Fd || checked;
}

// Every call with every argument an address of the program: none of them reaches home as it is.
TEST(Guest, NoAddressOfItLeavesIt) {
    alignas(4096) static char page[3 * 4096] = {};
    std::memset(page, 0, sizeof page);
    OwnMemory memory;
    auto base = reinterpret_cast<uint64_t>(page + 4096);
    for (const Row& row : syscall_table()) {
        for (int variant = 0; variant < 300; variant++) {
            Args args;
            for (unsigned i = 0; i < 6; i++) args[i] = base + 64 * i;
            for (unsigned i = 0; i < 6; i++)
                if (is_number(row, i)) args[i] = static_cast<uint64_t>(variant);
            Flattening how = flatten(row, args, memory);
            auto* sent = std::get_if<Flattened>(&how);
            if (sent == nullptr) continue;
            // Their commands say which arguments are numbers.
            bool by_command =
                row.nr == SYS_fcntl || row.nr == SYS_semctl || row.nr == SYS_prctl || row.nr == SYS_keyctl || row.nr == SYS_ioctl;
            for (unsigned i = 0; i < 6 && !by_command; i++) {
                bool inside = sent->call.args[i] >= base && sent->call.args[i] < base + 4096;
                EXPECT_FALSE(inside) << row.name << " argument " << i << " variant " << variant;
            }
            EXPECT_TRUE(decode_call(encode(sent->call).whole())) << row.name;
        }
    }
}

TEST(Guest, IoctlsOfAnyNumberKeepAddresses) {
    alignas(4096) static char page[20 * 4096] = {};
    OwnMemory memory;
    auto base = reinterpret_cast<uint64_t>(page);
    std::mt19937 random(1);
    for (int i = 0; i < 20000; i++) {
        uint32_t request = i < 0x10000 / 4 ? static_cast<uint32_t>(i) * 4 + 0x4b00 : static_cast<uint32_t>(random());
        Flattening how = flatten(*find_row(SYS_ioctl), {0, request, base, 0, 0, 0}, memory);
        if (auto* sent = std::get_if<Flattened>(&how)) {
            bool value_known = sent->call.args[2] == base;
            // Only requests that are known to take a number pass one on.
            EXPECT_TRUE(!value_known || sent->call.relocs.empty());
            EXPECT_TRUE(decode_call(encode(sent->call).whole()));
        }
    }
}

TEST(Guest, RoutesThatAreNotForwarded) {
    EXPECT_TRUE(std::holds_alternative<GoHome>(flattened(SYS_io_uring_setup, 1, kNowhere)));
    EXPECT_TRUE(std::holds_alternative<GoHome>(flattened(SYS_ptrace, 0, 0, 0, 0)));
    EXPECT_TRUE(std::holds_alternative<RunLocally>(flattened(SYS_futex, kNowhere, 0, 0, 0, 0, 0)));
    auto clone = flattened(SYS_clone, 0, 0, kNowhere, kNowhere, 0);
    EXPECT_EQ(std::get<Flattened>(clone).call.args[2], 0u);
}

// --- The codec
// -------------------------------------------------------------------------------------------------

Call some_call() {
    Call call;
    call.nr = 45;
    call.args = {1, 2, 3, 4, 5, ~uint64_t{0}};
    call.arena_size = 200;
    call.put_in(8, ByteBuffer(16, std::byte{7}));
    call.relocs = {{1, 8}, {6 + 100, 200}};
    call.out = {{32, 64, OutWhen::Result, 4, 0}, {8, 4, OutWhen::Always, 1, 0}, {100, 20, OutWhen::Counted, 1, 8}};
    return call;
}

TEST(Codec, RoundTrip) {
    Call call = some_call();
    ByteBuffer bytes = encode(call).whole();
    auto back = decode_call(bytes);
    ASSERT_TRUE(back);
    EXPECT_TRUE(encode(*back).whole() == bytes);
    EXPECT_EQ(back->args, call.args);
    EXPECT_EQ(back->out[2].count_at, 8u);
    ByteBuffer two(2, std::byte{1});
    bytes = encode(Reply{-4, {{3, two}, {9, {}}}}).whole();
    auto again = decode_reply(bytes);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->result, -4);
    EXPECT_TRUE(encode(*again).whole() == bytes);
}

TEST(Codec, EveryCutIsAnError) {
    auto bytes = encode(some_call()).whole();
    for (size_t n = 0; n < bytes.size(); n++) EXPECT_FALSE(decode_call(std::span(bytes).first(n))) << n;
    bytes.append(std::array{std::byte{0}});
    EXPECT_FALSE(decode_call(bytes));
    ByteBuffer nine(9, std::byte{9});
    auto reply = encode(Reply{5, {{0, nine}}}).whole();
    for (size_t n = 0; n < reply.size(); n++) EXPECT_FALSE(decode_reply(std::span(reply).first(n))) << n;
}

template <typename Change>
bool accepted(Change change) {
    Call call = some_call();
    change(call);
    return static_cast<bool>(decode_call(encode(call).whole()));
}

TEST(Codec, NothingLiesOutsideOfTheArena) {
    EXPECT_TRUE(accepted([](Call&) {}));
    EXPECT_FALSE(accepted([](Call& c) { c.arena_size = kMaxArena + 1; }));
    EXPECT_FALSE(accepted([](Call& c) { c.in[0].offset = 190; }));
    EXPECT_FALSE(accepted([](Call& c) { c.in[0].offset = UINT32_MAX; }));
    EXPECT_FALSE(accepted([](Call& c) { c.relocs[0].target = 201; }));
    EXPECT_FALSE(accepted([](Call& c) { c.relocs[1].where = 6 + 193; }));
    EXPECT_TRUE(accepted([](Call& c) { c.relocs[1].where = 6 + 192; }));
    EXPECT_FALSE(accepted([](Call& c) { c.relocs[1].where = UINT32_MAX; }));
    EXPECT_FALSE(accepted([](Call& c) { c.out[0].size = 169; }));
    EXPECT_FALSE(accepted([](Call& c) { c.out[0].offset = UINT32_MAX; }));
    EXPECT_FALSE(accepted([](Call& c) { c.out[0].result_unit = 0; }));
    EXPECT_FALSE(accepted([](Call& c) { c.out[0].when = static_cast<OutWhen>(9); }));
    EXPECT_FALSE(accepted([](Call& c) { c.out[2].count_at = 197; }));
    EXPECT_FALSE(accepted([](Call& c) { c.relocs.resize(kMaxRelocs + 1, Reloc{0, 0}); }));
    EXPECT_FALSE(accepted([](Call& c) { c.out.resize(kMaxRanges + 1, OutRange{0, 1, OutWhen::IfOk}); }));
}

TEST(Codec, ResultsAreSharedOutInOrder) {
    Call call;
    call.arena_size = 30;
    call.out = {{0, 10, OutWhen::Result, 1, 0}, {10, 10, OutWhen::Result, 1, 0}, {20, 10, OutWhen::IfOk, 1, 0}};
    std::vector<std::byte> memory(30);
    auto sizes = [&](int64_t result) {
        std::vector<size_t> all;
        for (auto& out : collect(call, memory, result).out) all.push_back(out.bytes.size());
        return all;
    };
    EXPECT_EQ(sizes(14), (std::vector<size_t>{10, 4, 10}));
    EXPECT_EQ(sizes(3), (std::vector<size_t>{3, 10}));
    EXPECT_EQ(sizes(1000), (std::vector<size_t>{10, 10, 10}));
    EXPECT_EQ(sizes(-5), (std::vector<size_t>{}));
}

// A reply writes only where the call said, whatever home sends.
TEST(Codec, AHostileReplyStaysInItsPlaces) {
    char buffer[16], guard[16];
    std::memset(buffer, 'b', sizeof buffer);
    std::memset(guard, 'g', sizeof guard);
    OwnMemory memory;
    Flattening how = flattened(SYS_read, 0, buffer, 8);
    auto& sent = std::get<Flattened>(how);
    ByteBuffer many(1 << 20, std::byte{'!'}), nine(9, std::byte{9});
    Reply reply{1 << 20, {{0, many}, {5000, nine}}};
    EXPECT_EQ(apply(sent, reply, memory), 1 << 20);
    EXPECT_EQ(std::string(buffer, 16), "!!!!!!!!bbbbbbbb");
    EXPECT_EQ(guard[0], 'g');
}

}  // namespace
}  // namespace pmi
