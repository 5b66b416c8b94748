// Every way in which the first packets of a handshake can be lost, doubled or overtaken,
// enumerated: in the end there is one session, everything was delivered once, and nobody was asked
// twice.
#include "sim/enumerator.h"
#include "tests/simulation/duo.h"

namespace whimbrel::sim {
namespace {

struct EnumerationCase {
  const char* name;
  bool a_knows_key, b_knows_key;
  bool a_opens, b_opens;
  bool by_address;  // they call each other ip:
};

class Enumeration : public testing::TestWithParam<EnumerationCase> {};

// What may happen to each of them. Late is later than everything that is sent within a round trip.
constexpr std::uint32_t kFates = 4;
Fate fate(std::uint32_t choice) {
  switch (choice) {
    case 1:
      return {0, {}};
    case 2:
      return {2, {}};
    case 3:
      return {1, milliseconds(45)};
    default:
      return {};
  }
}

void run_case(const EnumerationCase& how, Enumerator& choices, std::uint64_t packets) {
  Duo duo(Keys::kUnknown);
  duo.a.knows(duo.b, how.a_knows_key);
  duo.b.knows(duo.a, how.b_knows_key);
  if (how.by_address) {
    duo.a.calls(duo.b, World::ip_identity(duo.b.address()));
    duo.b.calls(duo.a, World::ip_identity(duo.a.address()));
  }
  duo.simulation().set_filter([&](const PacketView& packet) {
    return packet.number < packets ? fate(choices.below(kFates)) : Fate{};
  });
  if (how.a_opens) duo.a.say(duo.b);
  if (how.b_opens) duo.b.say(duo.a);
  const bool complete = duo.world.run_until_complete(seconds(8));
  duo.world.run_for(seconds(2));
  const bool crossed = how.a_opens && how.b_opens;
  const bool fine = complete && duo.a.connected(duo.b) && duo.b.connected(duo.a) &&
                    duo.a.endpoint().session_count() == 1 &&
                    duo.b.endpoint().session_count() == 1 && duo.a.failures().empty() &&
                    duo.b.failures().empty() && duo.a.requests().empty() &&
                    duo.b.requests().size() == (crossed ? 0u : 1u);
  const std::string violations = duo.world.finish();
  if (fine && violations.empty()) return;
  ADD_FAILURE() << how.name << ", choices " << choices.text() << ": complete " << complete
                << ", states " << static_cast<int>(duo.a.state(duo.b)) << " "
                << static_cast<int>(duo.b.state(duo.a)) << ", sessions "
                << duo.a.endpoint().session_count() << " " << duo.b.endpoint().session_count()
                << ", failures " << duo.a.failures().size() << " " << duo.b.failures().size()
                << ", requests " << duo.a.requests().size() << " " << duo.b.requests().size()
                << "\n"
                << violations;
}

TEST_P(Enumeration, OfTheFirstFivePackets) {
  Enumerator choices;
  unsigned runs = 0, failures = 0;
  while (choices.next() && failures < 10) {
    ++runs;
    const auto before = testing::UnitTest::GetInstance()->current_test_info()->result();
    const int parts = before->total_part_count();
    run_case(GetParam(), choices, 5);
    failures += before->total_part_count() > parts;
  }
  if (failures == 0) {
    EXPECT_EQ(runs, 1024u);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Handshake, Enumeration,
    testing::Values(EnumerationCase{"KnownKey", true, true, true, false, false},
                    EnumerationCase{"UnknownKey", false, false, true, false, false},
                    EnumerationCase{"CrossedKnownKeys", true, true, true, true, false},
                    EnumerationCase{"CrossedUnknownKeys", false, false, true, true, false},
                    EnumerationCase{"CrossedFirstKnows", true, false, true, true, false},
                    EnumerationCase{"CrossedSecondKnows", false, true, true, true, false},
                    EnumerationCase{"CrossedByAddress", false, false, true, true, true}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace whimbrel::sim
