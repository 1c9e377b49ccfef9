// Pieces of a forwarded call by themselves, without the kernel: marshalling, sealing, hashing.
#include <benchmark/benchmark.h>
#include <sodium.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <xxhash.h>

#include <cstring>
#include <vector>

#include "interpose/marshal/call.h"
#include "interpose/marshal/flatten.h"
#include "interpose/syscall/row.h"
#include "remote/transport/frame_sealer.h"

namespace pmi {
namespace {

// The guest's memory is this process' own: what process_vm_readv costs is left out.
class OwnMemory : public GuestMemory {
  public:
    size_t read(uint64_t address, std::span<std::byte> to) const override {
        std::memcpy(to.data(), reinterpret_cast<const void*>(address), to.size());
        return to.size();
    }
    size_t write(uint64_t address, std::span<const std::byte> from) override {
        std::memcpy(reinterpret_cast<void*>(address), from.data(), from.size());
        return from.size();
    }
};

// All that both sides do with a call, apart from performing it.
void forward(benchmark::State& state, int64_t nr, const std::array<uint64_t, 6>& args, int64_t result) {
    OwnMemory memory;
    const Row& row = *find_row(nr);
    std::vector<std::byte> arena(1 << 20);
    for (auto _ : state) {
        Flattening flat = flatten(row, args, memory);
        auto& sent = std::get<Flattened>(flat);
        ByteBuffer sent_bytes = encode(sent.call).whole();
        auto call = decode_call(sent_bytes);
        PMI_ASSERT(call);
        auto room = std::span(arena).first(call->arena_size);
        benchmark::DoNotOptimize(lay_out(*call, room, 0x7000'0000));
        ByteBuffer reply_bytes = encode(collect(*call, room, result)).whole();
        auto reply = decode_reply(reply_bytes);
        PMI_ASSERT(reply);
        benchmark::DoNotOptimize(apply(sent, *reply, memory));
    }
}

void marshal_getppid(benchmark::State& state) { forward(state, SYS_getppid, {}, 1); }

void marshal_read_4k(benchmark::State& state) {
    std::vector<std::byte> buffer(4096);
    forward(state, SYS_read, {0, reinterpret_cast<uint64_t>(buffer.data()), buffer.size()}, 4096);
}

void marshal_writev(benchmark::State& state) {
    std::vector<std::byte> buffer(3 * 512);
    iovec parts[3];
    for (size_t i = 0; i < 3; i++) parts[i] = {buffer.data() + i * 512, 512};
    forward(state, SYS_writev, {1, reinterpret_cast<uint64_t>(parts), 3}, 3 * 512);
}

// Sealed at one end, opened at the other.
void seal_and_open(benchmark::State& state, Cipher cipher) {
    if (!cipher_available(cipher)) return state.SkipWithError("this CPU doesn't have it");
    CipherKey key{};
    FrameSealer out(cipher, key), in(cipher, key);
    std::vector<std::byte> text(static_cast<size_t>(state.range(0)));
    std::array<std::byte, 4> header{};
    std::array<std::byte, kSealOverhead> tag;
    for (auto _ : state) {
        std::span<const std::byte> from(text);
        out.seal(header, {&from, 1}, text, tag);
        PMI_ASSERT(in.open(header, text, text, tag));
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}

// What libzmq's CURVE does with a message, at one end.
void curve_box(benchmark::State& state) {
    std::vector<unsigned char> text(static_cast<size_t>(state.range(0))), boxed(text.size() + crypto_box_MACBYTES);
    unsigned char key[crypto_box_BEFORENMBYTES]{}, nonce[crypto_box_NONCEBYTES]{};
    for (auto _ : state) {
        int code = ::crypto_box_easy_afternm(boxed.data(), text.data(), text.size(), nonce, key);
        PMI_ASSERT(code == 0);
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}

void xxh3(benchmark::State& state) {
    std::vector<std::byte> text(static_cast<size_t>(state.range(0)));
    for (auto _ : state) benchmark::DoNotOptimize(XXH3_64bits(text.data(), text.size()));
    state.SetBytesProcessed(state.iterations() * state.range(0));
}

BENCHMARK(marshal_getppid);
BENCHMARK(marshal_read_4k);
BENCHMARK(marshal_writev);
BENCHMARK_CAPTURE(seal_and_open, aes256gcm, Cipher::Aes256Gcm)->Arg(93)->Arg(4096)->Arg(1 << 20);
BENCHMARK_CAPTURE(seal_and_open, chacha20, Cipher::ChaCha20)->Arg(93)->Arg(4096)->Arg(1 << 20);
BENCHMARK(curve_box)->Arg(1 << 20);
BENCHMARK(xxh3)->Arg(4096)->Arg(1 << 20);

}  // namespace
}  // namespace pmi

BENCHMARK_MAIN();
