#include "remote/transport/key_pair.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <utility>

#include "runtime/base/fd.h"

namespace pmi {

namespace {

constexpr size_t kMaxKeyFile = 4096;
constexpr std::string_view kZ85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

// root may use anybody's key directory (it was told to), everybody else only their own.
bool owner_accepted(uid_t owner) { return ::geteuid() == 0 || owner == ::geteuid(); }

Status check_guarded(const struct stat& st, const std::string& path, Secrecy secrecy) {
    if (!owner_accepted(st.st_uid))
        return fail("{}: belongs to user {}, not to user {} who wants to use it", path, st.st_uid, ::geteuid());
    if ((st.st_mode & 022) != 0) return fail("{}: mode {:04o} lets others write to it (want 0700)", path, st.st_mode & 07777);
    if (secrecy == Secrecy::Secret && (st.st_mode & 077) != 0)
        return fail("{}: mode {:04o} lets others read the secret key (want 0600)", path, st.st_mode & 07777);
    return {};
}

// A public key that starts with a letter or digit: on a command line a leading '-' would look like an option.
Expected<KeyPair> make_pair() {
    char public_key[kKeyText + 1], secret_key[kKeyText + 1];
    for (;;) {
        if (::zmq_curve_keypair(public_key, secret_key) != 0)
            return fail("make a key pair: {} (libzmq without CURVE?)", ::zmq_strerror(::zmq_errno()));
        if (std::isalnum(static_cast<unsigned char>(public_key[0]))) return KeyPair{public_key, secret_key};
    }
}

Expected<KeyPair> parse_pair(const std::string& text, const std::string& path) {
    size_t newline = text.find('\n');
    std::string first = text.substr(0, newline);
    std::string second = newline == std::string::npos ? "" : text.substr(newline + 1);
    if (!second.empty() && second.back() == '\n') second.pop_back();
    if (!is_key(first) || !is_key(second))
        return fail("{}: not a key pair (two lines of {} Z85 characters: public, secret)", path, kKeyText);
    char derived[kKeyText + 1];
    if (::zmq_curve_public(derived, second.c_str()) != 0 || first != derived)
        return fail("{}: the public key doesn't belong to the secret key", path);
    return KeyPair{first, second};
}

}  // namespace

bool is_key(std::string_view text) {
    if (text.size() != kKeyText) return false;
    if (!std::all_of(text.begin(), text.end(), [](char c) { return kZ85.find(c) != std::string_view::npos; })) return false;
    uint8_t bytes[32];
    return ::zmq_z85_decode(bytes, std::string(text).c_str()) != nullptr;
}

Status publish_file(const std::string& directory, const std::string& name, std::string_view text, unsigned mode) {
    std::string target = directory + "/" + name;
    std::string temporary = directory + "/.new-XXXXXX";
    Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd.valid()) return fail_errno("make a file in {}", directory);
    Status result = write_all(fd.get(), text.data(), text.size());
    if (!result) result = std::move(result.error()).within(temporary);
    // fsync: a crash must not leave an empty secret under the final name.
    if (result && (::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0)) result = fail_errno("write {}", temporary);
    // link(2) doesn't replace; where the file system has no links, renameat2 with NOREPLACE doesn't either.
    if (result && ::link(temporary.c_str(), target.c_str()) != 0) {
        bool no_links = errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK;
        if (!no_links)
            result = fail_errno("make {}", target);
        else if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0)
            result = fail_errno("make {}", target);
    }
    ::unlink(temporary.c_str());
    return result;
}

Expected<std::string> read_guarded_file(const std::string& path, Secrecy secrecy) {
    // O_NONBLOCK: a FIFO put there must not hang us.
    TRY_ASSIGN(Fd fd, open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return fail_errno("stat {}", path);
    if (!S_ISREG(st.st_mode)) return fail("{}: not a regular file", path);
    TRY(check_guarded(st, path, secrecy));
    if (static_cast<size_t>(st.st_size) > kMaxKeyFile) return fail("{}: too long for a key file", path);
    std::string text(static_cast<size_t>(st.st_size), '\0');
    auto got = read_all(fd.get(), text.data(), text.size());
    if (!got) return std::move(got.error()).within(path);
    return text;
}

Status check_guarded_directory(const std::string& path) {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) return fail_errno("stat {}", path);
    if (!S_ISDIR(st.st_mode)) return fail_code(ENOTDIR, "key directory {}", path);
    return check_guarded(st, path, Secrecy::Public);
}

Expected<KeyPair> read_or_make_pair(const std::string& directory) {
    std::string path = directory + "/secret";
    if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
        TRY_ASSIGN(KeyPair fresh, make_pair());
        auto made = publish_file(directory, "secret", fresh.public_key + "\n" + fresh.secret_key + "\n", 0600);
        if (!made && made.error().code() != EEXIST) return std::move(made.error());
    }
    TRY_ASSIGN(std::string text, read_guarded_file(path, Secrecy::Secret));
    return parse_pair(text, path);
}

}  // namespace pmi
