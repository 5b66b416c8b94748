#!/usr/bin/env python3
"""Verifies recorded sessions against docs/PROTOCOL.md: verify_protocol.py vectors.json

The file holds sessions between two ends: their private keys, every datagram in order, and what the recorder says was sent
(`expect`). This program runs the handshakes itself, opens every packet, reads every frame, checks the rules of the document
that can be seen on the wire, and compares what it found with `expect`. Exit status 0: all held; 1: something did not, and it
says in which datagram. With --complete, every kind of packet and of frame must occur in the file.
"""

import argparse
import hashlib
import json
import struct
import sys

import verify_protocol_wire as wire
from verify_protocol_flow import Flow
from verify_protocol_paths import BASE_DATAGRAM, CHALLENGES, Paths, Places, Sent, kind_of
from verify_protocol_wire import Malformed, Reader, require

HANDSHAKE_NAMES = {0xE0: "InitIK", 0xE1: "RespIK", 0xE2: "InitXX", 0xE3: "RespXX", 0xE4: "FinishXX", 0xE5: "CookieReply",
                   0xE6: "VersionReply", 0xE7: "ResetAsk", 0xE8: "Reset"}
SUITE_BITS = 0b11
FRAME_AND_PACKET_NAMES = {name for name, _ in wire.FRAMES.values()} | set(HANDSHAKE_NAMES.values())
MESSAGE_FRAMES = {"CHANNEL_NAME", "STREAM", "MESSAGE", "FRAGMENT", "RELIABLE FRAGMENT"}


class End:
    """One of the two ends: its keys, and what it has shown."""

    def __init__(self, recorded):
        self.private = bytes.fromhex(recorded["static_private"])
        self.public = wire.public_of(self.private)
        secrets = [bytes.fromhex(text) for text in recorded["ephemeral_private"]]
        self.ephemerals = {wire.public_of(secret): secret for secret in secrets}
        self.identity = None
        self.certified = False
        self.stamp = -1


class Attempt:
    """A handshake that has begun with an Init. `end` opened it from `source`."""

    def __init__(self, end, source, packet, suite, pattern):
        self.end, self.source, self.packet = end, source, packet
        self.suite, self.pattern = suite, pattern
        self.sender = int.from_bytes(packet[4:8], "big")
        self.responder = None
        self.ephemeral = None  # private
        self.responder_ephemeral = None  # public
        self.answered_to = None  # the address that RespXX went to
        self.noise = None
        self.parameters = {}
        self.answers = set()  # that were read: one may come again

    def is_repeated_by(self, packet):
        """But for the cookie, an Init that comes again has the same bytes."""
        return self.packet[:8] + self.packet[24:] == packet[:8] + packet[24:]


