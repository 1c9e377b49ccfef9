// The signals that steer a program interrupt none of its calls: what a handler would end with EINTR (signal(7)) or cut short
// goes on, sleeps and timeouts with what is left of them. A signal of the program's own still ends them.
#include "pmi_test.h"
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
enum { STEER_MS = 300, WAIT_MS = 1000, ALARM_MS = 700, SIZE = 1 << 20, WAYS = 15, ALARM_WAYS = 7 };
static int orders;
static sigset_t usr2;
static const struct timespec wait_time = {WAIT_MS / 1000, 0};

// A process of its own: a handler for the end of a short-lived one would be a signal too.
static void helper(int in) {
    char which;
    while (read(in, &which, 1) == 1) {
        sleep_ms(STEER_MS);
        CHECK_SYS(kill(getppid(), which == 'h' ? SIGRTMAX : SIGRTMAX - 1));
        if (which != 'b') continue;
        sleep_ms(STEER_MS);
        CHECK_SYS(kill(getppid(), SIGRTMAX));
        sleep_ms(STEER_MS / 2);  // its call has been made again when it came home
        CHECK_SYS(kill(getppid(), SIGRTMAX));
    }
    _exit(0);
}
static void steer(char which) { CHECK_EQ(write(orders, &which, 1), 1); }
static void on_alarm(int signal) { (void)signal; }
static void set_alarm(void) {
    struct itimerval timer = {.it_value = {0, ALARM_MS * 1000}};
    CHECK_SYS(setitimer(ITIMER_REAL, &timer, NULL));
}
static void* read_late(void* argument) {
    static char data[65536];
    sleep_ms(2 * STEER_MS);
    for (long done = 0; done < SIZE;) done += CHECK_SYS(read(*(int*)argument, data, sizeof data));
    return NULL;
}
static void write_much(void) {
    static char data[SIZE];
    int ends[2];
    pthread_t thread;
    sigset_t all, old;
    CHECK_SYS(pipe(ends));
    sigfillset(&all);
    CHECK_ZERO(pthread_sigmask(SIG_SETMASK, &all, &old));
    CHECK_ZERO(pthread_create(&thread, NULL, read_late, &ends[0]));
    CHECK_ZERO(pthread_sigmask(SIG_SETMASK, &old, NULL));
    CHECK_EQ(write(ends[1], data, SIZE), SIZE);
    CHECK_ZERO(pthread_join(thread, NULL));
}
static void receive_late(void) {
    int pair[2];
    char byte;
    struct timeval limit = {1, 0};
    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK_SYS(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    CHECK_ERRNO(recv(pair[0], &byte, 1, 0), EAGAIN);
}
// Each waits for WAIT_MS.
static void wait_in(int way) {
    struct timespec left, until = to_timespec(now_ns() + WAIT_MS * NSEC_PER_MSEC);
    struct timespec until_real = to_timespec(clock_ns(CLOCK_REALTIME) + WAIT_MS * NSEC_PER_MSEC);
    struct timeval tv = {1, 0};
    struct epoll_event event;
    struct sembuf down = {0, -1, 0};
    sem_t sem;
    int id;
    switch (way) {
        case 0: CHECK_SYS(nanosleep(&wait_time, NULL)); break;
        case 1: CHECK_SYS(nanosleep(&wait_time, &left)); break;
        case 2: CHECK_ZERO(clock_nanosleep(CLOCK_MONOTONIC, 0, &wait_time, NULL)); break;
        case 3: CHECK_ZERO(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL)); break;
        case 4: CHECK_EQ(poll(NULL, 0, WAIT_MS), 0); break;
        case 5: CHECK_EQ(ppoll(NULL, 0, &wait_time, NULL), 0); break;
        case 6: CHECK_EQ(select(0, NULL, NULL, NULL, &tv), 0); break;
        case 7: CHECK_EQ(pselect(0, NULL, NULL, NULL, &wait_time, NULL), 0); break;
        case 8: CHECK_EQ(epoll_wait((int)CHECK_SYS(epoll_create1(0)), &event, 1, WAIT_MS), 0); break;
        case 9: CHECK_EQ(epoll_pwait((int)CHECK_SYS(epoll_create1(0)), &event, 1, WAIT_MS, NULL), 0); break;
        case 10: CHECK_ERRNO(sigtimedwait(&usr2, NULL, &wait_time), EAGAIN); break;
        case 11:
            id = (int)CHECK_SYS(semget(IPC_PRIVATE, 1, 0600));
            CHECK_ERRNO(semtimedop(id, &down, 1, &wait_time), EAGAIN);
            CHECK_SYS(semctl(id, 0, IPC_RMID));
            break;
        case 12:
            CHECK_SYS(sem_init(&sem, 0, 0));
            CHECK_ERRNO(sem_timedwait(&sem, &until_real), ETIMEDOUT);
            break;
        case 13: receive_late(); break;
        case 14: CHECK_EQ(usleep(WAIT_MS * 1000), 0); break;
    }
}
static void wait_for_alarm(int way) {
    sigset_t none;
    struct sembuf down = {0, -1, 0};
    struct {
        long type;
        char text;
    } message;
    int id;
    sigemptyset(&none);
    set_alarm();
    switch (way) {
        case 0: CHECK_ERRNO(pause(), EINTR); break;
        case 1: CHECK_ERRNO(sigsuspend(&none), EINTR); break;
        case 2: CHECK_ERRNO(nanosleep(&(struct timespec){20, 0}, NULL), EINTR); break;
        case 3: CHECK_ERRNO(poll(NULL, 0, 20000), EINTR); break;
        case 4: CHECK_ERRNO(epoll_wait((int)CHECK_SYS(epoll_create1(0)), &(struct epoll_event){0}, 1, -1), EINTR); break;
        case 5:
            id = (int)CHECK_SYS(semget(IPC_PRIVATE, 1, 0600));
            CHECK_ERRNO(semop(id, &down, 1), EINTR);
            CHECK_SYS(semctl(id, 0, IPC_RMID));
            break;
        case 6:
            id = (int)CHECK_SYS(msgget(IPC_PRIVATE, 0600));
            CHECK_ERRNO(msgrcv(id, &message, 1, 0, 0), EINTR);
            CHECK_SYS(msgctl(id, IPC_RMID, NULL));
            break;
    }
}
int main(void) {
    struct sigaction now;
    CHECK_SYS(sigaction(SIGRTMAX, NULL, &now));
    if (now.sa_handler == SIG_DFL) test_skip("nothing is there that takes steering signals");
    int ends[2];
    CHECK_SYS(pipe(ends));
    pid_t child = (pid_t)CHECK_SYS(fork());
    if (child == 0) {
        CHECK_SYS(close(ends[1]));
        helper(ends[0]);
    }
    CHECK_SYS(close(ends[0]));
    orders = ends[1];
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &usr2, NULL));
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGALRM, &action, NULL));
    MIGRATE_POINT();
    for (int way = 0; way < WAYS; way++) {
        int64_t start = now_ns();
        steer(way % 3 == 0 ? 'h' : way % 3 == 1 ? 'a' : 'b');
        wait_in(way);
        CHECK_ELAPSED_SLACK(start, WAIT_MS, 12);
    }
    MIGRATE_POINT();
    for (int way = 0; way < ALARM_WAYS; way++) {
        int64_t start = now_ns();
        steer('h');
        wait_for_alarm(way);
        CHECK_ELAPSED_SLACK(start, ALARM_MS, 12);
    }
    steer('h');
    write_much();
    CHECK_SYS(close(orders));
    CHECK_EXITED(child, 0);
    test_done();
}
