// Signals on their way from home to a guest.
#include "runtime/guest/signals_from_home.h"

#include <gtest/gtest.h>

namespace pmi {
namespace {

const HomePid kThread(100), kOther(101);

siginfo_t signal_of(int signal, int code, int value = 0) {
    siginfo_t info{};
    info.si_signo = signal;
    info.si_code = code;
    info.si_value.sival_int = value;
    return info;
}

siginfo_t expiration(int timer, int overrun) {
    siginfo_t info = signal_of(SIGRTMIN, SI_TIMER);
    info.si_timerid = timer;
    info.si_overrun = overrun;
    return info;
}

TEST(SignalsFromHome, IsTakenOnceAndOnlyAsWhatItIs) {
    SignalsFromHome signals;
    uint64_t number = signals.add(kThread, signal_of(SIGUSR1, SI_USER, 7));
    EXPECT_FALSE(signals.take(number, SIGUSR2));
    EXPECT_FALSE(signals.take(number + 1, SIGUSR1));
    ASSERT_TRUE(signals.find(number));
    auto taken = signals.take(number, SIGUSR1);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->si_value.sival_int, 7);
    EXPECT_FALSE(signals.take(number, SIGUSR1));
}

TEST(SignalsFromHome, TheFirstOfAThreadIsItsOldest) {
    SignalsFromHome signals;
    signals.add(kOther, signal_of(SIGUSR1, SI_USER, 1));
    signals.add(kThread, signal_of(SIGUSR1, SI_USER, 2));
    signals.add(kThread, signal_of(SIGUSR1, SI_USER, 3));
    auto first = signals.take_first(kThread, SIGUSR1);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->si_value.sival_int, 2);
    EXPECT_FALSE(signals.take_first(kThread, SIGUSR2));
}

TEST(SignalsFromHome, ATimerThatExpiresAgainIsCountedInWhatIsPending) {
    SignalsFromHome signals;
    uint64_t number = signals.add(kThread, expiration(4, 2));
    EXPECT_TRUE(signals.merge_expiration(kThread, expiration(4, 3)));
    EXPECT_EQ(signals.find(number)->si_overrun, 6);
    EXPECT_FALSE(signals.merge_expiration(kThread, expiration(5, 0))) << "another timer";
    EXPECT_FALSE(signals.merge_expiration(kOther, expiration(4, 0))) << "another thread";
    EXPECT_FALSE(signals.merge_expiration(kThread, signal_of(SIGRTMIN, SI_QUEUE))) << "no timer";
    signals.take(number, SIGRTMIN);
    EXPECT_FALSE(signals.merge_expiration(kThread, expiration(4, 0))) << "delivered already";
}

TEST(SignalsFromHome, ATimerIsCountedInWhatIsHeldToo) {
    SignalsFromHome signals;
    signals.hold(kThread, expiration(4, 0));
    EXPECT_TRUE(signals.merge_expiration(kThread, expiration(4, 0)));
    EXPECT_EQ(signals.next_held()->second.si_overrun, 1);
}

TEST(SignalsFromHome, WhatIsHeldKeepsItsOrder) {
    SignalsFromHome signals;
    EXPECT_FALSE(signals.next_held());
    for (int i = 0; i < 3; i++) signals.hold(i == 1 ? kOther : kThread, signal_of(SIGRTMIN, SI_QUEUE, i));
    EXPECT_TRUE(signals.holds_for(kOther));
    auto mine = signals.held_for(kThread);
    ASSERT_EQ(mine.size(), 2u);
    EXPECT_EQ(mine[0].si_value.sival_int, 0);
    EXPECT_EQ(mine[1].si_value.sival_int, 2);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(signals.next_held()->second.si_value.sival_int, i);
        signals.drop_next_held();
    }
    EXPECT_FALSE(signals.holds_any());
}

}  // namespace
}  // namespace pmi
