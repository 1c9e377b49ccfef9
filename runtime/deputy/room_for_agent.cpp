#include "runtime/deputy/room_for_agent.h"

#include <algorithm>

#include "interpose/agent/agent.h"

namespace pmi {

RoomForAgent::RoomForAgent(pid_t pid) : pid_(pid) {
    if (::prlimit(pid_, RLIMIT_AS, nullptr, &before_) != 0 || before_.rlim_cur == RLIM_INFINITY) return;
    rlim_t wanted = before_.rlim_cur + kAgentSize;
    lifted_ = {wanted, std::max(wanted, before_.rlim_max)};
    is_lifted_ = ::prlimit(pid_, RLIMIT_AS, &lifted_, nullptr) == 0;
    if (is_lifted_) return;
    lifted_ = {std::min(wanted, before_.rlim_max), before_.rlim_max};  // as far as everybody may
    is_lifted_ = ::prlimit(pid_, RLIMIT_AS, &lifted_, nullptr) == 0;
}

// It may have set another one meanwhile.
RoomForAgent::~RoomForAgent() {
    rlimit now{};
    bool is_ours = is_lifted_ && ::prlimit(pid_, RLIMIT_AS, nullptr, &now) == 0 && now.rlim_cur == lifted_.rlim_cur;
    if (is_ours) (void)::prlimit(pid_, RLIMIT_AS, &before_, nullptr);
}

}  // namespace pmi
