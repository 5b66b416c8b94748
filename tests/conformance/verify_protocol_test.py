#!/usr/bin/env python3
"""The verifier must be able to fail: verify_protocol_test.py, beside wire_vectors.json.

Changes single bits of the frozen vectors in every kind of packet, and what the recorder says of them.
"""

import copy
import json
import pathlib
import unittest

import verify_protocol_wire as wire
from verify_protocol import HANDSHAKE_NAMES, Conversation, verify_session
from verify_protocol_flow import Credit, Messages
from verify_protocol_wire import Malformed, Reader

VECTORS = pathlib.Path(__file__).with_name("wire_vectors.json")
SESSIONS = {session["name"]: session for session in json.loads(VECTORS.read_text(encoding="utf-8"))["sessions"]}


def packet_of(session, position):
    return bytes.fromhex(session["datagrams"][position]["bytes"])


def with_bit_flipped(session, position, offset, bit):
    """A copy of the session with one bit of one datagram changed."""
    changed = {**session, "datagrams": list(session["datagrams"])}
    data = bytearray(packet_of(session, position))
    data[offset] ^= 1 << bit
    changed["datagrams"][position] = {**session["datagrams"][position], "bytes": data.hex()}
    return changed


def is_foreign_init(packet):
    """Only its first eight bytes mean something to version 1."""
    return packet[0] in (0xE0, 0xE2) and packet[1] != wire.VERSION


def kinds(session):
    """The kinds of packets, each with the positions of the first and the last of them."""
    found = {}
    for position in range(len(session["datagrams"])):
        packet = packet_of(session, position)
        if not is_foreign_init(packet):
            kind = HANDSHAKE_NAMES.get(packet[0], f"data from {session['datagrams'][position]['from']}")
            found.setdefault(kind, []).append(position)
    return {kind: sorted({positions[0], positions[-1]}) for kind, positions in found.items()}


