"""`./dev demo`: a server, and two peers that know nothing of each other but names."""

import time

from apart import Apart
from processes import PATIENCE_SECONDS, Peer, Server
from restarts import Restarts
from screen import Failed
from stage import NO_LIVE
from talk import LAG_MS, LOSS_PERCENT, RELIABLE, UNAUTHENTICATED, Talk

END_MISC_RENDEZVOUS = 5008


class Relayed(Talk):
    def __init__(self, whimbrel, whimbreld, screen, folder, network, file_bytes, lossy_file_bytes):
        server = Server(whimbreld, folder, network.server, network.server_address, network.server_port)
        super().__init__(whimbrel, screen, folder, network, server, file_bytes, lossy_file_bytes)
        self.carried = []  # (packets, bytes) of each life of the server

    def start_server(self):
        self.server.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.server.running():
            if time.monotonic() > deadline:
                raise Failed("whimbreld to start", "it does not say so")
            time.sleep(0.005)
        return f"process {self.server.process.pid}, UDP port {self.server.port}, key {self.server.key[:8]}…"

    def show_apart(self):
        apart = Apart(self.network, self.server)
        self.check("the server sees the NATs", apart.outside)
        self.check("the NATs let in nothing that is not awaited", apart.closed)

    def thief(self):
        """Another key, the same name."""
        thief = Peer(self.whimbrel, "bob", self.folder, self.network.alice, self.arguments(), "thief")
        self.others.append(thief)

        def refused():
            thief.collect()
            thief.tell("server")
            time.sleep(0.01)
            return thief.server and (thief.server["refused"] or thief.server["online"])

        self.wait("the server to answer", refused, lambda: thief.server, live=NO_LIVE)
        if not thief.server["refused"] or "belongs to another key" not in thief.server["text"]:
            raise Failed("the name to be refused", thief.server)
        thief.stop()
        self.others.remove(thief)
        return f"refused: {thief.server['text']}"

    def absent(self):
        self.alice.tell("send", to="carol", channel=0, flags=RELIABLE, payload=b"carol?".hex())
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.alice.failures and time.monotonic() < deadline:
            self.alice.collect()
            time.sleep(0.005)
        infos, self.alice.failures = self.alice.failures, []
        if [(info["identity"], info["end_reason"]) for info in infos] != [("str:carol", END_MISC_RENDEZVOUS)]:
            raise Failed(f"a failed session with str:carol, reason {END_MISC_RENDEZVOUS}", infos)
        return f"told at once: {infos[0]['end_debug']}"

    def count_carried(self):
        """Once in each life of the server, before it ends."""
        self.carried.append([self.server.metric(f"whimbrel_relay_forwarded_{what}_total") for what in ("packets", "bytes")])

    def restart(self, how):
        def action():
            self.count_carried()
            return getattr(Restarts(self), how)()

        return action

    # --- the numbers -------------------------------------------------------------------------
    def relay_numbers(self):
        self.count_carried()
        packets, size = (sum(counts) for counts in zip(*self.carried))
        if size < self.file_bytes + self.lossy_file_bytes:
            raise Failed("the relay to have carried at least both files", f"{size} bytes")
        if not all(counts[0] for counts in self.carried):
            raise Failed("every life of the server to have carried packets", self.carried)
        return f"{packets} packets, {size / 1e6:.1f} MB, in {len(self.carried)} lives of the server"

    def round_trips(self):
        texts = []
        for peer in (self.alice, self.bob):
            server = self.fresh_server(peer)
            if not server["relay"] or server["relay_ping_ms"] < 0:
                raise Failed(f"{peer.name}'s round trip to the relay", server)
            texts.append(f"{peer.name} to relay \"{server['site']}\" {server['relay_ping_ms']} ms")
        return ", ".join(texts)

    def certificates(self):
        for peer, other in self.both_ways():
            info = self.fresh_info(peer, other)
            if info["identity"] != other.identity or info["flags"] & UNAUTHENTICATED:
                raise Failed(f"{peer.name} to know {other.identity} by a certificate", info)
        return (f"{self.alice.identity} and {self.bob.identity}, by certificates of authority "
                f"{self.server.authority[:16]}…")

    def run(self):
        self.screen.heading("A server, and two peers who know only each other's names")
        self.screen.picture(self.network.picture())
        self.screen.line()
        self.check("whimbreld runs", self.start_server)
        if self.network.separate:
            self.show_apart()
        self.check("alice and bob start", self.start)
        for peer in (self.alice, self.bob):
            self.screen.event(f"{peer.name} was told: {' '.join(peer.arguments[1:]).replace(self.server.key, 'KEY')}")
        self.check("a second bob, with another key", self.thief)
        self.check("a message to carol, who is not there", self.absent)
        self.begin()
        self.screen.heading("A clean line, over the relay")
        self.clean_line()
        self.check("round trips", self.round_trips)
        self.screen.heading(f"The same with {LOSS_PERCENT} % loss and {LAG_MS} ms lag each way")
        self.bad_line()
        self.screen.heading("The server is killed under traffic, and starts again a second later")
        self.check("kill -9 and restart", self.restart("kill"))
        self.screen.heading("The server stops in good order under traffic, and starts again")
        self.check("drain and restart", self.restart("drain"))
        self.screen.heading("The end")
        self.check("who they are to each other", self.certificates)
        self.check("what the relay carried", self.relay_numbers)
        self.check("a clean close", self.close)


class Direct(Talk):
    """`./dev demo direct`: two peers, one of which knows the other's address."""

    def __init__(self, whimbrel, screen, folder, network, file_bytes, lossy_file_bytes):
        super().__init__(whimbrel, screen, folder, network, None, file_bytes, lossy_file_bytes)

    def run(self):
        self.screen.heading("Two processes, alice and bob, with encrypted sessions over UDP on this computer")
        self.check("two processes under two names", self.start)
        self.begin()
        self.screen.heading("A clean line")
        self.clean_line()
        self.screen.heading(f"The same with {LOSS_PERCENT} % loss and {LAG_MS} ms lag each way")
        self.bad_line()
        self.screen.heading("The end")
        self.check("a clean close", self.close)
