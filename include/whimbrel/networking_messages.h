// Messages to users, by identity: the front door of the library.
//
//   auto net = whimbrel::NetworkingMessages::create(config, &error);
//   net->on_session_request([&](const whimbrel::Identity& who) { net->accept_session_with_user(who); });
//   net->send_message_to_user(bob, bytes, whimbrel::kSendReliable, 0);
//   while (running) {
//     net->wait(std::chrono::milliseconds(16));
//     net->run_callbacks();
//     for (auto& message : net->receive_messages_on_channel(0, 64)) ...
//   }
//
// Every call is thread-safe, and only wait() waits for the network. (create() may wait for a host
// name; the destructor waits for messages to leave.) Callbacks run only inside run_callbacks(), on
// the thread that calls it. A callback may call everything but run_callbacks(). docs/STATES.md
// tells the life of a session.
//
// After fork() the child's copy of an instance does not work, for two processes must not use the
// same keys. It sends nothing. send_message_to_user() and watch() answer kFail, other calls do
// nothing (and say so if they have an error text), and the destructor only frees memory. The
// parent's instance goes on. A child that wants to talk makes an instance of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <whimbrel/config.h>
#include <whimbrel/connection_info.h>
#include <whimbrel/identity.h>
#include <whimbrel/payload.h>
#include <whimbrel/result.h>
#include <whimbrel/send_flags.h>

namespace whimbrel {

// Largest message in bytes: 512 KiB.
inline constexpr std::size_t kMessageBytesMax = 524288;

// Users that one instance can watch() at a time.
inline constexpr std::size_t kWatchesMax = 256;

// A message that arrived. It owns its bytes, can be moved, and may outlive the instance that
// delivered it. It is as thread-safe as any value.
class Message {
 public:
  Message() = default;
  Message(Message&& other) noexcept;
  Message& operator=(Message&& other) noexcept;
  ~Message();

  // Valid as long as this Message.
  std::span<const std::uint8_t> payload() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  std::size_t size() const { return size_; }
  // Who sent it.
  const Identity& identity() const { return identity_; }
  std::int32_t channel() const { return channel_; }
  // kSendReliable or 0.
  int flags() const { return flags_; }
  // Counts from 1 for each sender, channel and kind (reliable or not), in the order in which they
  // were sent; a gap shows that unreliable ones were lost. It begins at 1 again on a channel that
  // gave its place to another one in between (see send_message_to_user()).
  std::uint64_t message_number() const { return number_; }
  // Microseconds on the instance's clock, which starts near 0 at create().
  std::int64_t time_received_us() const { return received_us_; }
  // The value of set_user_data() for the sender's session when this message was taken by a receive
  // call; -1 if there was none.
  std::int64_t user_data() const { return user_data_; }

 private:
  friend class MessageAccess;
  void* owner_ = nullptr;  // the slab that holds the bytes
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  std::uint64_t number_ = 0;
  std::int64_t received_us_ = 0;
  std::int64_t user_data_ = -1;
  std::int32_t channel_ = 0;
  int flags_ = 0;
  Identity identity_;
};

// A named count, for all sessions of the instance together since create(): packets dropped by
// reason, packets and bytes each way, and so on.
struct Counter {
  std::string_view name;
  std::uint64_t value;
};

// The state of the connection to the server of Config::server.
struct ServerStatus {
  enum class State : std::uint8_t {
    kNone,        // none is configured
    kConnecting,  // or waiting to try again
    kOnline,      // logged in: users can be found, and find us
    // The server refused us, or another program has logged in as this user. The client does not try
    // again.
    kRefused,
  };
  // One of the relays that the server offers, at most 16.
  struct Relay {
    std::string site;     // its name
    std::string address;  // "203.0.113.5:4040"
    bool open = false;    // ready to carry our messages
    bool home = false;    // the nearest: where others reach us first
    bool backup = false;  // kept ready in case the home fails
    int ping_ms = -1;     // round trip to it; -1: not known yet

    friend bool operator==(const Relay&, const Relay&) = default;
  };
  State state = State::kNone;
  bool relay = false;         // one of its relays is ready to carry our messages
  int relay_ping_ms = -1;     // round trip to the home relay; -1: not known yet
  std::string site;           // the home relay's name
  std::vector<Relay> relays;  // all of them, the operator's first choice first
  std::string text;           // for a person: why we are not online, or under which name we are

  friend bool operator==(const ServerStatus&, const ServerStatus&) = default;
};
// "Online", "Connecting", ...; "?" for any other number.
std::string_view to_string(ServerStatus::State state);

class Lobbies;  // <whimbrel/lobbies.h>

class NetworkingMessages {
 public:
  // Binds the sockets and starts the I/O thread if the config asks for one. nullptr on failure:
  // then `*error` (if given) says in a sentence what is wrong and what to do (port in use,
  // certificate missing or expired, option out of range, ...).
  static std::unique_ptr<NetworkingMessages> create(const Config& config, std::string* error);
  // Closes every session (reason 1001). Waits for taken messages to leave, for LingerTime at most,
  // also while a session is still being made. No other thread may be inside a call of this
  // instance; wake() ends a wait().
  ~NetworkingMessages();
  NetworkingMessages(const NetworkingMessages&) = delete;
  NetworkingMessages& operator=(const NetworkingMessages&) = delete;

