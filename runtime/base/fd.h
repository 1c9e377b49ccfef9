// A file descriptor with one owner, and a memory mapping with one owner.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/base/error.h"

namespace pmi {

class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
    Fd& operator=(Fd&& o) noexcept {
        if (this != &o) reset(std::exchange(o.fd_, -1));
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    int get() const { return fd_; }
    bool valid() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = fd;
    }

  private:
    int fd_ = -1;
};

class Mapping {
  public:
    Mapping() = default;
    Mapping(void* base, size_t size) : base_(base), size_(size) {}
    Mapping(Mapping&& o) noexcept : base_(std::exchange(o.base_, nullptr)), size_(std::exchange(o.size_, 0)) {}
    Mapping& operator=(Mapping&& o) noexcept {
        if (this != &o) {
            reset();
            base_ = std::exchange(o.base_, nullptr);
            size_ = std::exchange(o.size_, 0);
        }
        return *this;
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() { reset(); }

    std::byte* data() const { return static_cast<std::byte*>(base_); }
    size_t size() const { return size_; }
    void reset() {
        if (base_ != nullptr) ::munmap(base_, size_);
        base_ = nullptr;
        size_ = 0;
    }

  private:
    void* base_ = nullptr;
    size_t size_ = 0;
};

// open(2), close-on-exec.
Expected<Fd> open_file(const std::string& path, int flags, unsigned mode = 0);
// The whole of a (small, or /proc) file.
Expected<std::string> read_file(const std::string& path);
// Writes it whole; creates or truncates.
Status write_file(const std::string& path, std::string_view text, unsigned mode = 0644);
// All of the bytes, retrying EINTR and short transfers. read_all fails on end of file.
Status write_all(int fd, const void* data, size_t size);
Status read_all(int fd, void* data, size_t size);

}  // namespace pmi
