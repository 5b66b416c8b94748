// Encoding and decoding of a variant of messages that name their fields (message_fields.h).
#pragma once

#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "rendezvous/message_fields.h"

namespace whimbrel::rendezvous::detail {

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
    if (bytes.empty() || bytes[0] != Message::kType) {
      return decode_any<Variant, kIndex + 1>(bytes);
    }
    FieldReader reader(bytes.subspan(1));
    Message message;
    message.fields(reader);
    if (!reader.done()) return std::nullopt;
    return Variant(std::move(message));
  }
}

}  // namespace whimbrel::rendezvous::detail
