#include "runtime/guest/shown_file.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace pmi {

ShownFile::ShownFile(FileTwins& twins, OwnFiles* own, HomePid pid, const MapFileInfo& info, uint64_t offset)
    : twins_(twins), own_(own), pid_(pid), info_(info), offset_(offset) {
    file_.set_device(info.device);
    file_.set_inode(info.inode);
    file_.set_name(std::string(info.name));
    file_.set_size(info.size);
}

// What the twin has it shows to other mappings too.
ShownFile::Source ShownFile::look(uint64_t offset, std::span<std::byte> page) {
    if (twins_.read(info_.device, info_.inode, offset, page)) return Source::Twin;
    return own_ != nullptr && own_->read(file_, offset, page) ? Source::Own : Source::None;
}

Expected<ByteBuffer> ShownFile::question() {
    TRY_ASSIGN(key_, make_page_key());
    sources_.clear();
    hashes_.clear();
    std::array<std::byte, kStoredPage> page;
    for (uint64_t at = 0; at < info_.shown; at += kStoredPage) {
        sources_.push_back(look(offset_ + at, page));
        hashes_.push_back(sources_.back() == Source::None ? std::nullopt : std::optional(hash_page(page, key_)));
    }
    return make_file_question(key_, hashes_);
}

Expected<bool> ShownFile::take(std::span<const std::byte> answer) {
    TRY_ASSIGN(FileAnswer home, parse_file_answer(answer, sources_.size()));
    constexpr size_t kAtOnce = 64 * kStoredPage;
    ByteBuffer some;  // pages that the twin lacks, which end at `at`
    auto load_some = [&](uint64_t at) -> Status {
        if (some.empty()) return {};
        auto loaded = twins_.load(pid_, info_, offset_ + at - some.size(), some, false);
        some.clear();
        return loaded ? Status() : std::move(loaded.error());
    };
    std::array<std::byte, kStoredPage> page;
    for (size_t i = 0; i < sources_.size(); i++) {
        uint64_t at = i * kStoredPage;
        bool is_there = home.is_same[i] && sources_[i] == Source::Twin;
        if (is_there || some.size() >= kAtOnce) TRY(load_some(at));
        if (is_there) continue;
        if (!home.is_same[i]) {
            some.append(home.others.first(kStoredPage));
            home.others = home.others.subspan(kStoredPage);
            continue;
        }
        bool has_changed = own_ == nullptr || !own_->read(file_, offset_ + at, page) || hash_page(page, key_) != hashes_[i];
        if (has_changed) {
            own_ = nullptr;
            return false;
        }
        some.append(page);
    }
    TRY(load_some(info_.shown));
    return true;
}

}  // namespace pmi
