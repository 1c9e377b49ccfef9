// The worker: the process of the home supervisor that holds one family of processes while it moves and while it is
// away: tracer of the deputies, peer of the guest supervisor. Forked (without exec) by the job supervisor, which is
// single-threaded and never touches ZeroMQ. It ends when all of its processes are home or dead; if it dies, the
// kernel kills the deputies (PTRACE_O_EXITKILL while away), so that there are never two copies.
//
// The channel is a SOCK_SEQPACKET socket; each packet is one JSON object (at most 64 KiB).
//   supervisor -> worker: {"id":N,"op":"migrate","pid":P,"node":"NAME","host":"H","port":7700,"mode":"auto","cpu":...}
//                         {"id":N,"op":"home","pid":P}       {"id":N,"op":"status"}
//   worker -> supervisor: {"id":N,"ok":true, ...}            {"id":N,"ok":false,"error":"one line"}
//     migrate and home: "pid","where","frozen_us","total_us","bytes","pages","zero_pages"
//     "unfinished":true when the process is at home and threads of it stay traced to finish a call; then the worker is
//     the one to ask for the next move, until the event "finished"
//     status: "processes":[{"pid","where","cut","moves","calls","returns","return_reason","memory_kib","threads"}]
//     "cpu", from whoever came home and from a "moved" home, is handed back with the next "migrate" of that process
//     (cpu_of_stays.h)
//   events: {"event":"moved","pid":P,"where":"home"|NODE,"why":"..."}   also when the program itself came home
//           {"event":"born","pid":P,"parent":Q,"where":NODE}            a child forked while away
//           {"event":"ended","pid":P}                                   exited or killed while away
//           {"event":"finished","pid":P}                                see "unfinished"
//           {"event":"steer","pid":P,"want":"away"}                     SIGRTMAX-1 sent to a program that is away
#pragma once
#include <string>

namespace pmi {

struct WorkerSetup {
    int channel = -1;            // this end of the SOCK_SEQPACKET pair
    std::string keys_directory;  // resolved
    bool insecure = false;
    uint32_t reconnect_seconds = 0;  // for how long a cut connection is tried to be had again
    std::string job;             // for the log
};

// Runs to its end; returns the exit status for _exit().
int run_worker(const WorkerSetup& setup);

}  // namespace pmi
