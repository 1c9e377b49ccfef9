#include "remote/transport/keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "remote/transport/key_pair.h"
#include "runtime/base/fd.h"

namespace {

using pmi::Keyring;

class Keys : public ::testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/pmi-keys-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        dir_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(dir_); }
    Keyring open(const std::string& sub = "a") {
        auto ring = Keyring::open(dir_ + "/" + sub);
        EXPECT_TRUE(ring) << ring.error().message();
        return std::move(*ring);
    }
    std::string error_of_open(const std::string& sub = "a") {
        auto ring = Keyring::open(dir_ + "/" + sub);
        return ring ? "" : ring.error().message();
    }
    std::string dir_;
};

mode_t mode_of(const std::string& path) {
    struct stat st {};
    EXPECT_EQ(::stat(path.c_str(), &st), 0) << path;
    return st.st_mode & 07777;
}

TEST_F(Keys, MadeAtFirstUseAndKept) {
    Keyring first = open("deep/er/keys"), second = open("deep/er/keys/");
    EXPECT_TRUE(pmi::is_key(first.own().public_key));
    EXPECT_EQ(first.own().public_key, second.own().public_key);
    EXPECT_EQ(first.own().secret_key, second.own().secret_key);
    EXPECT_EQ(mode_of(dir_ + "/deep/er/keys"), 0700u);
    EXPECT_EQ(mode_of(dir_ + "/deep/er/keys/secret"), 0600u);
}

TEST_F(Keys, PublicKeyNeverLooksLikeAnOption) {
    for (int i = 0; i < 30; i++) EXPECT_TRUE(std::isalnum(open("k" + std::to_string(i)).own().public_key[0]));
}

TEST_F(Keys, ManyAtOnceAgree) {
    std::vector<std::string> seen(16);
    std::vector<std::thread> threads;
    for (auto& key : seen)
        threads.emplace_back([&] {
            auto ring = Keyring::open(dir_ + "/x/y");
            if (ring) key = ring->own().public_key;
        });
    for (auto& t : threads) t.join();
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 1u);
    EXPECT_TRUE(pmi::is_key(seen[0]));
    size_t files = 0;
    for (auto& entry : std::filesystem::directory_iterator(dir_ + "/x/y")) files += entry.exists();
    EXPECT_EQ(files, 1u);  // no temporary file is left
}

TEST_F(Keys, DirectoryFromVariable) {
    ::setenv("PMI_KEYS", (dir_ + "/var").c_str(), 1);
    auto ring = Keyring::open("");
    ::unsetenv("PMI_KEYS");
    ASSERT_TRUE(ring);
    EXPECT_EQ(ring->directory(), dir_ + "/var");
}

TEST_F(Keys, RefusesSecretThatOthersRead) {
    open();
    ::chmod((dir_ + "/a/secret").c_str(), 0640);
    EXPECT_NE(error_of_open().find("mode 0640"), std::string::npos) << error_of_open();
}

TEST_F(Keys, RefusesDirectoryThatOthersWrite) {
    open();
    ::chmod((dir_ + "/a").c_str(), 0770);
    EXPECT_NE(error_of_open().find("lets others write"), std::string::npos);
}

TEST_F(Keys, RefusesSymlinkAndFifoAndGarbageAsSecret) {
    open("other");
    std::filesystem::create_directory(dir_ + "/a");
    std::filesystem::create_symlink(dir_ + "/other/secret", dir_ + "/a/secret");
    EXPECT_NE(error_of_open(), "");
    std::filesystem::remove(dir_ + "/a/secret");
    ASSERT_EQ(::mkfifo((dir_ + "/a/secret").c_str(), 0600), 0);
    EXPECT_NE(error_of_open().find("not a regular file"), std::string::npos);
    std::filesystem::remove(dir_ + "/a/secret");
    for (std::string text : {"", "short\n", "0000000000000000000000000000000000000000\nx\n"}) {
        ASSERT_TRUE(pmi::write_file(dir_ + "/a/secret", text, 0600));
        EXPECT_NE(error_of_open().find("not a key pair"), std::string::npos) << text;
    }
}

