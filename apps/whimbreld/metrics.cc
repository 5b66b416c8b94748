#include "metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <vector>

using namespace whimbrel;

namespace {

// Families of one metric each, or of one for each value of a label.
class Page {
 public:
  void counter(const char* name, const char* help, std::uint64_t value) {
    begin(name, help, prometheus::MetricType::Counter);
    add("", "", value);
  }
  void gauge(const char* name, const char* help, std::uint64_t value) {
    begin(name, help, prometheus::MetricType::Gauge);
    add("", "", value);
  }
  void begin(const char* name, const char* help, prometheus::MetricType type) {
    prometheus::MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = type;
    families_.push_back(std::move(family));
  }
  void add(const char* label, const char* label_value, std::uint64_t value) {
    prometheus::ClientMetric metric;
    if (*label != '\0') metric.label.push_back({label, label_value});
    prometheus::MetricFamily& family = families_.back();
    if (family.type == prometheus::MetricType::Counter) {
      metric.counter.value = static_cast<double>(value);
    } else {
      metric.gauge.value = static_cast<double>(value);
    }
    family.metric.push_back(metric);
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<prometheus::MetricFamily> families_;
};

void add_relay(Page& page, ServerLoop& loop) {
  relay::RelayCounters c;
  std::size_t slots = 0;
  bool any = false;
  loop.with_every_site([&](Site& site, Instant) {
    if (site.relay() == nullptr) return;
    any = true;
    c += site.relay()->counters();
    c.handed_over += site.counters().handed_over;
    c.misdirected += site.counters().handed_over;
    c.dropped_handover += site.counters().dropped_handover;
    slots += site.relay()->slot_count();
  });
  if (!any) return;
  page.gauge("whimbrel_relay_threads", "Threads that forward", loop.threads());
  page.gauge("whimbrel_relay_slots", "Slots that are open", slots);
  page.counter("whimbrel_relay_forwarded_packets_total", "Packets forwarded", c.forwarded);
  page.counter("whimbrel_relay_forwarded_bytes_total", "Bytes forwarded, with headers",
               c.forwarded_bytes);
  page.counter("whimbrel_relay_handed_over_total", "Handed from one thread to another",
               c.handed_over);
  page.counter("whimbrel_relay_misdirected_total",
               "Of those, given to the wrong thread by the kernel", c.misdirected);
  page.counter("whimbrel_relay_opened_total", "Slots opened", c.opened);
  page.counter("whimbrel_relay_reopened_total", "Opens that came again, answered as before",
               c.reopened);
  page.counter("whimbrel_relay_closed_total", "Slots that their clients gave back", c.closed);
  page.counter("whimbrel_relay_expired_total", "Slots that ended in silence or with their token",
               c.expired);
  page.counter("whimbrel_relay_asked_total", "Packets of clients to the relay itself", c.asked);
  page.counter("whimbrel_relay_cookies_total", "Opens that were asked for a cookie", c.cookies);
  page.counter("whimbrel_relay_bound_total", "Grants bound", c.bound);
  page.begin("whimbrel_relay_refused_total", "Opens and grants refused",
             prometheus::MetricType::Counter);
  page.add("reason", "full", c.refused_full);
  page.add("reason", "identity_limit", c.refused_identity);
  page.add("reason", "draining", c.refused_draining);
  page.add("reason", "expired_token", c.refused_expired);
  page.add("reason", "bad_grant", c.bind_refused);
  page.begin("whimbrel_relay_dropped_total", "Packets dropped", prometheus::MetricType::Counter);
  page.add("reason", "malformed", c.dropped_malformed);
  page.add("reason", "unknown_slot", c.dropped_unknown_slot);
  page.add("reason", "bad_tag", c.dropped_bad_tag);
  page.add("reason", "replayed", c.dropped_replayed);
  page.add("reason", "rate", c.dropped_rate);
  page.add("reason", "unbound", c.dropped_unbound);
  page.add("reason", "gone", c.dropped_gone);
  page.add("reason", "bad_token", c.dropped_bad_token);
  page.add("reason", "bad_mac", c.dropped_bad_mac);
  page.add("reason", "open_rate", c.dropped_open_rate);
  page.add("reason", "replies", c.dropped_replies);
  page.add("reason", "handover", c.dropped_handover);
}

void add_handshakes(Page& page, const Endpoint& endpoint) {
  const Counters& c = endpoint.counters();
  page.gauge("whimbrel_rendezvous_sessions", "Sessions, those of nobody known yet among them",
             endpoint.session_count());
  page.counter("whimbrel_rendezvous_cookies_total", "First packets answered by a cookie",
               c[Count::kCookiesSent]);
  page.counter("whimbrel_rendezvous_handshakes_dropped_total",
               "First packets dropped, and handshakes given up: there were too many",
               c[Count::kDroppedHandshakeLoad]);
}

void add_rendezvous(Page& page, const rendezvous::RendezvousServer& server) {
  const rendezvous::RendezvousCounters& c = server.counters();
  page.gauge("whimbrel_rendezvous_clients", "Sessions of clients", server.client_count());
  page.gauge("whimbrel_rendezvous_users", "Users that are logged in", server.user_count());
  page.counter("whimbrel_rendezvous_logins_total", "Logins", c.logins);
  page.counter("whimbrel_rendezvous_logins_refused_total", "Logins refused", c.logins_refused);
  page.counter("whimbrel_rendezvous_lookups_total", "Look-ups of users", c.lookups);
  page.counter("whimbrel_rendezvous_lookups_offline_total", "Look-ups of users who are not here",
               c.lookups_offline);
  page.counter("whimbrel_rendezvous_signals_total", "Signals between users", c.signals);
  page.counter("whimbrel_rendezvous_signals_offline_total", "Signals to users who are not here",
               c.signals_offline);
  page.counter("whimbrel_rendezvous_signals_dropped_total", "Signals beyond what one user is sent",
               c.signals_dropped);
  page.counter("whimbrel_rendezvous_tickets_total", "Relay tickets given out", c.tickets);
  page.begin("whimbrel_rendezvous_dropped_total", "Messages refused or lost",
             prometheus::MetricType::Counter);
  page.add("reason", "malformed", c.malformed);
  page.add("reason", "not_logged_in", c.not_logged_in);
  page.add("reason", "rate", c.rate_limited);
  page.add("reason", "late_login", c.late);
  page.add("reason", "silent", c.silent);
  page.add("reason", "outputs", c.dropped_outputs);
}

void add_lobbies(Page& page, const rendezvous::LobbyServer& lobbies) {
  const rendezvous::LobbyCounters& c = lobbies.counters();
  page.gauge("whimbrel_lobbies", "Lobbies", lobbies.lobby_count());
  page.gauge("whimbrel_lobby_data_bytes", "Keys and values of all lobbies and members",
             lobbies.data_bytes());
  page.counter("whimbrel_lobbies_created_total", "Lobbies made", c.created);
  page.counter("whimbrel_lobbies_restored_total", "Lobbies that members brought over a restart",
               c.restored);
  page.counter("whimbrel_lobby_joins_total", "Users who came in", c.joined);
  page.counter("whimbrel_lobby_leaves_total", "Users who went, for any reason", c.left);
  page.counter("whimbrel_lobby_lists_total", "Lists", c.lists);
  page.counter("whimbrel_lobby_chats_total", "Chat messages, before they are sent to each member",
               c.chats);
  page.begin("whimbrel_lobby_refused_total", "Requests refused", prometheus::MetricType::Counter);
  page.add("reason", "rate", c.rate_limited);
  page.add("reason", "bad_claim", c.bad_claims);
  page.add("reason", "other", c.refused - c.rate_limited - c.bad_claims);
}

void add_sockets(Page& page, const UdpSocketStats& stats) {
  page.counter("whimbrel_socket_send_calls_total", "System calls that send", stats.send_calls);
  page.counter("whimbrel_socket_receive_calls_total", "System calls that receive",
               stats.receive_calls);
  page.counter("whimbrel_socket_send_failed_total", "Datagrams that the kernel did not take",
               stats.send_failed);
}

}  // namespace

std::string metrics_text(Service& service) {
  Page page;
  service.loop().with_site([&](Site& site, Instant) {
    page.counter("whimbrel_stun_answered_total", "STUN requests answered",
                 site.counters().stun_answered);
    page.counter("whimbrel_stun_dropped_total", "STUN requests dropped",
                 site.counters().dropped_stun);
    page.counter("whimbrel_unknown_packets_total", "Datagrams that are nobody's",
                 site.counters().dropped_unknown_type);
    if (site.control() == nullptr) return;
    const rendezvous::RendezvousServer& server = site.control()->server();
    add_handshakes(page, site.control()->endpoint());
    add_rendezvous(page, server);
    if (server.lobbies() != nullptr) add_lobbies(page, *server.lobbies());
  });
  add_relay(page, service.loop());
  add_sockets(page, service.loop().socket_stats());
  page.counter("whimbrel_database_unavailable_total",
               "Questions that the database could not answer", service.unavailable_count());
  return page.text();
}
