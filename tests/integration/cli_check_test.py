"""--check-config refuses what a start would refuse: cli_check_test.py WHIMBREL WHIMBRELD"""

import contextlib
import os
import shutil
import socket
import sys
import unittest

from processes import Scene

WHIMBRELD = ""
HS256 = '[login]\nmode = "token"\ntoken_algorithm = "HS256"\ntoken_key_file = "{}"\n'
SITE = '[[sites]]\nname = "fra"\naddress = "{}"\nkey_file = "{}"\n'


def content_of(folder):
    """Names, sizes and dates: what a program cannot touch without our noticing."""
    found = {}
    for inner, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(inner, name)
            found[path] = (os.lstat(path).st_size, os.lstat(path).st_mtime_ns)
        found[inner] = 0
    return found


class Check(unittest.TestCase):
    def setUp(self):
        self.scene = self.enterContext(Scene())
        self.path = self.scene.path
        self.state = self.path("state")
        made = self.start("--state", self.state)
        made.until("server key", "err")
        made.popen.terminate()
        self.assertEqual(made.code(), 0)
        # Permissions hold for everybody but root.
        self.as_user = []
        if os.getuid() == 0:
            self.as_user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
            self.give(self.scene.folder)

    def give(self, folder):
        if os.getuid() == 0:
            for inner, _, files in os.walk(folder):
                for name in [inner, *(os.path.join(inner, file) for file in files)]:
                    os.chown(name, 65534, 65534, follow_symlinks=False)

    def start(self, *arguments):
        return self.scene.start("whimbreld", WHIMBRELD, "--listen", "127.0.0.1:0", "--admin", "none", *arguments)

    def config(self, text):
        with open(self.path("w.toml"), "w", encoding="utf-8") as file:
            file.write(text)
        return ["--config", self.path("w.toml")]

    def copy(self, name):
        shutil.copytree(self.state, self.path(name))
        self.give(self.path(name))
        return self.path(name)

    def with_file(self, name, content, file):
        folder = self.copy(name)
        with open(os.path.join(folder, file), "wb") as out:
            out.write(content)
        return folder

    def missing_file(self, name, file):
        folder = self.copy(name)
        os.remove(os.path.join(folder, file))
        return folder

    def folders(self):
        """Of states that cannot be used."""
        open_to_all = self.copy("open")
        os.chmod(open_to_all, 0o777)
        hidden = self.copy("hidden")
        os.chmod(hidden, 0)
        fixed = self.copy("fixed")
        os.chmod(os.path.join(fixed, "names.sqlite"), 0o400)
        barred = self.path("barred")
        os.mkdir(barred, 0o500)
        with open(self.path("file"), "wb"):
            pass
        self.give(barred)
        database = os.path.join(self.state, "names.sqlite")
        with open(database, "rb") as file:
            half = file.read()[:5000]
        with open(os.path.join(self.state, "site.key"), "rb") as file:
            another_kind = file.read()
        return {
            "below a file": "/dev/null/here",
            "a file": self.path("file"),
            "in a folder that nobody may write to": os.path.join(barred, "new/state"),
            "open to all": open_to_all,
            "hidden": hidden,
            "without a key": self.missing_file("keyless", "site.key"),
            "without names": self.missing_file("nameless", "names.sqlite"),
            "with a key of another kind": self.with_file("other", another_kind, "authority"),
            "with a damaged key": self.with_file("damaged", b"whimbrel-secret-key 0x\n", "server.key"),
            "with half a database": self.with_file("half", half, "names.sqlite"),
            "with no database": self.with_file("none", b"x" * 9000, "names.sqlite"),
            "read-only": fixed,
        }

    def assert_alike(self, what, code, *arguments):
        with self.subTest(what):
            before = content_of(self.scene.folder)
            check = self.scene.run("check", *self.as_user, WHIMBRELD, *arguments, "--check-config")
            after = {path: told for path, told in content_of(self.scene.folder).items() if path not in (check.out_path, check.err_path)}
            self.assertEqual({path: told for path, told in after.items() if told != before.get(path)}, {}, what)
            begin = self.scene.run("start", *self.as_user, WHIMBRELD, *arguments)
            self.assertEqual(begin.code(), code, begin.report())
            self.assertEqual((check.code(), check.out), (code, ""), check.report())
            self.assertEqual(check.err.splitlines()[-1], begin.err.splitlines()[-1])

    def test_states(self):
        for what, folder in self.folders().items():
            self.assert_alike(what, 1, "--state", folder, "--listen", "127.0.0.1:0", "--admin", "none")

    def test_settings(self):
        here, state = ["--listen", "127.0.0.1:0", "--admin", "none"], ["--state", self.path("new")]
        authority = os.path.join(self.state, "authority")
        with open(self.path("short"), "wb") as file:
            file.write(b"short")
        for what, text, code in (
                ("no key of tokens", '[login]\nmode = "token"\n', 2),
                ("a key of tokens that is missing", HS256.format(self.path("none")), 1),
                ("a short secret", HS256.format(self.path("short")), 1),
                ("a secret authority", HS256.format(authority).replace("HS256", "EdDSA"), 1),
                ("a site without a key", SITE.format("127.0.0.1:9", self.path("none")), 1),
                ("a site with a key of another kind", SITE.format("127.0.0.1:9", authority), 1),
                ("a site at no address", SITE.format("nowhere", os.path.join(self.state, "site.key")), 1),
                ("a site at any address", SITE.format("0.0.0.0:9", os.path.join(self.state, "site.key")), 1),
                ("a relay at no address", '[relay]\naddress = "here"\n', 1),
                ("two sites of one name", SITE.format("127.0.0.1:9", "x") * 2, 2),
                ("a fault of the file", "[relay]\nslots_max = 0\n", 2)):
            self.assert_alike(what, code, *here, *state, *self.config(text))
        self.assertFalse(os.path.exists(self.path("new")), "settings that are wrong make no state")

    def test_addresses(self):
        with contextlib.ExitStack() as stack:
            udp, tcp = (stack.enter_context(socket.socket(socket.AF_INET, kind)) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM))
            for one in (udp, tcp):
                one.bind(("127.0.0.1", 0))
            tcp.listen()
            taken, taken_tcp = (f"127.0.0.1:{one.getsockname()[1]}" for one in (udp, tcp))
            for what, listen, admin in (
                    ("no address", ["here"], "none"),
                    ("two of one family", ["127.0.0.1:0", "127.0.0.2:0"], "none"),
                    ("of another machine", ["198.51.100.7:0"], "none"),
                    ("of another machine, IPv6", ["[2001:db8::7]:0"], "none"),
                    ("taken", [taken], "none"),
                    ("no page", ["127.0.0.1:0"], "here"),
                    ("a page on another machine", ["127.0.0.1:0"], "198.51.100.7:0"),
                    ("a page on a taken port", ["127.0.0.1:0"], taken_tcp)):
                state = self.path("s" + what)
                arguments = [word for one in listen for word in ("--listen", one)]
                self.assert_alike(what, 1, *arguments, "--admin", admin, "--state", state)
                self.assertFalse(os.path.exists(state), what)

    def test_a_server_at_work_is_no_fault(self):
        with contextlib.closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            admin = f"127.0.0.1:{free.getsockname()[1]}"
        arguments = [WHIMBRELD, "--state", self.state, "--admin", admin]
        server = self.scene.start("whimbreld", *arguments, "--listen", "127.0.0.1:0")
        port = server.until(r"UDP port (\d+)", "err").group(1)
        server.until("metrics at", "err")
        check = self.scene.run("check", *arguments, "--listen", f"127.0.0.1:{port}", "--check-config")
        self.assertEqual((check.code(), check.out), (0, "the settings are right\n"), check.report())
        server.kill()
        again = self.scene.run("again", *arguments, "--listen", f"127.0.0.1:{port}", "--check-config")
        self.assertEqual(again.code(), 0, again.report())

    def test_a_state_that_is_to_be_made(self):
        state = self.path("deep/er/state")
        check = self.scene.run("check", WHIMBRELD, "--state", state, "--listen", "127.0.0.1:0", "--check-config")
        self.assertEqual(check.code(), 0, check.report())
        self.assertFalse(os.path.exists(self.path("deep")))


if __name__ == "__main__":
    WHIMBRELD = os.path.abspath(sys.argv[2])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