def offsets(packet):
    """Header, cookie, mac1, ephemeral key, sealed parts and tags, as far as the packet has them."""
    wanted = {0, 1, 2, 3, 4, 7, 8, 12, 24, 40, 45, 56, 80, 100, 130, len(packet) // 2, len(packet) - 17, len(packet) - 1}
    return sorted(offset for offset in wanted if 0 <= offset < len(packet))


class FlippedBits(unittest.TestCase):
    def test_every_kind_of_packet(self):
        seen = set()
        for session in SESSIONS.values():
            for kind, positions in kinds(session).items():
                seen.add(kind)
                for position in positions:
                    self.flip_one(session, kind, position)
        self.assertLessEqual(set(HANDSHAKE_NAMES.values()), seen)

    def flip_one(self, session, kind, position):
        for offset in offsets(packet_of(session, position)):
            with self.subTest(session=session["name"], kind=kind, position=position, offset=offset):
                with self.assertRaises(Malformed):
                    verify_session(with_bit_flipped(session, position, offset, (position + offset) % 8))

    def test_every_bit_of_short_packets(self):
        for name, kind in (("cookie_ik", "CookieReply"), ("version_reply", "VersionReply"), ("refusal_ik", "data from 1")):
            session = SESSIONS[name]
            position = kinds(session)[kind][0]
            for offset in range(len(packet_of(session, position))):
                for bit in range(8):
                    with self.subTest(kind=kind, offset=offset, bit=bit), self.assertRaises(Malformed):
                        verify_session(with_bit_flipped(session, position, offset, bit))


class OtherChanges(unittest.TestCase):
    def refuses(self, change, name="ik_aes_gcm"):
        session = copy.deepcopy(SESSIONS[name])
        verify_session(session)
        change(session)
        with self.assertRaises(Malformed):
            verify_session(session)

    def test_a_datagram_that_is_missing_or_twice(self):
        self.refuses(lambda s: s["datagrams"].pop(5))
        self.refuses(lambda s: s["datagrams"].insert(5, s["datagrams"][5]))

    def test_an_acknowledged_packet_that_was_lost(self):
        self.refuses(lambda s: [entry.update(delivered=False) for entry in s["datagrams"][2:10]])

    def test_expectations(self):
        self.refuses(lambda s: s["expect"]["messages"][0].pop())
        self.refuses(lambda s: s["expect"]["messages"][0][0].__setitem__(3, "00" * 32))
        self.refuses(lambda s: s["expect"]["closes"][0].__setitem__(1, 1))
        self.refuses(lambda s: s["expect"]["closes"].clear())
        self.refuses(lambda s: s["expect"].update(handshake=["0 InitIK"]))
        self.refuses(lambda s: s["expect"].update(key_updates=[0, 0]), "key_updates")
        self.refuses(lambda s: s["expect"].update(challenges_answered=[0, 0]), "roaming")
        self.refuses(lambda s: s["expect"].pop("suites"))

    def test_other_keys_application_authority_and_time(self):
        self.refuses(lambda s: s["ends"][0].update(static_private="11" * 32))
        self.refuses(lambda s: s["ends"][0]["ephemeral_private"].clear())
        self.refuses(lambda s: s.update(app_id=8))
        self.refuses(lambda s: s.update(authority_public="11" * 32), "certificates_ik")
        self.refuses(lambda s: s.update(unix_seconds=s["unix_seconds"] + 7200), "certificates_xx")
        self.refuses(lambda s: s.update(unix_seconds=s["unix_seconds"] - 7200), "certificates_xx")

    def test_a_response_that_goes_elsewhere(self):
        def to_elsewhere(session):
            for entry in session["datagrams"]:
                if entry["from"] == 0 and entry["source"].startswith("10.0.1."):
                    entry["target"] = "10.0.0.9:1"
        self.refuses(to_elsewhere, "roaming")

    def test_more_than_three_times_to_an_address_that_is_not_known(self):
        conversation = Conversation(SESSIONS["ik_aes_gcm"])
        conversation.here, conversation.there = 1, 0
        conversation.source, conversation.target, conversation.delivered = "b", "a", True
        conversation.received[1, "a"] = 100
        conversation.count_bytes(300)
        with self.assertRaises(Malformed):
            conversation.count_bytes(1)


class Frames(unittest.TestCase):
    """What opens may still be wrong."""

    def refuses(self, text):
        with self.assertRaises(Malformed, msg=text):
            wire.read_frames(bytes.fromhex(text))

    def test_malformed(self):
        for text in ("", "0a", "ff", "24", "0203", "02000000", "0200000001", "0205000006", "02050000000500",
                     "0205000100000500", "03", "0380010000 00", "0341f3 4080" + "00" * 128, "04 0011223344", "09", "10000000",
                     "100000 05 01", "11 0000", "10 c000000100000000 00 01 00", "20 00 00 02 00", "22 00 00 00 01 00",
                     "22 00 00 01 01 01 00", "23 00 00 00 80080001 01 00", "0b 00 00000001", "0b 01 00000000",
                     "0b 01 000001", "0b c000000100000000 00000001", "0c", "0d 01 00 02", "0d 01 00", "0e 01 05 00 00 06"):
            self.refuses(text)

    def test_well_formed(self):
        frames = wire.read_frames(bytes.fromhex("00 01 06 0942 200300 0161 210401"))
        self.assertEqual([name for name, _ in frames], ["PADDING", "PING", "HANDSHAKE_DONE", "QUALITY", "MESSAGE", "MESSAGE"])
        self.assertEqual(frames[4][1], {"channel": -2, "sequence": 0, "bytes": b"a"})
        ack = wire.read_frames(bytes.fromhex("0209000102 0101"))[0][1]
        self.assertEqual(ack["ranges"], [(7, 9), (3, 4)])

    def test_frames_of_paths(self):
        frames = wire.read_frames(bytes.fromhex("0b 01 deadbeef 0c 02 0d 412c 07 01 0e 01 09 00 00 02"))
        self.assertEqual(frames, [("PATH_INDEX", {"path": 1, "index": 0xdeadbeef}), ("PATH_ABANDON", {"path": 2}),
                                  ("PATH_STATUS", {"path": 300, "sequence": 7, "standby": 1}),
                                  ("PATH_ACK", {"path": 1, **wire.read_frames(bytes.fromhex("02 09 00 00 02"))[0][1]})])

    def test_payloads(self):
        stamp, versions, suites, sender = "0108" + "00" * 8, "02020101", "030101", "090400000001"
        wire.read_payload(bytes.fromhex(stamp + versions + suites + sender))
        for text in (versions + suites + sender, stamp + suites + sender, stamp + versions + sender, stamp + versions + suites,
                     stamp * 2 + versions + suites + sender, stamp + "02020203" + suites + sender,
                     stamp + versions + suites + sender + "070101", stamp + versions + suites + sender + "0400",
                     stamp + versions + suites + sender + "08", stamp + versions + "0300" + sender):
            with self.assertRaises(Malformed, msg=text):
                wire.read_payload(bytes.fromhex(text))
        for text in ("0544af", "0180080003", "0200", "0380080003", "0480fa0001", "0101", "020102 01", "0801", "0700"):
            with self.assertRaises(Malformed, msg=text):
                wire.read_parameters({6: bytes.fromhex(text)})
        self.assertEqual(wire.read_parameters({6: bytes.fromhex("0180080004")})[1], 524292)
        self.assertEqual(wire.read_parameters({6: bytes.fromhex("0544b0")})[5], 1200)


class Rules(unittest.TestCase):
    def test_credit_counts_whole_messages(self):
        said, credit = Messages(), Credit({1: 100, 2: 3, 3: 60, 7: 2})
        said.take("STREAM", {"channel": 1, "offset": 0, "bytes": bytes([59, 0])})
        credit.check(said)
        said.take("STREAM", {"channel": 1, "offset": 60, "bytes": bytes([0])})
        with self.assertRaises(Malformed):  # the channel
            credit.check(said)
        credit.raise_channel({"channel": 1, "bytes": 61, "messages": 0})
        said.take("RELIABLE FRAGMENT", {"channel": 2, "sequence": 0, "offset": 0, "total": 40, "bytes": b"x"})
        with self.assertRaises(Malformed):  # the session
            credit.check(said)
        credit.raise_session({"bytes": 101, "messages": 2})
        credit.check(said)
        said.take("STREAM", {"channel": 3, "offset": 0, "bytes": bytes([0, 0, 0])})
        credit.raise_session({"bytes": 200, "messages": 100})
        with self.assertRaises(Malformed):  # the messages of a channel
            credit.check(said)
        credit.raise_channel({"channel": 3, "bytes": 0, "messages": 3})
        credit.check(said)

    def test_parts_that_contradict(self):
        said = Messages()
        said.take("STREAM", {"channel": 1, "offset": 0, "bytes": b"\x05abc"})
        with self.assertRaises(Malformed):
            said.take("STREAM", {"channel": 1, "offset": 1, "bytes": b"x"})
        with self.assertRaises(Malformed):
            said.all()

    def test_messages_in_pieces(self):
        said = Messages()
        said.take("STREAM", {"channel": 1, "offset": 4, "bytes": b"\x40"})
        said.take("STREAM", {"channel": 1, "offset": 0, "bytes": b"\x03abc"})
        said.take("STREAM", {"channel": 1, "offset": 5, "bytes": b"\x40" + b"y" * 64 + b"\0"})
        self.assertEqual(said.all(), [("reliable", 1, b"abc"), ("reliable", 1, b"y" * 64), ("reliable", 1, b"")])

    def test_lengths_of_messages_are_short(self):
        said = Messages()
        said.take("STREAM", {"channel": 1, "offset": 0, "bytes": b"\x40\x01abcd"})
        with self.assertRaises(Malformed):
            said.all()

    def test_packet_numbers(self):
        # RFC 9000 A.3 has this example.
        self.assertEqual(wire.recover_packet_number(0xA82F30EA, 0x9B32, 16), 0xA82F9B32)
        # RFC 9000 A.2 has these.
        self.assertEqual(wire.packet_number_size(0xAC5C02, 0xABE8B3), 2)
        self.assertEqual(wire.packet_number_size(0xACE8FE, 0xABE8B3), 3)
        self.assertEqual([wire.packet_number_size(n, -1) for n in (126, 127)], [1, 2])

    def test_varints(self):
        # RFC 9000 A.1 has these.
        for text, value in (("c2197c5eff14e88c", 151288809941952652), ("9d7f3e7d", 494878333), ("7bbd", 15293), ("4025", 37)):
            self.assertEqual(Reader(bytes.fromhex(text)).varint(), value)


if __name__ == "__main__":
    unittest.main()