class Conversation:
    """All datagrams between two ends, read one after another."""

    def __init__(self, session):
        self.app_id = session["app_id"]
        self.unix_seconds = session["unix_seconds"]
        self.authority = bytes.fromhex(session["authority_public"])
        self.ends = [End(end) for end in session["ends"]]
        self.attempts, self.flows = [], {}
        self.indices = {}  # (end, index) -> (flow of the packets to it, path)
        self.places = Places()
        self.cookies, self.foreign = {}, set()
        self.tokens, self.asked = {}, {}
        self.handshakes, self.frames_seen = [], set()
        self.received, self.sent, self.known = {}, {}, set()

    # ---- datagrams --------------------------------------------------------------------------------------------------

    def datagram(self, entry):
        packet = bytes.fromhex(entry["bytes"])
        self.here, self.there = entry["from"], 1 - entry["from"]
        self.source, self.target, self.delivered = entry["source"], entry["target"], entry["delivered"]
        require(packet, "a datagram with bytes")
        self.places.check(self.here, self.source, self.target, packet)
        if packet[0] >> 5 == 0b110:
            self.data_packet(packet)
        elif packet[0] in HANDSHAKE_NAMES:
            self.handshake_packet(packet)
        else:
            raise Malformed(f"the first byte {packet[0]:02x} is not of ours")
        self.count_bytes(len(packet))

    def count_bytes(self, size):
        """Section 6: at most three times what came from an address that is not known to be the peer's. A slot is no address."""
        if kind_of(self.target) != "address":
            return
        out, back = (self.here, self.target), (self.there, self.source)
        self.sent[out] = self.sent.get(out, 0) + size
        limit = 3 * self.received.get(out, 0)
        require(out in self.known or self.sent[out] <= limit, f"at most {limit} bytes to {self.target} so far")
        if self.delivered:
            self.received[back] = self.received.get(back, 0) + size

    def source_is_known(self):
        if self.delivered:
            self.known.add((self.there, self.source))

    # ---- handshakes -------------------------------------------------------------------------------------------------

    def handshake_packet(self, packet):
        name = HANDSHAKE_NAMES[packet[0]]
        self.frames_seen.add(name)
        if packet[0] in (0xE0, 0xE2) and (packet[1] != wire.VERSION or packet[2] not in (wire.AES_GCM, wire.CHACHA)):
            return self.foreign_init(packet, name)
        self.handshakes.append(f"{self.here} {name}")
        if packet[0] in (0xE0, 0xE2):
            return self.init(packet)
        if packet[0] == 0xE6:
            return self.version_reply(packet)
        if packet[0] in (0xE7, 0xE8):
            return (self.reset_ask if packet[0] == 0xE7 else self.reset)(packet)
        reader = Reader(packet[1:])
        version, suite, zero = reader.u8(), reader.u8(), reader.u8()
        require(version == wire.VERSION and zero == 0, "version 1, and a zero")
        read = {0xE1: self.resp_ik, 0xE3: self.resp_xx, 0xE4: self.finish_xx, 0xE5: self.cookie_reply}[packet[0]]
        return read(packet, suite, reader)

    def foreign_init(self, packet, name):
        """Of another version or suite: only its first eight bytes mean something."""
        self.known.add((self.here, self.target))
        self.handshakes.append(f"{self.here} {name} of version {packet[1]} and suite {packet[2]}")
        self.foreign.add((self.here, int.from_bytes(packet[4:8], "big")))

    def init(self, packet):
        self.known.add((self.here, self.target))  # it chose to call there
        reader = Reader(packet[2:])
        suite, zero, sender = reader.u8(), reader.u8(), reader.u32()
        require(sender != 0 and zero == 0, "an index that is not zero, behind a zero byte")
        cookie = reader.take(16)
        require(cookie == self.cookies.get((self.here, sender), bytes(16)), "the last CookieReply's cookie, or zeros")
        before = [a for a in self.attempts if (a.end, a.sender) == (self.here, sender)]
        if before:
            require(before[0].is_repeated_by(packet), "an Init that comes again differs in its cookie at most")
            before[0].source = self.source
            return
        attempt = Attempt(self.here, self.source, packet, suite, "IK" if packet[0] == 0xE0 else "XX")
        (self.init_ik if attempt.pattern == "IK" else self.init_xx)(attempt, packet, reader)
        self.attempts.append(attempt)

    def begin_noise(self, attempt, reader):
        ephemeral = reader.take(wire.KEY_SIZE)
        attempt.ephemeral = self.ends[self.here].ephemerals.get(ephemeral)
        require(attempt.ephemeral is not None, "an Init's e is that of a published key")
        attempt.noise = wire.Noise(attempt.pattern, attempt.suite, self.app_id, attempt.sender)
        if attempt.pattern == "IK":
            attempt.noise.mix_hash(self.ends[self.there].public)
        attempt.noise.mix_hash(ephemeral)

    def init_ik(self, attempt, packet, reader):
        require(576 <= len(packet) <= BASE_DATAGRAM, "an InitIK of 576 to 1200 bytes")
        responder, opener = self.ends[self.there].public, self.ends[self.here]
        require(reader.take(16) == wire.mac1_of(packet, responder), "a mac1 that fits")
        self.begin_noise(attempt, reader)
        attempt.noise.mix_key(attempt.ephemeral, responder)
        require(attempt.noise.open(reader.take(48)) == opener.public, "the static key of the opener")
        attempt.noise.mix_key(opener.private, responder)
        self.payload(attempt, attempt.sender, attempt.noise.open(reader.rest()))

    def init_xx(self, attempt, packet, reader):
        require(len(packet) == BASE_DATAGRAM, "an InitXX of 1200 bytes")
        self.begin_noise(attempt, reader)
        attempt.noise.mix_hash(b"")
        require(not any(reader.rest()), "zeros after e")

    def answered(self, packet, suite, reader, pattern):
        """The attempt that RespIK or RespXX answers; None when this answer was read before."""
        sender, receiver = reader.u32(), reader.u32()
        fitting = [a for a in self.attempts if (a.end, a.sender, a.pattern) == (self.there, receiver, pattern)]
        require(fitting, "an answer to an Init that was sent")
        attempt = fitting[0]
        require(attempt.suite == suite and sender != 0, "an answer in the suite of its Init, with an index")
        require(len(packet) <= len(attempt.packet), "an answer no larger than its Init")
        if packet in attempt.answers:
            return None
        require(attempt.responder in (None, sender), "one index for one answer")
        attempt.responder = sender
        attempt.answers.add(packet)
        return attempt

    def resp_ik(self, packet, suite, reader):
        attempt = self.answered(packet, suite, reader, "IK")
        require(len(packet) <= 576, "a RespIK of 576 bytes at most")
        if attempt is None:
            return
        noise, ephemeral = attempt.noise, reader.take(wire.KEY_SIZE)
        noise.mix_hash(ephemeral)
        noise.mix_key(attempt.ephemeral, ephemeral)
        noise.mix_key(self.ends[self.there].private, ephemeral)
        self.payload(attempt, attempt.responder, noise.open(reader.rest()))
        self.make_flows(attempt, attempt.source, self.source)

    def resp_xx(self, packet, suite, reader):
        attempt = self.answered(packet, suite, reader, "XX")
        if attempt is None:
            return
        attempt.answered_to = self.target
        noise, attempt.responder_ephemeral = attempt.noise, reader.take(wire.KEY_SIZE)
        noise.mix_hash(attempt.responder_ephemeral)
        noise.mix_key(attempt.ephemeral, attempt.responder_ephemeral)
        require(noise.open(reader.take(48)) == self.ends[self.here].public, "the static key of the responder")
        noise.mix_key(attempt.ephemeral, self.ends[self.here].public)
        self.payload(attempt, attempt.responder, noise.open(reader.rest()))

    def finish_xx(self, packet, suite, reader):
        ends = self.here, reader.u32(), reader.u32()
        fitting = [a for a in self.attempts if (a.end, a.sender, a.responder) == ends]
        require(fitting and fitting[0].suite == suite, "a FinishXX with both indices of its RespXX")
        require(len(packet) <= BASE_DATAGRAM, "a FinishXX of 1200 bytes at most")
        attempt = fitting[0]
        if self.source == attempt.answered_to:
            self.source_is_known()
        if packet in attempt.answers:
            return
        attempt.answers.add(packet)
        noise, opener = attempt.noise, self.ends[self.here]
        require(noise.open(reader.take(48)) == opener.public, "the static key of the opener")
        noise.mix_key(opener.private, attempt.responder_ephemeral)
        self.payload(attempt, attempt.sender, noise.open(reader.rest()))
        self.make_flows(attempt, self.source, self.target)

    def payload(self, attempt, own_index, data):
        """What an end says of itself in a handshake."""
        fields, end = wire.read_payload(data), self.ends[self.here]
        require(fields[9] == struct.pack(">I", own_index), "the sender is that of the packet's header")
        require(self.here != attempt.end or fields[3][0] == attempt.suite, "the opener's best suite is the Init's")
        stamp = struct.unpack(">Q", fields[1])[0]
        require(stamp > end.stamp, "a stamp above those before")
        end.stamp = stamp
        attempt.parameters[self.here] = wire.read_parameters(fields)
        if 10 in fields:
            require(fields[10] == wire.reset_token_of(end.private, own_index), "the token of this index")
            self.tokens[self.here, own_index] = fields[10]
        require(end.identity in (None, fields.get(4)), "one identity for one end")
        end.identity = fields.get(4)
        if 5 in fields:
            wire.check_certificate(fields[5], self.authority, self.app_id, end.identity, end.public, self.unix_seconds)
            end.certified = True

    def cookie_reply(self, packet, suite, reader):
        receiver, cookie = reader.u32(), reader.take(16)
        require(suite == 0 and not reader.left(), "a CookieReply of 24 bytes")
        opened = any((a.end, a.sender) == (self.there, receiver) for a in self.attempts)
        require(opened, "a CookieReply to an Init that was sent")
        if self.delivered:
            self.cookies[self.there, receiver] = cookie

    def version_reply(self, packet):
        reader = Reader(packet[4:])
        require(packet[1:4] == bytes([wire.VERSION, wire.VERSION, SUITE_BITS]), "version 1 only, with its two suites")
        require((self.there, reader.u32()) in self.foreign, "a VersionReply to an Init of another version or suite")
        require(not reader.left(), "a VersionReply of 8 bytes")

    def reset_ask(self, packet):
        reader = Reader(packet[1:])
        sender, receiver, nonce = reader.u32(), reader.u32(), reader.take(8)
        require((self.here, sender) in self.flows and (self.there, receiver) in self.flows, "indices of a session")
        token = self.tokens.get((self.there, receiver))
        require(token is not None, "a ResetAsk to who has given a token")
        require(reader.take(16) == wire.reset_mac_of(token, packet) and not reader.left(), "a ResetAsk of 33 bytes")
        self.asked[self.here, sender] = nonce, token

    def reset(self, packet):
        reader = Reader(packet[1:])
        nonce, token = self.asked.get((self.there, reader.u32()), (None, None))
        require(nonce is not None and reader.take(8) == nonce, "a Reset for the last question")
        require(reader.take(16) == wire.reset_mac_of(token, packet) and not reader.left(), "a Reset of 29 bytes")

    def make_flows(self, attempt, opener_at, responder_at):
        opener, responder = attempt.end, 1 - attempt.end
        keys = attempt.noise.split()
        paths = Paths(max((0, 1), key=lambda end: self.ends[end].public))
        forth = Flow(opener, True, attempt.suite, keys[0], attempt.parameters[responder], opener_at, paths)
        back = Flow(responder, False, attempt.suite, keys[1], attempt.parameters[opener], responder_at, paths)
        forth.reverse, back.reverse = back, forth
        forth.waits = attempt.pattern == "XX"
        for flow, index in ((forth, attempt.responder), (back, attempt.sender)):
            self.flows[1 - flow.end, index] = flow
            self.indices[1 - flow.end, index] = flow, paths.all[0]

    # ---- data packets -----------------------------------------------------------------------------------------------

    def data_packet(self, packet):
        flow, path = self.indices.get((self.there, int.from_bytes(packet[1:5], "big")), (None, None))
        require(flow is not None, "a data packet to an index of a session")
        require(kind_of(self.target) != "user", "a data packet goes to an address or a slot")
        frames = wire.read_frames(flow.open(packet, path))
        names = {name for name, _ in frames}
        self.frames_seen |= names
        flow.paths.check_packet(self.here, path, names, self.target)
        ends = {frame["path"] for name, frame in frames if name == "PATH_ABANDON"}
        flow.note_packet(path, Sent(self.delivered, len(packet), flow.generation(), ends), self.source, names)
        require(not flow.waits or names == {"PING"}, "the opener of an XX waits for the first packet")
        require(not names & CHALLENGES or len(frames) == 1, "PATH_CHALLENGE and PATH_RESPONSE are alone in their packets")
        self.check_target(flow, names)
        if self.delivered:
            flow.reverse.waits = False
        if self.source == flow.source:
            self.source_is_known()
        for name, frame in frames:
            self.frame(flow, path, name, frame)
        flow.paths.check_wanted()
        flow.credit.check(flow.said)

    def check_target(self, flow, names):
        is_known = self.target == flow.reverse.source or (self.here, self.target) in self.known
        is_free = is_known or kind_of(self.target) != "address"
        require(is_free or names <= CHALLENGES, "no data to a new address that has not answered")

    def frame(self, flow, path, name, frame):
        if name in MESSAGE_FRAMES:
            flow.said.take(name, frame, path.number)
            if self.delivered:
                flow.arrived.take(name, frame, path.number)
        elif name == "CLOSE":
            flow.closed = [self.here, frame["reason"], frame["text"].decode()]
        elif name == "PATH_CHALLENGE":
            flow.track(path).challenges.append((frame["bytes"], self.source))
        elif name == "PATH_RESPONSE":
            asked = flow.reverse.track(path).challenges
            require((frame["bytes"], self.target) in asked, "a PATH_RESPONSE to its PATH_CHALLENGE, on its path")
            flow.answered.add(frame["bytes"])
            self.source_is_known()
        elif name in ("ACK", "PATH_ACK"):
            self.ack(flow.reverse, path, name, frame)
        elif name.startswith("PATH_"):
            self.path_frame(flow, path, name, frame)
        elif self.delivered:
            self.knowledge(flow.reverse, name, frame)

    def ack(self, other, path, name, frame):
        """Says something of the packets of the other flow: on this path, or on another one."""
        about = path if name == "ACK" else other.paths.opened(frame["path"])
        require(name == "ACK" or about is not path, "a PATH_ACK is about another path")
        other.paths.acknowledges(self.here, other.track(about).named(frame["ranges"]))
        if self.delivered:
            other.acknowledged(about, frame["ranges"])

    def path_frame(self, flow, path, name, frame):
        if name == "PATH_STATUS":
            flow.paths.status(self.here, frame, path.number)
        elif name == "PATH_ABANDON":
            flow.paths.abandon(self.here, frame, path)
        elif flow.paths.index(self.here, frame, self.delivered):
            key = self.here, frame["index"]
            require(key not in self.indices, "an index of its own for each path")
            self.indices[key] = flow.reverse, flow.paths.all[frame["path"]]

    def knowledge(self, other, name, frame):
        """Frames that tell the other end something about its own flow."""
        if name == "SESSION_CREDIT":
            other.credit.raise_session(frame)
        elif name == "CHANNEL_CREDIT":
            other.credit.raise_channel(frame)

    # ---- the end ----------------------------------------------------------------------------------------------------

    def found(self):
        """What was seen, in the shape of `expect`."""
        sides = [[flow for flow in self.flows.values() if flow.end == end] for end in (0, 1)]
        proven = [[path.tracks[flow.end].proven_size for flow in side for path in flow.paths.all.values()] for side in sides]
        return {
            "handshake": self.handshakes,
            "identities": [end.identity.decode() if end.identity else None for end in self.ends],
            "certified": [end.certified for end in self.ends],
            "suites": sorted({flow.suite for flow in self.flows.values()}),
            "messages": [[described(*m) for flow in side for m in flow.said.all()] for side in sides],
            "closes": [flow.closed for side in sides for flow in side if flow.closed],
            "key_updates": [sum(flow.generation() for flow in side) for side in sides],
            "challenges_answered": [sum(len(flow.answered) for flow in side) for side in sides],
            "largest_proven": [max(sizes, default=0) for sizes in proven],
            **self.found_of_paths(sides),
        }

    def found_of_paths(self, sides):
        """Of a session that has had more than one path."""
        several = [flow.paths for side in sides for flow in side if len(flow.paths.all) > 1]
        if not several:
            return {}
        for flow in self.flows.values():
            flow.check_arrived()
        names = [f"{path.number} ended" if path.over_for else f"{path.number}" for path in several[0].all.values()]
        return {"paths": names, "copied": [sum(flow.said.copied() for flow in side) for side in sides]}


