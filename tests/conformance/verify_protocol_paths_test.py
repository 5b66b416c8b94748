#!/usr/bin/env python3
"""What verify_protocol.py must refuse of a session with several paths: packets made by hand, and changes of recorded ones."""

import copy
import json
import pathlib
import unittest

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import verify_protocol_wire as wire
from verify_protocol import Conversation, verify_session
from verify_protocol_flow import Flow, Messages
from verify_protocol_paths import PATHS_MAX, Paths
from verify_protocol_wire import Malformed

VECTORS = pathlib.Path(__file__).with_name("wire_vectors.json")
SESSIONS = {session["name"]: session for session in json.loads(VECTORS.read_text(encoding="utf-8"))["sessions"]}
LEADER, FOLLOWER = 0, 1  # the leader has opened the session, too
DONE, PING = b"\x06", b"\x01"


def index(path, number):
    return bytes([0x0B, path]) + number.to_bytes(4, "big")


def abandon(path):
    return bytes([0x0C, path])


def status(path, sequence, standby):
    return bytes([0x0D, path, sequence, standby])


def ack(largest, smallest=None):
    smallest = largest if smallest is None else smallest
    return bytes([0x02, largest, 0, 0, largest - smallest])


def path_ack(path, largest):
    return bytes([0x0E, path]) + ack(largest)[1:]


def challenge(fill):
    return b"\x04" + bytes([fill]) * 8


def response(fill):
    return b"\x05" + bytes([fill]) * 8


def message(sequence, data):
    return bytes([0x20, 0, sequence, len(data)]) + data


def fragment(sequence, offset, total, data):
    return bytes([0x22, 0, sequence, offset, total, len(data)]) + data


def stream(offset, data):
    return bytes([0x10, 0, offset, len(data)]) + data


def slot(site, end):
    return f"site {site} slot {site}{end + 1}"


class Hand:
    """Two ends with a session over relays, whose packets are made here. Path p goes over site p + 1."""

    def __init__(self):
        self.conversation = Conversation({**SESSIONS["relay_dies"], "datagrams": []})
        self.keys = [[bytes([end + 1]) * 32] for end in (0, 1)]
        self.phase = [0, 0]
        paths = Paths(LEADER)
        flows = [Flow(end, end == LEADER, wire.AES_GCM, self.keys[end][0], wire.DEFAULT_PARAMETERS, f"user {end}", paths)
                 for end in (0, 1)]
        flows[0].reverse, flows[1].reverse = flows[1], flows[0]
        self.paths, self.flows = paths, flows
        for flow in flows:
            self.conversation.flows[1 - flow.end, 1] = flow
            self.conversation.indices[1 - flow.end, 1] = flow, paths.all[0]
        self.say(FOLLOWER, 0, DONE)

    def index_of(self, end, path):
        return 1 if path == 0 else self.paths.all[path].indices.get(end, 99)

    def move_on(self, end):
        """The end changes its key."""
        self.keys[end].append(wire.next_key(self.keys[end][-1]))
        self.phase[end] += 1

    def say(self, end, path, frames, delivered=True, nonce_path=None, skip=0, phase=None, places=None):
        """An end says something on a path. The rest is what may be wrong about it."""
        phase = self.phase[end] if phase is None else phase
        track = self.paths.all[path].tracks[end] if path in self.paths.all else None
        number = (len(track.sent) if track else 0) + skip
        size = wire.packet_number_size(number, track.largest_acked if track else -1)
        header = bytes([0xC0 | (phase & 1) << 4 | size - 1]) + self.index_of(1 - end, path).to_bytes(4, "big")
        header += number.to_bytes(size, "big")
        nonce = wire.nonce_of(wire.AES_GCM, path if nonce_path is None else nonce_path, number)
        sealed = AESGCM(self.keys[end][phase]).encrypt(nonce, frames, header)
        source, target = places or (slot(path + 1, end), slot(path + 1, 1 - end))
        self.conversation.datagram({"from": end, "source": source, "target": target, "delivered": delivered,
                                    "bytes": (header + sealed).hex()})

    def open_path(self, path):
        self.say(LEADER, 0, index(path, 100 + path))
        self.say(FOLLOWER, 0, index(path, 200 + path))
        self.say(LEADER, path, challenge(path))
        self.say(FOLLOWER, path, response(path))


