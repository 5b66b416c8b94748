#include "network/signal.h"

namespace whimbrel {

std::optional<SignalView> read_signal(Bytes body) {
  if (body.size() > kSignalSizeMax) return std::nullopt;
  ByteReader in(body);
  SignalView signal;
  const std::uint8_t kind = in.u8();
  if (kind < 1 || kind > 3) return std::nullopt;
  signal.kind = static_cast<SignalKind>(kind);
  const std::uint8_t has_grant = in.u8();
  if (has_grant > 1) return std::nullopt;
  if (has_grant == 1) {
    signal.grant = relay::read_grant(in.bytes(relay::kGrantSize));
    if (!signal.grant) return std::nullopt;
  }
  if (!in.ok()) return std::nullopt;
  signal.packet = in.rest();
  return signal;
}

std::vector<std::uint8_t> write_signal(const SignalView& signal) {
  std::vector<std::uint8_t> body(2 + (signal.grant ? relay::kGrantSize : 0) + signal.packet.size());
  ASSERT(body.size() <= kSignalSizeMax);
  ByteWriter out(body);
  out.u8(static_cast<std::uint8_t>(signal.kind));
  out.u8(signal.grant ? 1 : 0);
  if (signal.grant) write_grant(out, *signal.grant);
  out.bytes(signal.packet);
  return body;
}

}  // namespace whimbrel
