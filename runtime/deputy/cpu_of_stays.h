// CPU time over many stays. Home's kernel counts what a program uses at home, each node what is used there. What was
// used away travels in the image (cpu_user_ns, ...); between two stays, when no worker may be left, the job supervisor
// keeps it, as an object that only workers understand:
//   {"user":ns,"system":ns,"threads":[[TID,ns],...]}
#pragma once
#include <nlohmann/json.hpp>

#include "remote/wire/frames.h"
#include "remote/wire/image.pb.h"
#include "runtime/base/ids.h"
#include "runtime/tracee/cpu_account.h"

namespace pmi {

nlohmann::json cpu_used_away(const wire::Image& image);
// After an exec by that thread, which is the only one now and has the process' number.
nlohmann::json cpu_used_away(const CpuHead& head);

// The same for the program itself, which adds it to what home's kernel says.
pmi_cpu_account cpu_account_of(const wire::Image& image);

void note_cpu_of_earlier_stays(const nlohmann::json& used, wire::Image& image);
void note_cpu_used_at_home(HomePid pid, wire::Image& image);

// Home's kernel holds RLIMIT_CPU against what was used at home. What it would send to a process that comes home now,
// if it knew of the rest: SIGXCPU (and the limit is a second later from now on, as always), SIGKILL, or 0.
int signal_of_cpu_limit(HomePid pid, const wire::Image& image);

}  // namespace pmi
