"""What a server says to its operator: cli_log_test.py WHIMBREL WHIMBRELD"""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.request

from processes import PATIENCE_SECONDS, Scene

WHIMBREL = WHIMBRELD = ""
LINE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (debug|info|warning|error) [^\x00-\x1f\x7f]+"


def healthz(admin):
    with urllib.request.urlopen(admin + "/healthz", timeout=PATIENCE_SECONDS) as page:
        return page.read()


class Log(unittest.TestCase):
    def server(self, scene, *arguments, settings=""):
        with open(scene.path("w.toml"), "w", encoding="utf-8") as file:
            file.write("[server]\ndrain_seconds = 0\n" + settings)
        server = scene.start("whimbreld", WHIMBRELD, "--config", scene.path("w.toml"), "--listen", "127.0.0.1:0", "--state",
                             scene.path("state"), "--admin", "127.0.0.1:0", *arguments)
        server.port = server.until(r"UDP port (\d+)", "err").group(1)
        server.admin = server.until(r"metrics at (http://\S+)/metrics", "err").group(1)
        return server

    def until_users(self, server, count):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while f"\nwhimbrel_rendezvous_users {count}" not in self.metrics(server):
            self.assertLess(time.monotonic(), deadline, server.report())
            time.sleep(0.02)

    @staticmethod
    def metrics(server):
        with urllib.request.urlopen(server.admin + "/metrics", timeout=PATIENCE_SECONDS) as page:
            return page.read().decode()

    def player(self, scene, server, name, home):
        return scene.start("player", "env", f"XDG_CONFIG_HOME={scene.path(home)}", WHIMBREL, "chat", "--name", name, "--server",
                           f"127.0.0.1:{server.port}", "--accept", "all")

    def assert_whole_lines(self, log):
        for line in log.splitlines():
            self.assertRegex(line, f"^{LINE}$")

    def test_a_refused_login_and_a_revocation(self):
        with Scene() as scene:
            server = self.server(scene)
            self.player(scene, server, "alice", "home")
            self.until_users(server, 1)
            thief = self.player(scene, server, "alice", "elsewhere")
            server.until(r"info login refused: the name belongs to another key.*; from 127\.0\.0\.0/24$", "err")
            revoked = scene.run("revoke", WHIMBRELD, "--state", scene.path("state"), "--revoke", "str:alice")
            key = re.search("revoked ([0-9a-f]{64})", revoked.out).group(1)
            server.until(f"info a revocation takes effect: key {key}$", "err")
            server.until(r"info a user is put out: its key was revoked; from 127\.0\.0\.0/24$", "err")
            started = server.err.index("metrics at")
            self.assertNotRegex(server.err[started:], r"alice|127\.0\.0\.1[^:]", "no names, no addresses")
            self.assert_whole_lines(server.err)
            self.assertIsNone(thief.popen.poll())

    def test_at_level_debug(self):
        """With a name that would be a line of its own, and one that would clear the screen."""
        with Scene() as scene:
            server = self.server(scene, "--log-level", "debug")
            name = "evil\n2026 forged\x1b[2J"
            self.player(scene, server, name, "home")
            server.until(r'debug login: "str:evil\\n2026.*forged\\u001b\[2J", application 0, key [0-9a-f]{64}, from 127', "err")
            server.until(r"debug slot [0-9a-f]{8} opened, from 127\.0\.0\.0/24$", "err")
            self.player(scene, server, name, "elsewhere")
            server.until(r'debug login refused: "str:evil.*belongs to another key', "err")
            self.assert_whole_lines(server.err)
            self.assertNotRegex(server.err, "(?m)^2026 forged")

    def test_as_json(self):
        with Scene() as scene:
            server = self.server(scene, "--log-level", "debug", settings='log_format = "json"\n')
            self.player(scene, server, 'a"b\nc', "home")
            server.until("login: ", "err")
            for line in server.err.splitlines():
                self.assertEqual(set(json.loads(line)), {"time", "level", "message"})

    def test_a_flood_of_refused_logins_fills_no_log(self):
        with Scene() as scene:
            server = self.server(scene, settings="[rendezvous]\nclients_max = 1\n")
            self.player(scene, server, "alice", "home")
            self.until_users(server, 1)
            for i in range(4):
                self.player(scene, server, f"late{i}", "home")
            # Each comes again and again.
            server.until(r"login refused: the server is full \(rendezvous.clients_max\); from 127\.0\.0\.0/24 \(\d+ times\)$", "err")
            self.assertLessEqual(server.err.count("login refused"), 20)


class Readers(unittest.TestCase):
    def setUp(self):
        self.scene = self.enterContext(Scene())

    def start(self):
        """Its log is a pipe of one page; the second result is the end that is read."""
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        with open(self.scene.path("w.toml"), "w", encoding="utf-8") as file:
            file.write("[server]\ndrain_seconds = 0\n")
        server = subprocess.Popen([WHIMBRELD, "--config", self.scene.path("w.toml"), "--listen", "127.0.0.1:0", "--state",
                                   self.scene.path("state"), "--admin", "127.0.0.1:0"], stderr=writer)
        os.close(writer)
        self.addCleanup(lambda: (server.kill(), server.wait()) if server.poll() is None else None)
        log = ""
        while not (found := re.search(r"metrics at (http://\S+)/metrics\n", log)):
            log += os.read(reader, 4096).decode()
        return server, reader, found.group(1)

    def test_one_that_is_gone(self):
        server, reader, admin = self.start()
        os.close(reader)
        for _ in range(3):
            server.send_signal(signal.SIGHUP)
            time.sleep(0.05)
        self.assertEqual(healthz(admin), b"ok\n")
        server.terminate()
        self.assertEqual(server.wait(PATIENCE_SECONDS), 0)

    def test_no_standard_files_at_all(self):
        """The files of the state must not take their numbers: the log would be written into one of them."""
        with open(self.scene.path("w.toml"), "w", encoding="utf-8") as file:
            file.write("[server]\ndrain_seconds = 0\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            admin = f"127.0.0.1:{free.getsockname()[1]}"
        server = self.scene.start("closed", "sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', WHIMBRELD, "--config", self.scene.path("w.toml"),
                                  "--listen", "127.0.0.1:0", "--state", self.scene.path("state"), "--admin", admin)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self.assertEqual(healthz("http://" + admin), b"ok\n")
                break
            except OSError:
                self.assertLess(time.monotonic(), deadline)
                self.assertIsNone(server.popen.poll())
                time.sleep(0.02)
        server.popen.send_signal(signal.SIGHUP)
        for number in range(3):
            self.assertEqual(os.readlink(f"/proc/{server.popen.pid}/fd/{number}"), "/dev/null")
        server.popen.terminate()
        self.assertEqual(server.code(), 0)
        self.assertEqual(os.path.getsize(self.scene.path("state/lock")), 0)

    def test_one_that_reads_no_more(self):
        server, reader, admin = self.start()
        self.addCleanup(os.close, reader)
        for _ in range(100):
            server.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        self.assertEqual(healthz(admin), b"ok\n")
        log = os.read(reader, 4096).decode()
        server.send_signal(signal.SIGHUP)
        while "missing" not in log:
            log += os.read(reader, 4096).decode()
        self.assertRegex(log, r"(?m)^\d+ lines of the log are missing: nobody read them$")
        server.terminate()
        self.assertEqual(server.wait(PATIENCE_SECONDS), 0)


if __name__ == "__main__":
    WHIMBREL, WHIMBRELD = map(os.path.abspath, sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
