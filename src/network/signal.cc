#include "network/signal.h"

namespace whimbrel {

std::optional<SignalView> read_signal(Bytes body) {
  if (body.size() > kSignalSizeMax) return std::nullopt;
  ByteReader in(body);
  SignalView signal;
  const std::uint8_t kind = in.u8();
  if (kind < 1 || kind > 3) return std::nullopt;
  signal.kind = static_cast<SignalKind>(kind);
  const std::uint8_t count = in.u8();
  if (count > kSignalSlotsMax) return std::nullopt;
  for (std::uint8_t i = 0; i < count; ++i) {
    const auto grant = relay::read_grant(in.bytes(relay::kGrantSize));
    if (!grant) return std::nullopt;
    signal.slots.push_back({*grant, in.u16()});
  }
  if (!in.ok()) return std::nullopt;
  signal.packet = in.rest();
  return signal;
}

std::vector<std::uint8_t> write_signal(const SignalView& signal) {
  ASSERT(signal.slots.size() <= kSignalSlotsMax);
  std::vector<std::uint8_t> body(2 + signal.slots.size() * (relay::kGrantSize + 2) +
                                 signal.packet.size());
  ASSERT(body.size() <= kSignalSizeMax);
  ByteWriter out(body);
  out.u8(static_cast<std::uint8_t>(signal.kind));
  out.u8(static_cast<std::uint8_t>(signal.slots.size()));
  for (const PeerSlot& slot : signal.slots) {
    write_grant(out, slot.grant);
    out.u16(slot.rtt);
  }
  out.bytes(signal.packet);
  return body;
}

}  // namespace whimbrel
