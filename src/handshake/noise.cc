#include "handshake/noise.h"

#include <algorithm>

#include "base/assert.h"
#include "crypto/hash.h"

namespace whimbrel {

std::string_view noise_protocol_name(NoisePattern pattern, AeadSuite suite) {
  const bool aes = suite == AeadSuite::kAesGcm;
  if (pattern == NoisePattern::kIk)
    return aes ? "Noise_IK_25519_AESGCM_SHA256" : "Noise_IK_25519_ChaChaPoly_SHA256";
  return aes ? "Noise_XX_25519_AESGCM_SHA256" : "Noise_XX_25519_ChaChaPoly_SHA256";
}

// Noise 5.2, InitializeSymmetric.
NoiseSymmetricState::NoiseSymmetricState(std::string_view protocol_name, AeadSuite suite)
    : suite_(suite) {
  const Bytes name = as_bytes(protocol_name);
  if (name.size() <= hash_.size()) {
    std::copy(name.begin(), name.end(), hash_.begin());
  } else {
    hash_ = sha256({name});
  }
  chaining_key_ = Secret(hash_);
}

void NoiseSymmetricState::mix_hash(Bytes data) { hash_ = sha256({hash_, data}); }

void NoiseSymmetricState::mix_key(Bytes input_key) {
  const NoiseHkdf2 keys = noise_hkdf2(chaining_key_, input_key);
  chaining_key_ = keys.first;
  key_ = keys.second;
  has_key_ = true;
  nonce_ = 0;
}

std::size_t NoiseSymmetricState::encrypt_and_hash(Bytes plaintext, std::uint8_t* out) {
  std::size_t size = plaintext.size();
  std::copy(plaintext.begin(), plaintext.end(), out);
  if (has_key_) {
    aead_seal_once(suite_, key_, 0, nonce_++, hash_, out, size);
    size += kAeadTagSize;
  }
  mix_hash({out, size});
  return size;
}

bool NoiseSymmetricState::decrypt_and_hash(Bytes message, std::uint8_t* out) {
  std::copy(message.begin(), message.end(), out);
  if (has_key_ && !aead_open_once(suite_, key_, 0, nonce_++, hash_, {out, message.size()}))
    return false;
  mix_hash(message);
  return true;
}

// Noise 5.2, Split.
NoiseSymmetricState::Keys NoiseSymmetricState::split() const {
  const NoiseHkdf2 keys = noise_hkdf2(chaining_key_, {});
  return {keys.first, keys.second};
}

NoiseHandshake::NoiseHandshake(NoisePattern pattern, AeadSuite suite, bool initiator,
                               Bytes prologue, const KeyPair& static_key,
                               const PublicKey& peer_static)
    : state_(noise_protocol_name(pattern, suite), suite),
      static_key_(&static_key),
      pattern_(pattern),
      initiator_(initiator) {
  state_.mix_hash(prologue);
  // Noise 7.5, IK: the pre-message "<- s".
  if (pattern != NoisePattern::kIk) return;
  if (initiator) peer_static_ = peer_static;
  mix_public_key(initiator ? peer_static_ : static_key.public_key);
}

// Noise 7.5.
std::span<const NoiseHandshake::Token> NoiseHandshake::tokens(NoisePattern pattern,
                                                              std::size_t message) {
  using enum Token;
  static constexpr Token kIk1[] = {kE, kEs, kS, kSs};
  static constexpr Token kIk2[] = {kE, kEe, kSe};
  static constexpr Token kXx1[] = {kE};
  static constexpr Token kXx2[] = {kE, kEe, kS, kEs};
  static constexpr Token kXx3[] = {kS, kSe};
  static constexpr std::span<const Token> kIk[] = {kIk1, kIk2};
  static constexpr std::span<const Token> kXx[] = {kXx1, kXx2, kXx3};
  return pattern == NoisePattern::kIk ? kIk[message] : kXx[message];
}

std::size_t NoiseHandshake::write_message(Random& random, Bytes payload, MutableBytes out) {
  ASSERT(!done() && my_turn());
  ByteWriter writer(out);
  for (Token token : tokens(pattern_, message_))
    if (!write_token(token, random, writer)) return 0;
  ASSERT(writer.remaining() >= payload.size() + kAeadTagSize);
  writer.skip(state_.encrypt_and_hash(payload, writer.position()));
  ++message_;
  return writer.size();
}

bool NoiseHandshake::write_token(Token token, Random& random, ByteWriter& out) {
  if (token == Token::kE) {
    ephemeral_ = generate_x25519(random);
    mix_public_key(ephemeral_.public_key);
    out.bytes(ephemeral_.public_key.view());
    return true;
  }
  if (token == Token::kS) {
    ASSERT(out.remaining() >= kKeySize + kAeadTagSize);
    out.skip(state_.encrypt_and_hash(static_key_->public_key.view(), out.position()));
    return true;
  }
  return mix_agreement(token);
}

bool NoiseHandshake::read_message(Bytes message, std::uint8_t* payload, std::size_t& payload_size) {
  ASSERT(!done() && !my_turn());
  // On a copy: a forged message must leave the state as it was.
  NoiseHandshake next = *this;
  if (!next.read_in_place(message, payload, payload_size)) return false;
  *this = next;
  return true;
}

bool NoiseHandshake::read_in_place(Bytes message, std::uint8_t* payload,
                                   std::size_t& payload_size) {
  ByteReader reader(message);
  for (Token token : tokens(pattern_, message_))
    if (!read_token(token, reader)) return false;
  const Bytes sealed = reader.rest();
  const std::size_t tag = state_.has_key() ? kAeadTagSize : 0;
  if (sealed.size() < tag || !state_.decrypt_and_hash(sealed, payload)) return false;
  payload_size = sealed.size() - tag;
  ++message_;
  return true;
}

bool NoiseHandshake::read_token(Token token, ByteReader& in) {
  if (token == Token::kE) {
    const auto key = public_key_from(in.bytes(kKeySize));
    if (!key) return false;
    peer_ephemeral_ = *key;
    mix_public_key(peer_ephemeral_);
    return true;
  }
  if (token == Token::kS) {
    // Both patterns have a key before an s is sent, so it is always sealed.
    const Bytes sealed = in.bytes(kKeySize + kAeadTagSize);
    std::array<std::uint8_t, kKeySize + kAeadTagSize> opened;
    if (sealed.empty() || !state_.decrypt_and_hash(sealed, opened.data())) return false;
    std::copy_n(opened.begin(), kKeySize, peer_static_.bytes.begin());
    return true;
  }
  return mix_agreement(token);
}

// Noise 5.3: the first letter is the initiator's key, the second the responder's.
bool NoiseHandshake::mix_agreement(Token token) {
  const bool initiator_static = token == Token::kSe || token == Token::kSs;
  const bool responder_static = token == Token::kEs || token == Token::kSs;
  const bool ours_static = initiator_ ? initiator_static : responder_static;
  const bool theirs_static = initiator_ ? responder_static : initiator_static;
  const SecretKey& ours = ours_static ? static_key_->secret : ephemeral_.secret;
  const PublicKey& theirs = theirs_static ? peer_static_ : peer_ephemeral_;
  Secret shared;
  if (!x25519(ours, theirs, shared)) return false;
  state_.mix_key(shared.view());
  return true;
}

}  // namespace whimbrel
