// What the vDSO exports, found as a program would that does not ask its C library.
#ifndef PMI_VDSO_H
#define PMI_VDSO_H

#include <elf.h>
#include <sys/auxv.h>
#include "pmi_test.h"

static void* find_in_vdso(const char* name) {
    const char* image = (const char*)getauxval(AT_SYSINFO_EHDR);
    if (!image) test_skip("no vDSO");
    const Elf64_Ehdr* header = (const void*)image;
    const Elf64_Phdr* parts = (const void*)(image + header->e_phoff);
    const Elf64_Dyn* dynamic = NULL;
    for (int i = 0; i < header->e_phnum; i++)
        if (parts[i].p_type == PT_DYNAMIC) dynamic = (const void*)(image + parts[i].p_offset);
    CHECK(dynamic != NULL);
    const Elf64_Sym* symbols = NULL;
    const char* strings = NULL;
    const uint32_t* hash = NULL;
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        if (dynamic->d_tag == DT_SYMTAB) symbols = (const void*)(image + dynamic->d_un.d_ptr);
        if (dynamic->d_tag == DT_STRTAB) strings = image + dynamic->d_un.d_ptr;
        if (dynamic->d_tag == DT_HASH) hash = (const void*)(image + dynamic->d_un.d_ptr);
    }
    if (!hash) test_skip("this vDSO has no DT_HASH");
    for (uint32_t i = 0; i < hash[1]; i++)
        if (symbols[i].st_shndx != SHN_UNDEF && strcmp(strings + symbols[i].st_name, name) == 0)
            return (void*)(image + symbols[i].st_value);
    return NULL;
}

#endif
