#include "crypto/packet_keys.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "crypto/hash.h"

namespace whimbrel {

Secret next_packet_key(const Secret& key) {
  Secret next;
  hkdf_expand(key.view(), as_bytes("whimbrel ku"), next.bytes);
  return next;
}

PacketKeys::OpenResult PacketKeys::open(bool phase, std::uint32_t path_id, std::uint64_t number,
                                        Bytes header, MutableBytes inout) {
  OpenResult result = OpenResult::kFailed;
  if (phase != phase_) [[unlikely]] {
    result = open_flipped(path_id, number, header, inout);
  } else if (receive_.open(path_id, number, header, inout)) {
    result = OpenResult::kOpened;
  }
  if (result == OpenResult::kFailed) ++open_failures_;
  return result;
}

// RFC 9001 6.3: the other phase is that of the old key while we keep one, else that of the next. Or
// that of the next all the same: the peer may be done with its old key before us, and has moved on
// again.
PacketKeys::OpenResult PacketKeys::open_flipped(std::uint32_t path_id, std::uint64_t number,
                                                Bytes header, MutableBytes inout) {
  if (has_old_key()) {
    const std::vector<std::uint8_t> sealed(inout.begin(), inout.end());
    if (old_receive_.open(path_id, number, header, inout)) return OpenResult::kOpened;
    std::copy(sealed.begin(), sealed.end(), inout.begin());
  }
  const Secret next = next_packet_key(receive_.secret());
  if (!aead_open_once(suite(), next, path_id, number, header, inout)) return OpenResult::kFailed;
  update();
  return OpenResult::kOpenedAndStepped;
}

void PacketKeys::update() {
  ASSERT(valid());
  Secret next_send = next_packet_key(send_.secret());
  Secret next_receive = next_packet_key(receive_.secret());
  old_receive_ = std::exchange(receive_, AeadKey(suite(), next_receive));
  send_ = AeadKey(suite(), next_send);
  phase_ = !phase_;
  sealed_count_ = 0;
}

void PacketKeys::trim() {
  send_.trim();
  receive_.trim();
  old_receive_.trim();
}

}  // namespace whimbrel