class HandMade(unittest.TestCase):
    def setUp(self):
        self.hand = Hand()

    def says(self, *arguments, **how):
        self.hand.say(*arguments, **how)

    def refused(self, why, *arguments, **wrong):
        """Refused for this reason, and nothing has happened: on a copy."""
        hand = copy.deepcopy(self.hand)
        with self.assertRaisesRegex(Malformed, why):
            hand.say(*arguments, **wrong)


class Opening(HandMade):
    def test_a_second_path(self):
        self.hand.open_path(1)
        self.says(LEADER, 1, PING + ack(0))
        self.says(FOLLOWER, 1, ack(1, 0))
        self.assertEqual(self.hand.conversation.found_of_paths([[flow] for flow in self.hand.flows]),
                         {"paths": ["0", "1"], "copied": [0, 0]})

    def test_the_leader_opens(self):
        self.refused("the leader opens", FOLLOWER, 0, index(1, 201))
        self.says(LEADER, 0, index(1, 101), delivered=False)
        self.refused("answers a PATH_INDEX that has come", FOLLOWER, 0, index(1, 201))  # an answer to what has not come
        self.says(LEADER, 0, index(1, 101))
        self.says(FOLLOWER, 0, index(1, 201))

    def test_the_larger_key_leads(self):
        ends = Conversation(SESSIONS["relay_dies"]).ends
        self.assertGreater(ends[1].public, ends[0].public)
        session = copy.deepcopy(SESSIONS["relay_dies"])
        verify_session(session)
        openings = [entry for entry in session["datagrams"] if entry["source"].startswith("site 2")]
        self.assertEqual(openings[0]["from"], 1)

    def test_numbers_and_indices(self):
        self.refused("one by one from 1", LEADER, 0, index(2, 101))
        self.refused("an index of its own", LEADER, 0, index(1, 1))  # that of path 0
        self.says(LEADER, 0, index(1, 101))
        self.refused("an index of its own", LEADER, 0, index(2, 101))
        self.refused("one index of an end", LEADER, 0, index(1, 102))
        self.says(LEADER, 0, index(1, 101))
        self.says(LEADER, 0, index(2, 102))
        self.refused("one by one from 1", LEADER, 0, index(4, 104))

    def test_at_most_eight(self):
        for path in range(1, PATHS_MAX):
            self.hand.open_path(path)
        self.refused("eight paths", LEADER, 0, index(PATHS_MAX, 100 + PATHS_MAX))
        self.says(LEADER, 0, abandon(3))
        self.refused("eight paths", LEADER, 0, index(PATHS_MAX, 100 + PATHS_MAX))  # before that is known
        self.says(FOLLOWER, 0, ack(len(self.hand.paths.all[0].tracks[LEADER].sent) - 1))
        self.refused("no index of a path that has ended", LEADER, 0, index(3, 109))
        self.hand.open_path(PATHS_MAX)

    def test_what_is_said_first(self):
        self.says(LEADER, 0, index(1, 101))
        self.refused("an index of a session", LEADER, 1, challenge(1))  # to an index that nobody has given
        self.says(FOLLOWER, 0, index(1, 201), delivered=False)
        self.refused("an index that has come", LEADER, 1, challenge(1))
        self.says(FOLLOWER, 0, index(1, 201))
        self.refused("waits for the leader's first packet", FOLLOWER, 1, PING)  # the leader first
        self.refused("nothing but PATH_CHALLENGE", LEADER, 1, PING)
        self.says(LEADER, 1, challenge(1), delivered=False)
        self.refused("waits for the leader's first packet", FOLLOWER, 1, response(1))
        self.says(LEADER, 1, challenge(1))
        self.refused("nothing but PATH_CHALLENGE", LEADER, 1, PING)
        self.refused("nothing but PATH_CHALLENGE", LEADER, 1, challenge(1) + b"\0")
        self.refused("to its PATH_CHALLENGE, on its path", FOLLOWER, 0, response(1))  # on another path
        self.refused("to its PATH_CHALLENGE, on its path", FOLLOWER, 1, response(2))
        self.refused("goes where the leader's came from", FOLLOWER, 1, response(1), places=(slot(3, FOLLOWER), slot(3, LEADER)))
        self.says(FOLLOWER, 1, response(1))
        self.says(LEADER, 1, PING)

    def test_an_address_is_asked_by_the_follower(self):
        self.says(LEADER, 0, index(1, 101))
        self.says(FOLLOWER, 0, index(1, 201))
        there = "10.0.0.1:1", "10.0.0.2:1"
        self.hand.conversation.received[LEADER, "10.0.0.2:1"] = 1000  # by handshake packets
        self.says(LEADER, 1, challenge(1), places=there)
        self.says(FOLLOWER, 1, response(1), places=there[::-1])
        self.refused("no data to a new address", FOLLOWER, 1, PING, places=there[::-1])
        self.says(FOLLOWER, 1, challenge(2), places=there[::-1])
        self.says(LEADER, 1, response(2), places=there)
        self.says(FOLLOWER, 1, PING, places=there[::-1])


