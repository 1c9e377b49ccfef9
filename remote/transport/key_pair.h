// The account's own key pair: the file `secret` of a key directory, and Z85 keys as text.
#pragma once
#include <string>
#include <string_view>

#include "remote/transport/keys.h"
#include "runtime/base/error.h"

namespace pmi {

constexpr size_t kKeyText = 40;  // a 32-byte key in Z85

// 40 characters of Z85 (ZeroMQ RFC 32) that decode to 32 bytes.
bool is_key(std::string_view text);

// The pair in directory/secret, made at first use. Two programs may do so at once: one of them wins, both
// read the winner's. The directory exists.
Expected<KeyPair> read_or_make_pair(const std::string& directory);

// Puts `text` at directory/name whole or not at all, never over something that is there: EEXIST.
Status publish_file(const std::string& directory, const std::string& name, std::string_view text, unsigned mode);

// A small regular file that nobody but its owner may write (and, with `secret`, read), read whole.
enum class Secrecy { Public, Secret };
Expected<std::string> read_guarded_file(const std::string& path, Secrecy secrecy);
// The same of a directory: refuses one that others may write, or that another user owns.
Status check_guarded_directory(const std::string& path);

}  // namespace pmi
