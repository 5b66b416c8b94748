"""The server dies and comes back while messages run; then it stops in good order and comes back again."""

import time

from screen import Failed
from stage import NO_LIVE
from talk import CONNECTED, RELIABLE, first_difference

EVERY_SECONDS = 0.01
AWAY_SECONDS = 1.0
CHANNEL = 1
TICK = "tick "
# What was on its way through the kernel when the server died has arrived by then.
LAST_ARRIVAL_SECONDS = 0.5


class Traffic:
    """A numbered reliable message each 10 ms, both ways, and when each came."""

    def __init__(self, talk):
        self.talk = talk
        self.begin = time.monotonic()
        self.running = True
        self.sent = 0
        self.came = {"alice": [], "bob": []}  # (number, when), in the order of arrival
        talk.forget_messages()
        talk.background = self.tick

    def tick(self):
        while self.running and time.monotonic() >= self.begin + self.sent * EVERY_SECONDS:
            for sender, receiver in self.talk.both_ways():
                sender.tell("send", to=receiver.name, channel=CHANNEL, flags=RELIABLE, payload=(TICK + str(self.sent)).encode().hex())
            self.sent += 1
        for peer in (self.talk.alice, self.talk.bob):
            for message in peer.messages:
                text = bytes.fromhex(message["payload"]).decode(errors="replace")
                if text.startswith(TICK):  # not what came late of the scenes before
                    self.came[peer.name].append((int(text.removeprefix(TICK)), message["at"]))
            peer.messages.clear()

    def last(self, name):
        return self.came[name][-1][1] if self.came[name] else self.begin

    def silence(self, name, begin, end):
        """The longest time between two arrivals at somebody."""
        times = [begin] + [at for _, at in self.came[name] if begin < at <= end]
        return max(later - earlier for earlier, later in zip(times, times[1:])) if len(times) > 1 else end - begin

    def between(self, begin, end):
        return sum(begin < at <= end for came in self.came.values() for _, at in came)

    def finish(self):
        """Stops sending, and sees that everything came, once and in order."""
        self.running = False
        there = lambda: all(len(came) >= self.sent for came in self.came.values())
        self.talk.wait(f"{self.sent} messages at each side", there,
                       lambda: {name: len(came) for name, came in self.came.items()}, live=NO_LIVE)
        self.talk.background = None
        for name, came in self.came.items():
            difference = first_difference(list(range(self.sent)), [number for number, _ in came])
            if difference:
                raise Failed(f"the messages 0 to {self.sent - 1} at {name}, once and in order", difference)


class Restarts:
    def __init__(self, talk):
        self.talk, self.screen, self.server = talk, talk.screen, talk.server
        self.traffic = None
        self.online = {}
        self.stopped_at = 0.0

    # --- watching ----------------------------------------------------------------------------
    def watch(self):
        """Tells when somebody loses the server or finds it again."""
        for peer in (self.talk.alice, self.talk.bob):
            if peer.server is None:
                continue
            now = peer.server["online"] and peer.server["relay"]
            if self.online.get(peer.name) != now:
                self.screen.event(f"{peer.name} is logged in again, with a new place at the relay" if now else
                                  f"{peer.name} sees that the server is gone")
            self.online[peer.name] = now

    def wait(self, expected, done, seen):
        next_look = 0.0

        def look():
            nonlocal next_look
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + 0.02
                for peer in (self.talk.alice, self.talk.bob):
                    peer.tell("server")
                self.watch()
            return done()

        self.talk.wait(expected, look, seen, live=self.show_silence)

    def go_on(self, seconds):
        end = time.monotonic() + seconds
        self.wait("time to pass", lambda: time.monotonic() >= end, lambda: "it did not")

    def show_silence(self):
        silence = time.monotonic() - max(self.traffic.last(name) for name in ("alice", "bob"))
        if silence > 0.1 and self.screen.fancy:
            self.screen.live(f"no message for {silence * 1000:.0f} ms, {2 * self.traffic.sent} sent so far")

    # --- one restart -------------------------------------------------------------------------
    def start_again(self):
        """Waits until messages come again at both sides, and a second of them. Returns when the server was started."""
        started = time.monotonic()
        self.server.start()
        self.wait("whimbreld to start", self.server.running, lambda: "it does not say so")
        back = time.monotonic()
        self.screen.event(f"whimbreld is back: process {self.server.process.pid}, same port, same key")
        heard = set()

        def all_hear():
            for name in {"alice", "bob"} - heard:
                if self.traffic.last(name) > back:
                    heard.add(name)
                    first = next(at for _, at in self.traffic.came[name] if at > back)
                    self.screen.event(f"{name} hears the other one again, {first - back:.2f} s after", first)
            return len(heard) == 2 and all(self.online.values())

        self.wait("messages to come again", all_hear, lambda: f"only {sorted(heard)} heard something; {self.online}")
        self.go_on(1)
        return started

    def conclude(self, gone, started):
        begin, end = self.stopped_at - LAST_ARRIVAL_SECONDS, time.monotonic()
        passed = self.traffic.between(gone + LAST_ARRIVAL_SECONDS, started)
        self.traffic.finish()
        if passed:
            raise Failed("nothing to pass while the relay is away", f"{passed} messages")
        if self.talk.fresh_info(self.talk.alice, self.talk.bob)["state"] != CONNECTED:
            raise Failed("the same session", self.talk.alice.info["state_name"])
        if len(self.talk.bob.requests) != 1 or self.talk.alice.requests:
            raise Failed("no new request: the session of before goes on", self.talk.bob.requests)
        silences = ", ".join(f"{name} {self.traffic.silence(name, begin, end):.2f} s" for name in ("alice", "bob"))
        return (f"{2 * self.traffic.sent} messages, none lost, none twice, all in order; same session; "
                f"longest silence: {silences}")

    def begin(self):
        self.traffic = Traffic(self.talk)
        self.online = {"alice": True, "bob": True}
        self.screen.event("alice and bob begin to send each other a message each 10 ms")
        self.go_on(0.5)

    def kill(self):
        self.begin()
        self.stopped_at = time.monotonic()
        self.server.kill()
        self.screen.event(f"kill -9 {self.server.process.pid}: whimbreld is gone", self.stopped_at)
        self.go_on(AWAY_SECONDS)
        return self.conclude(self.stopped_at, self.start_again())

    def drain(self):
        self.begin()
        process = self.server.process
        self.stopped_at = time.monotonic()
        self.server.terminate()
        self.screen.event(f"kill -TERM {process.pid}: whimbreld drains for {self.server.DRAIN_SECONDS} s", self.stopped_at)
        self.wait("whimbreld to end", lambda: process.poll() is not None, lambda: "it runs")
        gone = time.monotonic()
        if process.returncode != 0 or not self.server.said("draining for"):
            raise Failed("whimbreld to drain and end with code 0", f"code {process.returncode}")
        passed = self.traffic.between(self.stopped_at + LAST_ARRIVAL_SECONDS, gone)
        self.screen.event(f"whimbreld has ended by itself, code 0; {passed} messages came through meanwhile")
        if not passed:
            raise Failed("messages to run on while the server drains", "none")
        self.stopped_at = gone
        return self.conclude(gone, self.start_again())