class InUse(HandMade):
    def setUp(self):
        super().setUp()
        self.hand.open_path(1)

    def test_numbers_of_a_path(self):
        self.says(LEADER, 1, PING)
        for path in (0, 1):
            self.refused("a data packet opens", LEADER, path, PING, nonce_path=1 - path)
            self.refused("packet numbers count up", LEADER, path, PING, skip=1)
            self.refused("packet numbers count up", LEADER, path, PING, skip=-1)

    def test_the_path_is_in_the_nonce(self):
        nonce = bytes.fromhex("00000001 0000000000000002")
        self.assertEqual(wire.nonce_of(wire.AES_GCM, 1, 2), nonce)
        self.assertEqual(wire.nonce_of(wire.CHACHA, 1, 2), bytes.fromhex("00000001 0200000000000000"))

    def test_acknowledgements(self):
        for _ in range(3):
            self.says(LEADER, 1, PING)
        self.says(FOLLOWER, 1, ack(3))
        self.refused("packets that were sent on its path", FOLLOWER, 0, ack(3))  # of a packet on another path
        self.says(FOLLOWER, 0, path_ack(1, 3))
        self.refused("packets that were sent on its path", FOLLOWER, 0, path_ack(1, 4))
        self.refused("about another path", FOLLOWER, 1, path_ack(1, 3))
        self.refused("packets that were sent on its path", FOLLOWER, 1, path_ack(0, 3))
        self.refused("opened before it is spoken of", FOLLOWER, 1, path_ack(2, 0))
        self.says(LEADER, 1, PING, delivered=False)
        self.refused("packets that arrived", FOLLOWER, 0, path_ack(1, 4))

    def test_sizes_are_proven_on_their_path(self):
        self.says(LEADER, 0, PING + bytes(1250))
        data = stream(0, b"\x05hello") + bytes(1200)
        self.refused("is a probe", LEADER, 0, data)
        self.says(FOLLOWER, 0, ack(1))
        self.says(LEADER, 0, data)
        self.refused("is a probe", LEADER, 1, data)

    def test_status(self):
        self.says(FOLLOWER, 0, status(1, 5, 1))
        self.refused("a higher sequence", FOLLOWER, 0, status(1, 4, 0))
        self.refused("a higher sequence", FOLLOWER, 0, status(0, 4, 1))  # sequences are those of the sender, not of a path
        self.refused("in a copy on another path only", FOLLOWER, 0, status(1, 5, 1))
        self.refused("in a copy on another path only", FOLLOWER, 1, status(1, 5, 0))
        self.refused("in a copy on another path only", FOLLOWER, 1, status(0, 5, 1))
        self.says(FOLLOWER, 1, status(1, 5, 1))  # a copy
        self.refused("in a copy on another path only", FOLLOWER, 1, status(1, 5, 1))
        self.says(FOLLOWER, 1, status(1, 6, 0))
        self.refused("opened before it is spoken of", FOLLOWER, 0, status(2, 7, 0))
        self.says(LEADER, 0, status(0, 0, 1))  # the leader has sequences of its own

    def test_the_leader_wants_one_path(self):
        self.refused("packets on one path", LEADER, 0, status(1, 0, 0))
        self.says(LEADER, 0, status(0, 0, 1) + status(1, 1, 0))
        self.refused("packets on one path", LEADER, 0, status(0, 2, 0))
        self.says(FOLLOWER, 0, status(0, 0, 0))

    def test_places(self):
        self.refused("does not travel in a signal", LEADER, 0, PING, places=("user 0", "user 1"))
        self.refused("between its own slots", LEADER, 0, PING, places=(slot(1, LEADER), slot(2, FOLLOWER)))
        self.refused("belongs to one end", LEADER, 0, PING, places=(slot(1, FOLLOWER), slot(1, LEADER)))
        self.refused("places of its kind", LEADER, 0, PING, places=(slot(1, LEADER), "10.0.0.2:1"))


