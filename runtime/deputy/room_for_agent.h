// RLIMIT_AS (getrlimit(2)) of a program whose agent is mapped at home.
#pragma once
#include <sys/resource.h>
#include <sys/types.h>

namespace pmi {

// The agent is none of the program's memory, but counts: what is within the program's limit has room beside it for as long as this
// lives, as far as we may grant it.
class RoomForAgent {
  public:
    explicit RoomForAgent(pid_t pid);
    ~RoomForAgent();
    RoomForAgent(const RoomForAgent&) = delete;
    RoomForAgent& operator=(const RoomForAgent&) = delete;

  private:
    pid_t pid_;
    rlimit before_{}, lifted_{};
    bool is_lifted_ = false;
};

}  // namespace pmi
