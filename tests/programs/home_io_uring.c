// An io_uring does its work wherever it may live. (May keep the program at home.)
#include "pmi_test.h"
#include <linux/io_uring.h>
int main(void) {
    struct io_uring_params parameters = {0};
    int ring = (int)syscall(SYS_io_uring_setup, 4, &parameters);
    if (ring == -1 && (errno == ENOSYS || errno == EPERM)) test_skip("no io_uring");
    CHECK_SYS(ring);
    size_t sq_size = parameters.sq_off.array + parameters.sq_entries * sizeof(uint32_t);
    size_t cq_size = parameters.cq_off.cqes + parameters.cq_entries * sizeof(struct io_uring_cqe);
    char* sq = CHECK_MMAP(mmap(NULL, sq_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING));
    char* cq = CHECK_MMAP(mmap(NULL, cq_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING));
    struct io_uring_sqe* sqes =
        CHECK_MMAP(mmap(NULL, parameters.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES));
    for (unsigned i = 0; i < 6; i++) {
        MIGRATE_POINT();
        _Atomic uint32_t* tail = (void*)(sq + parameters.sq_off.tail);
        uint32_t slot = *tail & *(uint32_t*)(sq + parameters.sq_off.ring_mask);
        memset(&sqes[slot], 0, sizeof sqes[slot]);
        sqes[slot].opcode = IORING_OP_NOP;
        sqes[slot].user_data = 1000 + i;
        ((uint32_t*)(sq + parameters.sq_off.array))[slot] = slot;
        ++*tail;
        CHECK_EQ(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0), 1);
        _Atomic uint32_t* head = (void*)(cq + parameters.cq_off.head);
        CHECK_EQ(*(_Atomic uint32_t*)(cq + parameters.cq_off.tail), i + 1);
        struct io_uring_cqe* cqes = (void*)(cq + parameters.cq_off.cqes);
        struct io_uring_cqe* done = &cqes[*head & *(uint32_t*)(cq + parameters.cq_off.ring_mask)];
        CHECK_EQ(done->user_data, 1000 + i);
        CHECK_EQ(done->res, 0);
        ++*head;
    }
    test_done();
}
