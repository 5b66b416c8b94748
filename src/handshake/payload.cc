#include "handshake/payload.h"

#include <algorithm>

#include "base/assert.h"

namespace whimbrel {

namespace {

enum class Field : std::uint8_t {
  kStamp = 1,
  kVersions,
  kSuites,
  kIdentity,
  kCertificate,
  kParameters,
  kPadding,
  kCrossedHint,
  kSenderIndex,
  kResetToken,
};

constexpr std::uint64_t kKnownFields = 11;  // one past the last

constexpr std::uint64_t field_bit(Field field) {
  return std::uint64_t{1} << static_cast<unsigned>(field);
}

constexpr std::uint64_t kNeededFields = field_bit(Field::kStamp) | field_bit(Field::kVersions) |
                                        field_bit(Field::kSuites) | field_bit(Field::kSenderIndex);

// In the order of their ids.
constexpr std::uint64_t TransportParameters::*kParameters[] = {
    &TransportParameters::session_bytes_max,    &TransportParameters::session_messages_max,
    &TransportParameters::channel_bytes_max,    &TransportParameters::ack_delay_max_us,
    &TransportParameters::datagram_size_max,    &TransportParameters::idle_timeout_ms,
    &TransportParameters::channel_messages_max,
};
constexpr std::uint64_t kParameterCount = std::size(kParameters);

void write_field_header(ByteWriter& out, Field field, std::size_t size) {
  out.u8(static_cast<std::uint8_t>(field));  // as a varint: below 64
  out.varint(size);
}

void write_field(ByteWriter& out, Field field, Bytes content) {
  if (content.empty()) return;
  write_field_header(out, field, content.size());
  out.bytes(content);
}

void write_parameters(ByteWriter& out, const TransportParameters& parameters) {
  std::size_t size = 0;
  for (auto member : kParameters) size += 1 + varint_size(parameters.*member);
  write_field_header(out, Field::kParameters, size);
  for (std::uint8_t id = 1; id <= kParameterCount; ++id) {
    out.u8(id);
    out.varint(parameters.*kParameters[id - 1]);
  }
}

// Its length takes two bytes, so it can fill any gap but has three bytes at least.
void write_padding(ByteWriter& out, std::size_t size_min) {
  if (out.size() >= size_min) return;
  constexpr std::size_t kHeaderSize = 3;
  const std::size_t gap = std::max(size_min - out.size(), kHeaderSize);
  out.u8(static_cast<std::uint8_t>(Field::kPadding));
  out.varint_sized(gap - kHeaderSize, 2);
  out.zeros(gap - kHeaderSize);
}

bool read_parameters(ByteReader in, TransportParameters& parameters) {
  std::uint64_t seen = 0;
  while (in.ok() && !in.empty()) {
    const std::uint64_t id = in.varint();
    const std::uint64_t value = in.varint();
    if (id == 0 || id > kParameterCount) continue;
    const std::uint64_t bit = std::uint64_t{1} << id;
    if ((seen & bit) != 0) return false;
    seen |= bit;
    parameters.*kParameters[id - 1] = value;
  }
  return in.ok() && parameters.ack_delay_max_us <= kAckDelayMaxUsMax &&
         parameters.datagram_size_max >= kDatagramSizeMaxMin;
}

bool read_suites(Bytes content, SuiteList& suites) {
  if (content.empty()) return false;
  return std::all_of(content.begin(), content.end(),
                     [&](std::uint8_t suite) { return suites.add(suite); });
}

bool read_versions(ByteReader in, VersionRange& versions) {
  versions.lowest = in.u8();
  versions.highest = in.u8();
  return in.ok() && in.empty() && versions.lowest <= versions.highest;
}

bool read_stamp(ByteReader in, std::uint64_t& stamp) {
  stamp = in.u64();
  return in.ok() && in.empty();
}

bool read_index(ByteReader in, std::uint32_t& index) {
  index = in.u32();
  return in.ok() && in.empty();
}

bool read_reset_token(Bytes content, std::optional<ResetToken>& token) {
  if (content.size() != kResetTokenSize) return false;
  token.emplace();
  std::copy(content.begin(), content.end(), token->begin());
  return true;
}

bool all_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool read_field(Field field, Bytes content, HandshakePayload& payload) {
  switch (field) {
    case Field::kStamp:
      return read_stamp(ByteReader(content), payload.stamp);
    case Field::kVersions:
      return read_versions(ByteReader(content), payload.versions);
    case Field::kSuites:
      return read_suites(content, payload.suites);
    case Field::kIdentity:
      payload.identity = as_text(content);
      return !content.empty() && content.size() <= kIdentityTextSizeMax;
    case Field::kCertificate:
      payload.certificate = content;
      return !content.empty() && content.size() <= kCertificateSizeMax;
    case Field::kParameters:
      return read_parameters(ByteReader(content), payload.parameters);
    case Field::kPadding:
      return all_zero(content);
    case Field::kCrossedHint:
      return true;
    case Field::kSenderIndex:
      return read_index(ByteReader(content), payload.sender_index);
    case Field::kResetToken:
      return read_reset_token(content, payload.reset_token);
  }
  return false;
}

}  // namespace

SuiteList::SuiteList(std::initializer_list<AeadSuite> suites) {
  for (AeadSuite suite : suites) ASSERT(add(static_cast<std::uint8_t>(suite)));
}

bool SuiteList::add(std::uint8_t suite) {
  if (size_ == kMax || contains(suite)) return false;
  suites_[size_++] = suite;
  return true;
}

bool SuiteList::contains(std::uint8_t suite) const {
  const Bytes held = view();
  return std::find(held.begin(), held.end(), suite) != held.end();
}

std::optional<AeadSuite> SuiteList::first_common(const SuiteList& other) const {
  for (std::uint8_t suite : view())
    if (is_known_suite(suite) && other.contains(suite)) return static_cast<AeadSuite>(suite);
  return std::nullopt;
}

std::optional<std::uint8_t> VersionRange::highest_common(VersionRange other) const {
  const std::uint8_t common = std::min(highest, other.highest);
  if (!contains(common) || !other.contains(common)) return std::nullopt;
  return common;
}

std::size_t encode_payload(const HandshakePayload& payload, std::size_t size_min,
                           MutableBytes out) {
  ASSERT(payload.identity.size() <= kIdentityTextSizeMax);
  ASSERT(payload.certificate.size() <= kCertificateSizeMax);
  ASSERT(!payload.suites.empty());
  ByteWriter writer(out);
  write_field_header(writer, Field::kStamp, 8);
  writer.u64(payload.stamp);
  write_field_header(writer, Field::kVersions, 2);
  writer.u8(payload.versions.lowest);
  writer.u8(payload.versions.highest);
  write_field(writer, Field::kSuites, payload.suites.view());
  write_field_header(writer, Field::kSenderIndex, 4);
  writer.u32(payload.sender_index);
  write_field(writer, Field::kIdentity, as_bytes(payload.identity));
  write_field(writer, Field::kCertificate, payload.certificate);
  if (payload.reset_token) write_field(writer, Field::kResetToken, *payload.reset_token);
  write_parameters(writer, payload.parameters);
  write_padding(writer, size_min);
  return writer.size();
}

std::optional<HandshakePayload> decode_payload(Bytes bytes) {
  HandshakePayload payload;
  ByteReader reader(bytes);
  std::uint64_t seen = 0;
  while (reader.ok() && !reader.empty()) {
    const std::uint64_t type = reader.varint();
    const Bytes content = reader.bytes(reader.varint());
    if (!reader.ok()) return std::nullopt;
    if (type == 0 || type >= kKnownFields) continue;
    const auto field = static_cast<Field>(type);
    if ((seen & field_bit(field)) != 0) return std::nullopt;
    seen |= field_bit(field);
    if (!read_field(field, content, payload)) return std::nullopt;
  }
  if (!reader.ok() || (seen & kNeededFields) != kNeededFields) return std::nullopt;
  return payload;
}

}  // namespace whimbrel
