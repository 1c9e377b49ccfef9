#include "remote/wire/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "remote/wire/cpu_features.h"
#include "remote/wire/kernel_probes.h"
#include "remote/wire/xstate.h"
#include "runtime/base/fd.h"

namespace pmi {

namespace {

// The number after "NAME:" in /proc/meminfo, in bytes.
uint64_t meminfo(std::string_view text, std::string_view name) {
    size_t at = text.find(name);
    if (at == std::string_view::npos) return 0;
    at = text.find_first_of("0123456789", at + name.size());
    uint64_t kib = 0;
    if (at != std::string_view::npos) std::from_chars(text.data() + at, text.data() + text.size(), kib);
    return kib << 10;
}

std::string cpu_model() {
    auto text = read_file("/proc/cpuinfo");
    if (!text) return "";
    size_t at = text->find("model name");
    size_t colon = text->find(": ", at);
    if (at == std::string::npos || colon == std::string::npos) return "";
    return text->substr(colon + 2, text->find('\n', colon) - colon - 2);
}

void describe_cpu(wire::Machine* machine) {
    for (uint32_t word : read_cpuid_words()) machine->add_cpuid(word);
    machine->set_xcr0(read_xcr0());
    *machine->mutable_xstate() = local_xstate_layout();
    machine->set_cpu_model(cpu_model());
    machine->set_cpus(static_cast<uint32_t>(::sysconf(_SC_NPROCESSORS_ONLN)));
}

}  // namespace

Expected<wire::Machine> describe_machine(const std::string& name) {
    wire::Machine machine;
    machine.set_protocol_version(kProtocolVersion);
    machine.set_pmi_version(PMI_VERSION);
    utsname uts{};
    if (::uname(&uts) != 0) return fail_errno("uname");
    machine.set_name(name.empty() ? uts.nodename : name);
    machine.set_kernel_release(uts.release);
    machine.set_page_size(static_cast<uint32_t>(::sysconf(_SC_PAGESIZE)));
    describe_cpu(&machine);
    KernelProbes probes = probe_kernel();
    machine.set_dirty_tracking(probes.dirty_tracking);
    machine.set_post_copy(probes.post_copy);
    machine.set_guard_pages(probes.guard_pages);
    refresh_machine(&machine);
    return machine;
}

void refresh_machine(wire::Machine* machine) {
    auto text = read_file("/proc/meminfo");
    if (text) {
        machine->set_memory_total(meminfo(*text, "MemTotal:"));
        machine->set_memory_available(meminfo(*text, "MemAvailable:"));
    }
    double load = 0;
    if (::getloadavg(&load, 1) == 1) machine->set_load(load);
}

}  // namespace pmi
