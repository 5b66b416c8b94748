#include "rendezvous/lobby_messages.h"

#include <algorithm>
#include <charconv>

#include "rendezvous/message_codec.h"

namespace whimbrel {

std::string to_string(LobbyId id) { return std::to_string(static_cast<std::uint64_t>(id)); }

std::optional<LobbyId> parse_lobby_id(std::string_view text) {
  std::int64_t number = 0;
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stopped != text.data() + text.size() || number <= 0)
    return std::nullopt;
  return LobbyId{static_cast<std::uint64_t>(number)};
}

const Lobby::Member* Lobby::find(const Identity& user) const {
  const auto at = std::find_if(members.begin(), members.end(),
                               [&](const Member& member) { return member.identity == user; });
  return at == members.end() ? nullptr : &*at;
}

}  // namespace whimbrel

namespace whimbrel::rendezvous {

std::uint32_t request_of(const LobbyRequest& request) {
  return std::visit([](const auto& one) { return one.request; }, request);
}

std::vector<std::uint8_t> encode(const LobbyRequest& request) {
  return detail::encode_any(request);
}
std::vector<std::uint8_t> encode(const LobbyNotice& notice) { return detail::encode_any(notice); }
std::optional<LobbyRequest> decode_lobby_request(Bytes bytes) {
  return detail::decode_any<LobbyRequest>(bytes);
}
std::optional<LobbyNotice> decode_lobby_notice(Bytes bytes) {
  return detail::decode_any<LobbyNotice>(bytes);
}

}  // namespace whimbrel::rendezvous
