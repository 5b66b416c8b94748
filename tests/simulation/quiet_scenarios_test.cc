// Sessions on which nobody says anything.
#include "tests/simulation/duo.h"

namespace whimbrel::sim {
namespace {

// What is lost and never sent again must not leave the session waiting for an answer that nobody owes.
TEST(Quiet, ALostUnreliableMessageAndThenSilenceEndNothing) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  int packets = 0;
  duo.simulation().set_filter([&](const PacketView& packet) {
    const bool first = packet.sender == duo.a.id() && packets++ == 0;
    return Fate{.copies = first ? 0u : 1u};
  });
  duo.a.say(duo.b, 64, kSendUnreliable | kSendNoNagle);
  duo.world.run_for(milliseconds(1));
  duo.a.say(duo.b, 64, kSendUnreliable | kSendNoNagle);
  duo.world.run_for(seconds(30));
  EXPECT_EQ(duo.b.messages_received(), 2u) << "with the first of connect()";
  EXPECT_TRUE(duo.a.failures().empty()) << duo.a.failures()[0].info.end_debug;
  EXPECT_TRUE(duo.a.connected(duo.b));
  EXPECT_EQ(duo.world.finish(), "");
}

// But when the peer has gone as well, that is noticed in time.
TEST(Quiet, APeerThatIsGoneIsNoticedWhenWhatWasInFlightIsLost) {
  Duo duo;
  ASSERT_TRUE(duo.connect());
  duo.a.say(duo.b, 64, kSendUnreliable | kSendNoNagle);
  duo.simulation().set_blocked(duo.a.id(), duo.b.id(), true);
  duo.world.run_for(seconds(12));
  ASSERT_EQ(duo.a.failures().size(), 1u);
  EXPECT_EQ(duo.a.failures()[0].info.end_reason, kEndRemoteTimeout);
}

}  // namespace
}  // namespace whimbrel::sim
