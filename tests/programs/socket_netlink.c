// A netlink route dump lists the loopback interface; the socket's address is kept.
#include "pmi_test.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
int main(void) {
    int fd = (int)CHECK_SYS(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
    struct sockaddr_nl address = {.nl_family = AF_NETLINK}, kept;
    socklen_t length = sizeof address;
    CHECK_SYS(bind(fd, (struct sockaddr*)&address, sizeof address));
    CHECK_SYS(getsockname(fd, (struct sockaddr*)&address, &length));
    MIGRATE_POINT();
    length = sizeof kept;
    CHECK_SYS(getsockname(fd, (struct sockaddr*)&kept, &length));
    CHECK_EQ(kept.nl_pid, address.nl_pid);
    struct {
        struct nlmsghdr header;
        struct ifinfomsg body;
    } request = {{sizeof request, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 7, 0}, {.ifi_family = AF_UNSPEC}};
    CHECK_EQ(send(fd, &request, sizeof request, 0), (long)sizeof request);
    bool loopback = false, done = false;
    while (!done) {
        MIGRATE_POINT();
        static char buffer[32768];
        long got = CHECK_SYS(recv(fd, buffer, sizeof buffer, 0));
        for (struct nlmsghdr* h = (struct nlmsghdr*)buffer; NLMSG_OK(h, (unsigned)got); h = NLMSG_NEXT(h, got)) {
            CHECK_EQ(h->nlmsg_seq, 7);
            CHECK(h->nlmsg_type != NLMSG_ERROR);
            if (h->nlmsg_type == NLMSG_DONE) done = true;
            if (h->nlmsg_type != RTM_NEWLINK) continue;
            struct ifinfomsg* body = NLMSG_DATA(h);
            if (body->ifi_flags & 0x8 /* IFF_LOOPBACK */) loopback = true;
        }
    }
    CHECK(loopback);
    test_done();
}
