// The worker: the process of the home supervisor that holds one family of processes while it moves and while it is
// away: tracer of the deputies, peer of the guest supervisor. Forked (without exec) by the job supervisor, which is
// single-threaded and never touches ZeroMQ. It ends when all of its processes are home or dead; if it dies, the
// kernel kills the deputies (PTRACE_O_EXITKILL while away), so that there are never two copies.
//
// The channel is a SOCK_SEQPACKET socket; each packet is one JSON object (at most 64 KiB).
//   supervisor -> worker: {"id":N,"op":"migrate","pid":P,"node":"NAME","host":"H","port":7700,"mode":"auto","cpu":...}
//                         {"id":N,"op":"home","pid":P}       {"id":N,"op":"status"}
//                         {"id":N,"op":"released","pid":P}   the answer to "hold"
//                         {"id":N,"op":"tallies","pid":P}
//   worker -> supervisor: {"id":N,"ok":true, ...}            {"id":N,"ok":false,"error":"one line"}
//     migrate and home: "pid","where","frozen_us","stall_us","total_us","bytes","pages","zero_pages"
//     "unfinished":true when the process is at home and threads of it stay traced to finish a call; then the worker is
//     the one to ask for the next move, until the event "finished"
//     status: "processes":[{"pid","where","cut","moves","calls","returns","return_reason","memory_kib","threads"}];
//     while memory follows a program that is away: "post_copy":{"pages","sent","demanded"}
//     tallies: the node is asked for what it has not told yet; that comes as an event before the reply
//     "cpu", from whoever came home and from a "moved" home, is handed back with the next "migrate" of that process
//     (cpu_of_stays.h)
//   {"id":N,"op":"cancel","pid":P}: the move under way fails, unless it is too late; the reply comes before that move's
//   events: {"event":"progress","pid":P,"round":N,"standing":false,"bytes":B,"left":L}   of a move, now and then
//           {"event":"moved","pid":P,"where":"home"|NODE,"why":"..."}   also when the program itself came home
//           {"event":"born","pid":P,"parent":Q,"where":NODE}            a child forked while away
//           {"event":"ended","pid":P}                                   exited or killed while away
//           {"event":"finished","pid":P}                                see "unfinished"
//           {"event":"tallies","pid":P,"tallies":[[nr,at_home,count,failed,total_ns,slowest_ns,travel_ns,bytes_to_home,
//           bytes_from_home],...]}                                      to be added up (remote/wire/call_tallies.h)
//           {"event":"steer","pid":P,"want":"away"}                     SIGRTMAX-1 sent to a program that is away
//     with `signals_trapped` alone, for there can be one tracer:
//           {"event":"hold","pid":P}                                    the worker is about to trace it
//           {"event":"let_go","pid":P}                                  it runs at home while its memory travels
#pragma once
#include <string>

namespace pmi {

struct WorkerSetup {
    int channel = -1;            // this end of the SOCK_SEQPACKET pair
    std::string keys_directory;  // resolved
    bool insecure = false;
    uint32_t reconnect_seconds = 0;  // for how long a cut connection is tried to be had again
    bool signals_trapped = false;    // another tracer has the program while this one has not (runtime/job/signal_trap.h)
    int own_filters = 0;             // seccomp filters that pmirun itself put in place
    bool free_home_memory = false;   // home keeps nothing of the memory of who is away
    std::string job;                 // for the log
};

// Runs to its end; returns the exit status for _exit().
int run_worker(const WorkerSetup& setup);

}  // namespace pmi
