"""The messages of docs/PROTOCOL.md 9, read a second time: the rendezvous and its lobbies.

Written from the tables of that document. A field is a word: `u8` to `u64` and `i64`; `flag`; `text:N` and `bytes:N` of N bytes
at most; `fixed:N`; `upto:N` a u8 of N at most; `list:N:name` of N elements at most, each of the fields in LISTS.
"""

from verify_protocol_wire import Malformed, Reader, require

ID = "text:127"
CERTIFICATE = "bytes:319"
DATUM = "text:64 text:512"
KIND = "upto:2"
LISTS = {
    "ticket": "fixed:16 u16 text:16 bytes:256 fixed:32 i64",
    "filter": "text:64 upto:7 text:512 i64",
    "datum": DATUM,
    "member": f"{ID} list:16:datum",
    "info": "u64 u8 u8 list:64:datum",
    "lobby": "u64",
    "mark": "u64",
}
STANDING = f"{ID} u64 u64 list:64:mark"
CLIENT = {
    1: f"u8 u32 {ID} text:4096 {CERTIFICATE}", 2: "", 3: f"u32 {ID}", 4: f"u32 {ID} bytes:2048", 5: "u32", 6: "u64",
    7: f"{ID} flag", 8: "",
}
SERVER = {
    64: f"{ID} {CERTIFICATE} fixed:32 i64 u32", 65: "u32 u16 text:256", 66: f"u32 {ID} flag {CERTIFICATE}", 67: "u32 flag",
    68: f"{ID} bytes:2048", 69: "u32 list:32:ticket", 70: "u64 u8", 71: f"{ID} flag", 72: CERTIFICATE, 73: "flag u16",
    74: "bytes:65619", 75: "",
}
LOBBY_CLIENT = {
    16: f"u32 {KIND} u8", 17: "u32 list:16:filter u8 u8", 18: "u32 u64", 19: "u32 u64",
    20: f"u32 u64 flag flag {DATUM}", 21: "u32 u64 bytes:1024", 22: f"u32 u64 {ID}", 23: f"u32 u64 {ID}",
    24: f"u32 u64 {KIND} u8 flag", 25: f"u32 u64 {STANDING} fixed:16 {KIND} u8 flag list:64:datum list:16:datum",
    26: "u32 u64 text:127",
}
LOBBY_SERVER = {
    96: "u32 upto:12 text:128", 97: f"u32 u64 {KIND} u8 flag {ID} list:250:member list:64:datum", 98: "u32 list:50:info",
    99: "list:8:lobby", 100: f"u64 {ID}", 101: f"u64 {ID} upto:2", 102: f"u64 {ID} flag {DATUM}",
    103: f"u64 {ID} bytes:1024", 104: f"u64 {KIND} u8 flag {ID}", 105: f"u64 {STANDING} fixed:16",
}
TABLES = {"client": CLIENT, "server": SERVER, "lobby client": LOBBY_CLIENT, "lobby server": LOBBY_SERVER}
NUMBERS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i64": "q"}


def at_most(value, limit):
    require(value <= limit, f"{limit} at most, not {value}")
    return value


def read_field(reader, word):
    """One field's value, as the vectors show it."""
    if word in NUMBERS:
        return reader.number(NUMBERS[word])
    if word == "flag":
        return at_most(reader.u8(), 1) == 1
    what, limit, *element = word.split(":")
    if what == "upto":
        return at_most(reader.u8(), int(limit))
    if what == "fixed":
        return reader.take(int(limit)).hex()
    size = at_most(reader.varint(), int(limit))
    if what == "list":
        return [read_fields(reader, LISTS[element[0]]) for _ in range(size)]
    data = reader.take(size)
    return data.decode("utf-8", "surrogateescape") if what == "text" else data.hex()


def read_fields(reader, words):
    return [read_field(reader, word) for word in words.split()]


def message(vector, data):
    """Exactly one message of the table that the vector names. Its type."""
    reader, table = Reader(data), TABLES[vector["what"]]
    kind = reader.u8()
    require(kind in table, f"a type of this table, not {kind}")
    found = [kind] + read_fields(reader, table[kind])
    require(not reader.left(), "nothing behind the last field")
    if found != vector["fields"] and vector["good"]:
        raise Malformed(f"fields {vector['fields']}, not {found}")
    return kind


READERS = {table: message for table in TABLES}
NAMES = {kind for table in TABLES.values() for kind in table}
