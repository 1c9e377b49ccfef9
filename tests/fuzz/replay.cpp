// Runs fuzzers' entries with any compiler: over files, and over inputs made from them (or from nothing) by a seed.
//   pmi_fuzz_replay NAME [--generate N] [--seed S] [FILE|DIRECTORY]...
//   pmi_fuzz_replay --list
// A finding aborts; the input is left in the file that the last line on stderr names.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/entries.h"

namespace {

using Input = std::vector<uint8_t>;

struct Options {
    pmi::fuzz::Entry entry = nullptr;
    std::string name;
    unsigned long generate = 0, seed = 1;
    std::vector<Input> corpus;
};

[[noreturn]] void die(const std::string& why) {
    std::fprintf(stderr, "pmi_fuzz_replay: %s\n", why.c_str());
    std::exit(2);
}

Input read_input(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) die("can't read " + path.string());
    return Input(std::istreambuf_iterator<char>(file), {});
}

void add_inputs(const std::filesystem::path& path, std::vector<Input>& to) {
    if (!std::filesystem::is_directory(path)) return to.push_back(read_input(path));
    for (const auto& entry : std::filesystem::directory_iterator(path))
        if (entry.is_regular_file()) to.push_back(read_input(entry.path()));
}

unsigned long number(const char* text) {
    char* end = nullptr;
    unsigned long value = std::strtoul(text, &end, 10);
    if (end == text || *end != '\0') die(std::string(text) + " is no number");
    return value;
}

Options parse(int argc, char** argv) {
    Options o;
    for (int i = 1; i < argc; i++) {
        std::string word = argv[i];
        bool has_value = word == "--generate" || word == "--seed";
        if (has_value && i + 1 == argc) die(word + " needs a value");
        if (word == "--list") {
            for (const auto& [name, entry] : pmi::fuzz::kEntries) std::puts(name);
            std::exit(0);
        } else if (word == "--generate") {
            o.generate = number(argv[++i]);
        } else if (word == "--seed") {
            o.seed = number(argv[++i]);
        } else if (o.name.empty()) {
            o.name = word;
        } else {
            add_inputs(word, o.corpus);
        }
    }
    for (const auto& [name, entry] : pmi::fuzz::kEntries)
        if (o.name == name) o.entry = entry;
    if (o.entry == nullptr) die("no fuzzer \"" + o.name + "\" (see --list)");
    return o;
}

// What mutates: bits, bytes, numbers at the edges, pieces that go, come twice or come from another input.
class Mutator {
  public:
    Mutator(const std::vector<Input>& corpus, unsigned long seed) : corpus_(corpus), random_(seed) {}

    Input next() {
        Input input = corpus_.empty() ? noise(below(400)) : corpus_[below(corpus_.size())];
        for (size_t n = 1 + below(6); n > 0; n--) mutate(input);
        return input;
    }

  private:
    size_t below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }
    Input noise(size_t size) {
        Input input(size);
        for (auto& byte : input) byte = static_cast<uint8_t>(random_());
        return input;
    }
    void mutate(Input& input) {
        size_t at = below(input.size());
        size_t length = std::min(input.size() - at, size_t{1} + below(64));
        auto begin = input.begin() + static_cast<long>(at), end = begin + static_cast<long>(length);
        switch (below(7)) {
            case 0:
                if (!input.empty()) input[at] ^= static_cast<uint8_t>(1 << below(8));
                return;
            case 1:
                if (!input.empty()) input[at] = static_cast<uint8_t>(random_());
                return;
            case 2: return put_edge(input, at);
            case 3: input.erase(begin, end); return;
            case 4: {
                Input piece(begin, end);
                input.insert(begin, piece.begin(), piece.end());
                return;
            }
            case 5: {
                Input piece = noise(below(16));
                input.insert(begin, piece.begin(), piece.end());
                return;
            }
            default: return splice(input, at);
        }
    }
    void put_edge(Input& input, size_t at) {
        constexpr uint64_t kEdges[] = {0,      1,          0x7f,       0x80,       0xff,       0x7fff,
                                       0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 47, ~0ull};
        uint64_t edge = kEdges[below(std::size(kEdges))];
        size_t width = size_t{1} << below(4);
        for (size_t i = 0; i < width && at + i < input.size(); i++) input[at + i] = static_cast<uint8_t>(edge >> (8 * i));
    }
    void splice(Input& input, size_t at) {
        if (corpus_.empty()) return;
        const Input& other = corpus_[below(corpus_.size())];
        size_t from = below(other.size());
        input.resize(at);
        input.insert(input.end(), other.begin() + static_cast<long>(from), other.end());
    }

    const std::vector<Input>& corpus_;
    std::mt19937_64 random_;
};

// Kept until the entry has returned: whatever ends this process, the input is there.
class Witness {
  public:
    explicit Witness(const std::string& name)
        : path_(std::filesystem::temp_directory_path() / ("pmi-fuzz-" + name + "-" + std::to_string(::time(nullptr)))) {}
    ~Witness() { std::filesystem::remove(path_); }
    void keep(const Input& input) {
        std::ofstream file(path_, std::ios::binary | std::ios::trunc);
        file.write(reinterpret_cast<const char*>(input.data()), static_cast<std::streamsize>(input.size()));
    }
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

}  // namespace

int main(int argc, char** argv) {
    Options o = parse(argc, argv);
    Witness witness(o.name);
    std::fprintf(stderr, "%s: %zu inputs, %lu made of them with seed %lu; the last one is in %s if this ends badly\n",
                 o.name.c_str(), o.corpus.size(), o.generate, o.seed, witness.path().c_str());
    auto run = [&](const Input& input) {
        witness.keep(input);
        o.entry(input.data(), input.size());
    };
    run({});
    for (const auto& input : o.corpus) run(input);
    Mutator mutator(o.corpus, o.seed);
    for (unsigned long i = 0; i < o.generate; i++) run(mutator.next());
    return 0;
}
