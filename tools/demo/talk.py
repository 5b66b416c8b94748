"""The conversation: a request and its accept, messages and files over a clean line and a bad one, and the end."""

import hashlib
import os
import re
import subprocess
import time

from processes import PATIENCE_SECONDS, Peer, start, tail
from screen import Failed
from stage import Stage, info_text, milliseconds

RELIABLE, UNRELIABLE = 8, 0
NO_STATE, CONNECTED, CLOSED_BY_PEER = 0, 3, 4
SESSION_CLOSED = 1001
UNAUTHENTICATED, RELAYED = 1, 16
LOSS_PERCENT, LAG_MS = 5, 50


class Talk(Stage):
    """`server` is None where the peers know addresses."""

    def __init__(self, whimbrel, screen, folder, network, server, file_bytes, lossy_file_bytes):
        super().__init__(whimbrel, screen, folder, network, server)
        self.file_bytes, self.lossy_file_bytes = file_bytes, lossy_file_bytes
        self.fakes = []

    # --- the beginning -----------------------------------------------------------------------
    def arguments(self):
        known = ["--server", self.server.name()] if self.server else []
        return [*self.network.peer_arguments, *known]

    def start(self):
        begin = time.monotonic()
        self.bob = Peer(self.whimbrel, "bob", self.folder, self.network.bob, self.arguments())
        direct = [] if self.server else ["--peer", f"bob=127.0.0.1:{self.bob.ready['port_v4']}"]
        self.alice = Peer(self.whimbrel, "alice", self.folder, self.network.alice, [*self.arguments(), *direct])
        if not self.server:
            return f"UDP ports {self.alice.ready['port_v4']} and {self.bob.ready['port_v4']}"
        for peer in (self.alice, self.bob):
            self.log_in(peer)
        return f"logged in, each with a certificate and a place at the relay, in {time.monotonic() - begin:.2f} s"

    def log_in(self, peer):
        def there():
            peer.tell("server")
            time.sleep(0.01)
            return peer.server and peer.server["online"] and peer.server["relay"]

        self.wait(f"{peer.name} to be logged in", there, lambda: peer.server, live=lambda: None)

    def request(self):
        self.alice.tell("send", to="bob", channel=0, flags=RELIABLE, payload=b"hello bob".hex())
        self.wait("bob to be asked whether he talks to alice", lambda: self.bob.requests, lambda: "no request")
        if self.bob.requests[0] != "str:alice":
            raise Failed("a request by str:alice", self.bob.requests[0])
        self.go_on(0.3)
        if self.bob.messages:
            raise Failed("nothing to be delivered before bob accepts", self.bob.messages[0])
        return "bob is asked whether he talks to str:alice; nothing is delivered before"

    def accept(self):
        self.bob.tell("accept", user="alice")
        self.wait("alice's message at bob", lambda: self.bob.messages, lambda: "no message")
        self.bob.tell("send", to="alice", channel=0, flags=RELIABLE, payload=b"hello alice".hex())
        self.wait("bob's answer at alice", lambda: self.alice.messages, lambda: "no message")
        heard = [bytes.fromhex(peer.messages[0]["payload"]) for peer in (self.bob, self.alice)]
        if heard != [b"hello bob", b"hello alice"]:
            raise Failed("the two greetings", heard)
        if self.alice.requests:
            raise Failed("no request at alice, who asked first", self.alice.requests)
        info = self.fresh_info(self.alice, self.bob)
        if info["state"] != CONNECTED:
            raise Failed("state Connected", info["state_name"])
        self.look_at_path(info)
        self.forget_messages()
        return f"{info['description']}"

    def look_at_path(self, info):
        """Over the relay, or straight to bob: as it should be here."""
        if self.server and (not info["flags"] & RELAYED or info["remote_address"]):
            raise Failed("a session over the relay, without an address of the peer", info)
        if not self.server and info["remote_address"] != f"127.0.0.1:{self.bob.ready['port_v4']}":
            raise Failed("a session straight to bob's port", info["remote_address"])

    def send_numbered(self, kind, flags, count):
        sent = {}
        for index in range(count):
            for sender, receiver in self.both_ways():
                for channel in (0, 1):
                    text = f"{kind} {index} from {sender.name} on {channel} " + "." * (index % 100)
                    sender.tell("send", to=receiver.name, channel=channel, flags=flags,
                                payload=text.encode().hex())
                    sent.setdefault((receiver.name, channel), []).append(text)
        return sent

    def received(self, kind, flags):
        """What send_numbered() sent, by receiver and channel, in the order of arrival."""
        got = {}
        for peer in (self.alice, self.bob):
            for message in peer.messages:
                payload = bytes.fromhex(message["payload"])
                if message["flags"] == flags and payload.startswith(kind.encode()):
                    got.setdefault((peer.name, message["channel"]), []).append(payload.decode())
        return got

    def large_messages(self, peer):
        return [message for message in peer.messages if len(message["payload"]) == 2 * 524288]

    def reliable(self, count=200):
        self.forget_messages()
        sent = self.send_numbered("reliable", RELIABLE, count)
        total = 4 * count
        arrived = lambda: sum(map(len, self.received("reliable", RELIABLE).values()))
        self.wait(f"{total} reliable messages", lambda: arrived() >= total,
                  lambda: f"{arrived()} of them")
        got = self.received("reliable", RELIABLE)
        for key, texts in sent.items():
            if got.get(key) != texts:
                raise Failed(f"the {count} messages for {key[0]} on channel {key[1]}, once and in order",
                             first_difference(texts, got.get(key, [])))
        return f"{total} on two channels both ways, each once and in order"

    def unreliable(self, count, share_min):
        self.forget_messages()
        sent = self.send_numbered("unreliable", UNRELIABLE, count)
        total = 4 * count
        arrived = lambda: sum(map(len, self.received("unreliable", UNRELIABLE).values()))
        # There is no telling which is the last one: wait until all came, or nothing more does.
        last, last_at = -1, time.monotonic()
        deadline = last_at + PATIENCE_SECONDS
        while arrived() < total and time.monotonic() < deadline:
            self.pump()
            if arrived() != last:
                last, last_at = arrived(), time.monotonic()
            if last > 0 and time.monotonic() - last_at > 1.0:
                break
            time.sleep(0.005)
        for key, texts in self.received("unreliable", UNRELIABLE).items():
            strange = set(texts) - set(sent[key])
            if strange or len(set(texts)) != len(texts):
                raise Failed("only what was sent, none of it twice", strange or "a message twice")
        if arrived() < share_min * total:
            raise Failed(f"at least {share_min:.0%} of {total} unreliable messages", arrived())
        return f"{arrived()} of {total} arrived, none twice, none changed"

    def large(self):
        self.forget_messages()
        payloads = {}
        for sender, receiver in self.both_ways():
            payload = os.urandom(524288)
            payloads[receiver.name] = hashlib.sha256(payload).hexdigest()
            sender.tell("send", to=receiver.name, channel=1, flags=RELIABLE, payload=payload.hex())
        self.wait("a message of 512 KiB at both sides",
                  lambda: self.large_messages(self.alice) and self.large_messages(self.bob),
                  lambda: f"{len(self.large_messages(self.alice))} at alice, "
                          f"{len(self.large_messages(self.bob))} at bob")
        for peer in (self.alice, self.bob):
            got = hashlib.sha256(bytes.fromhex(self.large_messages(peer)[0]["payload"])).hexdigest()
            if got != payloads[peer.name]:
                raise Failed(f"SHA-256 {payloads[peer.name]} at {peer.name}", got)
        return "both ways, same SHA-256"

    def pipe(self, size):
        """cat original | whimbrel send dora, and whimbrel recv > copy, as carl beside alice and dora beside bob."""
        original, copy = (os.path.join(self.folder, name) for name in ("original", "copy"))
        with open(original, "wb") as file:
            file.write(os.urandom(size))
        recv = self.tool("dora", self.network.bob, ["recv", *self.arguments()], copy)
        known = self.dora_is_there(recv)
        begin = time.monotonic()
        with open(original, "rb") as file:
            cat = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
        self.processes.append(cat)
        send = self.tool("carl", self.network.alice, ["send", "dora", *self.arguments(), *known], os.devnull, cat.stdout)
        cat.stdout.close()
        self.wait("send and recv to end", lambda: send.poll() is not None and recv.poll() is not None,
                  lambda: f"{os.path.getsize(copy)} of {size} bytes",
                  live=lambda: self.screen.live(f"file: {os.path.getsize(copy) / (1 << 20):.1f} of {size >> 20} MiB"))
        seconds = time.monotonic() - begin
        cat.wait()
        if (send.returncode, recv.returncode) != (0, 0):
            logs = [tail(os.path.join(self.folder, f"{name}.log"), 3) for name in ("carl", "dora")]
            raise Failed("send and recv to end with code 0", f"{send.returncode}, {recv.returncode}: {logs}")
        sums = [sha256_of(path) for path in (original, copy)]
        if sums[0] != sums[1]:
            raise Failed(f"SHA-256 {sums[0]}", sums[1])
        return f"{size >> 20} MiB, {size / seconds / 1e6:.1f} MB/s, SHA-256 {sums[0][:16]}…"

    def tool(self, name, place, arguments, out_path, stdin=subprocess.DEVNULL):
        settings = [word for fake in self.fakes for word in ("--set", fake)]
        with open(out_path, "wb") as out, open(os.path.join(self.folder, f"{name}.log"), "w", encoding="utf-8") as log:
            process = start(place, [self.whimbrel, *arguments, "--name", name, "--key",
                                    os.path.join(self.folder, f"{name}.key"), *settings],
                            stdin=stdin, stdout=out, stderr=log)
        self.processes.append(process)
        return process

    def dora_is_there(self, recv):
        """Waits until she can be reached; returns what a sender must be told beside her name."""
        log_path = os.path.join(self.folder, "dora.log")
        users = 3  # alice, bob and her
        port = lambda: re.search(r"UDP port (\d+)", tail(log_path, 5))
        there = lambda: self.server.metric("whimbrel_rendezvous_users") >= users if self.server else port()
        self.wait("recv to be there", lambda: recv.poll() is not None or there(), lambda: tail(log_path, 3))
        if recv.poll() is not None:
            raise Failed("recv to wait for a sender", tail(log_path, 3))
        return [] if self.server else ["--peer", f"dora=127.0.0.1:{port()[1]}"]

    def set_on_both(self, loss, lag):
        for peer in (self.alice, self.bob):
            peer.tell("set", option="FakePacketLossSend", value=loss)
            peer.tell("set", option="FakePacketLagSend", value=lag)
        self.fakes = [f"FakePacketLossSend={loss}", f"FakePacketLagSend={lag}"] if loss else []

    def worsen(self):
        before = self.fresh_info(self.alice, self.bob)["status"]["round_trip_us"]
        self.set_on_both(LOSS_PERCENT, LAG_MS)

        def busy():
            self.alice.tell("send", to="bob", channel=0, flags=RELIABLE, payload=b"tick".hex())
            self.alice.tell("info", user="bob")
            time.sleep(0.05)
            self.pump()
            return self.alice.info["status"]["ping_ms"] >= 1.8 * LAG_MS

        self.wait(f"ping to rise to about {2 * LAG_MS} ms", busy,
                  lambda: f"{self.alice.info['status']['ping_ms']} ms")
        after = self.alice.info["status"]["ping_ms"]
        return f"{LOSS_PERCENT} % and {LAG_MS} ms each way: ping {milliseconds(before)} → {after} ms"

    def session_info(self):
        for _ in range(20):  # rates are of the last 2 s: something must happen in them
            self.alice.tell("send", to="bob", channel=1, flags=RELIABLE, payload="00" * 1000)
            time.sleep(0.01)
        info = self.fresh_info(self.alice, self.bob)
        status = info["status"]
        wrong = [name for name in ("local_quality", "remote_quality") if not 0 <= status[name] <= 1]
        if status["ping_ms"] < 0 or status["send_rate"] <= 0 or status["bytes_out_per_second"] <= 0:
            wrong.append("ping or rates")
        if wrong:
            raise Failed("state, ping, quality, rates and path", f"{wrong} wrong in {info}")
        self.look_at_path(info)
        return info_text(info)

    def close(self):
        self.alice.tell("close", user="bob")
        if self.fresh_info(self.alice, self.bob)["state"] != NO_STATE:
            raise Failed("no session at alice any more", self.alice.info["state_name"])
        self.bob.info = None

        def closed():
            self.bob.tell("info", user="alice")
            time.sleep(0.02)
            self.bob.collect()
            return self.bob.info and self.bob.info["state"] == CLOSED_BY_PEER

        self.wait("bob to see that alice closed", closed,
                  lambda: self.bob.info and self.bob.info["state_name"])
        self.pump()  # a clean close is no failure: neither side may have had the callback
        if self.bob.info["end_reason"] != SESSION_CLOSED:
            raise Failed(f"reason {SESSION_CLOSED}", self.bob.info["end_reason"])
        return f"bob sees {self.bob.info['state_name']}, reason {SESSION_CLOSED}; no failure is reported"

    # --- the scenes --------------------------------------------------------------------------
    def begin(self):
        self.check("a stranger's message is a request", self.request)
        self.check("after accept the waiting message arrives, and an answer", self.accept)

    def exchange(self, share_min, file_bytes):
        self.check("reliable messages", self.reliable)
        self.check("unreliable messages", lambda: self.unreliable(150, share_min))
        self.check("a message of 512 KiB", self.large)
        self.check("a file: cat | whimbrel send, whimbrel recv >", lambda: self.pipe(file_bytes))

    def clean_line(self):
        self.exchange(0.9, self.file_bytes)
        self.check("session info", self.session_info)

    def bad_line(self):
        self.check("loss and lag are switched on while the session runs", self.worsen)
        self.exchange(0.6, self.lossy_file_bytes)
        self.check("session info", self.session_info)
        self.set_on_both(0, 0)


def first_difference(expected, got):
    """In words; empty if there is none."""
    for index, text in enumerate(expected):
        if index >= len(got):
            return f"{len(got)} messages; the next should be {text!r}"
        if got[index] != text:
            return f"message {index + 1} is {got[index]!r}, not {text!r}"
    return f"{len(got) - len(expected)} messages too many" if len(got) > len(expected) else ""


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