class Ending(HandMade):
    def setUp(self):
        super().setUp()
        self.hand.open_path(1)
        self.says(LEADER, 1, PING)

    def test_nothing_on_a_path_that_has_ended(self):
        self.says(LEADER, 1, status(1, 0, 0) + status(0, 1, 1) + abandon(0) + status(1, 2, 0))
        self.refused("which has ended", LEADER, 0, PING)
        self.refused("no PATH_STATUS of a path that has ended", LEADER, 1, status(0, 3, 1))
        self.says(FOLLOWER, 0, PING)  # it may not have heard
        self.says(FOLLOWER, 1, ack(2))
        self.refused("which has ended", FOLLOWER, 0, PING)
        self.refused("no PATH_STATUS of a path that has ended", FOLLOWER, 1, status(0, 0, 1))
        self.says(LEADER, 1, abandon(0))  # as if it was lost

    def test_indices_of_a_path_that_has_ended(self):
        self.says(LEADER, 0, abandon(1))
        self.refused("no index of a path that has ended", LEADER, 0, index(1, 101))
        self.refused("an index of its own", LEADER, 0, index(2, 101))
        self.says(FOLLOWER, 0, path_ack(1, 1))  # late
        self.says(FOLLOWER, 0, ack(1))
        self.refused("no index of a path that has ended", FOLLOWER, 0, index(1, 201))
        self.refused("which has ended", FOLLOWER, 1, PING)

    def test_what_is_said_with_close(self):
        close = b"\x03\x01\0"
        self.refused("only acknowledgements", LEADER, 0, PING + close)
        self.says(LEADER, 0, ack(1) + path_ack(1, 0) + close)
        self.says(LEADER, 1, ack(0) + path_ack(0, 1) + close)
        self.refused("only acknowledgements", LEADER, 1, PING)

    def test_a_lost_end(self):
        self.says(LEADER, 0, abandon(1), delivered=False)
        self.refused("packets that arrived", FOLLOWER, 0, ack(1))
        self.says(FOLLOWER, 1, PING)

    def test_what_cannot_end(self):
        for end in (LEADER, FOLLOWER):
            self.refused("opened before it is spoken of", end, 0, abandon(2))
        for end in (LEADER, FOLLOWER):
            self.refused("on another path", end, 1, abandon(0) + abandon(1))
        self.says(FOLLOWER, 0, abandon(1))
        self.refused("which has ended", FOLLOWER, 1, abandon(0))


class Keys(HandMade):
    def setUp(self):
        super().setUp()
        self.hand.open_path(1)

    def test_all_paths_have_the_same_key(self):
        self.hand.move_on(LEADER)
        self.says(LEADER, 1, PING)
        self.says(LEADER, 0, PING)
        self.refused("a data packet opens", LEADER, 0, PING, phase=0)
        self.says(FOLLOWER, 0, PING)
        self.hand.move_on(FOLLOWER)
        self.says(FOLLOWER, 0, PING)
        self.refused("a data packet opens", FOLLOWER, 1, PING, phase=0)

    def test_moving_on_again(self):
        self.hand.move_on(LEADER)
        self.says(LEADER, 0, PING)
        self.hand.move_on(LEADER)
        self.refused("no key update before", LEADER, 0, PING)
        self.refused("no key update before", LEADER, 1, PING)
        self.hand.move_on(FOLLOWER)
        self.says(FOLLOWER, 1, path_ack(0, 1))
        self.says(LEADER, 1, PING)
        self.hand.move_on(LEADER)
        self.refused("no key update before", LEADER, 1, PING)

    def test_an_old_packet_confirms_nothing(self):
        self.hand.move_on(LEADER)
        self.says(LEADER, 0, PING)
        self.says(FOLLOWER, 1, ack(0))  # of before the update
        self.hand.move_on(LEADER)
        self.refused("no key update before", LEADER, 0, PING)


