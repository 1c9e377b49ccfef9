// The two steering signals, from pmirun's start until libpmi.so in PROGRAM can answer them: `pmirun PROGRAM & kill -RTMAX-1 $!`
// would else end it. They wait, blocked, over the exec; libpmi.so lets them come and takes the note that says which from the
// environment, before main. Where no libpmi.so will be there to do that they are let go before the exec, and do what they do
// without pmirun.
#pragma once
#include <signal.h>

#include <string>

namespace pmi::launch {

constexpr const char* kHeldVariable = "PMI_HELD";  // "1": SIGRTMAX-1, "2": SIGRTMAX, "3": both

class HeldSignals {
  public:
    HeldSignals();  // holds those that nobody has blocked
    std::string note() const;
    void let_go() const;

  private:
    sigset_t before_{};
};

// Whether exec(3) of this would have LD_PRELOAD obeyed: by a dynamic 64-bit program without privileges of its own, or a script for
// one. False where that is not known.
bool obeys_preload(const std::string& program);

}  // namespace pmi::launch