def described(kind, channel, data):
    return [kind, channel, len(data), hashlib.sha256(data).hexdigest()]


def verify_session(session):
    """Raises Malformed, with the datagram's position, unless all of a recorded session follows the document. Returns the names
    of the packets and frames that were seen."""
    conversation = Conversation(session)
    for position, entry in enumerate(session["datagrams"]):
        try:
            conversation.datagram(entry)
        except Malformed as why:
            raise Malformed(f"datagram {position}: not so: {why}") from None
    found = conversation.found()
    require(found.keys() == session["expect"].keys(), "an expectation of everything that is looked at")
    for name, value in session["expect"].items():
        require(found[name] == value, f"{name}: the recorder says {value}, the datagrams say {found[name]}")
    return conversation.frames_seen


def verify_all(sessions):
    """Prints a line for each session. Returns whether all are right, and the names that were seen."""
    right, seen = bool(sessions), set()
    for session in sessions:
        try:
            seen |= verify_session(session)
            print(f"ok      {session['name']}: {len(session['datagrams'])} datagrams")
        except Malformed as why:
            right = False
            print(f"FAILED  {session['name']}: {why}")
    return right, seen


def main(arguments):
    parser = argparse.ArgumentParser(description="Verifies recorded sessions against docs/PROTOCOL.md.")
    parser.add_argument("--complete", action="store_true", help="every kind of packet and frame must occur")
    parser.add_argument("file")
    options = parser.parse_args(arguments)
    with open(options.file, encoding="utf-8") as file:
        right, seen = verify_all(json.load(file)["sessions"])
    missing = FRAME_AND_PACKET_NAMES - seen
    if options.complete and missing:
        print(f"FAILED  nowhere in the file: {', '.join(sorted(missing))}")
    return 0 if right and not (options.complete and missing) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
