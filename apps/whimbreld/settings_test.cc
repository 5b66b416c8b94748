#include "settings.h"

#include <gtest/gtest.h>

namespace {

std::string fault_of(const std::string& text) {
  Settings settings;
  const std::string before = settings_text(settings);
  try {
    parse_settings(text, "w.toml", settings);
  } catch (const SettingsError& error) {
    EXPECT_EQ(settings_text(settings), before) << "a bad file changes nothing";
    return error.what();
  }
  return "";
}

TEST(Settings, AreShownAsTomlWhateverIsInThem) {
  Settings settings;
  settings.state_folder = "tab\t newline\n quote\" \\u0041 \x1b\x7f";
  // Of such a text every reader of TOML makes the same.
  EXPECT_NE(settings_text(settings).find(
                R"(state_folder = "tab\u0009 newline\u000a quote\" \\u0041 \u001b\u007f")"),
            std::string::npos)
      << settings_text(settings);
}

TEST(Settings, AreReadBackAsTheyAreShown) {
  Settings settings;
  settings.login = LoginMode::kNumeric;
  settings.listen = {"127.0.0.1:1"};
  settings.state_folder = "a \"b\" \\c";
  settings.relay = false;
  Settings read;
  parse_settings(settings_text(settings), "w.toml", read);
  EXPECT_EQ(settings_text(read), settings_text(settings));
  EXPECT_EQ(read.state_folder, settings.state_folder);
}

TEST(Settings, OfTheFileWinOverDefaultsAndNothingElseChanges) {
  Settings settings;
  parse_settings("[relay]\nslots_max = 7\n", "w.toml", settings);
  EXPECT_EQ(settings.slots_max, 7u);
  EXPECT_TRUE(settings.relay);
}

TEST(Settings, FaultsNameFileLineAndWhatWasExpected) {
  EXPECT_EQ(fault_of("[relay]\n\nslots_max = \"many\"\n"),
            "w.toml:3: relay.slots_max is a whole number from 1 to 1048576, not \"many\"");
  EXPECT_EQ(fault_of("[relay]\nslots_max = 0\n"),
            "w.toml:2: relay.slots_max is a whole number from 1 to 1048576, not 0");
  EXPECT_EQ(fault_of("[relay]\nthreads = 9\n"),
            "w.toml:2: relay.threads is a whole number from 0 to 8, not 9");
  EXPECT_EQ(fault_of("[server]\nlog_level = \"loud\"\n"),
            "w.toml:2: server.log_level is one of \"debug\", \"info\", \"warning\", \"error\", not "
            "\"loud\"");
  EXPECT_EQ(fault_of("[stun]\non = true\n"), "w.toml:2: [stun] has no \"on\": it has enabled");
  EXPECT_EQ(
      fault_of("\n[rely]\n").rfind("w.toml:2: there is no [rely]: there are server, login", 0), 0u);
  EXPECT_EQ(fault_of("relay = 3\n"), "w.toml:1: relay is a table: write [relay]");
  EXPECT_EQ(fault_of("[server]\nlisten = [\"a\", 4040]\n"),
            "w.toml:2: server.listen is a list of texts in quotes, not this list");
  EXPECT_EQ(fault_of("[server\n").rfind("w.toml:1: ", 0), 0u);
}

TEST(Settings, ThatDoNotFitTogetherAreRefused) {
  Settings settings;
  EXPECT_NO_THROW(check_settings(settings));
  settings.login = LoginMode::kToken;
  EXPECT_THROW(check_settings(settings), SettingsError);
  settings.token_algorithm = "EdDSA";
  settings.token_key_file = "backend.pem";
  EXPECT_NO_THROW(check_settings(settings));
  settings.rendezvous = settings.relay = settings.stun = false;
  EXPECT_THROW(check_settings(settings), SettingsError);
}

TEST(Settings, AMissingFileIsNamed) {
  Settings settings;
  try {
    read_settings("/nowhere/w.toml", settings);
    FAIL();
  } catch (const SettingsError& error) {
    EXPECT_STREQ(error.what(),
                 "--config: cannot read '/nowhere/w.toml': No such file or directory; wanted is a "
                 "file of settings, as \"whimbreld --print-config\" prints one");
  }
}

TEST(Settings, OtherSitesAreRead) {
  Settings settings;
  parse_settings(
      "[[sites]]\nname = \"fra\"\naddress = \"198.51.100.7:4040\"\nkey_file = \"fra.key\"\n"
      "[[sites]]\nname = \"nyc\"\naddress = \"[2001:db8::1]:4040\"\nkey_file = \"nyc.key\"\n",
      "w.toml", settings);
  ASSERT_EQ(settings.sites.size(), 2u);
  EXPECT_EQ(settings.sites[1].name, "nyc");
  EXPECT_NO_THROW(check_settings(settings));
  Settings read;
  parse_settings(settings_text(settings), "w.toml", read);
  EXPECT_EQ(settings_text(read), settings_text(settings));
}

TEST(Settings, ASiteHasOneAddressOrSeveral) {
  Settings settings;
  parse_settings(
      "[relay]\naddress = [\"home.example:4040\", \"[2001:db8::2]:4040\"]\n"
      "[[sites]]\nname = \"fra\"\naddress = [\"198.51.100.7:4040\", \"[2001:db8::1]:4040\"]\n"
      "key_file = \"fra.key\"\n",
      "w.toml", settings);
  EXPECT_EQ(settings.relay_addresses,
            (std::vector<std::string>{"home.example:4040", "[2001:db8::2]:4040"}));
  ASSERT_EQ(settings.sites.size(), 1u);
  EXPECT_EQ(settings.sites[0].addresses.size(), 2u);
  Settings read;
  parse_settings(settings_text(settings), "w.toml", read);
  EXPECT_EQ(read.sites[0].addresses, settings.sites[0].addresses);
  parse_settings("[relay]\naddress = \"\"\n", "w.toml", settings);
  EXPECT_TRUE(settings.relay_addresses.empty());
  EXPECT_NE(settings_text(settings).find("\naddress = \"\"\n"), std::string::npos);
  EXPECT_EQ(fault_of("[relay]\naddress = [7]\n"),
            "w.toml:2: relay.address is a text in quotes, or a list of such, not this list");
}

TEST(Settings, FaultsOfSitesAreNamed) {
  EXPECT_EQ(fault_of("[sites]\nname = \"x\"\n"),
            "w.toml:1: sites are tables of a list: write [[sites]] above each");
  EXPECT_EQ(fault_of("[[sites]]\nname = 7\n"), "w.toml:2: [sites].name is a text in quotes, not 7");
  EXPECT_EQ(fault_of("[[sites]]\nport = 7\n"),
            "w.toml:2: [[sites]] has no \"port\": it has name, address, key_file");
  const auto refused = [](const Settings& settings) {
    try {
      check_settings(settings);
    } catch (const SettingsError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  Settings settings;
  settings.sites = {{"home", {"1.2.3.4:5"}, "k"}};
  EXPECT_NE(refused(settings).find("two sites are named \"home\""), std::string::npos);
  settings.sites = {{"fra", {}, "k"}};
  EXPECT_NE(refused(settings).find("needs address"), std::string::npos);
  settings.sites = {{"fra", std::vector<std::string>(5, "1.2.3.4:5"), "k"}};
  EXPECT_NE(refused(settings).find("site \"fra\": 5 addresses are too many"), std::string::npos);
  settings.sites.assign(16, {"fra", {"1.2.3.4:5"}, "k"});
  EXPECT_NE(refused(settings).find("too many"), std::string::npos);
  settings.sites = {{"fra", {"1.2.3.4:5"}, "k"}};
  settings.rendezvous = false;
  EXPECT_NE(refused(settings).find("which is off"), std::string::npos);
}

}  // namespace