  // --- the six calls ----------------------------------------------------------------------------
  // Sends `payload` (copied, 0 to kMessageBytesMax bytes; see payload.h for what can be one) to a
  // user on a channel (any number; small non-negative ones are cheapest). Makes a session if there
  // is none, and accepts a pending request of that user. `flags`: a sum of kSend... (send_flags.h).
  // A session has 256 channels at a time. A further one gets the place of a channel that has
  // nothing under way and little unread; its first message then leaves a round trip later. Channels
  // 0 to 63 keep their place.
  //   kOk: the message was taken. If it is reliable, it is delivered, or the session fails with a
  //     callback, or you close the session. Whether the user can be reached is seen later: for a user
  //     without a route, or an ip: identity without a port, the call answers kOk, and then comes the
  //     callback with kEndMiscRendezvous.
  //   kInvalidParam: the identity is invalid, the payload has more than kMessageBytesMax bytes or is
  //     null with a size, or a flag is unknown. Nothing was created.
  //   kLimitExceeded: more than SendBufferSize would wait; then wait() tells when there is room.
  //     Where SendBufferSize is kMessageBytesMax (the default) or more, an empty buffer takes a
  //     message of any size. Also where waiting does not help, and wait() tells nothing: no channel
  //     of the session can give its place, one more than SessionsMax, or a payload larger than
  //     SendBufferSize. Nothing was queued.
  //   kIgnored: kSendNoDelay is given, and the message cannot leave within 200 ms.
  //   kFail: in a child process, after fork().
  //   kNoConnection: the session failed or the peer closed it, and kSendAutoRestartBrokenSession
  //     is not given.
  Result send_message_to_user(const Identity& user, Payload payload, int flags, int channel);
  Result send_message_to_user(const Identity& user, const void* data, std::size_t size, int flags,
                              int channel) {
    return send_message_to_user(user, Payload(data, size), flags, channel);
  }
  // Sends the same payload to several users; it is copied once. Returns for how many of them it was
  // taken (kOk). `results`, if given, gets the result of send_message_to_user() for each user in
  // order, as far as it has room.
  std::size_t send_message_to_users(std::span<const Identity> users, Payload payload, int flags,
                                    int channel, std::span<Result> results = {});
  // The oldest unread messages of a channel, over all users, at most `messages_max` (0 or less:
  // none).
  std::vector<Message> receive_messages_on_channel(int channel, int messages_max);
  // The same into a caller's array. Returns how many were written, at most its size.
  std::size_t receive_messages_on_channel(int channel, std::span<Message> out);
  // Accepts the session of a user who asked. True also if there is a session already, or one is
  // being made. False if there is neither a request nor a session.
  bool accept_session_with_user(const Identity& user);
  // Closes a session, or refuses a pending request. False if there was neither. Unread messages of
  // this user are dropped; so if the peer has closed (kClosedByPeer), read its messages first.
  // Taken messages still leave in the background for up to LingerTime, also while the session is
  // still being made.
  bool close_session_with_user(const Identity& user);
  // Drops the channel's unread messages of this user. The last open channel closes the session. A
  // channel is open once a message was received on it. False if it is not open.
  bool close_channel_with_user(const Identity& user, int channel);
  // Sets a number of yours for the session with this user, which lasts from the first send or
  // accept to its end. Messages that are taken from now on have it as user_data(), also those that
  // have arrived already. A new session begins with -1. False if there is no session.
  bool set_user_data(const Identity& user, std::int64_t data);
  // Returns the state of the session with this user, and fills `info` and `status` where they are
  // not null. After a failure this can be read for 5 minutes, or until the session is closed.
  ConnectionState get_session_connection_info(const Identity& user, ConnectionInfo* info,
                                              ConnectionStatus* status);

  // --- the callbacks ----------------------------------------------------------------------------
  // Each replaces an earlier one; an empty one removes it.
  // A user sends to us with whom we have no session: accept, refuse (close) or ignore them. It is
  // called again while they keep trying, at most every 5 s.
  void on_session_request(std::function<void(const Identity& user)> callback);
  // A session could not be made, or it broke. It is not called on a clean close, nor for idling
  // out.
  void on_session_failed(std::function<void(const ConnectionInfo& info)> callback);
  // A session came up (kConnected), or it is over, or it could not be made: kClosedByPeer,
  // kProblemDetectedLocally (then on_session_failed is called as well), or kNone if it idled out.
  // It is not called if you closed the session yourself, nor for sessions that are up already when
  // the callback is set.
  void on_session_changed(
      std::function<void(const Identity& user, ConnectionState state, const ConnectionInfo& info)>
          callback);
  // The result of get_server_status() has changed, apart from pings. Of several quick changes only
  // the last is reported.
  void on_server_status_changed(std::function<void(const ServerStatus& status)> callback);
  // A user whom you watch() is logged in at the server of Config::server, or is no longer. It is
  // called as soon as this is known, then whenever it changes. Of several quick changes of one user
  // only the last is reported. As long as there is no callback, it waits for one.
  void on_presence_changed(std::function<void(const Identity& user, bool online)> callback);
  // Runs the callbacks that are due, on this thread. Returns how many were run.
  std::size_t run_callbacks();

