"""docs/OPERATING.md as it is written: its files are put where it says, its commands are run: operating_test.py OPERATING.md UNIT WHIMBREL WHIMBRELD

What is different here, and nothing else is:
- /etc, /var/lib and /root are folders of a machine of the test's own, and each machine has a port of its own on 127.0.0.1: that stands
  for game.example.org:4040, for 198.51.100.7:4040, and for the addresses that a server listens on.
- systemctl does what systemd would do with the command of UNIT: it copies what the drop-ins load, and sets the variables.
- A server drains for one second.
- scp copies from one machine to the other; cmake does nothing; PyJWT is a few lines where it is not installed.
- A `whimbrel chat` goes on while the next lines are read.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import sys
import time
import unittest
import urllib.request

from processes import PATIENCE_SECONDS, Scene

DOCUMENT = UNIT = WHIMBREL = WHIMBRELD = ""
JWT = '''
import base64, hashlib, hmac, json
def encode(claims, secret, algorithm):
    assert algorithm == "HS256"
    part = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (signed + b"." + part(hmac.digest(secret.encode(), signed, "sha256"))).decode()
'''


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text, mode="w"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, mode, encoding="utf-8") as file:
        file.write(text)


def blocks(title):
    """The code of a section: its language, and what stands in it."""
    section = re.search(rf"(?ms)^## {re.escape(title)}\n(.*?)(?=^## |\Z)", read(DOCUMENT)).group(1)
    return re.findall(r"(?ms)^```(\w+)\n(.*?)^```$", section)


class Machine:
    def __init__(self, world, name):
        self.world, self.scene, self.name = world, world.scene, name
        self.root = self.scene.path(name)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.server = None
        for folder in ("etc", "root", "bin"):
            os.makedirs(f"{self.root}/{folder}")
        os.makedirs(f"{self.root}/var/lib/whimbreld", 0o700)
        self.here = ["--listen", f"127.0.0.1:{self.port}", "--admin", "127.0.0.1:0"]
        for tool, command in (("whimbreld", [WHIMBRELD, *self.here]), ("cmake", ["true"]),
                              ("whimbrel", ["env", f"XDG_CONFIG_HOME={self.root}/root/.config", WHIMBREL])):
            write(f"{self.root}/bin/{tool}", f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
            os.chmod(f"{self.root}/bin/{tool}", 0o755)
        write(f"{self.root}/lib/jwt.py", JWT)
        self.env = ["env", f"PATH={self.root}/bin:{os.environ['PATH']}", f"PYTHONPATH={self.root}/lib"]

    def text(self, text):
        text = re.sub(r"(?<![\w.])/(etc|var/lib|root)/", rf"{self.root}/\1/", text)
        text = text.replace("game.example.org:4040", f"127.0.0.1:{self.world.first.port}")
        return text.replace("198.51.100.7:4040", f"127.0.0.1:{self.world.frankfurt.port}")

    # --- files

    def put(self, content):
        where, content = content.split("\n", 1)
        path, note = re.match(r"# (/[^ ,]+)(.*)", where).groups()
        path = self.text(path)
        if path.endswith("whimbreld.toml") and "at its end" not in note:
            content += "[server]\ndrain_seconds = 1\n"
        write(path, self.text(content), "a" if "at its end" in note else "w")

    # --- commands

    def run(self, script):
        for line in script.splitlines():
            if line.startswith("#"):
                continue
            words = shlex.split(line)
            if words[0] == "systemctl":
                self.systemctl(*words[1:])
            elif words[:2] == ["whimbrel", "chat"]:
                self.world.player = self.scene.start("player", *self.env, *shlex.split(self.text(line)))
            elif words[0] == "scp":
                machine, path = re.match(r"root@(game\.example\.org):(/.*)", words[2]).groups()
                shutil.copy(self.text(words[1]), self.world.first.text(path))
            else:
                done = self.scene.run("command", *self.env, "sh", "-ec", self.text(line))
                self.world.test.assertEqual(done.code(), 0, done.report())

    def systemctl(self, verb, unit=None):
        self.world.test.assertIn((verb, unit), (("daemon-reload", None), ("start", "whimbreld"), ("stop", "whimbreld"),
                                                ("restart", "whimbreld")))
        if verb in ("stop", "restart") and self.server:
            self.server.popen.send_signal(signal.SIGTERM)
            self.world.test.assertEqual(self.server.code(), 0, self.server.report())
            self.server = None
        if verb in ("start", "restart"):
            self.start()

    def start(self):
        credentials = f"{self.root}/run/credentials"
        shutil.rmtree(credentials, ignore_errors=True)
        os.makedirs(credentials, 0o700)
        drop_ins = f"{self.root}/etc/systemd/system/whimbreld.service.d"
        for name in os.listdir(drop_ins) if os.path.exists(drop_ins) else ():
            for credential, file in re.findall("(?m)^LoadCredential=([^:]+):(.+)$", read(f"{drop_ins}/{name}")):
                self.world.test.assertEqual(os.stat(file).st_mode & 0o077, 0, "it is secret")
                shutil.copy(file, f"{credentials}/{credential}")
        command = re.search("(?m)^ExecStart=(.*)$", read(UNIT)).group(1)
        command = self.text(command.replace("@bindir@/whimbreld", f"{self.root}/bin/whimbreld"))
        self.server = self.scene.start(f"{self.name}-server", "env", f"STATE_DIRECTORY={self.root}/var/lib/whimbreld",
                                       f"CREDENTIALS_DIRECTORY={credentials}", *shlex.split(command))
        self.admin = self.server.until(r"metrics at (http://\S+)/metrics", "err").group(1)

    def metric(self, name):
        with urllib.request.urlopen(self.admin + "/metrics", timeout=PATIENCE_SECONDS) as page:
            return float(re.search(rf"(?m)^{re.escape(name)} (\S+)$", page.read().decode()).group(1))

    def until(self, name, least):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.metric(name) < least:
            self.world.test.assertLess(time.monotonic(), deadline, f"{name}\n{self.server.report()}")
            time.sleep(0.05)


class World:
    def __init__(self, test, scene):
        self.test, self.scene, self.player = test, scene, None
        self.first, self.frankfurt = Machine(self, "first"), Machine(self, "frankfurt")

    def follow(self, title, languages):
        found = blocks(title)
        self.test.assertEqual([language for language, _ in found], languages, "the document has changed: so must this test")
        for language, content in found:
            machine = self.frankfurt if "in Frankfurt" in content.split("\n", 1)[0] else self.first
            if language == "sh":
                machine.run(content)
            else:
                machine.put(content)

    def command(self, *words):
        done = self.scene.run("command", *self.first.env, *words)
        self.test.assertEqual(done.code(), 0, done.report())
        return done.out


class Operating(unittest.TestCase):
    def test_from_nothing_to_a_second_relay(self):
        with Scene() as scene:
            world = World(self, scene)
            first, state = world.first, f"{world.first.root}/var/lib/whimbreld"
            world.follow("Who may have which name", ["sh", "toml", "ini", "python", "sh"])
            first.until("whimbrel_rendezvous_users", 1)
            # What comes after the backup is undone: alice is shut out, and is in again.
            backup, restore = (content for _, content in blocks("State"))
            first.run(backup)
            world.command("whimbreld", "--state", state, "--revoke", "str:alice")
            world.player.until("this key was revoked", "out")
            world.player.interrupt()
            world.player.code()
            first.run(restore)
            first.run(blocks("Who may have which name")[-1][1].splitlines()[-1])
            first.until("whimbrel_rendezvous_users", 1)
            world.follow("A newer version", ["sh"])
            first.until("whimbrel_rendezvous_users", 1)
            world.follow("Several relays", ["toml", "sh", "toml", "ini", "sh"])
            first.until("whimbrel_rendezvous_users", 1)
            # The server tries it with a ticket as players get it.
            world.frankfurt.until("whimbrel_relay_opened_total", 1)
            self.assertEqual(world.frankfurt.metric('whimbrel_relay_dropped_total{reason="bad_token"}'), 0)
            for machine in (first, world.frankfurt):
                # What openssl writes ends with a newline.
                warnings = [line for line in machine.server.err.splitlines() if " warning " in line and "newline" not in line]
                self.assertEqual(warnings, [])


if __name__ == "__main__":
    DOCUMENT, UNIT, WHIMBREL, WHIMBRELD = map(os.path.abspath, sys.argv[1:5])
    unittest.main(argv=[sys.argv[0], *sys.argv[5:]], verbosity=2)
