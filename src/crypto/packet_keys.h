// The two keys of a session and their update by key phase (after RFC 9001 section 6).
//
// A side that updates steps both of its keys and sends with the other phase bit. The receiver finds
// the flipped bit, tries the next key, and steps as well once a packet opens with it. The old
// receive key stays for packets that were overtaken until drop_old_key(), which the owner calls 3
// probe timeouts after the phase changed. While it stays, the other phase means the old key, or,
// where that does not open the packet, the next: a side must not update again until 3 of its own
// probe timeouts after its last update was confirmed, and those of the other may be longer.
#pragma once

#include <cstdint>

#include "crypto/aead.h"

namespace whimbrel {

// How much a key is good for.
struct PacketKeyLimits {
  std::uint64_t seals = 0;          // packets sealed with one key
  std::uint64_t open_failures = 0;  // packets that failed to open, over the life of a session
};

// RFC 9001 6.6.
constexpr PacketKeyLimits packet_key_limits(AeadSuite suite) {
  return suite == AeadSuite::kAesGcm
             ? PacketKeyLimits{std::uint64_t{1} << 23, std::uint64_t{1} << 52}
             : PacketKeyLimits{std::uint64_t{1} << 62, std::uint64_t{1} << 36};
}

// HKDF-Expand(key, "whimbrel ku", 32).
Secret next_packet_key(const Secret& key);

class PacketKeys {
 public:
  PacketKeys() = default;
  PacketKeys(AeadSuite suite, const Secret& send_key, const Secret& receive_key)
      : PacketKeys(suite, send_key, receive_key, packet_key_limits(suite)) {}
  PacketKeys(AeadSuite suite, const Secret& send_key, const Secret& receive_key,
             PacketKeyLimits limits)
      : send_(suite, send_key), receive_(suite, receive_key), limits_(limits) {}

  bool valid() const { return send_.valid(); }
  AeadSuite suite() const { return send_.suite(); }
  // The key phase bit for packets sealed now.
  bool phase() const { return phase_; }

  // As AeadKey::seal, with the current send key.
  void seal(std::uint32_t path_id, std::uint64_t number, Bytes header, std::uint8_t* inout,
            std::size_t plain_size) {
    ++sealed_count_;
    send_.seal(path_id, number, header, inout, plain_size);
  }

  enum class OpenResult : std::uint8_t {
    kFailed,
    kOpened,
    kOpenedAndStepped,  // the peer updated: phase() has changed, and the old key is kept
  };
  // As AeadKey::open, with the key that `phase` (the packet's bit) stands for.
  OpenResult open(bool phase, std::uint32_t path_id, std::uint64_t number, Bytes header,
                  MutableBytes inout);

  // Steps both keys; the caller has seen a packet sealed by it in the current phase acknowledged.
  void update();
  // True from three quarters of the seal limit on: the owner should update() when it may.
  bool update_due() const { return sealed_count_ >= limits_.seals / 4 * 3; }
  // True when no more packet may be sealed with this key, or too many failed to open: the session
  // has to end.
  bool exhausted() const {
    return sealed_count_ >= limits_.seals || open_failures_ >= limits_.open_failures;
  }

  bool has_old_key() const { return old_receive_.valid(); }
  void drop_old_key() { old_receive_ = AeadKey(); }
  // Frees key schedules until the next use (about 1.2 KiB each).
  void trim();
  // There is something for trim() to free.
  bool has_schedules() const {
    return send_.has_schedule() || receive_.has_schedule() || old_receive_.has_schedule();
  }

 private:
  OpenResult open_flipped(std::uint32_t path_id, std::uint64_t number, Bytes header,
                          MutableBytes inout);

  AeadKey send_;
  AeadKey receive_;
  AeadKey old_receive_;
  PacketKeyLimits limits_;
  bool phase_ = false;
  std::uint64_t sealed_count_ = 0;   // with the current send key
  std::uint64_t open_failures_ = 0;  // over the session's life (RFC 9001 6.6)
};

}  // namespace whimbrel
