// What travels on the call channel: one byte of type (CallChannel), then a head of fixed size, then for calls and
// replies the encoded Call or Reply. Heads are plain structs of fixed-width fields, little endian (x86-64 only).
// A frame from a peer is checked by take_head() and by whoever uses its numbers.
#pragma once
#include <signal.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "runtime/base/error.h"

namespace pmi {

enum class FrameType : uint8_t {
    // node -> home
    Call = 1,       // CallHead, Call: perform this
    Cancel,         // CallHead: a signal waits for this thread; end the call if it is still going on
    ReturnRequest,  // ReturnHead, text: this program has to come home first
    FreezeAck,      // ProcessHead: no more calls will come of this process
    FreezeFailed,   // ProcessHead, text
    Running,        // ProcessHead: after Go: it runs here
    GuestDied,      // ProcessHead, text: the guest is lost (out of memory on the node, ...)
    CpuUsed,        // CpuHead: before a Call of kind Exec
    FileChanges,    // FileChangesHead, FileRun...: what the program has stored in a shared mapping of a file
    StreamAt,       // PortHead: answer to NewStream
    Flushed,        // ProcessHead: all stores so far have been sent (asked for by Flush, or before an image)
    AskClock,       // ClockHead: what time is it?
    Tallies,        // ProcessHead, CallTally...: what its calls have cost since the last such frame (call_tallies.h)
    AllThere,       // ProcessHead: what was to come later (StreamKind::Later) has come
    Patched,        // PatchedHead: how many of its system call sites have been patched so far
    Fatal,          // SignalHead: it dies of this fault, and can't come home for it: no code of ours is left in its memory
    MasksLate,      // nothing: from now on threads may block signals of which home is told late (guest_mask.cpp)
    MaskTold,       // MaskHead: the answer to AskMask
    // home -> node
    Reply = 64,   // CallHead, Reply
    Signal,       // SignalHead: deliver
    ThreadGone,   // ThreadHead: the deputy thread has exited; let the guest's go too
    ProcessGone,  // ProcessHead: exited, killed or execed at home; drop the guest
    Freeze,       // ProcessHead: stop it, for a move
    Drained,      // ProcessHead: after FreezeAck: no reply and no signal will come any more; send the image
    Thaw,         // ProcessHead: the move failed; go on
    Drop,         // ProcessHead: it runs elsewhere now
    Go,           // ProcessHead: the copy that was sent is the program from now on
    Stop,         // ProcessHead: job control stopped it
    Continue,     // ProcessHead
    NewStream,    // ProcessHead: the stream was lost with a cut; make another one
    Flush,        // ProcessHead: the program is being killed: send what it has stored in files
    Clock,        // ClockHead: the answer to AskClock; or, with asked_ns 0, home's wall clock has been set
    Freed,        // ProcessHead: home has given its copy of the memory up: all of it will have to travel
    TellTallies,  // ProcessHead: answer with Tallies
    AskMask,      // MaskHead: this signal has come for a thread; does it block it?
};

enum class CallKind : uint8_t {
    Plain = 0,
    Clone,        // makes a task: a deputy for it is there before the reply
    Exec,         // succeeds by ProcessGone, fails by a reply
    ExitThread,   // answered by ThreadGone
    ExitGroup,    // answered by ProcessGone
    MapFile,      // mmap of a file at a fixed address; the reply holds a MapFileInfo, and perhaps the contents
    WatchFile,    // the file of descriptor args[0] is going to be mapped shared; home keeps an eye on it
    CompareFile,  // at address args[0] this thread's MapFile has mapped `args[1]` bytes that count (file_comparison.h)
};

// At offset 0 of the reply to a MapFile call. The contents are at sizeof(MapFileInfo): `shown` bytes, or none, where the node may
// have some of them: then it asks by CompareFile.
struct MapFileInfo {
    uint64_t device, inode, size;
    uint64_t shown;         // bytes of the mapping up to the file's last page, whole pages
    uint32_t written_back;  // as in wire::MappedFile
    uint32_t writable;      // 0: a shared mapping may never be made writable
    char name[256];
};

struct ProcessHead {
    int32_t pid;
};
struct PortHead {
    uint32_t port;  // of TCP, on the address of the call channel; 0: it could not be made
};
struct ThreadHead {
    int32_t pid, tid;
};
struct CallHead {
    int32_t pid = 0, tid = 0;
    uint64_t id = 0;
    CallKind kind = CallKind::Plain;
    uint8_t partial = 0;  // of a reply: a move cut the transfer short; the rest is to be asked for
    // In a reply: a file that the program maps is another one now. The program goes home before it sees the result;
    // a result of -ERESTARTNOINTR says that the call has not been made.
    uint8_t home_first = 0;
    uint8_t again = 0;  // of a call: the thread's last one, which a move interrupted, is made again
    uint8_t lasts = 0;  // of a reply: 1: the node may give it again, until the program makes a call that changes it (lasting.h)
    uint8_t sets_mask =
        0;  // of a call: 1: the thread has blocked more signals, without a call of its own: first its mask is `mask`
    uint8_t reserved[2]{};
    uint32_t served_ns = 0;  // of a reply: how long home took; UINT32_MAX: that or longer
    uint64_t mask = 0;
};
// Followed by `runs` FileRuns, then by the bytes of all of them.
struct FileChangesHead {
    uint32_t number;  // wire::MappedFile.written_back
    uint32_t runs;
};
struct FileRun {
    uint64_t offset, size;
};
struct ReturnHead {
    int32_t pid, tid;
    int64_t nr;     // the call that asks for it, -1 for none
    int32_t other;  // a process, or a thread of one, that the call looks into and that has to be home before it; 0: none
    int32_t reserved;
};
// CPU time used on all nodes but home, by the process and by the thread that execs.
struct CpuHead {
    int32_t pid, tid;
    int64_t user_ns, system_ns;
    int64_t thread_ns;
};
// A reading of home's wall clock.
struct ClockHead {
    int64_t asked_ns;  // the guests' CLOCK_MONOTONIC when they asked
    int64_t realtime_ns;
    int32_t tai_offset_s, minutes_west, dst_time;
    uint32_t reserved;
};
struct PatchedHead {
    int32_t pid;
    uint32_t patched, refused;
};
struct SignalHead {
    int32_t pid, tid;
    siginfo_t info;
};
enum class Blocked : uint32_t {
    No,
    Yes,     // home is to block it, and keep it
    Behind,  // others of its number are pending on the node, and it must not overtake them: it is to be sent there
};
struct MaskHead {
    int32_t pid, tid;
    int32_t signal;
    Blocked is_blocked;  // of an answer
    uint64_t mask;       // Yes: that home is to block
};

template <typename Head>
Expected<Head> take_head(std::span<const std::byte>& body) {
    static_assert(std::is_trivially_copyable_v<Head>);
    if (body.size() < sizeof(Head)) return fail("a frame of {} bytes is too short", body.size());
    Head head;
    std::memcpy(&head, body.data(), sizeof head);
    body = body.subspan(sizeof head);
    return head;
}
template <typename Head>
std::span<const std::byte> head_bytes(const Head& head) {
    static_assert(std::is_trivially_copyable_v<Head>);
    return std::as_bytes(std::span(&head, 1));
}

}  // namespace pmi
