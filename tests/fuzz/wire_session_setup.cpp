// The description of a guest session, damaged. Links: pmi_requests.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "remote/pmid/session_setup.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view bytes(reinterpret_cast<const char*>(data), size);
    auto setup = pmi::decode_session_setup(bytes);
    if (setup && pmi::encode(*setup).size() != size) std::abort();
    return 0;
}
