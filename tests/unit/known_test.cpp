// Answers that the node may give again: which, for whom, until when.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "interpose/syscall/row.h"
#include "runtime/deputy/lasting_answers.h"
#include "runtime/deputy/thread_credentials.h"
#include "runtime/guest/known_answers.h"

namespace pmi {
namespace {

Call call_of(long nr, uint64_t arg = 0) {
    Call call;
    call.nr = static_cast<int32_t>(nr);
    call.args[0] = arg;
    return call;
}

constexpr LastingFacts kAll{true, true};

TEST(LastingAnswers, CredentialsWhereAllIdsAreMapped) {
    EXPECT_TRUE(answer_lasts(call_of(SYS_getuid), 0, HomePid(7), kAll));
    EXPECT_FALSE(answer_lasts(call_of(SYS_getuid), 65534, HomePid(7), {false, true}));
    EXPECT_FALSE(answer_lasts(call_of(SYS_getgroups, 1), -22, HomePid(7), kAll)) << "a failure";
}

TEST(LastingAnswers, TheGroupOfAProcessThatHasExeced) {
    EXPECT_TRUE(answer_lasts(call_of(SYS_getpgrp), 7, HomePid(7), kAll));
    EXPECT_TRUE(answer_lasts(call_of(SYS_getpgid, 7), 7, HomePid(7), kAll));
    EXPECT_FALSE(answer_lasts(call_of(SYS_getpgid, 8), 7, HomePid(7), kAll)) << "another one's";
    EXPECT_FALSE(answer_lasts(call_of(SYS_getpgrp), 7, HomePid(7), {true, false}));
    EXPECT_TRUE(answer_lasts(call_of(SYS_getsid, 7), 7, HomePid(7), {true, false}));
    EXPECT_FALSE(answer_lasts(call_of(SYS_getsid, 8), 7, HomePid(7), kAll));
}

TEST(LastingAnswers, NothingThatOthersChange) {
    for (long nr : {SYS_getppid, SYS_getcwd, SYS_umask, SYS_prlimit64, SYS_getrlimit, SYS_sched_getaffinity, SYS_getpriority,
                    SYS_uname, SYS_read})
        EXPECT_FALSE(answer_lasts(call_of(nr), 0, HomePid(7), kAll)) << nr;
}

TEST(LastingAnswers, AForkedChildHasNotExeced) {
    int pair[2];
    ASSERT_EQ(::pipe(pair), 0);
    pid_t child = ::fork();
    if (child == 0) {
        char c = 0;
        ::close(pair[1]);
        (void)!::read(pair[0], &c, 1);
        ::_exit(0);
    }
    EXPECT_FALSE(read_lasting_facts(HomePid(child)).has_execed);
    EXPECT_TRUE(read_lasting_facts(HomePid(::getpid())).has_execed);
    ::close(pair[0]);
    ::close(pair[1]);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
}

TEST(LastingAnswers, RowsThatLastPointNowhereIn) {
    for (const Row& row : syscall_table()) {
        if (row.lasts == Known::Nothing) continue;
        EXPECT_TRUE(row.route == Route::Identity || row.route == Route::Home) << row.name;
        EXPECT_EQ(row.changes, Known::Nothing) << row.name;
        for (const Arg& arg : row.args)
            EXPECT_TRUE(arg.kind == ArgKind::None || arg.kind == ArgKind::Value || arg.kind == ArgKind::Out) << row.name;
    }
}

TEST(KnownAnswers, TheSameQuestionUntilForgotten) {
    KnownAnswers known;
    ByteBuffer question(1, std::byte{1}), other(1, std::byte{2});
    EXPECT_FALSE(known.find(Known::Credentials, question));
    known.keep(Known::Credentials, question.copy(), Reply{42, {}});
    known.keep(Known::OwnGroup, other.copy(), Reply{43, {}});
    ASSERT_TRUE(known.find(Known::Credentials, question));
    EXPECT_EQ(known.find(Known::Credentials, question)->result, 42);
    EXPECT_FALSE(known.find(Known::Credentials, other));
    known.forget(Known::Credentials);
    EXPECT_FALSE(known.find(Known::Credentials, question));
    EXPECT_TRUE(known.find(Known::OwnGroup, other));
}

TEST(KnownAnswers, OfAMaker) {
    KnownAnswers maker, made;
    ByteBuffer question(1, std::byte{1}), other(1, std::byte{2});
    maker.keep(Known::Credentials, question.copy(), Reply{42, {}});
    maker.keep(Known::OwnGroup, other.copy(), Reply{43, {}});
    made.keep(Known::Credentials, question.copy(), Reply{1, {}});
    made.inherit(maker, Known::Credentials);
    ASSERT_TRUE(made.find(Known::Credentials, question));
    EXPECT_EQ(made.find(Known::Credentials, question)->result, 42);
    EXPECT_FALSE(made.find(Known::OwnGroup, other));
}

TEST(ThreadCredentials, AllTheSameUntilOneChanges) {
    EXPECT_TRUE(same_credentials(HomePid(::getpid())));
    EXPECT_FALSE(same_credentials(HomePid(-1)));
    if (::getuid() != 0) GTEST_SKIP() << "only root can be somebody else";
    std::promise<void> changed, looked;
    std::thread other([&] {
        ::syscall(SYS_setresuid, -1, 65534, -1);  // of this thread alone
        changed.set_value();
        looked.get_future().wait();
    });
    changed.get_future().wait();
    EXPECT_FALSE(same_credentials(HomePid(::getpid())));
    looked.set_value();
    other.join();
    EXPECT_TRUE(same_credentials(HomePid(::getpid())));
}

}  // namespace
}  // namespace pmi