  // --- driving and waiting ----------------------------------------------------------------------
  // If the instance has no thread of its own: does all that is due (sockets, timers) and returns at
  // once. What was sent since the last poll() leaves now: call it at the beginning of a frame, to
  // receive, and at its end. If the instance has a thread of its own: does nothing.
  void poll();
  // Sleeps until there is something new: a message to receive, a callback to run, or room to send
  // again after kLimitExceeded. Then it returns true. It returns false if `timeout` passes first (0
  // or less: it only looks), or on wake(). If the instance has no thread of its own, wait() drives
  // the sockets meanwhile. Each thread is told once of the same thing: what stays unread, or is not
  // run, ends no second wait. What a receive call leaves on its channel counts as new again.
  // Several threads may wait at a time.
  bool wait(std::chrono::microseconds timeout);
  // Ends the wait() of every thread that is inside, and the next one of each thread that is not.
  // Any thread may call it. To destroy the instance while another thread waits, let that thread
  // know, call wake(), join it, and then destroy the instance.
  void wake();
  // A descriptor for poll(), epoll or select(). If the instance has a thread of its own, it is
  // readable in these cases. A callback is due; or there is room; or a message is unread on a
  // channel that you read (you have called receive for it). For a message on any other channel it
  // is readable until your next call of receive, run_callbacks() or poll(). If the instance has no
  // thread of its own, it is readable when poll() has something to do. The descriptor belongs to
  // the instance: do not read from it, and do not close it.
  int event_handle() const;

  // --- settings and facts -----------------------------------------------------------------------
  // Sets an option for all sessions. False if it is unknown or the value is out of its range
  // (all_options()): then `*error` (if given) names the range, and nothing has changed.
  bool set_option(Option option, std::int64_t value, std::string* error = nullptr);
  bool set_option(std::string_view name, std::int64_t value, std::string* error = nullptr);
  // Sets an option for one user: for their session, and for those to come of this instance. False
  // as above, and if the option is for all sessions only (OptionInfo::per_session).
  bool set_session_option(const Identity& user, Option option, std::int64_t value,
                          std::string* error = nullptr);
  // Says where a user can be found. It replaces an earlier route of the same identity; a session
  // that is up or dialled stays where it is. False if the identity is invalid, an address is no
  // numeric one with a port (host names are the caller's to resolve), or the key is not 64 hex
  // digits, and for a further user when 65536 have routes: then `*error` (if given) says which.
  bool add_route(const Route& route, std::string* error = nullptr);

  // Gives a newer token than Config::login_token, for the next login. If the server has refused the
  // last one, or there is no connection, the client tries it now; a connection that is up stays.
  // False without a server, and for more than 4096 bytes: then `*error` (if given) says which.
  bool set_login_token(std::string token, std::string* error = nullptr);

  // Starts reporting a user by on_presence_changed(), also one who was never online; `on` false
  // ends it. Without a connection to the server nothing is reported; after the next login, what has
  // changed since. Users who end or log out are offline at once, users who are killed or cut off
  // within half a minute. Users with another app id are never online.
  //   kOk: also where the user is watched already (nothing is told anew), or for `on` false is not.
  //   kInvalidParam: the identity is invalid.
  //   kLimitExceeded: kWatchesMax other users are watched.
  //   kNoConnection: there is no server to ask (Config::server). One that cannot be reached at
  //     the moment gives kOk.
  //   kFail: in a child process, after fork().
  Result watch(const Identity& user, bool on = true);

  // Our own name: Config::identity, or what the server has given. Invalid if there is none.
  Identity identity() const;
  // The state of the connection to Config::server.
  ServerStatus get_server_status() const;
  // The lobbies of that server. The reference is valid as long as the instance. Without a server
  // its calls are answered with LobbyResult::kOffline.
  Lobbies& lobbies();
  // Our static public key (X25519), 64 hex digits.
  std::string public_key_hex() const;
  // The UDP port that was bound; 0 if that family is not in use.
  std::uint16_t port_v4() const;
  std::uint16_t port_v6() const;
  std::vector<Counter> counters() const;
  // Users with a session, for lists and statistics.
  std::vector<Identity> users() const;

 private:
  class Impl;
  explicit NetworkingMessages(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace whimbrel
