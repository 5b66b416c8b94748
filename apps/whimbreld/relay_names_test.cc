#include "relay_names.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

using namespace whimbrel;

namespace {

class RelayNamesTest : public ::testing::Test {
 protected:
  std::string fault_of(const std::vector<std::string>& texts) {
    try {
      names.add("fra", "site \"fra\"", texts);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "";
  }

  std::vector<std::string> warnings;
  RelayNames names{[this](const std::string& text) { warnings.push_back(text); }};
};

TEST_F(RelayNamesTest, AddressesOfBothFamiliesAreTakenAsTheyAre) {
  const auto found = names.add("fra", "", {"192.0.2.7:4040", "[2001:db8::7]:4040"});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].text(), "192.0.2.7:4040");
  EXPECT_EQ(found[1].text(), "[2001:db8::7]:4040");
  EXPECT_FALSE(names.any()) << "nothing to look up";
  EXPECT_TRUE(warnings.empty());
}

TEST_F(RelayNamesTest, ANameStandsForAllItsAddresses) {
  const auto found = names.add("fra", "", {"localhost:4040"});
  ASSERT_FALSE(found.empty());
  for (const IpAddress& one : found) EXPECT_TRUE(one.is_loopback() && one.port == 4040);
  EXPECT_TRUE(names.any());
}

TEST_F(RelayNamesTest, NoMoreThanAClientTakes) {
  std::vector<std::string> many;
  for (int i = 1; i < 10; ++i) many.push_back("192.0.2." + std::to_string(i) + ":4040");
  EXPECT_EQ(names.add("fra", "", many).size(), 4u);
}

TEST_F(RelayNamesTest, FaultsAreNamed) {
  EXPECT_NE(fault_of({"192.0.2.7"}).find("site \"fra\": '192.0.2.7' is no address with a port"),
            std::string::npos);
  EXPECT_NE(fault_of({"0.0.0.0:4040"}).find("no address that clients could reach"),
            std::string::npos);
  EXPECT_NE(fault_of({"[::]:4040"}).find("no address that clients could reach"), std::string::npos);
}

// A name server that answers as the test says.
class ChangingNamesTest : public ::testing::Test {
 protected:
  using Seconds = std::chrono::seconds;

  void answer(const std::vector<std::string>& addresses) {
    const std::lock_guard lock(mutex);
    answer_.clear();
    for (const std::string& one : addresses) answer_.push_back(*IpAddress::parse(one));
  }
  // Lets the question be asked and answered, and returns what is told then.
  std::vector<IpAddress> told_after(Seconds time) {
    now += time;
    std::vector<IpAddress> told;
    const auto changed = [&](const std::string& site, const auto& addresses) {
      EXPECT_EQ(site, "fra");
      told = addresses;
    };
    const int before = asked;
    names.tick(now, changed);
    if (time >= RelayNames::kInterval) {
      while (asked == before) std::this_thread::yield();
    }
    // The answer is handed over a moment after the resolver has given it.
    for (int i = 0; i < 200 && told.empty(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      names.tick(now, changed);
    }
    return told;
  }

  std::mutex mutex;
  std::vector<IpAddress> answer_;
  std::atomic<int> asked = 0;
  std::vector<std::string> warnings;
  RelayNames::Clock::time_point now{std::chrono::hours(1)};
  RelayNames names{[this](const std::string& text) { warnings.push_back(text); },
                   [this](const std::string&, std::string* not_yet) {
                     const std::lock_guard lock(mutex);
                     ++asked;
                     if (answer_.empty()) *not_yet = "no answer";
                     return NameLookup::Answer(answer_);
                   }};
};

TEST_F(ChangingNamesTest, OnlyOtherAddressesAreTold) {
  answer({"192.0.2.7:4040"});
  names.add("fra", "site \"fra\"", {"fra.example:4040"});
  EXPECT_TRUE(told_after(RelayNames::kInterval).empty());
  answer({"192.0.2.8:4040", "[2001:db8::8]:4040"});
  EXPECT_EQ(told_after(RelayNames::kInterval).size(), 2u);
  EXPECT_TRUE(warnings.empty());
}

TEST_F(ChangingNamesTest, WhatIsNotFoundIsKeptAndAskedAgainSooner) {
  EXPECT_TRUE(names.add("fra", "site \"fra\"", {"fra.example:4040"}).empty());
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("no answer; it is looked up again"), std::string::npos);
  EXPECT_TRUE(told_after(RelayNames::kInterval).empty());
  answer({"192.0.2.7:4040"});
  EXPECT_EQ(told_after(RelayNames::kIntervalMissing).size(), 1u);
  answer({});
  EXPECT_TRUE(told_after(RelayNames::kInterval).empty()) << "it may come back";
  EXPECT_EQ(warnings.size(), 2u);
}

TEST_F(ChangingNamesTest, WhatWasKnownBeforeASignalIsKeptWhileNothingIsFound) {
  answer({"192.0.2.7:4040"});
  names.add("fra", "site \"fra\"", {"fra.example:4040"});
  RelayNames later([](const std::string&) {},
                   [](const std::string&, std::string* not_yet) {
                     *not_yet = "no answer";
                     return NameLookup::Answer(std::vector<IpAddress>());
                   });
  later.remember(names);
  EXPECT_EQ(later.add("fra", "", {"fra.example:4040"}).size(), 1u);
  EXPECT_TRUE(later.add("fra", "", {"other.example:4040"}).empty()) << "another name";
}

// Name servers that do not answer keep nobody from starting; and when they do, the answer is told.
TEST(SlowRelayNames, AreNotWaitedForLong) {
  struct Gate {
    std::mutex mutex;
    std::condition_variable opens;
    bool open = false;
  };
  const auto gate = std::make_shared<Gate>();
  std::vector<std::string> warnings;
  RelayNames names([&](const std::string& text) { warnings.push_back(text); },
                   [gate](const std::string& text, std::string*) {
                     if (const auto address = IpAddress::parse(text))
                       return NameLookup::Answer({*address});
                     std::unique_lock lock(gate->mutex);
                     gate->opens.wait(lock, [&] { return gate->open; });
                     return NameLookup::Answer({*IpAddress::parse("192.0.2.7:4040")});
                   });
  EXPECT_TRUE(names.add("fra", "site \"fra\"", {"fra.example:4040"}).empty());
  EXPECT_EQ(names.add("syd", "site \"syd\"", {"syd.example:4040", "192.0.2.9:4040"}).size(), 1u);
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_EQ(warnings[0],
            "site \"fra\": the name servers have not answered yet; it is looked up again");
  {
    const std::lock_guard lock(gate->mutex);
    gate->open = true;
    gate->opens.notify_all();
  }
  std::map<std::string, std::size_t> told;
  for (int i = 0; i < 5000 && told.size() < 2; ++i) {
    names.tick(RelayNames::Clock::now(), [&](const std::string& site, const auto& addresses) {
      told[site] = addresses.size();
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(told["fra"], 1u);
  EXPECT_EQ(told["syd"], 2u);
}

}  // namespace
