#include "remote/config/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "remote/config/node_address.h"
#include "runtime/base/fd.h"

namespace {

using namespace pmi;

const std::string kKey = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

std::string error_of(std::string_view text) {
    Config config;
    auto status = merge_config(text, "x.toml", &config);
    return status ? "" : status.error().message();
}

TEST(Config, Everything) {
    Config config;
    auto status = merge_config(
        "[pmi]\nnode = \"big\"\nkeys = \"/k\"\nlog = \"/l\"\n"
        "[nodes.big]\naddress = \"10.0.0.2:7701\"\nkey = \"" +
            kKey +
            "\"\n"
            "[nodes.six]\naddress = \"[::1]\"\n"
            "[pmid]\nlisten = \"0.0.0.0:7700\"\nname = \"me\"\nmax_guests = 3\nmemory_max = \"2G\"\n",
        "x.toml", &config);
    ASSERT_TRUE(status) << status.error().message();
    EXPECT_EQ(config.node, "big");
    EXPECT_EQ(config.keys, "/k");
    EXPECT_EQ(config.log, "/l");
    EXPECT_EQ(config.nodes["big"].address.port, 7701);
    EXPECT_EQ(config.nodes["big"].key, kKey);
    EXPECT_EQ(config.nodes["six"].address.host, "::1");
    EXPECT_EQ(config.pmid.max_guests, 3u);
    EXPECT_EQ(config.pmid.memory_max, 2ull << 30);
}

TEST(Config, ErrorsNameFileLineAndWhat) {
    EXPECT_EQ(error_of(""), "");
    EXPECT_NE(error_of("[pmi]\nnode = \n").find("x.toml:2: "), std::string::npos) << error_of("[pmi]\nnode = \n");
    EXPECT_EQ(error_of("[pmi]\n\nnod = \"x\"\n"), "x.toml:3: unknown key \"nod\" in [pmi]");
    EXPECT_EQ(error_of("[pmi]\nnode = 7\n"), "x.toml:2: node must be a string");
    EXPECT_NE(error_of("[other]\n").find("unknown table \"other\""), std::string::npos);
    EXPECT_NE(error_of("top = 1\n").find("unknown key \"top\""), std::string::npos);
    EXPECT_NE(error_of("pmi = 1\n").find("must be a table"), std::string::npos);
    EXPECT_NE(error_of("[nodes.a]\n").find("has no address"), std::string::npos);
    EXPECT_NE(error_of("[nodes.a]\naddress = \"h:99999\"\n").find("\"99999\""), std::string::npos);
    EXPECT_NE(error_of("[nodes.a]\naddress = \"h\"\nkey = \"short\"\n").find("not a public key"), std::string::npos);
    EXPECT_NE(error_of("[nodes.\"../x\"]\naddress = \"h\"\n").find("can't be a node's name"), std::string::npos);
    EXPECT_NE(error_of("[nodes]\na = 1\n").find("must be a table"), std::string::npos);
    EXPECT_NE(error_of("[pmid]\nmax_guests = -1\n").find("max_guests"), std::string::npos);
    EXPECT_NE(error_of("[pmid]\nmemory_max = \"lots\"\n").find("lots"), std::string::npos);
    EXPECT_NE(error_of("[pmid]\nlisten = \"::1\"\n").find("brackets"), std::string::npos);
    for (auto text : {"[pmi]\nnode = \n", "\xff\xfe", "[pmi\n", "a = \"\n\"\n"})
        EXPECT_EQ(error_of(text).find('\n'), std::string::npos) << text;
}

TEST(Config, LimitsOfGuests) {
    Config config;
    ASSERT_TRUE(merge_config(
        "[pmid]\nguest_memory_max = \"1G\"\nguest_cpu_max = 1.5\nguest_cpu_weight = 50\nguest_pids_max = 500\n", "f", &config));
    EXPECT_EQ(config.pmid.guest.memory_max, 1u << 30);
    EXPECT_EQ(config.pmid.guest.cpu_max, 1.5);
    EXPECT_EQ(config.pmid.guest.cpu_weight, 50u);
    EXPECT_EQ(config.pmid.guest.pids_max, 500u);
    ASSERT_TRUE(merge_config("[pmid]\nguest_cpu_max = 2\n", "f", &config));
    EXPECT_EQ(config.pmid.guest.cpu_max, 2);
    for (auto text : {"guest_cpu_max = 0", "guest_cpu_max = nan", "guest_cpu_max = \"1\"", "guest_cpu_weight = 0",
                      "guest_cpu_weight = 10001", "guest_pids_max = 0", "guest_memory_max = -1", "guest_other = 1"})
        EXPECT_NE(error_of(std::string("[pmid]\n") + text + "\n").find("guest_"), std::string::npos) << text;
}

TEST(Config, LaterFileWins) {
    char name[] = "/tmp/pmi-config-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    std::string dir = name;
    ASSERT_TRUE(write_file(dir + "/a", "[pmi]\nnode=\"a\"\nkeys=\"/ka\"\n[nodes.n]\naddress=\"h1\"\n"));
    ASSERT_TRUE(write_file(dir + "/b", "[pmi]\nnode=\"b\"\n[nodes.n]\naddress=\"h2\"\n"));
    auto config = load_config({dir + "/a", dir + "/missing", dir + "/b"});
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_EQ(config->node, "b");
    EXPECT_EQ(config->keys, "/ka");
    EXPECT_EQ(config->nodes["n"].address.host, "h2");
    EXPECT_FALSE(load_config({dir}));  // a directory
    std::filesystem::remove_all(dir);
}

TEST(Config, Sizes) {
    EXPECT_EQ(*parse_size("0"), 0u);
    EXPECT_EQ(*parse_size("4096"), 4096u);
    EXPECT_EQ(*parse_size("1k"), 1024u);
    EXPECT_EQ(*parse_size("3T"), 3ull << 40);
    for (auto bad : {"", "K", "1X", "1KB", "-1", "1.5G", "99999999999T", " 1", "99999999999999999999"})
        EXPECT_FALSE(parse_size(bad)) << bad;
}

TEST(Nodes, Resolve) {
    Config config;
    config.nodes["big"] = {{"10.0.0.2", 7701}, kKey};
    auto by_name = resolve_node(config, "big");
    ASSERT_TRUE(by_name);
    EXPECT_EQ(by_name->show(), "10.0.0.2:7701");
    EXPECT_EQ(by_name->key, kKey);
    auto by_address = resolve_node(config, "10.0.0.2:7701");
    ASSERT_TRUE(by_address);
    EXPECT_EQ(by_address->name, "big");
    auto plain = resolve_node(config, "other");
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->port, 7700);
    EXPECT_EQ(plain->key, "");
    auto bad = resolve_node(config, "other:port");
    ASSERT_FALSE(bad);
    EXPECT_NE(bad.error().message().find("port"), std::string::npos);
}

TEST(Nodes, CandidateKeys) {
    char name[] = "/tmp/pmi-config-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    auto ring = Keyring::open(name), other = Keyring::open(std::string(name) + "/other");
    ASSERT_TRUE(ring && other);
    EXPECT_EQ(candidate_keys(*ring, {"n", "h", 1, kKey}), std::vector{kKey});
    ASSERT_TRUE(ring->trust(other->own().public_key, "n"));
    EXPECT_EQ(candidate_keys(*ring, {"n", "h", 1, ""}), std::vector{other->own().public_key});
    EXPECT_EQ(candidate_keys(*ring, {"m", "h", 1, ""}), (std::vector{ring->own().public_key, other->own().public_key}));
    std::filesystem::remove_all(name);
}

}  // namespace
