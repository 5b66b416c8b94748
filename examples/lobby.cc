// Two strangers meet: whoever comes first makes a lobby, the next one finds it, and then they talk
// as any two users do. (Two who come in the same moment both make one; a real program lists again
// while it waits.)
//
//   lobby alice 127.0.0.1:4040
//   lobby bob   127.0.0.1:4040
#include <whimbrel/lobbies.h>
#include <whimbrel/networking_messages.h>

#include <cstdio>

using namespace whimbrel;

namespace {

constexpr int kGreetings = 0;  // channel

class Guest {
 public:
  explicit Guest(NetworkingMessages& net) : net_(net) {
    net_.lobbies().on_event([this](const LobbyEvent& event) {
      if (event.kind == LobbyEvent::Kind::kMemberJoined) greet(event.user);
    });
    // Whoever is in our lobby may talk to us.
    net_.on_session_request([this](const Identity& who) {
      const auto lobby = net_.lobbies().find(lobby_);
      if (lobby && lobby->find(who)) net_.accept_session_with_user(who);
    });
  }

  void look_for_a_lobby() {
    net_.lobbies().list({.filters = {LobbyFilter::equal("game", "example")}, .slots_min = 1},
                        [this](LobbyResult result, const std::vector<LobbyListing>& found) {
                          if (result == LobbyResult::kOk && !found.empty()) {
                            join(found.front().id);
                          } else {
                            make_one(result);
                          }
                        });
  }

  bool met() const { return met_; }
  bool failed() const { return failed_; }

  void read() {
    for (const Message& message : net_.receive_messages_on_channel(kGreetings, 16)) {
      std::printf("%s: %s\n", message.identity().text().c_str(),
                  std::string(message.text()).c_str());
      met_ = true;
    }
  }

 private:
  void join(LobbyId id) {
    net_.lobbies().join(id, [this](LobbyResult result, const Lobby& lobby) {
      if (result != LobbyResult::kOk) return look_for_a_lobby();  // somebody was faster
      lobby_ = lobby.id;
      for (const Lobby::Member& member : lobby.members) {
        if (member.identity != net_.identity()) greet(member.identity);
      }
    });
  }

  void make_one(LobbyResult listed) {
    if (listed != LobbyResult::kOk) return fail(listed);
    net_.lobbies().create(LobbyKind::kPublic, 2, [this](LobbyResult result, const Lobby& lobby) {
      if (result != LobbyResult::kOk) return fail(result);
      lobby_ = lobby.id;
      net_.lobbies().set_data(lobby_, "game", "example");
      std::printf("waiting in lobby %s\n", to_string(lobby_).c_str());
      std::fflush(stdout);
    });
  }

  void greet(const Identity& who) {
    net_.send_message_to_user(who, "hello from " + net_.identity().text(), kSendReliable,
                              kGreetings);
  }

  void fail(LobbyResult why) {
    std::fprintf(stderr, "no lobby: %s (%s)\n", std::string(to_string(why)).c_str(),
                 net_.get_server_status().text.c_str());
    failed_ = true;
  }

  NetworkingMessages& net_;
  LobbyId lobby_{};
  bool met_ = false, failed_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "use: lobby MY_NAME SERVER\n");
    return 2;
  }
  Config config;
  config.identity = Identity::generic_string(argv[1]);
  config.server = argv[2];
  std::string error;
  auto net = NetworkingMessages::create(config, &error);
  if (!net) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  Guest guest(*net);
  guest.look_for_a_lobby();
  while (!guest.met() && !guest.failed()) {
    net->wait(std::chrono::seconds(1));
    net->run_callbacks();
    guest.read();
  }
  return guest.met() ? 0 : 1;  // what was said last still leaves while `net` goes
}
