// The control protocol: what pmictl, the preload library and the program itself say to a job's supervisor.
//
// Transport: a SOCK_STREAM unix socket in the control directory (socket_place.h), mode 0600 in a directory of
// mode 0700; the supervisor serves only its own user and root (SO_PEERCRED). Requests and replies are JSON
// objects, one a line, a line no longer than kMaxLine. Each request gets one reply; replies to requests that
// take long (migrate, home, ps) may overtake each other, so a client that has more than one under way numbers
// them: an "id" in a request comes back in its reply. Unknown members are ignored; a line that is no such
// object gets an error reply.
//
// clang-format off
//   {"op":"ps"}                                     {"ok":true,"job":{...},"processes":[{...}]}
//   {"op":"migrate","pid":P,"node":N,"mode":"auto"} {"ok":true,"pid":P,"where":N,"frozen_us":..,"bytes":..}
//   {"op":"home","pid":P}                           the same, or {"ok":true,"where":"home","already":true}
//   {"op":"where","pid":P}                          {"ok":true,"pid":P,"where":"home"|NODE,"moving":false}
//   {"op":"stats","pid":P}                          {"ok":true,"pid":P,"calls":[{...}],...}: runtime/control/call_table.h
//   {"op":"cancel","pid":P}                         {"ok":true}: taken; "migrate" says what came of it. Or an error
//   {"op":"progress","pid":P}                       {"ok":true,"moving":true,"progress":{"round":1,"standing":false,
//                                                   "bytes":sent or received so far,"left":in this round}}
//   {"op":"steer","pid":P,"want":"away"|"home"}     {"ok":true}: taken, not done (the signal handlers' wish)
//   {"op":"hold","pid":P,"hold":true}               {"ok":true}: P stays until released or its next exec
//   {"op":"notify","pid":P,"signal":N}              {"ok":true}: P gets signal N after each move, until its next exec; 0: none
//   anything that fails                             {"ok":false,"error":"one line for a person"}
// clang-format on
//
// "pid" is always the number seen at home.
#pragma once
#include <cstddef>

namespace pmi::control {

constexpr size_t kMaxLine = size_t{64} * 1024;         // of a request
constexpr size_t kMaxReply = size_t{8} * 1024 * 1024;  // a ps of a job with tens of thousands of processes
constexpr int kMaxNesting = 16;                        // of arrays and objects in a request
constexpr size_t kMaxClients = 256;
constexpr size_t kMaxPendingRequests = 64;  // of one client
constexpr const char* kHome = "home";       // the name of home wherever a place is named

}  // namespace pmi::control
