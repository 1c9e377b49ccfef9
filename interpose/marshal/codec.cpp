// The bytes of a Call and of a Reply: little endian, fixed-size fields, counted lists, in the order of the
// structs, and behind them the bytes of their pieces. decode_*() is given bytes by a peer that may be hostile: nothing is allocated
// or used before it was checked against the limits of call.h, so that lay_out() and collect() need no checks of their own.
#include <algorithm>

#include "interpose/marshal/bytes.h"
#include "interpose/marshal/call.h"

namespace pmi {
namespace {

constexpr uint32_t kMaxUnit = 4096;  // no unit of a result is larger
constexpr size_t kCallHeader = 4 + 6 * 8 + 4 * 4;
constexpr size_t kReplyHeader = 8 + 4;
constexpr size_t kPlace = 8;  // offset and size of some arena bytes

class Writer {
  public:
    explicit Writer(size_t size) { bytes_.reserve(size); }
    template <typename T>
    void put(T value) {
        size_t at = bytes_.size();
        bytes_.resize(at + sizeof value);
        store_as(bytes_.data() + at, value);
    }
    void put_places(const std::vector<Piece>& pieces) {
        for (const Piece& piece : pieces) {
            put(piece.offset);
            put(static_cast<uint32_t>(piece.bytes.size()));
        }
    }
    ByteBuffer take() { return std::move(bytes_); }

  private:
    ByteBuffer bytes_;
};

// Reads beyond the end give zeros and are remembered.
class Reader {
  public:
    explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
    template <typename T>
    T get() {
        auto from = take(sizeof(T));
        return from.empty() ? T{} : load_as<T>(from.data());
    }
    std::span<const std::byte> take(size_t size) {
        if (size > bytes_.size() - at_) {
            short_ = true;
            return {};
        }
        at_ += size;
        return bytes_.subspan(at_ - size, size);
    }
    bool ran_short() const { return short_; }
    bool at_end() const { return at_ == bytes_.size() && !short_; }

  private:
    std::span<const std::byte> bytes_;
    size_t at_ = 0;
    bool short_ = false;
};

bool fits(uint64_t offset, uint64_t size, uint64_t limit) { return offset + size <= limit; }

struct Place {
    uint32_t offset, size;
};

Expected<std::vector<Place>> decode_places(Reader& reader, uint32_t count, uint32_t limit) {
    std::vector<Place> places;
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        Place place{reader.get<uint32_t>(), reader.get<uint32_t>()};
        total += place.size;
        if (reader.ran_short() || !fits(place.offset, place.size, limit) || total > kMaxArena)
            return fail("piece {} lies outside of its arena", i);
        places.push_back(place);
    }
    return places;
}

Status take_pieces(Reader& reader, const std::vector<Place>& places, std::vector<Piece>& pieces) {
    for (const Place& place : places) {
        auto bytes = reader.take(place.size);
        if (reader.ran_short()) return fail("ends in the middle of the piece for {}", place.offset);
        pieces.push_back({place.offset, bytes});
    }
    return {};
}

Status decode_relocs(Reader& reader, uint32_t count, Call& call) {
    for (uint32_t i = 0; i < count; i++) {
        Reloc reloc{reader.get<uint32_t>(), reader.get<uint32_t>()};
        bool where_ok = reloc.where < 6 || fits(reloc.where - 6, 8, call.arena_size);
        if (reader.ran_short() || !where_ok || reloc.target > call.arena_size)
            return fail("relocation {} lies outside of its arena", i);
        call.relocs.push_back(reloc);
    }
    return {};
}

Status decode_ranges(Reader& reader, uint32_t count, Call& call) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        OutRange range{};
        range.offset = reader.get<uint32_t>();
        range.size = reader.get<uint32_t>();
        uint32_t when = reader.get<uint32_t>();
        range.result_unit = reader.get<uint32_t>();
        range.count_at = reader.get<uint32_t>();
        total += range.size;
        if (reader.ran_short() || !fits(range.offset, range.size, call.arena_size) || total > kMaxArena)
            return fail("range {} lies outside of its arena", i);
        if (when > static_cast<uint32_t>(OutWhen::Counted)) return fail("range {} has unknown kind {}", i, when);
        range.when = static_cast<OutWhen>(when);
        if (range.result_unit == 0 || range.result_unit > kMaxUnit) return fail("range {} has an absurd unit", i);
        if (range.when == OutWhen::Counted && !fits(range.count_at, 4, call.arena_size))
            return fail("the count of range {} lies outside of its arena", i);
        call.out.push_back(range);
    }
    return {};
}

