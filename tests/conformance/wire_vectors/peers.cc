#include <whimbrel/send_flags.h>

#include <algorithm>

#include "base/assert.h"
#include "sim/simulation.h"
#include "tests/conformance/wire_vectors/peers.h"
#include "tests/conformance/wire_vectors/relays.h"

namespace whimbrel::vectors {

namespace {

constexpr ReceiverIndex kPickyIndex = 0x50494b59;

// All peers of a seed have the same keys: 0x100 keeps those of peers apart from what they draw
// later.
KeyPair keys_of(std::uint64_t seed) {
  FastRandom random(0x100 + seed);
  return generate_x25519(random);
}

std::vector<std::uint8_t> certificate_of(const PeerOptions& options, const PublicKey& key) {
  Certificate certificate;
  certificate.app_id = options.app_id;
  certificate.serial = options.seed;
  certificate.not_before = sim::kUnixStart / 1000 - 3600;
  certificate.not_after = sim::kUnixStart / 1000 + 3600;
  certificate.static_key = key;
  certificate.identity = options.name;
  return sign_certificate(certificate, test_authority());
}

EndpointConfig endpoint_config(const Peer& peer) {
  EndpointConfig config;
  config.identity = peer.identity();
  config.keys = peer.keys();
  config.app_id = peer.options().app_id;
  config.session = peer.options().session;
  config.limits = peer.options().limits;
  config.asks_routes = peer.options().over_relays;
  config.suite = peer.options().suite;
  if (!peer.options().certified) return config;
  config.certificate = certificate_of(peer.options(), peer.keys().public_key);
  config.trust.add_authority(test_authority().verify_key());
  config.require_certificate = true;
  return config;
}

}  // namespace

void RecordingRandom::fill(MutableBytes out) {
  inner_.fill(out);
  if (out.size() != kKeySize) return;
  SecretKey key;
  std::copy(out.begin(), out.end(), key.bytes.begin());
  drawn_.push_back(key);
}

SigningKey test_authority() {
  FastRandom random(0x200);
  return SigningKey::generate(random);
}

Peer::Peer(const PeerOptions& options)
    : options_(options), random_(options.seed), keys_(keys_of(options.seed)) {}

// --- EndpointPeer --------------------------------------------------------------------------------

EndpointPeer::EndpointPeer(const PeerOptions& options, const Identity& user, UnixMillis unix_now)
    : Peer(options),
      user_(user),
      clock_(Instant{}, unix_now),
      endpoint_(std::in_place, endpoint_config(*this), random_, Instant{}, clock_) {}

void EndpointPeer::restart(Instant now, UnixMillis unix_now) {
  clock_.set(now, unix_now);
  endpoint_.emplace(endpoint_config(*this), random_, now, clock_);
}

Result EndpointPeer::send(Bytes payload, int flags, ChannelId channel, Instant now) {
  return endpoint_->send(user_, SharedBytes::copy(payload), flags, channel, now);
}

void EndpointPeer::close(int reason, std::string_view text, Instant now) {
  ASSERT(endpoint_->close_session(user_, now, nullptr, reason, text));
}

bool EndpointPeer::over(Instant now) const {
  const ConnectionState state = endpoint_->connection_info(user_, now, nullptr, nullptr);
  return state == ConnectionState::kClosedByPeer || state == ConnectionState::kNone;
}

void EndpointPeer::receive(const IpAddress& from, MutableBytes datagram, Instant now) {
  endpoint_->receive(from, datagram, now);
}

std::optional<Transmit> EndpointPeer::poll_transmit(MutableBytes buffer, Instant now) {
  const auto out = endpoint_->poll_transmit(buffer, now);
  if (!out) return std::nullopt;
  return Transmit{stand_in_for(out->to), out->size, out->segment_size};
}

bool EndpointPeer::take_events(Instant now) {
  bool any = false;
  while (const std::optional<Identity> wanted = endpoint_->poll_route_wanted()) {
    any = true;
    endpoint_->provide_route(*wanted, contact_->first, contact_->second, now);
  }
  while (const std::optional<Event> event = endpoint_->poll_event()) {
    any = true;
    if (!std::holds_alternative<SessionRequestEvent>(*event)) continue;
    if (options_.on_request == OnRequest::kAccept) accept(now);
    if (options_.on_request == OnRequest::kRefuse) close(0, "", now);
  }
  return any;
}

bool EndpointPeer::turn(Instant now) {
  const bool events = take_events(now);
  delivered_.clear();
  endpoint_->take_messages(delivered_);
  for (const DeliveredMessage& each : delivered_) {
    const ReceivedMessage& message = each.message;
    endpoint_->consumed(each.session, message.place, message.reliable, message.payload.size(), 1,
                        now);
  }
  messages_received_ += delivered_.size();
  return events || !delivered_.empty();
}

// --- PickyPeer -----------------------------------------------------------------------------------

PickyPeer::PickyPeer(const PeerOptions& options, const SuiteList& suites, VersionRange versions)
    : Peer(options) {
  handshake_.static_key = keys_;
  handshake_.app_id = options.app_id;
  handshake_.identity = options.name;
  handshake_.suites = suites;
  handshake_.versions = versions;
  const InitialCredit credit = Channels(MessageLimits()).initial_credit();
  handshake_.parameters.session_bytes_max = credit.session_bytes;
  handshake_.parameters.session_messages_max = credit.session_messages;
  handshake_.parameters.channel_bytes_max = credit.channel_bytes;
  handshake_.parameters.channel_messages_max = credit.channel_messages;
}

UnixMillis PickyPeer::stamp(Instant now) const {
  return sim::kUnixStart + to_milliseconds(now.time_since_epoch());
}

void PickyPeer::dial(const IpAddress& to, const PublicKey& key, Instant now) {
  to_ = to;
  initiator_.emplace(handshake_, key);
  write_init(now);
}

void PickyPeer::write_init(Instant now) {
  init_.resize(kHandshakePacketSizeMax);
  init_.resize(initiator_->write_init(kPickyIndex, stamp(now), random_, init_));
}

void PickyPeer::establish(Instant now) {
  const HandshakeResult result = initiator_->result();
  const TransportParameters& peer = result.peer.parameters;
  Establishment with;
  with.keys = PacketKeys(result.suite, result.send_key, result.receive_key);
  with.local_index = kPickyIndex;
  with.remote_index = result.peer.receiver_index;
  with.remote = to_;
  with.peer = {{peer.session_bytes_max, peer.session_messages_max, peer.channel_bytes_max,
                peer.channel_messages_max},
               microseconds(static_cast<std::int64_t>(peer.ack_delay_max_us)),
               static_cast<std::size_t>(peer.datagram_size_max)};
  with.address_proof = AddressProof::kGiven;
  session_.emplace(options_.session, std::move(with), random_, counters_, slabs_, now);
  session_->confirm();
  for (Waiting& message : waiting_) {
    session_->send(message.channel, std::move(message.payload), kSendReliable, now);
  }
  waiting_.clear();
}

Result PickyPeer::send(Bytes payload, int flags, ChannelId channel, Instant now) {
  if (session_) {
    session_->send(channel, SharedBytes::copy(payload), flags, now);
  } else {
    waiting_.push_back({channel, SharedBytes::copy(payload)});
  }
  return Result::kOk;
}

void PickyPeer::close(int reason, std::string_view text, Instant now) {
  session_->close(reason, text, true, now);
}

bool PickyPeer::over(Instant) const {
  return session_ && session_->phase() >= SessionPhase::kClosing;
}

void PickyPeer::on_answer(Bytes datagram, Instant now) {
  if (initiator_->read_version_reply(datagram) == HandshakeError::kNone) return write_init(now);
  if (initiator_->read_response(datagram, stamp(now)) == HandshakeError::kNone) establish(now);
}

void PickyPeer::receive(const IpAddress& from, MutableBytes datagram, Instant now) {
  const auto header = read_data_header(datagram);
  if (!header) return on_answer(datagram, now);
  if (session_) session_->receive(from, *header, datagram, now, received_);
}

void PickyPeer::advance(Instant now) {
  if (session_) session_->advance(now);
}

std::optional<Transmit> PickyPeer::poll_transmit(MutableBytes buffer, Instant now) {
  if (!init_.empty()) {
    const std::size_t size = init_.size();
    std::copy(init_.begin(), init_.end(), buffer.begin());
    init_.clear();
    return Transmit{to_, size, size};
  }
  if (!session_) return std::nullopt;
  const auto batch = session_->poll_transmit(buffer, now);
  if (!batch) return std::nullopt;
  return batch->by_udp();
}

Instant PickyPeer::next_deadline() const { return session_ ? session_->next_deadline() : kNever; }

bool PickyPeer::turn(Instant now) {
  const bool any = !received_.empty();
  for (const ReceivedMessage& message : received_) {
    session_->consumed(message.place, message.reliable, message.payload.size(), 1, now);
  }
  messages_received_ += received_.size();
  received_.clear();
  return any;
}

}  // namespace whimbrel::vectors
