#include "runtime/memory/image_check.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/user.h>

#include <set>

#include "interpose/agent/agent.h"
#include "runtime/memory/regions.h"
#include "runtime/tracee/interrupted.h"

namespace pmi {
namespace {

constexpr uint64_t kHighest = uint64_t{1} << 47;  // the first address that no program has
constexpr size_t kSigactions = size_t{64} * 32;
constexpr size_t kMaxAuxv = 4096;
constexpr uint32_t kLastArgument = 5;

using Infos = google::protobuf::RepeatedPtrField<std::string>;

Status check_agent(uint64_t base) {
    if (base % kPage != 0 || base < kPage || base > kHighest - kAgentSize) return fail("an agent at {:#x}", base);
    return {};
}

Status check_region(const wire::Region& r, const wire::Image& image) {
    if (r.start() >= r.end() || r.end() > kHighest || r.start() % kPage != 0 || r.end() % kPage != 0)
        return fail("a region at {:#x}-{:#x}", r.start(), r.end());
    if ((r.protection() & ~uint32_t{PROT_READ | PROT_WRITE | PROT_EXEC}) != 0)
        return fail("a region with protection {:#x}", r.protection());
    if (!wire::Region::Kind_IsValid(r.kind())) return fail("a region of unknown kind {}", static_cast<int>(r.kind()));
    if (r.kind() != wire::Region::FILE) return {};
    if (r.file() >= static_cast<uint32_t>(image.files_size()))
        return fail("a region of file {} of {}", r.file(), image.files_size());
    if (r.offset() % kPage != 0 || r.offset() + (r.end() - r.start()) < r.offset())
        return fail("a region at {:#x} of a file", r.offset());
    return {};
}

Status check_files(const wire::Image& image) {
    for (int i = 0; i < image.files_size(); i++)
        if (image.files(i).index() != static_cast<uint32_t>(i))
            return fail("file {} in the place of file {}", image.files(i).index(), i);
    return {};
}

Status check_infos(const Infos& infos) {
    for (const auto& info : infos)
        if (info.size() != sizeof(siginfo_t)) return fail("a pending signal of {} bytes", info.size());
    return {};
}

Status check_thread(const wire::Thread& t) {
    if (t.ended()) return {};
    if (t.registers().size() != sizeof(user_regs_struct)) return fail("registers of {} bytes", t.registers().size());
    if (t.alternate_stack().size() != sizeof(stack_t)) return fail("an alternate stack of {} bytes", t.alternate_stack().size());
    if (t.timeout_kind() > static_cast<uint32_t>(Timeout::TimespecRelative) || t.timeout_arg() > kLastArgument)
        return fail("a timeout of unknown form {}", t.timeout_kind());
    return check_infos(t.pending());
}

Status check_threads(const wire::Image& image) {
    if (image.threads_size() == 0 || image.threads(0).tid() != image.pid()) return fail("no leader");
    std::set<int32_t> tids;
    for (const auto& t : image.threads()) {
        if (t.tid() <= 1) return fail("a thread {}", t.tid());
        if (!tids.insert(t.tid()).second) return fail("thread {} twice", t.tid());
        if (t.ended() && t.tid() != image.pid()) return fail("an ended thread that is not the leader");
        TRY(check_thread(t));
    }
    return image.threads(0).ended() && image.threads_size() == 1 ? fail("no thread that runs") : Status();
}

Status check_process(const wire::Image& image) {
    if (image.sigactions().size() != kSigactions) return fail("dispositions of {} bytes", image.sigactions().size());
    if (image.layout().auxv().size() > kMaxAuxv) return fail("an auxv of {} bytes", image.layout().auxv().size());
    if (image.cpu_timers_size() > 2) return fail("{} CPU timers", image.cpu_timers_size());
    for (const auto& timer : image.cpu_timers())
        if (timer.size() != sizeof(itimerval)) return fail("a CPU timer of {} bytes", timer.size());
    return check_infos(image.pending());
}

Status check_all_regions(const wire::Image& image) {
    AddressRange agent{image.agent_base(), image.agent_base() + kAgentSize};
    uint64_t previous = 0;
    for (const auto& r : image.regions()) {
        TRY(check_region(r, image));
        if (r.start() < previous) return fail("a region at {:#x} before the one in front of it", r.start());
        if (agent.overlaps(r.start(), r.end())) return fail("a region at {:#x} in the agent's place", r.start());
        previous = r.end();
    }
    return {};
}

// In order, each in private anonymous memory.
Status check_guards(const wire::Image& image) {
    auto region = image.regions().begin();
    uint64_t previous = 0;
    for (const auto& g : image.guards()) {
        bool is_range = g.start() < g.end() && g.start() % kPage == 0 && g.end() % kPage == 0 && g.start() >= previous;
        uint64_t covered = g.start();
        for (; is_range && region != image.regions().end() && region->start() <= covered; ++region) {
            bool is_private = region->kind() == wire::Region::ANONYMOUS && !region->shared();
            if (region->end() > covered && is_private) covered = region->end();
            if (covered >= g.end()) break;
        }
        if (!is_range || covered < g.end()) return fail("guard pages at {:#x}-{:#x}", g.start(), g.end());
        previous = g.end();
    }
    return {};
}

Status as_image(Status checked) { return checked ? Status() : Status(std::move(checked.error()).within("an image that can't be")); }

}  // namespace

Status check_image_layout(const wire::Image& image) {
    TRY(as_image(check_agent(image.agent_base())));
    TRY(as_image(check_files(image)));
    TRY(as_image(check_all_regions(image)));
    return as_image(check_guards(image));
}

Status check_image(const wire::Image& image) {
    TRY(check_image_layout(image));
    TRY(as_image(check_threads(image)));
    return as_image(check_process(image));
}

}  // namespace pmi
