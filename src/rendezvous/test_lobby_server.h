// A lobby server alone, and what each user was told.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "rendezvous/lobby_server.h"

namespace whimbrel::rendezvous {

inline constexpr std::uint32_t kApp = 7;

struct Lobbies : ::testing::Test {
  Lobbies() { restart(); }

  void restart() {
    const LobbyOrigin origin{origin_key, now, clock};
    server = std::make_unique<LobbyServer>(
        limits, random, origin,
        [this](const LobbyUser& to, Bytes bytes) {
          const auto notice = decode_lobby_notice(bytes);
          ASSERT_TRUE(notice.has_value());
          seen[to.second].push_back(*notice);
        },
        [this](const LobbyUser& who) { doubted.push_back(who); });
    seen.clear();
  }
  static Identity name(const std::string& text) { return *Identity::parse("str:" + text); }
  static LobbyUser user(const std::string& text, std::uint32_t app_id = kApp) {
    return {app_id, name(text)};
  }
  void online(const std::string& who, std::uint32_t app_id = kApp) {
    server->on_online(user(who, app_id), now);
  }
  void offline(const std::string& who) { server->on_offline(user(who), now); }
  void ask(const std::string& who, const LobbyRequest& request, std::uint32_t app_id = kApp) {
    server->on_request(user(who, app_id), request, now);
  }
  void wait(Duration time) {
    now += time;
    server->advance(now);
  }
  template <typename Notice>
  std::vector<Notice> all(const std::string& who) {
    std::vector<Notice> found;
    for (const LobbyNotice& notice : seen[name(who)]) {
      if (const auto* one = std::get_if<Notice>(&notice)) found.push_back(*one);
    }
    return found;
  }
  // What became of the last request of `who`; kOk for the answers that show it themselves.
  LobbyResult result(const std::string& who) {
    const auto& notices = seen[name(who)];
    for (auto at = notices.rbegin(); at != notices.rend(); ++at) {
      if (const auto* answer = std::get_if<LobbyAnswer>(&*at)) return answer->result;
      if (std::holds_alternative<LobbyEntered>(*at)) return LobbyResult::kOk;
      if (std::holds_alternative<LobbyListed>(*at)) return LobbyResult::kOk;
    }
    return LobbyResult::kTimeout;
  }
  LobbyId create(const std::string& owner, std::uint8_t members_max = 4,
                 LobbyKind kind = LobbyKind::kPublic) {
    ask(owner, LobbyCreate{1, kind, members_max});
    const auto entered = all<LobbyEntered>(owner);
    return entered.empty() ? LobbyId{} : entered.back().lobby;
  }
  LobbyResult join(const std::string& who, LobbyId lobby) {
    ask(who, LobbyJoin{2, lobby});
    return result(who);
  }
  LobbyResult set(const std::string& who, LobbyId lobby, const std::string& key,
                  const std::string& value, bool of_member = false, bool remove = false) {
    ask(who, LobbySetData{3, lobby, of_member, remove, {key, value}});
    return result(who);
  }
  std::set<LobbyId> list(const std::string& who, std::vector<LobbyFilter> filters = {},
                         std::uint8_t slots_min = 0, std::uint8_t results_max = 50) {
    now += seconds(1);
    ask(who, LobbyList{4, std::move(filters), slots_min, results_max});
    std::set<LobbyId> ids;
    const auto listed = all<LobbyListed>(who);
    if (listed.empty()) return ids;
    for (const LobbyInfo& info : listed.back().lobbies) ids.insert(info.lobby);
    EXPECT_EQ(ids.size(), listed.back().lobbies.size()) << "one twice";
    return ids;
  }
  // What a member finds who joins again, which changes nothing.
  LobbyEntered look(const std::string& member, LobbyId lobby) {
    join(member, lobby);
    const auto entered = all<LobbyEntered>(member);
    return entered.empty() ? LobbyEntered() : entered.back();
  }

  Instant now{};
  WallClock clock{now, 1'800'000'000'000};
  Secret origin_key{};
  FastRandom random{9};
  LobbyLimits limits = [] {
    LobbyLimits wide;
    wide.changes_burst = 100'000;
    return wide;
  }();
  std::map<Identity, std::vector<LobbyNotice>> seen;
  std::vector<LobbyUser> doubted;
  std::unique_ptr<LobbyServer> server;
};

}  // namespace whimbrel::rendezvous
