// dlopen of a library after a point, a function of it called, and closed again. Dynamic programs only.
#include "pmi_test.h"
#include <dlfcn.h>
int main(void) {
#ifdef PMI_TEST_STATIC
    test_skip("a static program");
#else
    static char maps[65536];
    MIGRATE_POINT();
    void* library = dlopen("libresolv.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library) test_skip("no libresolv.so.2");
    int (*ntop)(const unsigned char*, size_t, char*, size_t);
    *(void**)&ntop = dlsym(library, "__b64_ntop");
    if (!ntop) *(void**)&ntop = dlsym(RTLD_DEFAULT, "b64_ntop");
    MIGRATE_POINT();
    if (ntop) {
        char text[32];
        CHECK_EQ(ntop((const unsigned char*)"pmi!", 4, text, sizeof text), 8);
        CHECK_STR(text, "cG1pIQ==");
    }
    slurp("/proc/self/maps", maps, sizeof maps);
    CHECK(strstr(maps, "libresolv") != NULL);
    CHECK_EQ(dlclose(library), 0);
    MIGRATE_POINT();
    test_done();
#endif
}
