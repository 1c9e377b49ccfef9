// Socket ioctls: SIOCGIFCONF and SIOCGIFFLAGS of the loopback interface, SIOCOUTQ.
#include "pmi_test.h"
#include <linux/sockios.h>
#include <net/if.h>
int main(void) {
    int fd = (int)CHECK_SYS(socket(AF_INET, SOCK_DGRAM, 0));
    struct ifreq request = {0};
    strcpy(request.ifr_name, "lo");
    MIGRATE_POINT();
    CHECK_SYS(ioctl(fd, SIOCGIFFLAGS, &request));
    CHECK(request.ifr_flags & IFF_LOOPBACK);
    struct ifreq list[16];
    struct ifconf conf = {.ifc_len = sizeof list, .ifc_ifcu.ifcu_req = list};
    MIGRATE_POINT();
    CHECK_SYS(ioctl(fd, SIOCGIFCONF, &conf));
    bool found = false;
    for (int i = 0; i < conf.ifc_len / (int)sizeof list[0]; i++) found |= strcmp(list[i].ifr_name, "lo") == 0;
    CHECK(found);
    CHECK_SYS(ioctl(fd, SIOCGIFINDEX, &request));
    CHECK_EQ(request.ifr_ifindex, if_nametoindex("lo"));
    int queued = -1;
    CHECK_SYS(ioctl(fd, SIOCOUTQ, &queued));
    CHECK_EQ(queued, 0);
    test_done();
}
