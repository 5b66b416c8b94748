#!/usr/bin/env python3
"""Verifies docs/PROTOCOL.md 7 to 9: verify_protocol_server.py [--self-test] server_vectors.json [program]

Every vector holds its inputs, bytes, and the library's verdict; the bytes are judged again by readers written from that document.
Each kind of packet and message must occur. With `program`, which writes them, the file must be what it writes now. With
--self-test, single bits of each good vector are changed, and what is sealed or counted by it must be refused.
"""

import json
import subprocess
import sys

import verify_protocol_relay as relay
import verify_protocol_rendezvous as rendezvous
from verify_protocol_wire import Malformed

READERS = {**relay.READERS, **rendezvous.READERS}
NAMES = relay.NAMES | rendezvous.NAMES


def judge(vector, data):
    """The name of what `data` is, or None where it is nothing; and why."""
    try:
        return READERS[vector["what"]](vector, data), ""
    except Malformed as why:
        return None, str(why)


def verify(vectors):
    """Whether all verdicts are the same, and every kind occurs."""
    right, seen = True, set()
    for position, vector in enumerate(vectors):
        name, why = judge(vector, bytes.fromhex(vector["bytes"]))
        if (name is not None) != vector["good"]:
            print(f"FAILED  vector {position} ({vector['what']}): good is {vector['good']}, but {name} {why}")
            right = False
        elif name is not None:
            seen.add(name)
    for name in sorted(map(str, NAMES - seen)):
        print(f"FAILED  nowhere written: {name}")
    return right and NAMES <= seen


def is_noticed(vector, at):
    """Whether a reader refuses the vector's bytes, or reads something else, with the lowest bit of one byte changed."""
    data = bytearray.fromhex(vector["bytes"])
    data[at] ^= 1
    return judge(vector, bytes(data))[0] is None


def covered(vector, size):
    """The bytes of it that must not change: a Cookie has no mac, and a tag covers 16 bytes of what is forwarded."""
    if vector["bytes"].startswith("81"):
        return range(4)
    forwarded = vector["what"] == "leg" and vector["bytes"][:2] in ("88", "89")
    return range(min(size, 36)) if forwarded else range(size)


def self_test(vectors):
    """Every byte of the good vectors counts."""
    missed = tried = 0
    for vector in (vector for vector in vectors if vector["good"]):
        for at in covered(vector, len(vector["bytes"]) // 2):
            tried += 1
            if not is_noticed(vector, at):
                missed += 1
                print(f"FAILED  a changed byte {at} of {vector['what']} {vector['bytes'][:40]} is not noticed")
    return tried > 1000 and not missed


def is_fresh(path, program):
    """Whether the program still writes the file."""
    written = subprocess.run([program], check=True, stdout=subprocess.PIPE, timeout=60).stdout
    with open(path, "rb") as file:
        same = file.read() == written
    if not same:
        print(f"The program no longer writes the frozen vectors. If the change is meant and docs/PROTOCOL.md says so:\n"
              f"  {program} {path}")
    return same


def main(arguments):
    testing = arguments[:1] == ["--self-test"]
    files = arguments[1:] if testing else arguments
    if not 1 <= len(files) <= 2 or testing and len(files) == 2:
        print(__doc__, file=sys.stderr)
        return 2
    with open(files[0], encoding="utf-8") as file:
        vectors = json.load(file)["vectors"]
    if testing:
        return 0 if self_test(vectors) else 1
    right = verify(vectors)
    return 0 if right and (len(files) == 1 or is_fresh(*files)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
