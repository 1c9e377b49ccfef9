// Register state from one CPU's layout into another's: this machine's, and layouts as Intel and AMD have them.
#include "remote/wire/xstate.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace pmi {
namespace {

struct Place {
    uint32_t number, size, offset;
};
XstateLayout layout_of(std::initializer_list<Place> places) {
    XstateLayout layout;
    for (auto p : places) {
        auto* c = layout.Add();
        c->set_number(p.number);
        c->set_size(p.size);
        c->set_offset(p.offset);
    }
    return layout;
}
// A hole where MPX is, filled or not.
const XstateLayout kIntel =
    layout_of({{0, 160, 0}, {1, 256, 160}, {2, 256, 576}, {5, 64, 1088}, {6, 512, 1152}, {7, 1024, 1664}, {9, 8, 2688}});
const XstateLayout kIntelMpx = layout_of({{0, 160, 0}, {1, 256, 160}, {2, 256, 576}, {3, 64, 960}, {4, 64, 1024}, {9, 8, 2688}});
const XstateLayout kAmd =
    layout_of({{0, 160, 0}, {1, 256, 160}, {2, 256, 576}, {5, 64, 832}, {6, 512, 896}, {7, 1024, 1408}, {9, 8, 2432}});
const XstateLayout kAvx = layout_of({{0, 160, 0}, {1, 256, 160}, {2, 256, 576}});
const XstateLayout kSse = layout_of({{0, 160, 0}, {1, 256, 160}});

uint32_t size_of(const XstateLayout& layout) {
    uint32_t size = 576;
    for (const auto& c : layout)
        if (c.number() >= 2) size = std::max(size, c.offset() + c.size());
    return size;
}

// All components of the layout that are in `in_use`, each full of its own bytes.
std::string state(const XstateLayout& layout, uint64_t in_use) {
    std::string s(size_of(layout), '\0');
    for (size_t i = 0; i < 416; i++) s[i] = static_cast<char>(i * 7 + 1);
    for (const auto& c : layout)
        for (uint32_t i = 0; c.number() >= 2 && (in_use >> c.number() & 1) && i < c.size(); i++)
            s[c.offset() + i] = static_cast<char>(c.number() * 16 + i % 13);
    std::memcpy(s.data() + 512, &in_use, sizeof in_use);
    return s;
}
constexpr uint64_t bits(std::initializer_list<int> numbers) {
    uint64_t all = 0;
    for (int n : numbers) all |= uint64_t{1} << n;
    return all;
}
void set_pkru(std::string& s, uint32_t offset, uint32_t value) { std::memcpy(s.data() + offset, &value, sizeof value); }

TEST(Xstate, FromAmdToIntelAndBack) {
    uint64_t all = bits({0, 1, 2, 5, 6, 7, 9});
    std::string amd = state(kAmd, all), intel = state(kIntel, all);
    auto there = relay_xstate(amd, kAmd, kIntel);
    ASSERT_TRUE(there) << there.error().message();
    EXPECT_EQ(*there, intel);
    auto back = relay_xstate(*there, kIntel, kAmd);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, amd);
}

TEST(Xstate, WhatIsNotInUseNeedsNoPlace) {
    auto moved = relay_xstate(state(kAmd, bits({0, 1, 2})), kAmd, kAvx);
    ASSERT_TRUE(moved) << moved.error().message();
    EXPECT_EQ(*moved, state(kAvx, bits({0, 1, 2})));
    EXPECT_TRUE(relay_xstate(state(kAmd, bits({1})), kAmd, kSse));
}

TEST(Xstate, WhatIsInUseNeedsAPlace) {
    auto moved = relay_xstate(state(kAmd, bits({0, 1, 2, 5})), kAmd, kIntelMpx);
    ASSERT_FALSE(moved);
    EXPECT_NE(moved.error().message().find("AVX-512 opmask"), std::string::npos) << moved.error().message();
    EXPECT_FALSE(relay_xstate(state(kAvx, bits({2})), kAvx, kSse));
    EXPECT_TRUE(relay_xstate(state(kIntelMpx, bits({0, 1})), kIntelMpx, kAmd));
    EXPECT_FALSE(relay_xstate(state(kIntelMpx, bits({3})), kIntelMpx, kAmd));
}

TEST(Xstate, ZerosAreNotInUse) {
    std::string s = state(kIntelMpx, bits({0, 1, 2, 3, 4}));
    std::memset(s.data() + 960, 0, 128);  // both parts of MPX
    EXPECT_EQ(*live_xstate(s, kIntelMpx), bits({0, 1, 2}));
    auto moved = relay_xstate(s, kIntelMpx, kAmd);
    ASSERT_TRUE(moved) << moved.error().message();
    EXPECT_EQ(*moved, state(kAmd, bits({0, 1, 2})));
}

