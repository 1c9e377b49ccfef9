#include "remote/transport/keys.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "remote/transport/key_pair.h"

namespace pmi {

namespace {

constexpr size_t kMaxName = 64;

// A name is a file name under trusted/: no separators, no "..", no hidden files, no leading '-'.
bool is_key_name(std::string_view name) {
    if (name.empty() || name.size() > kMaxName) return false;
    if (!std::isalnum(static_cast<unsigned char>(name.front()))) return false;
    return std::all_of(name.begin(), name.end(),
                       [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '-' || c == '_'; });
}

Status check_name(const std::string& name) {
    if (is_key_name(name)) return {};
    return fail("name \"{}\": want 1 to {} letters, digits, '.', '-', '_', the first a letter or digit", name, kMaxName);
}

std::string name_from_key(const std::string& key) {
    std::string name = "key-";
    for (unsigned char c : key) {
        if (std::isalnum(c)) name += static_cast<char>(c);
        if (name.size() == 12) break;
    }
    return name;
}

Expected<std::string> find_directory(const std::string& asked) {
    if (!asked.empty()) return asked;
    const char* variable = std::getenv("PMI_KEYS");
    if (variable != nullptr && *variable != '\0') return std::string(variable);
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home == '\0') return fail("key directory: HOME is not set; use --keys DIR or the variable PMI_KEYS");
    return std::string(home) + "/.config/pmi/keys";
}

// The directory and its parents, all of them private. Somebody else making them at the same time is fine.
Status make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
    if (errno != ENOENT) return fail_errno("make key directory {}", path);
    std::string parent = std::filesystem::path(path).parent_path();
    if (parent.empty() || parent == path) return fail_code(ENOENT, "make key directory {}", path);
    TRY(make_directory(parent));
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("make key directory {}", path);
    return {};
}

Expected<std::string> read_trusted(const std::string& directory, const std::string& name) {
    std::string path = directory + "/trusted/" + name;
    TRY_ASSIGN(std::string text, read_guarded_file(path, Secrecy::Public));
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
    if (!is_key(text)) return fail("{}: not a key (one line of {} Z85 characters)", path, kKeyText);
    return text;
}

}  // namespace

Expected<Keyring> Keyring::open(const std::string& directory) {
    TRY_ASSIGN(std::string found, find_directory(directory));
    std::error_code code;
    std::string absolute = std::filesystem::absolute(found, code).lexically_normal();
    if (code) return fail_code(code.value(), "key directory {}", found);
    while (absolute.size() > 1 && absolute.back() == '/') absolute.pop_back();
    TRY(make_directory(absolute));
    TRY(check_guarded_directory(absolute));
    TRY_ASSIGN(KeyPair own, read_or_make_pair(absolute));
    return Keyring(std::move(absolute), std::move(own));
}

Expected<std::vector<TrustedKey>> Keyring::list(std::vector<std::string>* skipped) const {
    std::string path = directory_ + "/trusted";
    std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
    std::vector<TrustedKey> keys;
    if (!dir && errno == ENOENT) return keys;
    if (!dir) return fail_errno("open {}", path);
    TRY(check_guarded_directory(path));
    while (const dirent* entry = ::readdir(dir.get())) {
        std::string name = entry->d_name;
        if (!is_key_name(name)) continue;  // ".", "..", a file that is being written
        auto key = read_trusted(directory_, name);
        if (key)
            keys.push_back({name, *key});
        else if (skipped != nullptr)
            skipped->push_back(key.error().message());
    }
    std::sort(keys.begin(), keys.end(), [](auto& a, auto& b) { return a.name < b.name; });
    return keys;
}

bool Keyring::trusts(const std::string& public_key) const {
    if (!is_key(public_key)) return false;
    if (public_key == own_.public_key) return true;
    auto keys = list();
    if (!keys) return false;
    return std::any_of(keys->begin(), keys->end(), [&](auto& k) { return k.public_key == public_key; });
}

Status Keyring::trust(const std::string& public_key, const std::string& name) {
    if (!is_key(public_key)) return fail("\"{}\" is not a public key ({} Z85 characters)", public_key, kKeyText);
    std::string chosen = name.empty() ? name_from_key(public_key) : name;
    TRY(check_name(chosen));
    TRY(make_directory(directory_ + "/trusted"));
    TRY(check_guarded_directory(directory_ + "/trusted"));
    auto made = publish_file(directory_ + "/trusted", chosen, public_key + "\n", 0600);
    if (made) return {};
    if (made.error().code() != EEXIST) return made;
    TRY_ASSIGN(std::string there, read_trusted(directory_, chosen));
    if (there == public_key) return {};
    return fail("name \"{}\" is taken by another key; remove that one first, or choose another name", chosen);
}

Status Keyring::remove(const std::string& name_or_key) {
    std::vector<std::string> names;
    if (is_key(name_or_key)) {
        TRY_ASSIGN(auto keys, list());
        for (auto& k : keys)
            if (k.public_key == name_or_key) names.push_back(k.name);
    } else {
        TRY(check_name(name_or_key));
        names.push_back(name_or_key);
    }
    if (names.empty()) return fail("no trusted key {}", name_or_key);
    for (auto& name : names) {
        std::string path = directory_ + "/trusted/" + name;
        if (::unlink(path.c_str()) == 0) continue;
        if (errno == ENOENT) return fail("no trusted key of the name {}", name);
        return fail_errno("remove {}", path);
    }
    return {};
}

std::string Keyring::server_key(const std::string& name) const {
    if (is_key_name(name)) {
        auto key = read_trusted(directory_, name);
        if (key) return *key;
    }
    return own_.public_key;
}

}  // namespace pmi