Encoded encoded(ByteBuffer head, const std::vector<Piece>& pieces) {
    Encoded all{std::move(head), {}};
    all.parts.reserve(1 + pieces.size());
    all.parts.push_back(all.head);
    for (const Piece& piece : pieces) all.parts.push_back(piece.bytes);
    return all;
}

}  // namespace

void Call::put_in(uint32_t offset, ByteBuffer bytes) {
    in.push_back({offset, bytes});
    kept.push_back(std::move(bytes));
}

size_t Encoded::size() const {
    size_t bytes = 0;
    for (auto part : parts) bytes += part.size();
    return bytes;
}

ByteBuffer Encoded::whole() const {
    ByteBuffer bytes;
    bytes.reserve(size());
    for (auto part : parts) bytes.append(part);
    return bytes;
}

Encoded encode(const Call& call) {
    Writer writer(kCallHeader + call.in.size() * kPlace + call.relocs.size() * 8 + call.out.size() * 20);
    writer.put(call.nr);
    for (uint64_t arg : call.args) writer.put(arg);
    writer.put(call.arena_size);
    writer.put(static_cast<uint32_t>(call.in.size()));
    writer.put(static_cast<uint32_t>(call.relocs.size()));
    writer.put(static_cast<uint32_t>(call.out.size()));
    writer.put_places(call.in);
    for (const Reloc& reloc : call.relocs) {
        writer.put(reloc.where);
        writer.put(reloc.target);
    }
    for (const OutRange& range : call.out) {
        writer.put(range.offset);
        writer.put(range.size);
        writer.put(static_cast<uint32_t>(range.when));
        writer.put(range.result_unit);
        writer.put(range.count_at);
    }
    return encoded(writer.take(), call.in);
}

Encoded encode(const Reply& reply) {
    Writer writer(kReplyHeader + reply.out.size() * kPlace);
    writer.put(reply.result);
    writer.put(static_cast<uint32_t>(reply.out.size()));
    writer.put_places(reply.out);
    return encoded(writer.take(), reply.out);
}

Expected<Call> decode_call(std::span<const std::byte> bytes) {
    Reader reader(bytes);
    Call call;
    call.nr = reader.get<int32_t>();
    for (uint64_t& arg : call.args) arg = reader.get<uint64_t>();
    call.arena_size = reader.get<uint32_t>();
    uint32_t ins = reader.get<uint32_t>();
    uint32_t relocs = reader.get<uint32_t>();
    uint32_t outs = reader.get<uint32_t>();
    if (reader.ran_short()) return fail("call of {} bytes: too short", bytes.size());
    if (call.arena_size > kMaxArena) return fail("call {}: arena of {} bytes is too large", call.nr, call.arena_size);
    if (ins > kMaxRanges || relocs > kMaxRelocs || outs > kMaxRanges)
        return fail("call {}: {} pieces, {} relocations, {} ranges are too many", call.nr, ins, relocs, outs);
    TRY_ASSIGN(auto places, decode_places(reader, ins, call.arena_size));
    TRY(decode_relocs(reader, relocs, call));
    TRY(decode_ranges(reader, outs, call));
    TRY(take_pieces(reader, places, call.in));
    if (!reader.at_end()) return fail("call {}: bytes left over", call.nr);
    return call;
}

Expected<Reply> decode_reply(std::span<const std::byte> bytes) {
    Reader reader(bytes);
    Reply reply;
    reply.result = reader.get<int64_t>();
    uint32_t outs = reader.get<uint32_t>();
    if (reader.ran_short()) return fail("reply of {} bytes: too short", bytes.size());
    if (outs > kMaxRanges) return fail("reply: {} pieces are too many", outs);
    TRY_ASSIGN(auto places, decode_places(reader, outs, kMaxArena));
    TRY(take_pieces(reader, places, reply.out));
    if (!reader.at_end()) return fail("reply: bytes left over");
    return reply;
}

}  // namespace pmi
