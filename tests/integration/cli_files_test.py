"""A file of another kind in each place where one is named: cli_files_test.py WHIMBREL WHIMBRELD"""

import os
import re
import shutil
import sqlite3
import sys
import unittest

from processes import Scene

WHIMBREL = WHIMBRELD = ""

# What lies there, and what an error calls it.
CALLED = {
    "missing": "No such file|no such file|is missing",
    "unreadable": "Permission denied",
    "folder": "it is a folder",
    "pipe": "it is a pipe",
    "device": "it is a device|too large",
    "huge": "too large",
    "empty": "empty",
    "blank": "empty",
    "secret-key": "whimbrel-secret-key",
    "authority-secret": "whimbrel-authority-secret",
    "authority": r"whimbrel-authority \(a public key\)",
    "certificate": "whimbrel-certificate",
    "pem": r"a PEM file \(PUBLIC KEY\)",
    "database": "a database",
    "binary": "no text",
}


class Files:
    """One file of each kind, and a state folder and a certificate that are right."""

    def __init__(self, test, scene):
        self.test, self.scene = test, scene
        tool = lambda *words: test.assertEqual(scene.run("make", WHIMBREL, *words).code(), 0)
        tool("key", self.of("secret-key"))
        tool("cert", "new-authority", self.of("authority-secret"))
        os.rename(self.of("authority-secret") + ".pub", self.of("authority"))
        tool("cert", "issue", "--authority", self.of("authority-secret"), "--name", "alice", "--key", self.of("secret-key"),
             "--out", self.of("certificate"))
        os.mkdir(self.of("folder"))
        os.mkfifo(self.of("pipe"))
        os.symlink("/dev/zero", self.of("device"))
        for kind, content in (("empty", b""), ("blank", b" \n"), ("unreadable", b"x"), ("binary", bytes(range(256))),
                              ("pem", b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n"),
                              ("huge", b"")):
            with open(self.of(kind), "wb") as file:
                file.write(content)
        os.truncate(self.of("huge"), 1 << 30)
        os.chmod(self.of("unreadable"), 0)
        database = sqlite3.connect(self.of("database"))
        database.execute("CREATE TABLE t (x)")
        database.close()
        self.state = scene.path("state")
        made = scene.start("whimbreld", WHIMBRELD, "--listen", "127.0.0.1:0", "--admin", "none", "--state", self.state)
        made.until("server key", "err")
        made.popen.terminate()
        test.assertEqual(made.code(), 0)
        # Permissions hold for everybody but root.
        self.as_user = []
        if os.getuid() == 0:
            self.as_user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
            os.chmod(scene.folder, 0o755)
            self.give(scene.folder)

    def give(self, folder):
        """To whom the programs run as."""
        for inner, _, files in os.walk(folder):
            for name in [inner, *(os.path.join(inner, file) for file in files)]:
                os.chown(name, 65534, 65534, follow_symlinks=False)

    def of(self, kind):
        return self.scene.path(kind)

    def settings(self, name, text):
        with open(self.scene.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.scene.path(name), 0o644)
        return self.scene.path(name)

    def state_with(self, name, kind):
        """A copy of the state with another file in one place."""
        copy = self.scene.path(f"state-{name}-{kind}")
        shutil.copytree(self.state, copy)
        os.remove(os.path.join(copy, name))
        os.symlink(self.of(kind), os.path.join(copy, name))
        if os.getuid() == 0:
            self.give(copy)
        return copy

    def refused(self, place, kind, code, wanted, *command):
        process = self.scene.run(f"{place}-{kind}", *self.as_user, *command)
        told = f"{place}: {kind}\n{process.report()}"
        self.test.assertEqual(process.code(), code, told)
        lines = process.err.strip().splitlines()
        self.test.assertEqual(len(lines), 1, told)
        self.test.assertRegex(lines[0], CALLED[kind], told)
        self.test.assertRegex(lines[0], wanted, told)
        self.test.assertTrue(kind in lines[0] or place.startswith("state"), told)
        # It has printed the certificate before it looks at the authority.
        if place != "cert show --authority":
            self.test.assertEqual(process.out, "", told)


class OtherKinds(unittest.TestCase):
    def each(self, places):
        with Scene() as scene:
            files = Files(self, scene)
            content = self.content(files)
            for place, (right, code, wanted, command) in places(files).items():
                for kind in CALLED:
                    if kind in right or not os.path.lexists(files.of(kind)) and kind != "missing":
                        continue
                    with self.subTest(place=place, kind=kind):
                        files.refused(place, kind, code, wanted, *command(kind))
            self.assertEqual(self.content(files), content, "nothing is changed")

    @staticmethod
    def content(files):
        found = {}
        for kind in CALLED:
            if kind in ("folder", "pipe", "device", "huge", "missing"):
                found[kind] = os.path.lexists(files.of(kind))
            else:
                with open(files.of(kind), "rb") as file:
                    found[kind] = file.read()
        return found

    def test_settings_of_the_server(self):
        def places(files):
            def token(algorithm):
                return lambda kind: (WHIMBRELD, "--state", "", "--check-config", "--config", files.settings("w.toml", f"""[login]
mode = "token"
token_algorithm = "{algorithm}"
token_key_file = "{files.of(kind)}"
"""))

            def site(kind):
                return (WHIMBRELD, "--state", "", "--check-config", "--config", files.settings("w.toml", f"""[[sites]]
name = "fra"
address = "127.0.0.1:4"
key_file = "{files.of(kind)}"
"""))
            return {
                "--config": (("empty", "blank"), 2, "--config: .*wanted is a file of settings|not a file of settings",
                             lambda kind: (WHIMBRELD, "--state", "", "--check-config", "--config", files.of(kind))),
                "EdDSA": (("authority",), 1, "login.token_key_file: .*whimbrel-authority|login.token_key_file: .*new-authority",
                          token("EdDSA")),
                "HS256": (("binary",), 1, "login.token_key_file: .*wanted is the secret that your backend has", token("HS256")),
                "site": (("secret-key",), 1, 'site "fra": .*a copy of site.key', site),
            }
        self.each(places)

    def test_the_state_of_the_server(self):
        def places(files):
            def start(name):
                return lambda kind: (WHIMBRELD, "--state", files.state_with(name, kind), "--listen", "127.0.0.1:0",
                                     "--admin", "none")
            missing = ("missing", "empty")  # cli_state_test.py
            return {
                "state: server.key": (("secret-key", *missing), 1, "server.key.*whimbrel-secret-key", start("server.key")),
                "state: site.key": (("secret-key", *missing), 1, "site.key.*whimbrel-secret-key", start("site.key")),
                "state: authority": (("authority-secret", *missing), 1, "authority.*whimbrel-authority-secret", start("authority")),
            }
        self.each(places)

    def test_of_the_tool(self):
        def places(files):
            def recv(*words):
                return lambda kind: (WHIMBREL, "recv", "--listen", "127.0.0.1:0", "--timeout", "1",
                                     *(word.replace("FILE", files.of(kind)) for word in words))

            def command(*words):
                return lambda kind: (WHIMBREL, *(word.replace("FILE", files.of(kind)) for word in words))

            key = ("secret-key", "missing")  # is made
            out = files.scene.path("out")
            return {
                "--key": (key, 1, "whimbrel-secret-key", recv("--key", "FILE")),
                "--cert": (("certificate",), 1, "whimbrel-certificate|cert issue", recv("--cert", "FILE")),
                "--authority": (("authority",), 1, "whimbrel-authority|new-authority", recv("--authority", "FILE")),
                # May be a pipe; what the content is called counts for nothing: it is sent nowhere.
                "--token": (("pipe", "device", "secret-key", "authority-secret", "authority", "certificate", "pem", "database",
                             "binary"), 1, "the token: .*wanted is a file with a token",
                            recv("--name", "alice", "--server", "127.0.0.1:9", "--token", "@FILE")),
                "key": (key, 1, "whimbrel-secret-key", command("key", "FILE")),
                "key --show": (("secret-key",), 1, "whimbrel-secret-key|whimbrel key", command("key", "FILE", "--show")),
                "cert show": (("certificate",), 1, "whimbrel-certificate|cert issue", command("cert", "show", "FILE")),
                "cert show --authority": (("authority",), 1, "whimbrel-authority|new-authority",
                                          command("cert", "show", files.of("certificate"), "--authority", "FILE")),
                "cert issue --authority": (("authority-secret",), 1, "whimbrel-authority-secret|new-authority",
                                           command("cert", "issue", "--authority", "FILE", "--name", "alice", "--key",
                                                   "00" * 32, "--out", out)),
                "cert issue --key": (("secret-key",), 1, "whimbrel-secret-key|whimbrel key",
                                     command("cert", "issue", "--authority", files.of("authority-secret"), "--name", "alice",
                                             "--key", "FILE", "--out", out)),
            }

        self.each(places)

    def test_a_key_is_no_token(self):
        """What a token file has goes to the server."""
        with Scene() as scene:
            files = Files(self, scene)
            for kind in ("secret-key", "authority-secret", "authority", "certificate", "pem", "database", "binary"):
                process = scene.run(kind, WHIMBREL, "recv", "--name", "alice", "--server", "127.0.0.1:9", "--timeout", "1",
                                    "--token", "@" + files.of(kind))
                self.assertEqual(process.code(), 1, process.report())
                self.assertRegex(process.err, "has no token, which is one word")

    def test_a_certificate_replaces_a_certificate_only(self):
        with Scene() as scene:
            files = Files(self, scene)
            for kind in CALLED:
                if kind in ("missing", "unreadable", "huge", "pipe", "device", "folder"):
                    continue
                with open(files.of(kind), "rb") as file:
                    before = file.read()
                process = scene.run(kind, WHIMBREL, "cert", "issue", "--authority", files.of("authority-secret"), "--name",
                                    "bob", "--key", files.of("secret-key"), "--out", files.of(kind))
                right = kind in ("certificate", "empty")
                self.assertEqual(process.code(), 0 if right else 1, process.report())
                with open(files.of(kind), "rb") as file:
                    self.assertEqual(file.read() != before, right, kind)
                if not right:
                    self.assertRegex(process.err, "exists already, and is no certificate")


if __name__ == "__main__":
    WHIMBREL, WHIMBRELD = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
