// The price of the protocol itself: two endpoints in one thread that hand each other their
// datagrams in memory, AEAD, acknowledgements and credit included. No sockets, no system calls;
// time is made up.
#include "endpoint/endpoint.h"

#include "measure.h"

namespace bench {
namespace {

using namespace whimbrel;

constexpr std::size_t kBatch = 256;  // messages that the application hands over at a time
constexpr Duration kStep = microseconds(50);

EndpointConfig config_of(std::string_view name, Random& random) {
  EndpointConfig config;
  config.identity = Identity::generic_string(name);
  config.keys = generate_x25519(random);
  config.session.receive_messages_max = 65536;
  config.session.idle_timeout = seconds(86400);
  return config;
}

IpAddress address_of(std::uint16_t port) {
  return *IpAddress::parse("10.0.0.1:" + std::to_string(port));
}

// Both ends and the line between them.
class Pair {
 public:
  explicit Pair(int flags)
      : flags_(flags),
        a_(config_of("a", random_), random_, now_, clock_),
        b_(config_of("b", random_), random_, now_, clock_),
        buffer_(65536) {
    a_.set_route(b_.identity(), address_of(2), b_.public_key());
    connect();
  }

  // Moves `count` messages of `bytes` from one end to the other; returns when all were delivered.
  void move(std::size_t count, std::size_t bytes) {
    const std::uint64_t wanted = delivered_ + count;
    std::size_t unsent = count;
    while (delivered_ < wanted) {
      for (std::size_t i = 0; i < kBatch && unsent > 0 && send(bytes) == Result::kOk; ++i) --unsent;
      step();
    }
  }

 private:
  void connect() {
    if (send(kSmallBytes) != Result::kOk) fail("the first message was refused");
    for (int i = 0; delivered_ == 0; ++i) {
      if (i == 10000) fail("no session");
      step();
    }
  }
  Result send(std::size_t bytes) {
    SharedBytes payload = slabs_.allocate(bytes);
    std::memset(payload.mutable_view().data(), 0x5a, bytes);
    return a_.send(b_.identity(), std::move(payload), flags_, 0, now_);
  }
  void step() {
    const bool moved = carry(a_, b_, address_of(1)) | carry(b_, a_, address_of(2));
    take();
    const Instant deadline = std::min(a_.next_deadline(), b_.next_deadline());
    now_ = moved ? now_ + kStep
                 : std::max(now_ + microseconds(1), std::min(deadline, now_ + milliseconds(100)));
    if (a_.next_deadline() <= now_) a_.advance(now_);
    if (b_.next_deadline() <= now_) b_.advance(now_);
  }
  bool carry(Endpoint& from, Endpoint& to, const IpAddress& source) {
    bool moved = false;
    while (const auto batch = from.poll_transmit(buffer_, now_)) {
      moved = true;
      for (std::size_t at = 0; at < batch->size; at += batch->segment_size)
        to.receive(source, {buffer_.data() + at, std::min(batch->segment_size, batch->size - at)},
                   now_);
    }
    return moved;
  }
  void take() {
    while (const auto event = b_.poll_event())
      if (const auto* request = std::get_if<SessionRequestEvent>(&*event))
        b_.accept(request->identity, now_);
    b_.take_messages(messages_);
    if (messages_.empty()) return;
    std::uint64_t bytes = 0;
    for (const DeliveredMessage& delivered : messages_) bytes += delivered.message.payload.size();
    delivered_ += messages_.size();
    const bool reliable = messages_.front().message.reliable;
    b_.consumed(messages_.front().session, 0, reliable, bytes, messages_.size(), now_);
    messages_.clear();
  }

  int flags_;
  FastRandom random_{1};
  Instant now_{};
  const WallClock clock_{now_, 1'800'000'000'000};
  Endpoint a_, b_;
  SlabAllocator slabs_;
  std::vector<std::uint8_t> buffer_;
  std::vector<DeliveredMessage> messages_;
  std::uint64_t delivered_ = 0;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::start(argc, argv);
  constexpr std::size_t kAtOnce = 10000;
  const std::size_t bytes =
      arguments.row == "in_memory_bulk" ? bench::kBulkBytes : bench::kSmallBytes;
  bench::Pair pair(arguments.row == "in_memory_unreliable" ? whimbrel::kSendUnreliable
                                                           : whimbrel::kSendReliable);
  const std::size_t at_once = bytes == bench::kSmallBytes ? kAtOnce : 100;
  for (const double begin = bench::now_s(); bench::now_s() < begin + bench::kWarmUpSeconds;)
    pair.move(at_once, bytes);
  // CPU time, not the wall's: one thread that never waits.
  const double begin = bench::now_s(), begin_cpu = bench::cpu_s();
  std::size_t moved = 0;
  for (; bench::now_s() < begin + arguments.seconds; moved += at_once) pair.move(at_once, bytes);
  const double ns = (bench::cpu_s() - begin_cpu) / static_cast<double>(moved) * 1e9;
  bench::print_result({{"ns", ns},
                       {"messages", static_cast<double>(moved)},
                       {"MB_per_cpu_s", static_cast<double>(bytes) / ns * 1e3}});
}
