// The Noise protocol framework, revision 34, as far as Whimbrel uses it: patterns IK and XX over
// X25519, SHA-256 and AES-256-GCM or ChaCha20-Poly1305. Knows nothing of packets.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/aead.h"
#include "crypto/keys.h"

namespace whimbrel {

enum class NoisePattern : std::uint8_t { kIk, kXx };

// "Noise_IK_25519_AESGCM_SHA256" and its like.
std::string_view noise_protocol_name(NoisePattern pattern, AeadSuite suite);

// Noise 5.1 and 5.2: CipherState and SymmetricState in one. Copyable, so that a message can be read
// on a copy and the original kept when it turns out to be forged. 120 bytes.
class NoiseSymmetricState {
 public:
  NoiseSymmetricState() = default;
  NoiseSymmetricState(std::string_view protocol_name, AeadSuite suite);

  void mix_hash(Bytes data);
  void mix_key(Bytes input_key);
  bool has_key() const { return has_key_; }

  // Writes the ciphertext and, if has_key(), a tag to `out`. Returns the size written.
  std::size_t encrypt_and_hash(Bytes plaintext, std::uint8_t* out);
  // Writes the plaintext to `out`, which has room for message.size(). False when forged.
  // Before there is a key, messages are taken as they are.
  bool decrypt_and_hash(Bytes message, std::uint8_t* out);

  const Digest& handshake_hash() const { return hash_; }

  struct Keys {
    Secret initiator_to_responder;
    Secret responder_to_initiator;
  };
  Keys split() const;

 private:
  Secret chaining_key_;
  Digest hash_{};
  Secret key_;
  std::uint64_t nonce_ = 0;
  AeadSuite suite_ = AeadSuite::kAesGcm;
  bool has_key_ = false;
};

// Noise 5.3: the handshake of one side, message by message, in the pattern's order. A wrong order
// is the caller's mistake (ASSERT); a wrong message is not: read_message() then returns false and
// changes nothing, so that the right message can still come.
class NoiseHandshake {
 public:
  // `static_key` must outlive the handshake. `peer_static` is the responder's key for the initiator
  // of IK, else ignored.
  NoiseHandshake(NoisePattern pattern, AeadSuite suite, bool initiator, Bytes prologue,
                 const KeyPair& static_key, const PublicKey& peer_static);

  // Writes the next message to `out`, drawing the ephemeral key from `random` if the message has
  // one. `out` needs the payload's size and up to 96 bytes more. Returns the message's size, or 0
  // if a key agreement gave zeros (the peer's key is of low order): give the handshake up then.
  std::size_t write_message(Random& random, Bytes payload, MutableBytes out);

  // Reads the next message; writes the payload to `payload`, which has room for message.size()
  // bytes, and sets its size.
  bool read_message(Bytes message, std::uint8_t* payload, std::size_t& payload_size);

  bool done() const { return message_ == message_count(); }
  // Known to the responder of IK after message 1, to the initiator of XX after message 2, and so
  // on.
  const PublicKey& peer_static() const { return peer_static_; }
  const Digest& handshake_hash() const { return state_.handshake_hash(); }
  // done() only.
  NoiseSymmetricState::Keys split() const { return state_.split(); }

 private:
  enum class Token : std::uint8_t { kE, kS, kEe, kEs, kSe, kSs };

  static std::span<const Token> tokens(NoisePattern pattern, std::size_t message);
  std::size_t message_count() const { return pattern_ == NoisePattern::kIk ? 2 : 3; }
  bool my_turn() const { return initiator_ == (message_ % 2 == 0); }
  bool write_token(Token token, Random& random, ByteWriter& out);
  bool read_token(Token token, ByteReader& in);
  bool read_in_place(Bytes message, std::uint8_t* payload, std::size_t& payload_size);
  void mix_public_key(const PublicKey& key) { state_.mix_hash(key.view()); }
  bool mix_agreement(Token token);

  NoiseSymmetricState state_;
  const KeyPair* static_key_;
  KeyPair ephemeral_;
  PublicKey peer_static_;
  PublicKey peer_ephemeral_;
  NoisePattern pattern_;
  bool initiator_;
  std::uint8_t message_ = 0;  // index of the next message
};

}  // namespace whimbrel
