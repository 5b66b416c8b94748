#include "rendezvous/messages.h"

#include "rendezvous/message_codec.h"

namespace whimbrel::rendezvous {

std::vector<std::uint8_t> encode(const ClientMessage& message) {
  return detail::encode_any(message);
}
std::vector<std::uint8_t> encode(const ServerMessage& message) {
  return detail::encode_any(message);
}
std::optional<ClientMessage> decode_client_message(Bytes bytes) {
  return detail::decode_any<ClientMessage>(bytes);
}
std::optional<ServerMessage> decode_server_message(Bytes bytes) {
  return detail::decode_any<ServerMessage>(bytes);
}

bool may_be_lost(Bytes message) {
  return !message.empty() && (message[0] == Signalled::kType || is_presence(message));
}

bool is_presence(Bytes message) { return !message.empty() && message[0] == Presence::kType; }

}  // namespace whimbrel::rendezvous