TEST(Xstate, ProtectionKeys) {
    std::string s = state(kAmd, bits({0, 1, 9}));
    for (uint32_t initial : {0x55555554u, 0u}) {
        set_pkru(s, 2432, initial);
        EXPECT_EQ(*live_xstate(s, kAmd), bits({0, 1}));
        EXPECT_TRUE(relay_xstate(s, kAmd, kAvx));
    }
    set_pkru(s, 2432, 0x55555550);
    EXPECT_EQ(*live_xstate(s, kAmd), bits({0, 1, 9}));
    EXPECT_FALSE(relay_xstate(s, kAmd, kAvx));
    auto moved = relay_xstate(s, kAmd, kIntel);
    ASSERT_TRUE(moved);
    uint32_t value = 0;
    std::memcpy(&value, moved->data() + 2688, sizeof value);
    EXPECT_EQ(value, 0x55555550u);
    auto gained = relay_xstate(state(kAvx, bits({0, 1, 2})), kAvx, kIntel);
    ASSERT_TRUE(gained);
    std::memcpy(&value, gained->data() + 2688, sizeof value);
    EXPECT_EQ(value, 0x55555554u);
    EXPECT_EQ(*live_xstate(*gained, kIntel), bits({0, 1, 2}));
}

TEST(Xstate, TheSoftwaresBytesStayBehind) {
    std::string s = state(kAmd, bits({0, 1}));
    std::memset(s.data() + 464, 0x5a, 48);
    auto moved = relay_xstate(s, kAmd, kIntel);
    ASSERT_TRUE(moved);
    EXPECT_EQ(moved->substr(464, 48), std::string(48, '\0'));
}

TEST(Xstate, Images) {
    wire::Image image;
    *image.mutable_xstate_layout() = kAmd;
    image.add_threads()->set_xstate(state(kAmd, bits({0, 1, 2})));
    image.add_threads()->set_ended(true);
    image.add_threads()->set_xstate(state(kAmd, bits({0, 1, 2, 7})));
    wire::Machine node;
    *node.mutable_xstate() = kIntel;
    node.set_xcr0(bits({0, 1, 2, 5, 6, 7, 9}));
    EXPECT_TRUE(check_live_xstate(image, node));
    node.set_xcr0(bits({0, 1, 2}));
    auto checked = check_live_xstate(image, node);
    ASSERT_FALSE(checked);
    EXPECT_NE(checked.error().message().find("AVX-512 upper registers"), std::string::npos);
    *node.mutable_xstate() = kAvx;
    EXPECT_FALSE(check_live_xstate(image, node));
    EXPECT_FALSE(relay_image(image, kAvx));
    ASSERT_TRUE(relay_image(image, kIntel));
    EXPECT_EQ(image.threads(2).xstate(), state(kIntel, bits({0, 1, 2, 7})));
    EXPECT_EQ(image.xstate_layout_size(), kIntel.size());
}

TEST(Xstate, HostileBytes) {
    EXPECT_FALSE(relay_xstate("", kAmd, kIntel));
    EXPECT_FALSE(relay_xstate(std::string(575, '\0'), kAmd, kIntel));
    EXPECT_FALSE(relay_xstate(std::string(100000, '\0'), kAmd, kIntel));
    std::string compacted = state(kAmd, 3);
    compacted[527] = '\x80';
    EXPECT_FALSE(relay_xstate(compacted, kAmd, kIntel));
    EXPECT_FALSE(relay_xstate(state(kAmd, ~uint64_t{0}), kAmd, kIntel));
    EXPECT_FALSE(relay_xstate(state(kAmd, bits({2})), XstateLayout(), kIntel));
    std::mt19937_64 random(1);
    for (int round = 0; round < 20000; round++) {
        XstateLayout from;
        for (int i = 0; i < 6; i++) {
            auto* c = from.Add();
            c->set_number(static_cast<uint32_t>(random() % 70));
            c->set_size(static_cast<uint32_t>(random() % 4 == 0 ? random() : random() % 1200));
            c->set_offset(static_cast<uint32_t>(random() % 4 == 0 ? random() : random() % 3000));
        }
        std::string s = state(kAmd, random() & random());
        s.resize(s.size() - random() % 2000);
        (void)relay_xstate(s, from, kIntel);
        (void)relay_xstate(s, kAmd, from);
    }
}

TEST(Xstate, ThisMachinesLayout) {
    XstateLayout here = local_xstate_layout();
    for (const auto& c : here) {
        if (c.number() < 2) continue;
        EXPECT_GE(c.offset(), 576u);
        EXPECT_GT(c.size(), 0u);
    }
}

}  // namespace
}  // namespace pmi