class OnTwoPaths(HandMade):
    def setUp(self):
        super().setUp()
        self.hand.open_path(1)

    def copied(self):
        return self.hand.flows[LEADER].said.copied()

    def test_messages_count_once(self):
        self.says(LEADER, 0, message(0, b"one"))
        self.refused("sent once on a path", LEADER, 0, message(0, b"one"))
        self.refused("has the same bytes", LEADER, 1, message(0, b"two"))
        self.says(LEADER, 1, message(0, b"one"))
        self.refused("sent once on a path", LEADER, 1, message(0, b"one"))
        self.says(LEADER, 1, message(1, b"two"))
        self.assertEqual(self.hand.flows[LEADER].said.all(), [("unreliable", 0, b"one"), ("unreliable", 0, b"two")])
        self.assertEqual(self.copied(), 1)

    def test_fragments_count_once(self):
        self.says(LEADER, 0, fragment(0, 0, 6, b"abc"))
        self.refused("sent once on a path", LEADER, 0, fragment(0, 0, 6, b"abc"))
        self.refused("has the same bytes", LEADER, 1, fragment(0, 0, 6, b"abd"))
        self.refused("the same total", LEADER, 1, fragment(0, 0, 7, b"abc"))
        self.says(LEADER, 1, fragment(0, 0, 6, b"abc"))
        self.says(LEADER, 1, fragment(0, 3, 6, b"def"))
        self.says(LEADER, 0, fragment(0, 3, 6, b"def"))
        self.refused("sent once on a path", LEADER, 0, fragment(0, 3, 6, b"def"))
        self.assertEqual(self.hand.flows[LEADER].said.all(), [("unreliable", 0, b"abcdef")])
        self.assertEqual(self.copied(), 1)

    def test_streams_may_come_on_both(self):
        for path in (0, 1, 0):
            self.says(LEADER, path, stream(0, b"\x05hello"))
        self.refused("has the same bytes", LEADER, 1, stream(0, b"\x05jello"))
        self.assertEqual(self.hand.flows[LEADER].said.all(), [("reliable", 0, b"hello")])

    def test_what_is_lost_with_a_path_goes_again(self):
        flow = self.hand.flows[LEADER]
        self.says(LEADER, 0, stream(0, b"\x05hello"), delivered=False)
        with self.assertRaises(Malformed):
            flow.check_arrived()
        self.says(LEADER, 1, stream(0, b"\x05hello"))
        flow.check_arrived()
        self.says(LEADER, 1, message(0, b"one"), delivered=False)  # this one may be lost
        flow.check_arrived()

    def test_without_paths_nothing_is_copied(self):
        said = Messages()
        said.take("MESSAGE", {"channel": 1, "sequence": 0, "bytes": b"a"})
        with self.assertRaises(Malformed):
            said.take("MESSAGE", {"channel": 1, "sequence": 0, "bytes": b"a"})


class Recorded(unittest.TestCase):
    def refuses(self, name, change):
        session = copy.deepcopy(SESSIONS[name])
        verify_session(session)
        change(session)
        with self.assertRaises(Malformed):
            verify_session(session)

    def test_expectations(self):
        for name in ("relay_dies", "relay_is_taken_away", "keys_on_two_paths", "acknowledged_elsewhere"):
            self.refuses(name, lambda s: s["expect"]["paths"].pop())
            self.refuses(name, lambda s: s["expect"].pop("paths"))
            self.refuses(name, lambda s: s["expect"]["copied"].__setitem__(0, 99))
        self.refuses("relay_is_taken_away", lambda s: s["expect"]["paths"].__setitem__(0, "0"))
        self.refuses("xx", lambda s: s["expect"].update(paths=["0"], copied=[0, 0]))

    def test_other_places(self):
        def swapped(session):
            for entry in session["datagrams"]:
                if entry["target"].startswith("site 2") and entry["from"] == 0:
                    entry.update(source=entry["target"], target=entry["source"])
        self.refuses("relay_dies", swapped)
        self.refuses("relay_dies", lambda s: s["datagrams"][2].update(target="user 1", source="user 0"))


if __name__ == "__main__":
    unittest.main()
