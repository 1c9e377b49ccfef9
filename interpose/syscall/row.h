// One row of THE table: everything pmi knows about one x86-64 system call. The BPF filter, the marshalling of
// arguments, docs/syscalls.md and the completeness tests are derived from the rows; there is no second list.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace pmi {

enum class Route : uint8_t {
    Local,     // runs natively in the guest: memory, futex, ... (the filter allows it)
    Node,      // answered on the host node by pmid's guest supervisor: CPU clocks, whose home values would be wrong
    Identity,  // answered from what home knows (today by the deputy, like Home)
    Home,      // performed by the deputy thread of the calling thread
    Both,      // done on both sides in step; code of its own in runtime/guest and runtime/deputy
    Return,    // takes the program home first, and runs there natively
};

// How one argument is moved. Lengths come from `len`.
enum class ArgKind : uint8_t {
    None,         // the call has no such argument
    Value,        // a number, passed as it is
    Fd,           // a file descriptor number of home
    Path,         // NUL-terminated string in (PATH_MAX), may be null
    String,       // NUL-terminated string in, not a path (up to 64 KiB), may be null
    In,           // `len` bytes in
    Out,          // up to `len` bytes out
    InOut,        // `len` bytes in and out
    InVec,        // struct iovec[count in argument len.arg], gathered
    OutVec,       // struct iovec[count in argument len.arg], scattered
    SockAddrOut,  // out buffer whose capacity stands in the socklen_t that argument len.arg points to
    SockLen,      // that socklen_t, in and out
    Special,      // this call's own marshalling (interpose/marshal/special_*.cpp)
    Guest,        // an address in guest memory that the kernel on the node uses itself (local calls only)
};

struct Len {
    enum class Rule : uint8_t { None, Const, Arg, ArgTimes, PointedU32 } rule = Rule::None;
    uint8_t arg = 0;      // Arg, ArgTimes, PointedU32: which argument
    uint32_t size = 0;    // Const: bytes; ArgTimes: bytes of one element
    bool narrow = false;  // Arg, ArgTimes: that argument is an int: its upper half is ignored
};

// When the bytes of an Out or InOut argument come back.
enum class OutWhen : uint8_t {
    IfOk,     // result >= 0
    Result,   // `result` bytes of it (read, recv, getcwd, ...)
    Always,   // whatever the result was (a remaining time written on EINTR)
    Counted,  // result >= 0: as many units as a u32 in the arena says after the call (a socket address' length)
};

struct Arg {
    ArgKind kind = ArgKind::None;
    Len len{};
    OutWhen when = OutWhen::IfOk;
    uint32_t result_unit = 1;  // OutWhen::Result: bytes that one unit of the result stands for
    std::string_view name{};   // the kernel's name of the argument, for docs and for the check by machine
    bool partial = false;      // a shorter transfer is legal: clamped to what an arena holds and to what is readable
    bool sparse = false;       // Out: the kernel may write less than `len`, so what stands there is sent along
};

// What a call that was interrupted by a stop (not by a signal's handler) has to do to go on, and where its
// timeout is, so that its deadline is kept over a move.
enum class Interrupt : uint8_t {
    Restarts,      // gives -ERESTART*, the kernel's own restart is right (wait4, flock, futex, ...)
    RestartBlock,  // -ERESTART_RESTARTBLOCK kept in the task: nanosleep, clock_nanosleep
    Poll,          // poll: -ERESTART_RESTARTBLOCK whose block points into home memory: issue again
    Eintr,         // can give a bare -EINTR when a stop interrupts it (epoll_wait, semop, sigtimedwait; sockets with
                   // SO_RCVTIMEO or SO_SNDTIMEO, which without them give -ERESTARTSYS): issue again
    Never,         // does not sleep interruptibly
};
enum class Timeout : uint8_t {
    None,
    MillisArg,         // argument `timeout_arg` is milliseconds, negative = for ever
    TimespecWritten,   // points to a relative timespec that the kernel updates with what remains (pselect6, ppoll)
    TimevalWritten,    // same with a timeval (select)
    TimespecRelative,  // points to a relative timespec that the kernel leaves alone
};

// What a thread may know for as long as it does not change it itself: who else could change it is at home.
enum class Known : uint8_t {
    Nothing,
    Kernel,       // a constant of home's kernel
    Credentials,  // of the thread
    OwnGroup,     // of its process, once that has execed
    OwnSession,   // of its process
};

struct Row {
    int16_t nr;
    std::string_view name;
    Route route;
    std::array<Arg, 6> args{};
    Interrupt interrupt = Interrupt::Restarts;
    Timeout timeout = Timeout::None;
    uint8_t timeout_arg = 0;
    // For pselect6, ppoll, epoll_pwait, rt_sigsuspend, ...: the argument that is (or, pselect6, points to a
    // struct that holds) a temporary signal mask; 0xff for none.
    uint8_t sigmask_arg = 0xff;
    Known lasts = Known::Nothing;    // home may let the node give the answer again until that changes
    Known changes = Known::Nothing;  // the call may change that (OwnSession: and OwnGroup)
    std::string_view note{};         // why this route, or what is partial; appears in docs/syscalls.md
};

// All rows, ordered by number.
std::span<const Row> syscall_table();
// Null where the kernel has no such call.
const Row* find_row(int64_t nr);
std::string_view route_name(Route route);

}  // namespace pmi
