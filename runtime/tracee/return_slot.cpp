#include "runtime/tracee/return_slot.h"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <array>
#include <set>
#include <vector>

namespace pmi {
namespace {

constexpr size_t kMostInstructions = 2000;
constexpr int kEnoughWays = 2;  // to a `ret`, that agree
constexpr uint64_t kWord = sizeof(uint64_t);

// A place in the code, and what the stack registers hold there.
struct Way {
    uint64_t rip, rsp;
    std::optional<uint64_t> rbp;
};

struct Instruction {
    ZydisDecodedInstruction what{};
    std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands{};

    std::span<const ZydisDecodedOperand> visible() const { return {operands.data(), what.operand_count_visible}; }
    std::span<const ZydisDecodedOperand> all() const { return {operands.data(), what.operand_count}; }
    bool is(ZydisMnemonic mnemonic) const { return what.mnemonic == mnemonic; }
    bool is_register(size_t i, ZydisRegister reg) const {
        return i < visible().size() && operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER && operands[i].reg.value == reg;
    }
    // Also by way of a part of it, or without naming it.
    bool writes(ZydisRegister reg) const {
        return std::any_of(all().begin(), all().end(), [&](const ZydisDecodedOperand& o) {
            return o.type == ZYDIS_OPERAND_TYPE_REGISTER && (o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0 &&
                   ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, o.reg.value) == reg;
        });
    }
};

class Search {
  public:
    Search(std::span<const std::byte> code, uint64_t start) : code_(code), start_(start) {
        ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    }

    std::optional<uint64_t> run(const Way& from) {
        ways_.push_back(from);
        for (size_t n = 0; !ways_.empty() && found_ < kEnoughWays; n++) {
            if (n == kMostInstructions) return std::nullopt;
            Way way = ways_.back();
            ways_.pop_back();
            if (seen_.insert(way.rip).second && !follow(way)) return std::nullopt;
        }
        return slot_;
    }

  private:
    // One instruction. False: nothing can be told.
    bool follow(Way way) {
        Instruction i;
        if (way.rip < start_ || way.rip - start_ >= code_.size()) return false;
        auto here = code_.subspan(way.rip - start_);
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder_, here.data(), here.size(), &i.what, i.operands.data()))) return false;
        switch (i.what.meta.category) {
            case ZYDIS_CATEGORY_RET: return found(way.rsp);
            case ZYDIS_CATEGORY_INTERRUPT: return true;  // int3, ud2: no way on
            case ZYDIS_CATEGORY_UNCOND_BR: return jump(i, way);
            case ZYDIS_CATEGORY_COND_BR:
                if (!jump(i, way)) return false;
                break;
            case ZYDIS_CATEGORY_CALL: break;  // leaves the stack as it was
            default:
                if (i.is(ZYDIS_MNEMONIC_UD2)) return true;
                if (!move_stack(i, way)) return false;
        }
        way.rip += i.what.length;
        ways_.push_back(way);
        return true;
    }

    bool jump(const Instruction& i, Way way) {
        uint64_t target = 0;
        if (i.visible().empty() || i.operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE) return false;
        if (!ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&i.what, &i.operands[0], way.rip, &target))) return false;
        way.rip = target;
        ways_.push_back(way);
        return true;
    }

    // What the instruction makes of rsp and rbp.
    static bool move_stack(const Instruction& i, Way& way) {
        if (i.is(ZYDIS_MNEMONIC_LEAVE)) {
            if (!way.rbp) return false;
            way.rsp = *way.rbp + kWord;
            way.rbp.reset();
            return true;
        }
        bool is_push = i.is(ZYDIS_MNEMONIC_PUSH), is_pop = i.is(ZYDIS_MNEMONIC_POP);
        if (is_push || is_pop) {
            if (i.what.operand_width != 64 || (is_pop && i.is_register(0, ZYDIS_REGISTER_RSP))) return false;
            way.rsp += is_push ? -kWord : kWord;
        } else if (i.writes(ZYDIS_REGISTER_RSP)) {
            auto moved = new_rsp(i, way);
            if (!moved) return false;
            way.rsp = *moved;
        }
        if (i.is(ZYDIS_MNEMONIC_MOV) && i.is_register(0, ZYDIS_REGISTER_RBP) && i.is_register(1, ZYDIS_REGISTER_RSP))
            way.rbp = way.rsp;
        else if (i.writes(ZYDIS_REGISTER_RBP))
            way.rbp.reset();
        return true;
    }

    static std::optional<uint64_t> new_rsp(const Instruction& i, const Way& way) {
        if (!i.is_register(0, ZYDIS_REGISTER_RSP) || i.visible().size() != 2) return std::nullopt;
        const ZydisDecodedOperand& from = i.operands[1];
        bool by_number = from.type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
        if (i.is(ZYDIS_MNEMONIC_ADD) && by_number) return way.rsp + from.imm.value.u;
        if (i.is(ZYDIS_MNEMONIC_AND) && by_number) return way.rsp & from.imm.value.u;
        if (i.is(ZYDIS_MNEMONIC_SUB) && by_number) return way.rsp - from.imm.value.u;
        if (i.is(ZYDIS_MNEMONIC_MOV) && i.is_register(1, ZYDIS_REGISTER_RBP)) return way.rbp;
        if (!i.is(ZYDIS_MNEMONIC_LEA) || from.mem.index != ZYDIS_REGISTER_NONE) return std::nullopt;
        auto by = static_cast<uint64_t>(from.mem.disp.has_displacement ? from.mem.disp.value : 0);
        if (from.mem.base == ZYDIS_REGISTER_RSP) return way.rsp + by;
        if (from.mem.base == ZYDIS_REGISTER_RBP && way.rbp) return *way.rbp + by;
        return std::nullopt;
    }

    bool found(uint64_t rsp) {
        if (found_++ == 0) slot_ = rsp;
        return *slot_ == rsp;
    }

    std::span<const std::byte> code_;
    uint64_t start_;
    ZydisDecoder decoder_{};
    std::vector<Way> ways_;
    std::set<uint64_t> seen_;
    std::optional<uint64_t> slot_;
    int found_ = 0;
};

}  // namespace

std::optional<uint64_t> find_return_slot(std::span<const std::byte> code, uint64_t start, const Registers& r) {
    auto slot = Search(code, start).run({r.rip, r.rsp, r.rbp});
    bool is_plausible = slot && *slot >= r.rsp && *slot % kWord == 0;
    return is_plausible ? slot : std::nullopt;
}

bool ends_with_call(std::span<const std::byte> before) {
    constexpr size_t kRelative = 5, kLongest = 7;  // bytes
    constexpr auto kCall = std::byte{0xe8};
    if (before.size() >= kRelative && before[before.size() - kRelative] == kCall) return true;
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (size_t size = 2; size <= std::min(kLongest, before.size()); size++) {
        auto code = before.last(size);
        ZydisDecodedInstruction i;
        bool is_whole =
            ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, code.data(), code.size(), &i)) && i.length == size;
        if (is_whole && i.meta.category == ZYDIS_CATEGORY_CALL) return true;
    }
    return false;
}

}  // namespace pmi
