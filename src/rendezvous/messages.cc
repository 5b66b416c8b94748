#include "rendezvous/messages.h"

namespace whimbrel::rendezvous {

namespace {

template <typename Variant>
std::vector<std::uint8_t> encode_any(const Variant& message) {
  return std::visit(
      [](auto copy) {
        FieldWriter writer(copy.kType);
        copy.fields(writer);
        return std::move(writer).take();
      },
      message);
}

// Tries the alternatives one after another; their types are few and compile to comparisons.
template <typename Variant, std::size_t kIndex = 0>
std::optional<Variant> decode_any(Bytes bytes) {
  if constexpr (kIndex == std::variant_size_v<Variant>) {
    return std::nullopt;
  } else {
    using Message = std::variant_alternative_t<kIndex, Variant>;
    if (bytes.empty() || bytes[0] != Message::kType) return decode_any<Variant, kIndex + 1>(bytes);
    FieldReader reader(bytes.subspan(1));
    Message message;
    message.fields(reader);
    if (!reader.done()) return std::nullopt;
    return Variant(std::move(message));
  }
}

}  // namespace

std::vector<std::uint8_t> encode(const ClientMessage& message) { return encode_any(message); }
std::vector<std::uint8_t> encode(const ServerMessage& message) { return encode_any(message); }
std::optional<ClientMessage> decode_client_message(Bytes bytes) {
  return decode_any<ClientMessage>(bytes);
}
std::optional<ServerMessage> decode_server_message(Bytes bytes) {
  return decode_any<ServerMessage>(bytes);
}

}  // namespace whimbrel::rendezvous
