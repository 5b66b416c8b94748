"""Keys, authorities and certificates, made and used by the tool: cli_certificates_test.py WHIMBREL"""

import json
import os
import stat
import sys
import unittest

from processes import Scene

WHIMBREL = ""


class Certificates(unittest.TestCase):
    def make(self, scene, *arguments):
        process = scene.run("whimbrel", WHIMBREL, *arguments)
        self.assertEqual(process.code(), 0, process.report())
        return process.out

    def assert_fails(self, scene, pattern, *arguments):
        process = scene.run("whimbrel", WHIMBREL, *arguments)
        self.assertEqual(process.code(), 1, process.report())
        self.assertRegex(process.err, pattern)
        self.assertEqual(len(process.err.strip().splitlines()), 1, process.err)

    def team(self, scene, *names, authority="team"):
        """An authority, and a key and a certificate for each name."""
        self.make(scene, "cert", "new-authority", scene.path(authority))
        for name in names:
            self.certify(scene, name, authority)

    def certify(self, scene, name, authority="team", *arguments):
        key = self.make(scene, "key", scene.path(f"{name}.key")).strip()
        self.make(scene, "cert", "issue", "--authority", scene.path(authority), "--name", name, "--key", key,
                  "--out", scene.path(f"{name}.cert"), *arguments)

    def member(self, scene, name, authority="team"):
        return ["--name", name, "--key", scene.path(f"{name}.key"), "--cert", scene.path(f"{name}.cert"),
                "--authority", scene.path(f"{authority}.pub")]

    def answerer(self, scene, *arguments):
        process = scene.start("bob", WHIMBREL, "ping", "--answer", "--listen", "127.0.0.1:0", *arguments)
        return process.until(r"UDP port (\d+)", "err").group(1)

    def test_a_key_stays_the_same_and_is_secret(self):
        with Scene() as scene:
            key = self.make(scene, "key", scene.path("k"))
            self.assertRegex(key, r"^[0-9a-f]{64}\n$")
            self.assertEqual(self.make(scene, "key", scene.path("k"), "--show"), key)
            self.assertEqual(stat.S_IMODE(os.stat(scene.path("k")).st_mode), 0o600)

    def test_show_makes_no_key(self):
        with Scene() as scene:
            self.assert_fails(scene, "missing.*No such file.*whimbrel key", "key", scene.path("missing"), "--show")
            self.assertFalse(os.path.exists(scene.path("missing")))

    def test_a_file_that_is_no_key(self):
        with Scene() as scene:
            with open(scene.path("junk"), "w", encoding="utf-8") as file:
                file.write("not a key\n")
            os.chmod(scene.path("junk"), 0o600)
            self.assert_fails(scene, "junk", "key", scene.path("junk"))

    def test_an_authority_is_secret_and_not_overwritten(self):
        with Scene() as scene:
            self.team(scene)
            self.assertEqual(stat.S_IMODE(os.stat(scene.path("team")).st_mode), 0o600)
            with open(scene.path("team"), "rb") as file:
                before = file.read()
            self.assert_fails(scene, "exists", "cert", "new-authority", scene.path("team"))
            with open(scene.path("team"), "rb") as file:
                self.assertEqual(file.read(), before)

    def test_show_tells_what_was_issued(self):
        with Scene() as scene:
            self.team(scene)
            self.certify(scene, "alice", "team", "--days", "7", "--app-id", "5")
            told = json.loads(self.make(scene, "cert", "show", scene.path("alice.cert"), "--json"))
            self.assertEqual(told["identity"], "str:alice")
            self.assertEqual(told["app_id"], 5)
            self.assertEqual(told["not_after"] - told["not_before"], 7 * 86400)
            self.assertEqual(told["public_key"], self.make(scene, "key", scene.path("alice.key")).strip())
            self.assertIn("str:alice", self.make(scene, "cert", "show", scene.path("alice.cert")))

    def test_show_checks_the_authority(self):
        with Scene() as scene:
            self.team(scene, "alice")
            self.team(scene, authority="others")
            self.assertIn("signed by this authority", self.make(
                scene, "cert", "show", scene.path("alice.cert"), "--authority", scene.path("team.pub")))
            process = scene.run("show", WHIMBREL, "cert", "show", scene.path("alice.cert"), "--authority",
                                scene.path("others.pub"))
            self.assertEqual(process.code(), 1)
            self.assertIn("authority", process.err)

    def test_a_certificate_that_was_changed(self):
        with Scene() as scene:
            self.team(scene, "alice")
            with open(scene.path("alice.cert"), encoding="utf-8") as file:
                text = file.read()
            body = max(text.split(), key=len)
            changed = body[:20] + ("1" if body[20] != "1" else "2") + body[21:]  # hexadecimal, in which a is A
            with open(scene.path("alice.cert"), "w", encoding="utf-8") as file:
                file.write(text.replace(body, changed))
            process = scene.run("show", WHIMBREL, "cert", "show", scene.path("alice.cert"), "--authority",
                                scene.path("team.pub"))
            self.assertEqual(process.code(), 1, process.report())

    def test_the_secret_file_is_not_taken_for_the_public_one(self):
        with Scene() as scene:
            self.team(scene, "alice")
            self.assert_fails(scene, "authority-secret", "recv", "--authority", scene.path("team"), "--timeout", "1")

    def test_files_that_are_missing(self):
        with Scene() as scene:
            self.team(scene, "alice")
            nothing = scene.path("nothing")
            self.assert_fails(scene, "nothing.*No such file.*cert issue", "recv", "--cert", nothing, "--timeout", "1")
            self.assert_fails(scene, "nothing.*No such file.*new-authority", "recv", "--authority", nothing, "--timeout", "1")
            self.assert_fails(scene, "nothing", "cert", "show", nothing)
            self.assert_fails(scene, "nothing", "cert", "issue", "--authority", nothing, "--name", "x", "--key",
                              "07" * 32, "--out", scene.path("x.cert"))
            self.assert_fails(scene, "no/such/folder", "cert", "issue", "--authority", scene.path("team"), "--name", "x",
                              "--key", "07" * 32, "--out", scene.path("no/such/folder/x.cert"))

    def test_a_certificate_for_another_key_or_name(self):
        with Scene() as scene:
            self.team(scene, "alice", "bob")
            self.assert_fails(scene, "key", "recv", "--name", "alice", "--key", scene.path("bob.key"), "--cert",
                              scene.path("alice.cert"), "--timeout", "1")
            self.assert_fails(scene, "str:alice", "recv", "--name", "bob", "--key", scene.path("alice.key"),
                              "--cert", scene.path("alice.cert"), "--timeout", "1")

    def test_members_know_each_other(self):
        with Scene() as scene:
            self.team(scene, "alice", "bob")
            port = self.answerer(scene, *self.member(scene, "bob"))
            info = scene.run("info", WHIMBREL, "info", "bob", "--json", "--peer", f"bob=127.0.0.1:{port}",
                             *self.member(scene, "alice"))
            self.assertEqual(info.code(), 0, info.report())
            self.assertEqual(json.loads(info.out)["flags"] & 1, 0, "unauthenticated")

    def test_a_peer_without_certificate_is_refused(self):
        with Scene() as scene:
            self.team(scene, "bob")
            port = self.answerer(scene, *self.member(scene, "bob"))
            ping = scene.run("ping", WHIMBREL, "ping", "bob", "--name", "alice", "--peer",
                             f"bob=127.0.0.1:{port}", "--set", "TimeoutInitial=1000")
            self.assertEqual(ping.code(), 1, ping.report())

    def test_a_peer_of_another_authority_is_refused(self):
        with Scene() as scene:
            self.team(scene, "bob")
            self.team(scene, "alice", authority="others")
            port = self.answerer(scene, *self.member(scene, "bob"))
            ping = scene.run("ping", WHIMBREL, "ping", "bob", "--peer", f"bob=127.0.0.1:{port}", "--set",
                             "TimeoutInitial=1000", *self.member(scene, "alice", "others"))
            self.assertEqual(ping.code(), 1, ping.report())

    def test_an_unauthenticated_peer_is_marked(self):
        with Scene() as scene:
            port = self.answerer(scene, "--name", "bob")
            info = scene.run("info", WHIMBREL, "info", "bob", "--json", "--name", "alice", "--peer",
                             f"bob=127.0.0.1:{port}")
            self.assertEqual(json.loads(info.out)["flags"] & 1, 1)


if __name__ == "__main__":
    WHIMBREL = sys.argv.pop(1)
    unittest.main()
