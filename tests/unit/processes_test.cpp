// The processes of a job: found, held, and forgotten.
#include "runtime/job/processes.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <vector>

namespace pmi::job {
namespace {

class ProcessesTest : public ::testing::Test {
  protected:
    void SetUp() override {
        child_ = ::fork();
        if (child_ == 0)
            for (;;) ::pause();
        auto loop = control::EventLoop::create();
        ASSERT_TRUE(loop.ok());
        loop_ = std::move(*loop);
        processes_.emplace(*loop_, child_, "/mark", [this](JobProcess& p) { ended_.push_back(p.pid); });
    }
    void TearDown() override { end_child(); }
    void end_child() {
        if (child_ <= 0) return;
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
        child_ = 0;
    }
    void run_loop_once() {
        loop_->after(std::chrono::milliseconds(1), [this] { loop_->stop(); });
        loop_->run();
    }

    pid_t child_ = 0;
    std::unique_ptr<control::EventLoop> loop_;
    std::vector<pid_t> ended_;
    std::optional<Processes> processes_;
};

TEST_F(ProcessesTest, WhoHasAProcessInHandKeepsItWhenALookFindsThatItHasEnded) {
    pid_t pid = child_;
    JobProcess* process = processes_->adopt(pid);
    ASSERT_NE(process, nullptr);
    process->where = "a node with a name too long to be stored in place";
    end_child();
    EXPECT_EQ(processes_->known(pid), nullptr);
    EXPECT_EQ(ended_, std::vector<pid_t>{pid});
    EXPECT_TRUE(processes_->empty());
    process->where += ", still";
    EXPECT_EQ(process->where, "a node with a name too long to be stored in place, still");
    run_loop_once();
    EXPECT_EQ(ended_.size(), 1u) << "told once";
}

TEST_F(ProcessesTest, TheLoopSeesTheEndByItself) {
    pid_t pid = child_;
    ASSERT_NE(processes_->adopt(pid), nullptr);
    end_child();
    run_loop_once();
    EXPECT_EQ(ended_, std::vector<pid_t>{pid});
    EXPECT_TRUE(processes_->empty());
}

}  // namespace
}  // namespace pmi::job