TEST_F(Keys, RefusesPairThatDoesNotBelongTogether) {
    Keyring a = open("a"), b = open("b");
    ASSERT_TRUE(pmi::write_file(dir_ + "/a/secret", a.own().public_key + "\n" + b.own().secret_key + "\n", 0600));
    EXPECT_NE(error_of_open().find("doesn't belong"), std::string::npos);
}

TEST_F(Keys, RefusesAnotherUsersDirectory) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    open();
    ::chmod(dir_.c_str(), 0755);
    ::chmod((dir_ + "/a").c_str(), 0755);
    pid_t child = ::fork();
    if (child == 0) {
        if (::setresuid(65534, 65534, 65534) != 0) ::_exit(9);
        auto ring = Keyring::open(dir_ + "/a");
        ::_exit(!ring && ring.error().message().find("belongs to user 0") != std::string::npos ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
}

TEST_F(Keys, TrustListRemove) {
    Keyring a = open("a"), b = open("b"), c = open("c");
    std::string kb = b.own().public_key, kc = c.own().public_key;
    EXPECT_TRUE(a.trusts(a.own().public_key));
    EXPECT_FALSE(a.trusts(kb));
    ASSERT_TRUE(a.trust(kb, "node-b"));
    ASSERT_TRUE(a.trust(kb, "node-b"));   // again: fine
    EXPECT_FALSE(a.trust(kc, "node-b"));  // another key, same name
    ASSERT_TRUE(a.trust(kc, ""));
    EXPECT_TRUE(a.trusts(kb));
    auto list = a.list();
    ASSERT_TRUE(list);
    ASSERT_EQ(list->size(), 2u);
    EXPECT_EQ(a.server_key("node-b"), kb);
    EXPECT_EQ(a.server_key("elsewhere"), a.own().public_key);
    EXPECT_EQ(a.server_key("../a/secret"), a.own().public_key);
    ASSERT_TRUE(a.remove(kc));
    EXPECT_FALSE(a.remove(kc));
    ASSERT_TRUE(a.remove("node-b"));
    EXPECT_FALSE(a.trusts(kb));
}

TEST_F(Keys, NamesCannotLeaveTheDirectory) {
    Keyring a = open("a"), b = open("b");
    for (std::string name : {"../x", "x/y", ".", "..", ".hidden", "-rf", "a b", "new\nline", "/etc/x"}) {
        EXPECT_FALSE(a.trust(b.own().public_key, name)) << name;
        EXPECT_FALSE(a.remove(name)) << name;
    }
    EXPECT_FALSE(a.trust(b.own().public_key, std::string(65, 'n')));
    EXPECT_FALSE(a.trust(b.own().public_key, std::string("x\0y", 3)));
    EXPECT_TRUE(std::filesystem::exists(dir_ + "/a/secret"));
}

TEST_F(Keys, RejectsWhatIsNoKey) {
    Keyring a = open();
    std::string good = open("b").own().public_key;
    for (std::string key :
         {std::string(), good.substr(1), good + "0", std::string(40, '#'), std::string(40, '~'), std::string(39, 'a') + '\n'})
        EXPECT_FALSE(a.trust(key, "n")) << key;
    EXPECT_FALSE(a.trusts(""));
}

TEST_F(Keys, BadTrustedFileIsSkippedAndSaid) {
    Keyring a = open("a"), b = open("b");
    ASSERT_TRUE(a.trust(b.own().public_key, "good"));
    ASSERT_TRUE(pmi::write_file(dir_ + "/a/trusted/bad", "nonsense\n", 0600));
    ASSERT_TRUE(pmi::write_file(dir_ + "/a/trusted/open", open("c").own().public_key, 0600));
    ::chmod((dir_ + "/a/trusted/open").c_str(), 0666);
    std::vector<std::string> skipped;
    auto list = a.list(&skipped);
    ASSERT_TRUE(list);
    EXPECT_EQ(list->size(), 1u);
    EXPECT_EQ(skipped.size(), 2u);
    EXPECT_TRUE(a.trusts(b.own().public_key));
}

}  // namespace
