"""The bytes of docs/PROTOCOL.md, read a second time and apart from the library: fields, Noise, certificates, frames.

Everything here is written from the text of that document and the standards it names. Whatever does not follow them raises
`Malformed`. Needs Debian's python3-cryptography for X25519, Ed25519 and the two AEADs; the hashes are the standard library's.
"""

import functools
import hashlib
import hmac
import struct

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

VERSION = 1
AES_GCM, CHACHA = 1, 2
KEY_SIZE = 32
TAG_SIZE = 16
MESSAGE_MAX = 524288
DEFAULT_PARAMETERS = {1: 1048576, 2: 1000, 3: 1048576, 4: 25000, 5: 1472, 6: 180000, 7: 1000}


class Malformed(Exception):
    """Bytes that do not follow docs/PROTOCOL.md."""


def require(condition, what):
    """Raises Malformed, which says `what` should hold, unless `condition`."""
    if not condition:
        raise Malformed(what)


class Reader:
    """Takes fields from the front of some bytes, big-endian."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def left(self):
        return len(self.data) - self.at

    def take(self, size):
        require(size <= self.left(), f"{size} bytes where {self.left()} are left")
        self.at += size
        return self.data[self.at - size:self.at]

    def rest(self):
        return self.take(self.left())

    def number(self, layout):
        return struct.unpack(">" + layout, self.take(struct.calcsize(">" + layout)))[0]

    def u8(self):
        return self.number("B")

    def u32(self):
        return self.number("I")

    def varint(self):
        """RFC 9000 16: the two highest bits give the length as a power of two."""
        first = self.u8()
        value = first & 0x3F
        for byte in self.take(varint_size_from(first) - 1):
            value = value << 8 | byte
        return value

    def shortest_varint(self):
        """One that must not be longer than it needs to be."""
        start = self.at
        value = self.varint()
        require(self.at - start == varint_size(value), "a number in its shortest form")
        return value

    def channel(self):
        """The zigzag form of a signed 32-bit number."""
        coded = self.varint()
        require(coded < 1 << 32, f"channel {coded} is beyond 32 bits")
        return (coded >> 1) ^ -(coded & 1)


def varint_size(value):
    """Bytes of the shortest form."""
    return next(size for size in (1, 2, 4, 8) if value < 1 << 8 * size - 2)


def varint_size_from(first):
    """Bytes of a variable-length integer that begins with the byte `first`."""
    return 1 << (first >> 6)


# ---- cryptography -----------------------------------------------------------------------------------------------------


@functools.lru_cache
def public_of(private):
    """The X25519 public key of a private one, both 32 bytes."""
    key = X25519PrivateKey.from_private_bytes(private).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


@functools.lru_cache
def shared_secret(private, public):
    """X25519 of 32 bytes each."""
    peer = X25519PublicKey.from_public_bytes(public)
    return X25519PrivateKey.from_private_bytes(private).exchange(peer)


def hmac_sha256(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def next_key(key):
    """Section 4, key update: HKDF-Expand of one block (RFC 5869 2.3)."""
    return hmac_sha256(key, b"whimbrel ku", b"\x01")


def nonce_of(suite, path, counter):
    """Section 4: path id, then the counter in the byte order of the suite (Noise 12)."""
    return struct.pack(">I", path) + struct.pack(">Q" if suite == AES_GCM else "<Q", counter)


def open_sealed(suite, key, nonce, sealed, associated):
    """The plain text, or None when the tag is wrong."""
    if len(sealed) < TAG_SIZE:
        return None
    cipher = AESGCM(key) if suite == AES_GCM else ChaCha20Poly1305(key)
    try:
        return cipher.decrypt(nonce, sealed, associated)
    except InvalidTag:
        return None


def mac1_of(packet, responder_public):
    """Section 2: over the InitIK with its cookie (bytes 8 to 23) and its mac1 (24 to 39) zeroed."""
    key = hashlib.sha256(b"whimbrel mac1" + responder_public).digest()
    return hmac_sha256(key, packet[:8], bytes(32), packet[40:])[:16]


class Noise:
    """The symmetric state of the Noise specification, 5.2, of somebody who only reads."""

    def __init__(self, pattern, suite, app_id, sender):
        name = f"Noise_{pattern}_25519_{'AESGCM' if suite == AES_GCM else 'ChaChaPoly'}_SHA256"
        self.suite = suite
        self.hash = self.chain = name.encode().ljust(32, b"\0")
        self.key = None
        self.counter = 0
        self.mix_hash(b"whimbrel/1" + struct.pack(">BBII", VERSION, suite, app_id, sender))

    def copy(self):
        other = Noise.__new__(Noise)
        other.__dict__.update(self.__dict__)
        return other

    def mix_hash(self, data):
        self.hash = hashlib.sha256(self.hash + data).digest()

    def expand(self, secret):
        """Noise 4.3: HKDF with two outputs."""
        extracted = hmac_sha256(self.chain, secret)
        first = hmac_sha256(extracted, b"\x01")
        return first, hmac_sha256(extracted, first, b"\x02")

    def mix_key(self, private, public):
        self.chain, self.key = self.expand(shared_secret(private, public))
        self.counter = 0

    def open(self, sealed):
        """DecryptAndHash; raises when the tag is wrong."""
        plain = open_sealed(self.suite, self.key, nonce_of(self.suite, 0, self.counter), sealed, self.hash)
        require(plain is not None, "a part of a handshake does not open")
        self.counter += 1
        self.mix_hash(sealed)
        return plain

    def split(self):
        """The key from initiator to responder, then the other."""
        return self.expand(b"")


# ---- stateless reset --------------------------------------------------------------------------------------------------


def reset_token_of(static_private, index):
    pseudorandom = hmac_sha256(bytes(32), static_private)
    key = hmac_sha256(pseudorandom, b"whimbrel reset\x01")
    return hmac_sha256(key, index.to_bytes(4, "big"))[:16]


def reset_mac_of(token, packet):
    return hmac_sha256(token, packet[:-16])[:16]


# ---- what a handshake carries -----------------------------------------------------------------------------------------

NEEDED_FIELDS = {1: "stamp", 2: "versions", 3: "suites", 9: "sender"}


def read_payload(data):
    """Section 2, Payload: the fields by type; each at most once, no types but those of the table."""
    fields = {}
    reader = Reader(data)
    while reader.left():
        kind = reader.varint()
        content = reader.take(reader.varint())
        require(kind not in fields, f"payload field {kind} twice")
        require(kind in (1, 2, 3, 4, 5, 6, 7, 9, 10), f"payload field {kind} is not in the table")
        fields[kind] = content
    for kind, name in NEEDED_FIELDS.items():
        require(kind in fields, f"a payload without {name}")
    check_field_shapes(fields)
    return fields


def check_field_shapes(fields):
    require(len(fields[1]) == 8, "a stamp is a u64")
    require(len(fields[2]) == 2 and fields[2][0] <= VERSION <= fields[2][1], "versions are a range that has ours")
    require(1 <= len(fields[3]) <= 8, "one to eight suites")
    require(len(fields[9]) == 4, "a sender is a u32")
    require(1 <= len(fields.get(4, b"x")) <= 127, "an identity is 1 to 127 bytes")
    require(len(fields.get(10, bytes(16))) == 16, "a reset token is 16 bytes")
    require(not any(fields.get(7, b"")), "padding is zeros")


def read_parameters(fields):
    """All seven parameters, those left out with their defaults."""
    values = {}
    reader = Reader(fields.get(6, b""))
    while reader.left():
        name = reader.varint()
        require(name in DEFAULT_PARAMETERS and name not in values, f"parameter {name} is unknown or twice")
        values[name] = reader.varint()
    values = {**DEFAULT_PARAMETERS, **values}
    enough = min(values[1], values[3]) >= MESSAGE_MAX + varint_size(MESSAGE_MAX) and min(values[2], values[7]) >= 1
    require(enough, "credit for one message of the largest size")
    require(values[4] <= 16384000, "the longest delay of an acknowledgement is at most 16384000 us")
    require(values[5] >= 1200, "the largest datagram taken is at least 1200")
    return values


def check_certificate(data, authority_public, app_id, identity, static_public, unix_seconds):
    """Section 3: the fields of a certificate and its signature."""
    reader = Reader(data)
    require(reader.u8() == 1, "a certificate of version 1")
    require(reader.u32() == app_id, "a certificate for this application")
    reader.number("Q")
    not_before, not_after = reader.number("q"), reader.number("q")
    require(not_before - 300 <= unix_seconds <= not_after, "a certificate that is valid now")
    require(reader.take(KEY_SIZE) == static_public, "a certificate for the static key of the handshake")
    key_id = hashlib.sha256(authority_public).digest()[:8]
    require(reader.take(8) == key_id, "a certificate of the authority that is trusted")
    require(reader.take(reader.u8()) == identity, "a certificate for the identity of the handshake")
    signed = data[:reader.at]
    signature = reader.take(64)
    require(not reader.left(), "nothing after a certificate's signature")
    try:
        key = Ed25519PublicKey.from_public_bytes(authority_public)
        key.verify(signature, b"whimbrel certificate 1" + signed)
    except InvalidSignature:
        raise Malformed("a certificate whose signature holds") from None


# ---- frames -----------------------------------------------------------------------------------------------------------


def read_ack(reader):
    """The ranges of an ACK as (lowest, highest), the highest range first."""
    highest = reader.varint()
    delay_us = reader.varint()
    further = reader.varint()
    require(further < 64, "an ACK has at most 64 ranges")
    lowest = highest - reader.varint()
    ranges = [(lowest, highest)]
    for _ in range(further):
        highest = lowest - 1 - (reader.varint() + 1)
        lowest = highest - reader.varint()
        ranges.append((lowest, highest))
    require(lowest >= 0, "an ACK does not go below packet 0")
    return {"ranges": ranges, "delay_us": delay_us}


def read_close(reader):
    reason, length = reader.varint(), reader.varint()
    require(reason <= 65535 and length <= 127, "a CLOSE within its bounds")
    return {"reason": reason, "text": reader.take(length)}


def read_stream(reader, to_end):
    frame = {"channel": reader.channel(), "offset": reader.varint()}
    frame["bytes"] = reader.rest() if to_end else reader.take(reader.varint())
    require(frame["bytes"], "a STREAM has bytes")
    return frame


def read_message(reader, to_end):
    frame = {"channel": reader.channel(), "sequence": reader.varint()}
    frame["bytes"] = reader.rest() if to_end else reader.take(reader.varint())
    return frame


def read_fragment(reader):
    frame = {"channel": reader.channel(), "sequence": reader.varint(), "offset": reader.varint()}
    frame["total"] = reader.varint()
    frame["bytes"] = reader.take(reader.varint())
    require(frame["bytes"], "a FRAGMENT has bytes")
    require(frame["offset"] + len(frame["bytes"]) <= frame["total"] <= MESSAGE_MAX, "a FRAGMENT within its message")
    return frame


def read_channel_name(reader):
    frame = {"channel": reader.channel(), "name": reader.channel()}
    frame["count"], frame["sequence"] = reader.varint(), reader.varint()
    require(frame["count"] > 0, "the names of a channel are counted from 1")
    return frame


def read_path_number(reader):
    number = reader.varint()
    require(number < 1 << 32, "a path's number")
    return number


def read_path_index(reader):
    frame = {"path": read_path_number(reader), "index": reader.u32()}
    require(0 < frame["path"] < 1 << 30, "a path from 1 on, below 2^30")
    require(frame["index"] > 0, "an index that is not zero")
    return frame


def read_path_status(reader):
    frame = {"path": read_path_number(reader), "sequence": reader.varint(), "standby": reader.u8()}
    require(frame["standby"] <= 1, "standby is 0 or 1")
    return frame


FRAMES = {
    0x00: ("PADDING", lambda r: {}),
    0x01: ("PING", lambda r: {}),
    0x02: ("ACK", read_ack),
    0x03: ("CLOSE", read_close),
    0x04: ("PATH_CHALLENGE", lambda r: {"bytes": r.take(8)}),
    0x05: ("PATH_RESPONSE", lambda r: {"bytes": r.take(8)}),
    0x06: ("HANDSHAKE_DONE", lambda r: {}),
    0x07: ("SESSION_CREDIT", lambda r: {"bytes": r.varint(), "messages": r.varint()}),
    0x08: ("CHANNEL_CREDIT", lambda r: {"channel": r.channel(), "bytes": r.varint(), "messages": r.varint()}),
    0x09: ("QUALITY", lambda r: {"share": r.u8()}),
    0x0A: ("CHANNEL_NAME", read_channel_name),
    0x0B: ("PATH_INDEX", read_path_index),
    0x0C: ("PATH_ABANDON", lambda r: {"path": read_path_number(r)}),
    0x0D: ("PATH_STATUS", read_path_status),
    0x0E: ("PATH_ACK", lambda r: {"path": read_path_number(r), **read_ack(r)}),
    0x10: ("STREAM", lambda r: read_stream(r, False)),
    0x11: ("STREAM", lambda r: read_stream(r, True)),
    0x20: ("MESSAGE", lambda r: read_message(r, False)),
    0x21: ("MESSAGE", lambda r: read_message(r, True)),
    0x22: ("FRAGMENT", read_fragment),
    0x23: ("RELIABLE FRAGMENT", read_fragment),
}


def read_frames(data):
    """Section 5: every frame of a packet, to its end, as (name, fields)."""
    require(data, "a packet has a frame")
    reader = Reader(data)
    frames = []
    while reader.left():
        kind = reader.u8()
        require(kind in FRAMES, f"frame type {kind:02x} is not in the table")
        name, read = FRAMES[kind]
        frames.append((name, read(reader)))
    return frames


# ---- packet numbers ---------------------------------------------------------------------------------------------------


def recover_packet_number(largest, cut, bits):
    """RFC 9000 A.3; `largest` is -1 before the first packet."""
    expected = largest + 1
    window = 1 << bits
    candidate = (expected & ~(window - 1)) | cut
    if candidate <= expected - window // 2 and candidate + window < 1 << 62:
        return candidate + window
    if candidate > expected + window // 2 and candidate >= window:
        return candidate - window
    return candidate


def packet_number_size(full, largest_acked):
    """RFC 9000 17.1: the bytes a sender uses; `largest_acked` is -1 before the first acknowledgement."""
    unacked = full - largest_acked
    for size in (1, 2, 3, 4):
        if 2 * unacked < 1 << 8 * size:
            return size
    raise Malformed("more packets without acknowledgement than four bytes can tell apart")
