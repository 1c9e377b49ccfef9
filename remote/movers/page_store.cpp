// One memfd: head, index (open addressing, a few slots next to each other), the hash of each place, then the pages, from the
// next page boundary on. A place is given to a new page in turn. Only the head is mapped: what is read and written is scattered,
// each page fault would cost more than the call (15 us on a hypervisor with shadow page tables), and looking into a hole of a
// mapping fills it.
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
#include <optional>

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
uint64_t slots_for(uint64_t capacity) { return std::bit_ceil(std::max<uint64_t>(capacity * 2, kNeighbours)); }

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
    auto size = static_cast<uint64_t>(st.st_size);
    if (size < sizeof(Head)) return fail("a store of {} bytes", size);
    void* at = ::mmap(nullptr, sizeof(Head), PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
    if (at == MAP_FAILED) return fail_errno("map a store of {} bytes", size);
    PageStore store(std::move(memory), Mapping(at, sizeof(Head)));
    const Head& head = store.head();
    if (head.capacity == 0 || head.capacity > kMostPages || head.slots != slots_for(head.capacity) ||
        store.page_at(head.capacity) != size)
        return fail("a store of pages that makes no sense");
    return store;
}

PageStore::Head& PageStore::head() const { return *reinterpret_cast<Head*>(head_.data()); }
uint64_t PageStore::slot_at(uint64_t number) const { return sizeof(Head) + number * sizeof(Slot); }
uint64_t PageStore::hash_at(uint64_t place) const { return slot_at(head().slots) + place * sizeof(PageHash); }
uint64_t PageStore::page_at(uint64_t place) const { return whole_pages(hash_at(head().capacity)) + place * kStoredPage; }

const PageKey& PageStore::key() const { return head().key; }
uint64_t PageStore::pages() const { return std::min(head().next.load(), head().capacity); }

namespace {

// False at the end of memory, or of the store's.
template <typename T>
bool read_at(const Fd& file, uint64_t offset, std::span<T> to) {
    return ::pread(file.get(), to.data(), to.size_bytes(), static_cast<off_t>(offset)) == static_cast<ssize_t>(to.size_bytes());
}
template <typename T>
bool write_at(const Fd& file, uint64_t offset, std::span<const T> from) {
    return ::pwrite(file.get(), from.data(), from.size_bytes(), static_cast<off_t>(offset)) ==
           static_cast<ssize_t>(from.size_bytes());
}

}  // namespace

struct PageStore::Neighbours {
    std::array<Slot, kNeighbours> slots{};
    uint64_t first = 0, count = 0;  // of the whole index

    uint64_t number(size_t i) const { return (first + i) & (count - 1); }
    std::optional<size_t> of(const PageHash& hash) const {
        for (size_t i = 0; i < slots.size(); i++)
            if (slots[i].place != 0 && slots[i].hash == hash) return i;
        return std::nullopt;
    }
    // A free one, or the one that is due: nothing is looked for further away.
    size_t for_page(uint64_t place) const {
        for (size_t i = 0; i < slots.size(); i++)
            if (slots[i].place == 0) return i;
        return place % slots.size();
    }
};

PageStore::Neighbours PageStore::neighbours_of(const PageHash& hash) const {
    Neighbours near;
    near.count = head().slots;
    near.first = hash.low & (near.count - 1);
    auto slots = std::span(near.slots);
    size_t before_end = std::min<uint64_t>(slots.size(), near.count - near.first);
    // What can't be read is free.
    (void)read_at(file_, slot_at(near.first), slots.first(before_end));
    if (before_end < slots.size()) (void)read_at(file_, slot_at(0), slots.subspan(before_end));
    return near;
}

bool PageStore::get(const PageHash& hash, std::span<std::byte> page) const {
    Neighbours near = neighbours_of(hash);
    auto found = near.of(hash);
    if (!found) return false;
    uint64_t place = near.slots[*found].place - 1;
    if (place >= head().capacity || !read_at(file_, page_at(place), page.first(kStoredPage))) return false;
    return hash_page(page.first(kStoredPage), key()) == hash;
}

void PageStore::forget(uint64_t place) {
    PageHash there{};
    if (!read_at(file_, hash_at(place), std::span(&there, 1))) return;
    Neighbours near = neighbours_of(there);
    auto slot = near.of(there);
    constexpr Slot kNone{};
    if (slot && near.slots[*slot].place == place + 1)
        (void)write_at(file_, slot_at(near.number(*slot)), std::span(&kNone, 1));
}

void PageStore::put(std::span<const std::byte> page) {
    PageHash hash = hash_page(page, key());
    Neighbours near = neighbours_of(hash);
    if (near.of(hash)) return;
    uint64_t place = head().next.fetch_add(1) % head().capacity;
    forget(place);
    // What has not been written whole is not found by its hash.
    if (!write_at(file_, page_at(place), page) || !write_at(file_, hash_at(place), std::span<const PageHash>(&hash, 1))) return;
    Slot made{hash, place + 1};
    (void)write_at(file_, slot_at(near.number(near.for_page(place))), std::span<const Slot>(&made, 1));
}

}  // namespace pmi
