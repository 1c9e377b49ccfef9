// What an image has to be before anything is done with it: each test damages a right one in one way.
#include "runtime/memory/image_check.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/user.h>

#include "interpose/agent/agent.h"

namespace pmi {
namespace {

constexpr uint64_t kAgentBase = uint64_t{0x1000} << 32;

wire::Region* add_region(wire::Image& image, uint64_t start, uint64_t end, wire::Region::Kind kind) {
    auto* r = image.add_regions();
    r->set_start(start);
    r->set_end(end);
    r->set_protection(PROT_READ);
    r->set_kind(kind);
    return r;
}

wire::Thread* add_thread(wire::Image& image, int32_t tid) {
    auto* t = image.add_threads();
    t->set_tid(tid);
    t->set_registers(std::string(sizeof(user_regs_struct), '\0'));
    t->set_alternate_stack(std::string(sizeof(stack_t), '\0'));
    return t;
}

void add_guards(wire::Image& image, uint64_t start, uint64_t end) {
    auto* g = image.add_guards();
    g->set_start(start);
    g->set_end(end);
}

wire::Image right_image() {
    wire::Image image;
    image.set_pid(42);
    image.set_agent_base(kAgentBase);
    image.set_sigactions(std::string(64 * 32, '\0'));
    add_thread(image, 42);
    add_thread(image, 43);
    image.add_files()->set_index(0);
    add_region(image, 0x400000, 0x402000, wire::Region::FILE);
    add_region(image, 0x402000, 0x403000, wire::Region::ANONYMOUS);
    add_region(image, kAgentBase + kAgentSize, kAgentBase + kAgentSize + kPage, wire::Region::ANONYMOUS);
    add_region(image, kAgentBase + kAgentSize + kPage, kAgentBase + kAgentSize + 3 * kPage, wire::Region::ANONYMOUS);
    add_guards(image, 0x402000, 0x403000);
    add_guards(image, kAgentBase + kAgentSize, kAgentBase + kAgentSize + 2 * kPage);  // of two regions
    add_guards(image, kAgentBase + kAgentSize + 2 * kPage, kAgentBase + kAgentSize + 3 * kPage);
    return image;
}

TEST(ImageCheck, ARightOnePasses) {
    auto checked = check_image(right_image());
    EXPECT_TRUE(checked) << checked.error().message();
}

struct Damage {
    const char* words;  // in the error
    void (*how)(wire::Image&);
};

class Damaged : public testing::TestWithParam<Damage> {};

TEST_P(Damaged, IsRefusedAndSaysWhy) {
    wire::Image image = right_image();
    GetParam().how(image);
    auto checked = check_image(image);
    ASSERT_FALSE(checked);
    EXPECT_NE(checked.error().message().find(GetParam().words), std::string::npos) << checked.error().message();
}

const Damage kOfRegions[] = {
    {"a region at 0x400000-0x400000", [](auto& i) { i.mutable_regions(0)->set_end(0x400000); }},
    {"a region at 0x400000-0x3ff000", [](auto& i) { i.mutable_regions(0)->set_end(0x3ff000); }},
    {"a region at 0x400001-", [](auto& i) { i.mutable_regions(0)->set_start(0x400001); }},
    {"-0x403001", [](auto& i) { i.mutable_regions(1)->set_end(0x403001); }},
    {"0x401000 before", [](auto& i) { i.mutable_regions(1)->set_start(0x401000); }},
    {"before", [](auto& i) { i.mutable_regions()->SwapElements(0, 1); }},
    {"-0xffffffffffff", [](auto& i) { i.mutable_regions(2)->set_end(~uint64_t{0xfff}); }},
    {"-0x800000001000", [](auto& i) { i.mutable_regions(2)->set_end((uint64_t{1} << 47) + kPage); }},
    {"agent's place", [](auto& i) { i.mutable_regions(2)->set_start(kAgentBase + kAgentSize - kPage); }},
    {"agent's place", [](auto& i) { i.mutable_regions(1)->set_end(kAgentBase + kPage); }},
    {"protection 0x9", [](auto& i) { i.mutable_regions(0)->set_protection(9); }},
    {"kind 7", [](auto& i) { i.mutable_regions(1)->set_kind(static_cast<wire::Region::Kind>(7)); }},
    {"file 1 of 1", [](auto& i) { i.mutable_regions(0)->set_file(1); }},
    {"file 4294967295 of 1", [](auto& i) { i.mutable_regions(0)->set_file(~0U); }},
    {"file 0 of 0", [](auto& i) { i.clear_files(); }},
    {"of a file", [](auto& i) { i.mutable_regions(0)->set_offset(1); }},
    {"of a file", [](auto& i) { i.mutable_regions(0)->set_offset(~uint64_t{0xfff}); }},
    {"file 3 in the place of file 0", [](auto& i) { i.mutable_files(0)->set_index(3); }},
    {"an agent at 0x0", [](auto& i) { i.set_agent_base(0); }},
    {"an agent at", [](auto& i) { i.set_agent_base(kAgentBase + 1); }},
    {"an agent at", [](auto& i) { i.set_agent_base((uint64_t{1} << 47) - kPage); }},
    {"an agent at", [](auto& i) { i.set_agent_base(~uint64_t{0xfff}); }},
};
const Damage kOfGuards[] = {
    {"guard pages at 0x402000-0x402000", [](auto& i) { i.mutable_guards(0)->set_end(0x402000); }},
    {"guard pages at 0x402001", [](auto& i) { i.mutable_guards(0)->set_start(0x402001); }},
    {"guard pages at 0x401000", [](auto& i) { i.mutable_guards(0)->set_start(0x401000); }},
    {"-0x404000", [](auto& i) { i.mutable_guards(0)->set_end(0x404000); }},
    {"guard pages at", [](auto& i) { i.mutable_guards()->SwapElements(0, 1); }},
    {"guard pages at", [](auto& i) { i.mutable_guards(2)->set_end(i.mutable_guards(2)->end() + kPage); }},
    {"guard pages at", [](auto& i) { i.mutable_guards(2)->set_end(~uint64_t{0xfff}); }},
    {"guard pages at 0x402000", [](auto& i) { i.mutable_regions(1)->set_shared(true); }},
    {"guard pages at 0x402000", [](auto& i) { i.mutable_regions(1)->set_kind(wire::Region::FILE); }},
};
const Damage kOfTasks[] = {
    {"no leader", [](auto& i) { i.clear_threads(); }},
    {"no leader", [](auto& i) { i.mutable_threads()->SwapElements(0, 1); }},
    {"thread 42 twice", [](auto& i) { i.mutable_threads(1)->set_tid(42); }},
    {"a thread 1", [](auto& i) { i.mutable_threads(1)->set_tid(1); }},
    {"a thread -5", [](auto& i) { i.mutable_threads(1)->set_tid(-5); }},
    {"not the leader", [](auto& i) { i.mutable_threads(1)->set_ended(true); }},
    {"no thread that runs",
     [](auto& i) {
         i.mutable_threads()->RemoveLast();
         i.mutable_threads(0)->set_ended(true);
     }},
    {"registers of 3 bytes", [](auto& i) { i.mutable_threads(1)->set_registers("abc"); }},
    {"alternate stack of 0 bytes", [](auto& i) { i.mutable_threads(1)->clear_alternate_stack(); }},
    {"a timeout of unknown form", [](auto& i) { i.mutable_threads(1)->set_timeout_kind(200); }},
    {"a timeout of unknown form", [](auto& i) { i.mutable_threads(1)->set_timeout_arg(6); }},
    {"a pending signal of 1 bytes", [](auto& i) { i.mutable_threads(1)->add_pending("x"); }},
    {"a pending signal of 1 bytes", [](auto& i) { i.add_pending("x"); }},
    {"dispositions of 0 bytes", [](auto& i) { i.clear_sigactions(); }},
    {"an auxv of 5000 bytes", [](auto& i) { i.mutable_layout()->set_auxv(std::string(5000, '\0')); }},
    {"a CPU timer of 1 bytes", [](auto& i) { i.add_cpu_timers("x"); }},
};
INSTANTIATE_TEST_SUITE_P(Regions, Damaged, testing::ValuesIn(kOfRegions));
INSTANTIATE_TEST_SUITE_P(Guards, Damaged, testing::ValuesIn(kOfGuards));
INSTANTIATE_TEST_SUITE_P(Tasks, Damaged, testing::ValuesIn(kOfTasks));

// Before the last round nothing is known of the threads.
TEST(ImageCheck, ALayoutHasNoThreads) {
    wire::Image image = right_image();
    image.clear_threads();
    image.clear_sigactions();
    EXPECT_TRUE(check_image_layout(image));
    EXPECT_FALSE(check_image(image));
    image.mutable_regions(0)->set_file(1);
    EXPECT_FALSE(check_image_layout(image));
}

TEST(ImageCheck, AnEndedLeaderHasNoRegisters) {
    wire::Image image = right_image();
    image.mutable_threads(0)->set_ended(true);
    image.mutable_threads(0)->clear_registers();
    image.mutable_threads(0)->clear_alternate_stack();
    EXPECT_TRUE(check_image(image));
}

}  // namespace
}  // namespace pmi
