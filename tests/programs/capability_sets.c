// Capability sets by capget and the bounding set by prctl are kept.
#include "pmi_test.h"
#include <linux/capability.h>
#include <sys/prctl.h>
int main(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct first[2], now[2];
    CHECK_SYS(syscall(SYS_capget, &header, first));
    int bound = prctl(PR_CAPBSET_READ, CAP_CHOWN);
    MIGRATE_POINT();
    CHECK_SYS(syscall(SYS_capget, &header, now));
    CHECK(memcmp(first, now, sizeof now) == 0);
    CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_CHOWN), bound);
    if (first[0].effective & (1u << CAP_CHOWN)) {
        now[0].effective &= ~(1u << CAP_CHOWN);
        CHECK_SYS(syscall(SYS_capset, &header, now));
        MIGRATE_POINT();
        enter_scratch();
        CHECK_SYS(close((int)CHECK_SYS(open("f", O_CREAT | O_WRONLY, 0600))));
        CHECK_ERRNO(chown("f", 1, 1), EPERM);
        now[0].effective |= 1u << CAP_CHOWN;
        CHECK_SYS(syscall(SYS_capset, &header, now));
        MIGRATE_POINT();
        CHECK_SYS(syscall(SYS_capget, &header, now));
        CHECK(memcmp(first, now, sizeof now) == 0);
    }
    test_done();
}
