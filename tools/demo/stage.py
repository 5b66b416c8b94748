"""What the scenes of the demo share: two peers, checks that are counted, and waiting with a deadline."""

import time

from processes import PATIENCE_SECONDS, end
from screen import Failed

NO_LIVE = lambda: None


class Stage:
    """`network` says where the peers and the server are; `server` is None where the peers know addresses."""

    def __init__(self, whimbrel, screen, folder, network, server):
        self.whimbrel, self.screen, self.folder, self.network, self.server = whimbrel, screen, folder, network, server
        self.alice = self.bob = None
        self.others = []      # more peers
        self.processes = []   # and more processes: none is left behind
        self.checks = 0
        self.background = None  # what is done beside everything, as often as possible

    def clear(self):
        for process in self.processes:
            end(process)
        for peer in (self.alice, self.bob, *self.others):
            if peer:
                peer.stop()
        if self.server:
            self.server.stop()

    def both_ways(self):
        return ((self.alice, self.bob), (self.bob, self.alice))

    def check(self, text, action):
        """Runs it; it returns what to say of it, and raises Failed."""
        begin = time.monotonic()
        try:
            detail = action()
        except Failed:
            self.screen.check(False, text, "", time.monotonic() - begin)
            raise
        self.screen.check(True, text, detail, time.monotonic() - begin)
        self.checks += 1

    def pump(self):
        for peer in (self.alice, self.bob):
            peer.collect()
            if peer.failures:
                info = peer.failures[0]
                raise Failed(f"{peer.name}'s session to hold",
                             f"it failed: {info['end_debug']} (reason {info['end_reason']})")
            if peer.send_failures:
                raise Failed(f"{peer.name} to send", peer.send_failures[0]["result"])
        if self.background:
            self.background()

    def wait(self, expected, done, seen, seconds=PATIENCE_SECONDS, live=None):
        """Until done() is true; the live line runs meanwhile. seen() describes what there is at the deadline."""
        live = live or self.show_live
        deadline = time.monotonic() + seconds
        next_live = time.monotonic() + 0.25
        while True:
            self.pump()
            if done():
                return
            now = time.monotonic()
            if now > deadline:
                raise Failed(f"{expected} in {seconds} s", seen())
            if now > next_live:
                live()
                next_live = now + 0.25
            time.sleep(0.002)

    def go_on(self, seconds):
        end_at = time.monotonic() + seconds
        self.wait("time to pass", lambda: time.monotonic() >= end_at, lambda: "it did not", seconds + 5)

    def show_live(self):
        self.alice.tell("info", user="bob")
        if self.alice.info:
            self.screen.live(live_text(self.alice.info))

    def fresh_info(self, peer, other):
        peer.info = None
        peer.tell("info", user=other.identity)
        self.wait(f"{peer.name} to tell about the session", lambda: peer.info is not None, lambda: "no answer")
        return peer.info

    def fresh_server(self, peer):
        peer.server = None
        peer.tell("server")
        self.wait(f"{peer.name} to tell about the server", lambda: peer.server is not None, lambda: "no answer")
        return peer.server

    def forget_messages(self):
        self.alice.messages.clear()
        self.bob.messages.clear()


def milliseconds(microseconds):
    return "?" if microseconds < 0 else f"{microseconds / 1000:.1f} ms"


def info_text(info):
    status = info["status"]
    return f"{live_text(info)}, may send {status['send_rate'] / 1e6:.1f} MB/s, path: {info['description']}"


def live_text(info):
    status = info["status"]
    share = lambda value: "?" if value < 0 else f"{value:.0%}"
    return (f"ping {milliseconds(status['round_trip_us'])}, "
            f"quality {share(status['local_quality'])} in, {share(status['remote_quality'])} out, "
            f"{status['bytes_in_per_second'] / 1e6:.2f} MB/s in, {status['bytes_out_per_second'] / 1e6:.2f} out")
