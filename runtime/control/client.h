// The asking side of the control socket: pmictl's.
#pragma once
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi::control {

class ControlClient {
  public:
    // Fails with ECONNREFUSED where no supervisor listens any more, and where another user's does.
    static Expected<ControlClient> connect(const std::string& path);

    // One request, its reply. A reply {"ok":false} is an Error with the supervisor's own words. No `limit`:
    // as long as the supervisor lives (a move may take its time).
    Expected<nlohmann::json> ask(const nlohmann::json& request, std::optional<std::chrono::milliseconds> limit);

    // For more than one request at a time: numbered by their "id". Replies as they come, whatever they say.
    Status send(const nlohmann::json& request);
    Expected<nlohmann::json> receive(std::optional<std::chrono::milliseconds> limit);  // Error ETIMEDOUT
    int fd() const { return fd_.get(); }
    bool has_received() const { return received_.find('\n') != std::string::npos; }  // then fd() need not be readable

    const std::string& path() const { return path_; }

  private:
    ControlClient(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
    Expected<std::string> read_line(std::optional<std::chrono::milliseconds> limit);

    Fd fd_;
    std::string path_;
    std::string received_;
};

// What a reply {"ok":false} says.
Error error_of(const nlohmann::json& reply);

}  // namespace pmi::control
