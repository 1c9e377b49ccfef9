// Who we are and whom we let in: one CURVE key pair per account (or per --keys directory) and the public keys
// it trusts. Directory (mode 0700): `secret` (0600, two lines: public, secret, Z85), `trusted/NAME` (one Z85
// line). pmirun and pmid that share the directory trust each other, since the own public key is always
// trusted.
#pragma once
#include <string>
#include <vector>

#include "runtime/base/error.h"

namespace pmi {

struct KeyPair {
    std::string public_key;  // Z85, 40 characters
    std::string secret_key;
};
struct TrustedKey {
    std::string name;
    std::string public_key;
};

class Keyring {
  public:
    // `directory`, else $PMI_KEYS, else ~/.config/pmi/keys. Makes the directory and the pair at first use.
    // Safe against two programs doing so at once. Refuses a secret that others can read.
    static Expected<Keyring> open(const std::string& directory);

    const KeyPair& own() const { return own_; }
    const std::string& directory() const { return directory_; }
    // Reads the directory anew. What is no key there is left out, and said in `skipped`, one line each.
    Expected<std::vector<TrustedKey>> list(std::vector<std::string>* skipped = nullptr) const;
    bool trusts(const std::string& public_key) const;                      // own key, or one in trusted/; reads the directory anew
    Status trust(const std::string& public_key, const std::string& name);  // empty name: made from the key
    Status remove(const std::string& name_or_key);
    // The key of the node called `name` if one is trusted under that name; else the own public key.
    std::string server_key(const std::string& name) const;

  private:
    Keyring(std::string directory, KeyPair own) : directory_(std::move(directory)), own_(std::move(own)) {}
    std::string directory_;
    KeyPair own_;
};

}  // namespace pmi
