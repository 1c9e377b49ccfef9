// One memfd: head, index (open addressing, a few slots next to each other), the hash of each place, then the pages, from the
// next page boundary on. A place is given to a new page in turn.
#include "remote/movers/page_store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

namespace pmi {

struct PageStore::Head {
    uint64_t capacity;  // pages
    uint64_t slots;     // a power of two
    std::atomic<uint64_t> next;
    PageKey key;
};
struct PageStore::Slot {
    PageHash hash;
    uint64_t place;  // counted from 1; 0: free
};

namespace {

constexpr size_t kNeighbours = 8;
constexpr uint64_t kMostPages = uint64_t{1} << 32;

uint64_t whole_pages(uint64_t size) { return (size + kStoredPage - 1) / kStoredPage * kStoredPage; }
uint64_t slots_for(uint64_t capacity) { return std::bit_ceil(capacity * 2); }

}  // namespace

Expected<PageKey> make_page_key() {
    PageKey key;
    if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) return fail_errno("getrandom");
    return key;
}

PageHash hash_page(std::span<const std::byte> page, const PageKey& key) {
    XXH128_hash_t hash = ::XXH3_128bits_withSecret(page.data(), page.size(), key.data(), key.size());
    return {hash.low64, hash.high64};
}

Expected<Fd> PageStore::make(uint64_t bytes) {
    uint64_t capacity = std::min(bytes / kStoredPage, kMostPages);
    if (capacity == 0) return fail_code(EINVAL, "a store of {} bytes holds no page", bytes);
    uint64_t front = whole_pages(sizeof(Head) + slots_for(capacity) * sizeof(Slot) + capacity * sizeof(PageHash));
    Fd fd(::memfd_create("pmi-pages", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd.valid()) return fail_errno("memfd_create");
    uint64_t size = front + capacity * kStoredPage;
    if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return fail_errno("make a store of {} bytes", size);
    TRY_ASSIGN(PageKey key, make_page_key());
    Head head{capacity, slots_for(capacity), 0, key};
    if (::pwrite(fd.get(), &head, sizeof head, 0) != static_cast<ssize_t>(sizeof head))
        return fail_errno("write to a store of pages");
    // A session that shortened it would take its pages from under the others.
    if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) return fail_errno("seal a memfd");
    return fd;
}

Expected<PageStore> PageStore::open(Fd memory) {
    struct stat st {};
    if (::fstat(memory.get(), &st) != 0) return fail_errno("fstat");
    auto size = static_cast<size_t>(st.st_size);
    if (size < sizeof(Head)) return fail("a store of {} bytes", size);
    void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
    if (at == MAP_FAILED) return fail_errno("map a store of {} bytes", size);
    PageStore store(Mapping(at, size));
    const Head& head = store.head();
    uint64_t front = whole_pages(sizeof(Head) + head.slots * sizeof(Slot) + head.capacity * sizeof(PageHash));
    if (head.capacity == 0 || head.slots != slots_for(head.capacity) || front + head.capacity * kStoredPage != size)
        return fail("a store of pages that makes no sense");
    return store;
}

PageStore::Head& PageStore::head() const { return *reinterpret_cast<Head*>(memory_.data()); }
std::span<PageStore::Slot> PageStore::index() const {
    return {reinterpret_cast<Slot*>(memory_.data() + sizeof(Head)), head().slots};
}
std::span<PageHash> PageStore::hashes() const {
    return {reinterpret_cast<PageHash*>(memory_.data() + sizeof(Head) + head().slots * sizeof(Slot)), head().capacity};
}
std::byte* PageStore::place(uint64_t number) const {
    return memory_.data() + memory_.size() - (head().capacity - number) * kStoredPage;
}

const PageKey& PageStore::key() const { return head().key; }
uint64_t PageStore::pages() const { return std::min(head().next.load(), head().capacity); }

PageStore::Slot* PageStore::find(const PageHash& hash) const {
    auto slots = index();
    for (size_t i = 0; i < kNeighbours; i++) {
        Slot& slot = slots[(hash.low + i) & (slots.size() - 1)];
        if (slot.place != 0 && slot.hash == hash) return &slot;
    }
    return nullptr;
}

// A free one, or the one that is due: nothing is looked for further away.
PageStore::Slot& PageStore::slot_for(const PageHash& hash, uint64_t number) const {
    auto slots = index();
    for (size_t i = 0; i < kNeighbours; i++) {
        Slot& slot = slots[(hash.low + i) & (slots.size() - 1)];
        if (slot.place == 0) return slot;
    }
    return slots[(hash.low + number % kNeighbours) & (slots.size() - 1)];
}

bool PageStore::get(const PageHash& hash, std::span<std::byte> page) const {
    Slot* slot = find(hash);
    if (slot == nullptr) return false;
    uint64_t number = slot->place - 1;
    if (number >= head().capacity) return false;
    std::memcpy(page.data(), place(number), kStoredPage);
    return hash_page(page.first(kStoredPage), key()) == hash;
}

void PageStore::put(std::span<const std::byte> page) {
    PageHash hash = hash_page(page, key());
    if (find(hash) != nullptr) return;
    uint64_t number = head().next.fetch_add(1) % head().capacity;
    PageHash& there = hashes()[number];
    if (Slot* old = find(there); old != nullptr && old->place == number + 1) old->place = 0;
    std::memcpy(place(number), page.data(), kStoredPage);
    there = hash;
    slot_for(hash, number) = {hash, number + 1};
}

}  // namespace pmi
