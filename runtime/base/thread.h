// A thread, or why there is none: a user's limit on processes (ulimit -u) counts threads, and std::thread would throw.
#pragma once
#include <future>
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

// In a thread of its own, or, where there is none to be had, by whoever asks for the result (std::future_status::deferred).
// std::async does not say it of both: libstdc++ 12 has moved what the body holds into the thread that it could not make.
template <typename Body>
auto run_aside(Body body) {
    try {
        return std::async(std::launch::async, body);
    } catch (const std::system_error&) {
        return std::async(std::launch::deferred, std::move(body));
    }
}

}  // namespace pmi
