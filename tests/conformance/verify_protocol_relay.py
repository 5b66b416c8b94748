"""The relay's packets of docs/PROTOCOL.md 7 and 8, read a second time: macs, keys of a leg, tags, grants,
tokens, signals.

Written from the text of that document. Each function raises `Malformed` where the bytes do not follow it.
"""

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from verify_protocol_wire import Reader, require

WORD = (1 << 64) - 1
SIZES = {0x80: range(512, 1201), 0x81: [36], 0x82: [84], 0x83: [36]}
MAC_LABELS = {0x80: b"whimbrel relay open", 0x82: b"whimbrel relay opened", 0x83: b"whimbrel relay refused"}
LEG_NAMES = {0x88: "Send", 0x89: "Deliver", 0x8A: "Ask", 0x8B: "Tell"}
UP = (0x88, 0x8A)
HEADER = 20


def rotate(value, bits):
    return (value << bits | value >> 64 - bits) & WORD


def sip_round(v):
    """One round of SipHash over its four words."""
    a, b, c, d = v
    a, c = (a + b) & WORD, (c + d) & WORD
    b, d = rotate(b, 13) ^ a, rotate(d, 16) ^ c
    a = rotate(a, 32)
    c, a = (c + b) & WORD, (a + d) & WORD
    b, d = rotate(b, 17) ^ c, rotate(d, 21) ^ a
    return a, b, rotate(c, 32), d


def siphash24(key, data):
    """SipHash-2-4 (Aumasson, Bernstein 2012), its result little-endian."""
    low, high = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = (low ^ 0x736F6D6570736575, high ^ 0x646F72616E646F6D, low ^ 0x6C7967656E657261, high ^ 0x7465646279746573)
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at:at + 8], "little")
        v = sip_round(sip_round((v[0], v[1], v[2], v[3] ^ word)))
        v = (v[0] ^ word, v[1], v[2], v[3])
    v = (v[0], v[1], v[2] ^ 0xFF, v[3])
    for _ in range(4):
        v = sip_round(v)
    return (v[0] ^ v[1] ^ v[2] ^ v[3]).to_bytes(8, "little")


def mac(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def expand(key, info, size):
    """HKDF-Expand of RFC 5869, of one block at most."""
    return mac(key, info, b"\x01")[:size]


def leg_keys(vector):
    """Up, down and grant."""
    secret, salt = bytes.fromhex(vector["secret"]), bytes.fromhex(vector["nonce"] + vector["relay_nonce"])
    key = mac(salt, secret)
    sizes = {b"up": 16, b"down": 16, b"grant": 32}
    return {name: expand(key, b"whimbrel relay " + name, size) for name, size in sizes.items()}


def identity_hash(app_id, identity):
    return hashlib.sha256(app_id.to_bytes(4, "big") + identity.encode()).digest()[:16]


def opening(vector, packet):
    """Open, Cookie, Opened or Refused. The name of the packet."""
    require(packet and packet[0] in SIZES, "a packet that opens a leg")
    kind, reader = packet[0], Reader(packet[1:])
    require(len(packet) in SIZES[kind], "the packet's size")
    require(reader.u8() == 1, "version 1")
    reason = reader.u8()
    require(reader.u8() == 0, "a zero")
    require(reason in (1, 2, 3, 4) if kind == 0x83 else reason == 0, "a reason, or a zero")
    reader.take(16)  # nonce
    if kind == 0x80:
        reader.take(16)  # cookie
        reader.take(reader.number("H"))
        padding = reader.take(reader.left() - 16)
        require(not any(padding), "zeros")
    if kind == 0x82:
        reader.take(16 + 4 + 4 + 16 + 2 + 4 + 2)
    if kind == 0x81:
        reader.take(16)
    else:
        wanted = mac(bytes.fromhex(vector["secret"]), MAC_LABELS[kind], packet[:-16])[:16]
        require(reader.take(16) == wanted, "a mac that fits")
    require(not reader.left(), "nothing behind it")
    return {0x80: "Open", 0x81: "Cookie", 0x82: "Opened", 0x83: f"Refused {reason}"}[kind]


def leg(vector, packet):
    """A packet of a leg, its tag checked."""
    require(len(packet) >= HEADER and packet[0] in LEG_NAMES, "a packet of a leg")
    keys, payload = leg_keys(vector), packet[HEADER:]
    covered = payload[:16] if packet[0] in (0x88, 0x89) else payload
    key = keys[b"up" if packet[0] in UP else b"down"]
    require(packet[12:20] == siphash24(key, packet[:12] + len(payload).to_bytes(2, "big") + covered), "a tag that fits")
    reader = Reader(packet[1:])
    fields = [reader.u8(), reader.number("H"), reader.u32(), reader.u32()]
    require(fields == vector["fields"], f"the header {vector['fields']}, not {fields}")
    kind = f" {fields[0]}" if packet[0] >= 0x8A else ""
    return LEG_NAMES[packet[0]] + kind


def grant(vector, packet):
    require(len(packet) == 37, "37 bytes")
    reader = Reader(packet)
    site = hashlib.sha256(vector["site"].encode()).digest()[:4]
    require(reader.take(4) == site, "the site's relay id")
    reader.u32()
    require(reader.take(16) == identity_hash(vector["app_id"], vector["identity"]), "the peer's identity hash")
    require(packet[-8:] == mac(leg_keys(vector)[b"grant"], packet[:-8])[:8], "a mac that fits")
    return "grant"


def token(vector, packet):
    require(len(packet) == 105, "105 bytes")
    hour = vector["unix_ms"] // 3600000
    require(packet[0] == hour & 0xFF, "the epoch of this hour")
    key = expand(bytes.fromhex(vector["master"]), b"whimbrel site key" + hour.to_bytes(8, "big"), 32)
    try:
        plain = AESGCM(key).decrypt(packet[1:13], packet[13:], packet[:1])
    except InvalidTag:
        require(False, "a token that opens")
    reader = Reader(plain)
    found = [reader.take(8).hex(), reader.take(16).hex(), reader.u32(), reader.number("q"), reader.u32(), reader.u32(),
             reader.take(32).hex()]
    require(found == vector["fields"], f"the token {vector['fields']}, not {found}")
    return "token"


def signal(vector, data):
    """Section 8: grants with their round trips, and a packet."""
    require(len(data) <= 2048, "2048 bytes at most")
    reader = Reader(data)
    kind, count = reader.u8(), reader.u8()
    require(kind in (1, 2, 3) and count <= 8, "a kind, and 8 grants at most")
    slots = []
    for _ in range(count):
        slots += [reader.take(37).hex(), reader.number("H")]
    found = [kind, reader.rest().hex()] + slots
    require(found == vector["fields"] or not vector["good"], f"the signal {vector['fields']}, not {found}")
    return f"signal {kind}"


READERS = {"opening": opening, "leg": leg, "grant": grant, "token": token, "signal": signal}
NAMES = {"Open", "Cookie", "Opened", "grant", "token", "Send", "Deliver"}
NAMES |= {f"signal {kind}" for kind in (1, 2, 3)}
NAMES |= {f"Refused {reason}" for reason in range(1, 5)}
NAMES |= {f"{who} {kind}" for who in ("Ask", "Tell") for kind in range(1, 8)}
