// An image from a peer: what passes the check must be good for all that is then done with it without a process. The first
// byte says whether it comes to a node or home.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "interpose/vdso/shims.h"
#include "remote/movers/mover.h"
#include "remote/wire/xstate.h"
#include "runtime/guest/guest_vdso.h"
#include "runtime/memory/image_check.h"
#include "runtime/memory/region_plan.h"

namespace {

using namespace pmi;

// Steps must be inside the address space, in whole pages, and never touch the agent's place.
void check_plan(const wire::Image& home, const wire::Image& guest) {
    RegionPlan plan = plan_regions(home, guest);
    AddressRange agent{guest.agent_base(), guest.agent_base() + kAgentSize};
    for (const auto& step : plan.steps) {
        auto [start, end] = step.range;
        if (start >= end || start % kPage != 0 || end % kPage != 0 || agent.overlaps(start, end)) std::abort();
        if (step.target != nullptr) (void)advice_of(step.target->vm_flags(), step.before);
    }
}

void check_runs(const wire::Image& image) {
    MemoryInstaller installer(::getpid(), image, [](uint32_t) { return -1; });
    for (const auto& r : image.regions()) {
        MemoryRun runs[] = {{r.start(), r.end() - r.start()}, {r.start() - kPage, kPage}, {r.end(), ~uint64_t{0} - r.end() + 1}};
        auto message = make_stream_message(StreamKind::Drop, 1, runs, {});
        auto view = parse_stream_message(message);
        if (view) (void)installer.dropped(*view);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const XstateLayout layout = local_xstate_layout();
    wire::Image image;
    if (size == 0 || !image.ParseFromArray(data + 1, static_cast<int>(size - 1))) return 0;
    if (!check_image_layout(image)) {
        if (check_image(image)) std::abort();
        return 0;
    }
    if (data[0] % 2 == 0)
        if (auto vdso = describe_vdso(image)) (void)vdso_copy(*vdso, image);
    check_runs(image);
    check_plan(image, image);
    wire::Image other = image;
    other.mutable_regions()->DeleteSubrange(0, other.regions_size() / 2);
    check_plan(other, image);
    check_plan(image, other);
    if (check_image(image) && !relay_image(image, layout)) return 0;
    return 0;
}
