// Lobbies: checks what the application asks for, and lays it down where the core is.
#include <whimbrel/lobbies.h>

#include <algorithm>

#include "api/lobby_service.h"

namespace whimbrel {

using rendezvous::LobbyClient;

class Lobbies::Impl {
 public:
  explicit Impl(LobbyService& service) : service_(service) {}
  LobbyService& service() { return service_; }

 private:
  LobbyService& service_;
};

std::unique_ptr<Lobbies> LobbiesAccess::make(LobbyService& service) {
  return std::unique_ptr<Lobbies>(new Lobbies(std::make_unique<Lobbies::Impl>(service)));
}

Lobbies::Lobbies(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Lobbies::~Lobbies() = default;

namespace {

bool members_fit(std::size_t members_max) {
  return members_max >= 1 && members_max <= Lobbies::kMembersMax;
}

bool key_fits(std::string_view key) { return !key.empty() && key.size() <= Lobbies::kKeyBytesMax; }

bool query_fits(const LobbyQuery& query) {
  return query.filters.size() <= rendezvous::kLobbyFiltersMax &&
         std::all_of(query.filters.begin(), query.filters.end(), [](const LobbyFilter& filter) {
           return filter.key.size() <= Lobbies::kKeyBytesMax &&
                  filter.text.size() <= Lobbies::kValueBytesMax &&
                  filter.compare <= LobbyFilter::Compare::kGreaterOrEqual;
         });
}

}  // namespace

bool Lobbies::create(LobbyKind kind, std::size_t members_max, Entered entered) {
  if (!members_fit(members_max) || kind > LobbyKind::kInvisible)
    return impl_->service().refuse(LobbyResult::kTooMuch, std::move(entered));
  return impl_->service().call(
      [&](LobbyClient& client, Instant now) {
        return client.create(kind, static_cast<std::uint8_t>(members_max), now);
      },
      std::move(entered));
}

bool Lobbies::list(const LobbyQuery& query, Listed listed) {
  if (!query_fits(query)) return impl_->service().refuse(LobbyResult::kTooMuch, std::move(listed));
  return impl_->service().call(
      [&](LobbyClient& client, Instant now) {
        std::vector<rendezvous::LobbyFilter> filters;
        for (const LobbyFilter& filter : query.filters) filters.push_back({filter});
        return client.list(std::move(filters), query.slots_min, query.results_max, now);
      },
      std::move(listed));
}

bool Lobbies::join(LobbyId lobby, Entered entered) {
  return impl_->service().call(
      [&](LobbyClient& client, Instant now) { return client.join(lobby, now); },
      std::move(entered));
}

bool Lobbies::leave(LobbyId lobby, Done done) {
  return impl_->service().call(
      [&](LobbyClient& client, Instant now) { return client.leave(lobby, now); }, std::move(done));
}

bool Lobbies::set_data(LobbyId lobby, std::string_view key, std::string_view value, Done done) {
  if (!key_fits(key) || value.size() > kValueBytesMax)
    return impl_->service().refuse(LobbyResult::kTooMuch, std::move(done));
  return impl_->service().call(
      [&](LobbyClient& client, Instant now) {
        return client.set_data(lobby, std::string(key), std::string(value), now);
      },
      std::move(done));
}

bool Lobbies::remove_data(LobbyId lobby, std::string_view key, Done done) {
  if (!key_fits(key)) return impl_->service().refuse(LobbyResult::kTooMuch, std::move(done));
  return impl_->service().call(
      [&](LobbyClient& client, Instant now) {
        return client.remove_data(lobby, std::string(key), now);
      },
      std::move(done));
}

bool Lobbies::set_member_data(LobbyId lobby, std::string_view key, std::string_view value,
                              Done done) {
  if (!key_fits(key) || value.size() > kValueBytesMax)
    return impl_->service().refuse(LobbyResult::kTooMuch, std::move(done));
  return impl_->service().call(
      [&](LobbyClient& client, Instant now) {
        return client.set_member_data(lobby, std::string(key), std::string(value), now);
      },
      std::move(done));
}

bool Lobbies::remove_member_data(LobbyId lobby, std::string_view key, Done done) {
  if (!key_fits(key)) return impl_->service().refuse(LobbyResult::kTooMuch, std::move(done));
  return impl_->service().call(
      [&](LobbyClient& client, Instant now) {
        return client.remove_member_data(lobby, std::string(key), now);
      },
      std::move(done));
}

bool Lobbies::chat(LobbyId lobby, Payload payload, Done done) {
  const Bytes body = payload.bytes();
  if (body.size() > kChatBytesMax || (body.data() == nullptr && !body.empty()))
    return impl_->service().refuse(LobbyResult::kTooMuch, std::move(done));
  return impl_->service().call(
      [&](LobbyClient& client, Instant now) {
        return client.chat(lobby, {body.begin(), body.end()}, now);
      },
      std::move(done));
}

bool Lobbies::kick(LobbyId lobby, const Identity& member, Done done) {
  if (!member.valid()) return impl_->service().refuse(LobbyResult::kNotMember, std::move(done));
  return impl_->service().call(
      [&](LobbyClient& client, Instant now) { return client.kick(lobby, member, now); },
      std::move(done));
}

bool Lobbies::set_owner(LobbyId lobby, const Identity& member, Done done) {
  if (!member.valid()) return impl_->service().refuse(LobbyResult::kNotMember, std::move(done));
  return impl_->service().call(
      [&](LobbyClient& client, Instant now) { return client.set_owner(lobby, member, now); },
      std::move(done));
}

bool Lobbies::report(LobbyId lobby, const Identity& member, Done done) {
  if (!member.valid()) return impl_->service().refuse(LobbyResult::kNotMember, std::move(done));
  return impl_->service().call(
      [&](LobbyClient& client, Instant now) { return client.report(lobby, member, now); },
      std::move(done));
}

bool Lobbies::configure(LobbyId lobby, LobbyKind kind, std::size_t members_max, bool joinable,
                        Done done) {
  if (!members_fit(members_max) || kind > LobbyKind::kInvisible)
    return impl_->service().refuse(LobbyResult::kTooMuch, std::move(done));
  return impl_->service().call(
      [&](LobbyClient& client, Instant now) {
        return client.configure(lobby, kind, static_cast<std::uint8_t>(members_max), joinable, now);
      },
      std::move(done));
}

std::optional<Lobby> Lobbies::find(LobbyId lobby) const {
  std::optional<Lobby> found;
  impl_->service().look_at([&](const LobbyClient& client) {
    if (const Lobby* there = client.find(lobby)) found = *there;
  });
  return found;
}

std::vector<LobbyId> Lobbies::joined() const {
  std::vector<LobbyId> ids;
  impl_->service().look_at([&](const LobbyClient& client) {
    for (const auto& [id, lobby] : client.lobbies()) ids.push_back(id);
  });
  return ids;
}

void Lobbies::on_event(std::function<void(const LobbyEvent& event)> callback) {
  impl_->service().on_lobby_event(std::move(callback));
}

}  // namespace whimbrel
