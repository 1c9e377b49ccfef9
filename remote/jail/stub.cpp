#include "remote/jail/stub.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cstring>
#include <string>

#include "interpose/agent/agent.h"
#include "interpose/vdso/shims.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace pmi {

Expected<Fd> make_stub(uint64_t agent_base) {
    // Linux 6.3 wants to be told that a memfd may be executed; older kernels don't know the flag.
    int fd = static_cast<int>(::syscall(SYS_memfd_create, "pmi-stub", MFD_CLOEXEC | MFD_EXEC));
    if (fd < 0 && errno == EINVAL) fd = static_cast<int>(::syscall(SYS_memfd_create, "pmi-stub", MFD_CLOEXEC));
    if (fd < 0) return fail_errno("memfd_create");
    Fd file(fd);

    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_entry = agent_address(agent_base, pmi_agent_syscall);
    header.e_phoff = sizeof header;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 3;

    Elf64_Phdr code{};
    code.p_type = PT_LOAD;
    code.p_flags = PF_R | PF_X;
    code.p_offset = kPage;
    code.p_vaddr = agent_base;
    code.p_filesz = code.p_memsz = kAgentCode;
    code.p_align = kPage;
    Elf64_Phdr scratch{};
    scratch.p_type = PT_LOAD;
    scratch.p_flags = PF_R | PF_W;
    scratch.p_offset = 2 * kPage;
    scratch.p_vaddr = agent_base + kAgentData;
    scratch.p_filesz = 0;
    scratch.p_memsz = kGuestScratch;
    scratch.p_align = kPage;
    Elf64_Phdr stack{};
    stack.p_type = PT_GNU_STACK;
    stack.p_flags = PF_R | PF_W;

    std::string image(2 * kPage, '\0');
    std::memcpy(image.data(), &header, sizeof header);
    std::memcpy(image.data() + sizeof header, &code, sizeof code);
    std::memcpy(image.data() + sizeof header + sizeof code, &scratch, sizeof scratch);
    std::memcpy(image.data() + sizeof header + 2 * sizeof code, &stack, sizeof stack);
    auto agent_size = static_cast<size_t>(pmi_agent_end - pmi_agent_begin);
    PMI_ASSERT(agent_size <= kShimsOffset && shims_size() <= kPage - kShimsOffset);
    std::memcpy(image.data() + kPage, pmi_agent_begin, agent_size);
    std::memcpy(image.data() + kPage + kShimsOffset, pmi_shims_begin, shims_size());
    TRY(write_all(file.get(), image.data(), image.size()));
    return file;
}

}  // namespace pmi
