// A thread, or why there is none: a user's limit on processes (ulimit -u) counts threads, and std::thread would throw.
#pragma once
#include <system_error>
#include <thread>
#include <utility>

#include "runtime/base/error.h"

namespace pmi {

template <typename Body>
Expected<std::thread> start_thread(Body body) {
    try {
        return std::thread(std::move(body));
    } catch (const std::system_error& e) {
        return fail_code(e.code().value(), "start a thread");
    }
}

}  // namespace pmi
