#!/usr/bin/env python3
"""Runs the program that writes wire vectors: wire_vectors_test.py fresh|same program frozen.json

fresh: what it writes now must pass verify_protocol.py. same: it must be the frozen file, byte for byte; if not, it is said
which sessions differ, and how to freeze the new ones.
"""

import json
import subprocess
import sys

from verify_protocol import FRAME_AND_PACKET_NAMES, verify_all


def first_difference(old, new):
    """Where two sessions part, in words."""
    for position, (before, after) in enumerate(zip(old["datagrams"], new["datagrams"])):
        if before != after:
            return f"from datagram {position} on"
    if len(old["datagrams"]) != len(new["datagrams"]):
        return f"{len(new['datagrams'])} datagrams instead of {len(old['datagrams'])}"
    return "in its keys or expectations"


def differences(frozen, fresh):
    """A line for each session that is not what it was."""
    old = {session["name"]: session for session in frozen["sessions"]}
    new = {session["name"]: session for session in fresh["sessions"]}
    lines = [f"{name}: no longer written" for name in old.keys() - new.keys()]
    lines += [f"{name}: new" for name in new.keys() - old.keys()]
    lines += [f"{name}: differs {first_difference(old[name], new[name])}"
              for name in old.keys() & new.keys() if old[name] != new[name]]
    return sorted(lines)


def check_fresh(text):
    right, seen = verify_all(json.loads(text)["sessions"])
    missing = FRAME_AND_PACKET_NAMES - seen
    if missing:
        print(f"FAILED  nowhere written: {', '.join(sorted(missing))}")
    return right and not missing


def check_same(text, program, path):
    with open(path, encoding="utf-8") as file:
        frozen = file.read()
    if text == frozen:
        return True
    print("The program no longer writes the frozen vectors:")
    for line in differences(json.loads(frozen), json.loads(text)):
        print(f"  {line}")
    print("If what leaves when has changed, but not the format (conformance.wire_vectors_frozen and _fresh pass), or if\n"
          "a change of the format is meant and docs/PROTOCOL.md says so, freeze the new ones:\n"
          f"  {program} {path}")
    return False


def main(arguments):
    if len(arguments) != 3 or arguments[0] not in ("fresh", "same"):
        print(__doc__, file=sys.stderr)
        return 2
    what, program, path = arguments
    text = subprocess.run([program], check=True, stdout=subprocess.PIPE, timeout=60).stdout.decode()
    right = check_fresh(text) if what == "fresh" else check_same(text, program, path)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
