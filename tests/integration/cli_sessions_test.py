"""`whimbrel chat`, `ping` and `info`: cli_sessions_test.py WHIMBREL"""

import json
import sys
import unittest

from processes import Scene

WHIMBREL = ""


class Sessions(unittest.TestCase):
    def answerer(self, scene, *arguments):
        process = scene.start("bob", WHIMBREL, "ping", "--answer", "--name", "bob", "--listen",
                              "127.0.0.1:0", *arguments)
        return process, process.until(r"UDP port (\d+)", "err").group(1)

    def chatter(self, scene, name, *arguments):
        """A chat that says its port."""
        process = scene.start(name, WHIMBREL, "chat", "--name", name, "--listen", "127.0.0.1:0", "-v",
                              *arguments)
        return process, process.until(r"UDP port (\d+)", "err").group(1)

    def test_ping(self):
        with Scene() as scene:
            _, port = self.answerer(scene)
            ping = scene.run("ping", WHIMBREL, "ping", "bob", "--name", "alice", "--peer",
                             f"bob=127.0.0.1:{port}", "-c", "5", "-i", "0.01")
            self.assertEqual(ping.code(), 0, ping.report())
            self.assertIn("5 sent, 5 answered, 0.0 % lost", ping.out)
            self.assertRegex(ping.out, r"round trip min \S+ ms  avg \S+ ms  max \S+ ms  p99 \S+ ms")

    def test_ping_of_a_user_with_several_addresses(self):
        """RFC 8305: nobody is at the first two."""
        with Scene() as scene:
            _, port = self.answerer(scene)
            ping = scene.run("ping", WHIMBREL, "ping", "bob", "--name", "alice", "--peer",
                             f"bob=[::1]:9,127.0.0.1:9,localhost:{port}", "-c", "2", "-i", "0")
            self.assertEqual(ping.code(), 0, ping.report())
            self.assertIn("2 sent, 2 answered", ping.out)

    def test_ping_over_ipv6_and_as_json(self):
        with Scene() as scene:
            answerer = scene.start("bob", WHIMBREL, "ping", "--answer", "--listen", "[::1]:0")
            port = answerer.until(r"UDP port (\d+)", "err").group(1)
            ping = scene.run("ping", WHIMBREL, "ping", f"[::1]:{port}", "-c", "3", "-i", "0", "--reliable",
                             "--size", "20000", "--json")
            self.assertEqual(ping.code(), 0, ping.report())
            result = json.loads(ping.out)
            self.assertEqual((result["sent"], result["answered"], result["loss"]), (3, 3, 0))
            self.assertLessEqual(result["min_ms"], result["avg_ms"])
            self.assertLessEqual(result["avg_ms"], result["max_ms"])
            self.assertLessEqual(result["p99_ms"], result["max_ms"])

    def test_ping_counts_what_is_lost(self):
        with Scene() as scene:
            _, port = self.answerer(scene)
            ping = scene.run("ping", WHIMBREL, "ping", f"127.0.0.1:{port}", "-c", "200", "-i", "0.002", "-W",
                             "1", "--json", "--set", "FakePacketLossSend=30")
            result = json.loads(ping.out)
            self.assertEqual(result["sent"], 200)
            # 140 are expected; these bounds are 8 standard deviations wide.
            self.assertGreater(result["answered"], 90, ping.report())
            self.assertLess(result["answered"], 190, ping.report())

    def test_ping_is_refused(self):
        with Scene() as scene:
            _, port = self.answerer(scene, "--accept", "carol")
            ping = scene.run("ping", WHIMBREL, "ping", "bob", "--name", "alice", "--peer",
                             f"bob=127.0.0.1:{port}")
            self.assertEqual(ping.code(), 1, ping.report())

    def test_info_once(self):
        with Scene() as scene:
            _, port = self.answerer(scene)
            info = scene.run("info", WHIMBREL, "info", "bob", "--name", "alice", "--peer",
                             f"bob=127.0.0.1:{port}")
            self.assertEqual(info.code(), 0, info.report())
            for pattern in (r"state +connected", "path +.*127.0.0.1", "flags +.*unauthenticated",
                            r"ping +\d", "quality", "may send"):
                self.assertRegex(info.out.lower(), pattern)

    def test_info_as_json(self):
        with Scene() as scene:
            _, port = self.answerer(scene)
            info = scene.run("info", WHIMBREL, "info", f"127.0.0.1:{port}", "--json", "--counters")
            self.assertEqual(info.code(), 0, info.report())
            told = json.loads(info.out)
            self.assertEqual(told["state"], 3)
            self.assertEqual(told["identity"], f"ip:127.0.0.1:{port}")
            self.assertEqual(told["alias"], "str:bob")
            self.assertEqual(told["remote_address"], f"127.0.0.1:{port}")
            self.assertGreaterEqual(told["status"]["ping_ms"], 0)
            self.assertGreater(told["counters"]["packets_out"], 0)

    def test_info_live(self):
        with Scene() as scene:
            _, port = self.answerer(scene)
            info = scene.run("info", WHIMBREL, "info", f"127.0.0.1:{port}", "--watch", "--json", "--count", "3",
                             "--interval", "0.2")
            self.assertEqual(info.code(), 0, info.report())
            lines = [json.loads(line) for line in info.out.splitlines()]
            self.assertEqual([line["state"] for line in lines], [3, 3, 3])

    def test_chat(self):
        with Scene() as scene:
            bob, port = self.chatter(scene, "bob", "--accept", "alice")
            alice, _ = self.chatter(scene, "alice", "bob", "--peer", f"bob=127.0.0.1:{port}")
            alice.write("hello bob\n")
            bob.until("^alice: hello bob$")
            bob.write("hello alice\n")
            alice.until("^bob: hello alice$")
            alice.write("/who\n")
            alice.until(rf"^\* .*str:bob.*127.0.0.1:{port}")
            alice.write("bye\n/quit\n")
            self.assertEqual(alice.code(), 0)
            bob.until("^alice: bye$")
            bob.until(r"^\* alice left$")
            bob.end_input()
            self.assertEqual(bob.code(), 0)

    def test_chat_in_a_pipe_delivers_before_it_ends(self):
        with Scene() as scene:
            bob, port = self.chatter(scene, "bob", "--accept", "all")
            alice, _ = self.chatter(scene, "alice", "bob", "--peer", f"bob=127.0.0.1:{port}")
            alice.write("one\ntwo")
            alice.end_input()
            self.assertEqual(alice.code(), 0, alice.report())
            bob.until("^alice: one\nalice: two$")

    def test_chat_refuses_strangers(self):
        with Scene() as scene:
            bob, port = self.chatter(scene, "bob", "--accept", "carol")
            alice, _ = self.chatter(scene, "alice", "bob", "--peer", f"bob=127.0.0.1:{port}")
            alice.write("hello\n")
            bob.until(r"^\* alice asked and was refused$")
            alice.until(r"^\* bob: ")
            alice.end_input()
            self.assertEqual(alice.code(), 1)
            self.assertNotIn("hello", bob.out)

    def test_chat_shows_no_control_characters(self):
        with Scene() as scene:
            bob, port = self.chatter(scene, "bob", "--accept", "all")
            alice, _ = self.chatter(scene, "alice", "bob", "--peer", f"bob=127.0.0.1:{port}")
            alice.write("\x1b[2Jgone\n")
            bob.until(r"^alice: \?\[2Jgone$")

    def test_chat_in_a_pipe_says_how_to_let_somebody_in(self):
        with Scene() as scene:
            bob, port = self.chatter(scene, "bob")
            alice, _ = self.chatter(scene, "alice", "bob", "--peer", f"bob=127.0.0.1:{port}")
            alice.write("hello\n")
            bob.until(r"^\* alice asked and was refused: --accept alice ")

    def test_a_name_that_is_no_text_as_json(self):
        with Scene() as scene:
            answerer = scene.start("bob", WHIMBREL, "ping", "--answer", "--name", b"b\xff\xc2\x9b", "--listen",
                                   "127.0.0.1:0")
            port = answerer.until(r"UDP port (\d+)", "err").group(1)
            info = scene.run("info", WHIMBREL, "info", f"127.0.0.1:{port}", "--json")
            self.assertEqual(info.code(), 0, info.report())
            self.assertTrue(info.out.isascii(), info.out)
            self.assertEqual(json.loads(info.out)["alias"], "str:b\ufffd\u009b")

    def test_another_app_id_is_named_as_a_cause(self):
        with Scene() as scene:
            _, port = self.answerer(scene)
            ping = scene.run("ping", WHIMBREL, "ping", "bob", "--app-id", "7", "--peer", f"bob=127.0.0.1:{port}",
                             "--set", "TimeoutInitial=1500")
            self.assertEqual(ping.code(), 1, ping.report())
            self.assertRegex(ping.err, "in 1.5 s with anything that can be read: other app id")

    def test_a_name_in_use_is_named_as_a_cause(self):
        with Scene() as scene:
            _, port = self.answerer(scene, "-v")
            peer = ["bob", "--name", "alice", "--peer", f"bob=127.0.0.1:{port}"]
            first = scene.start("first", WHIMBREL, "ping", *peer, "-c", "0")
            first.until("round trip|session with")
            second = scene.run("second", WHIMBREL, "ping", *peer, "--set", "TimeoutInitial=1500")
            self.assertEqual(second.code(), 1, second.report())
            self.assertRegex(second.err, "did not accept in 1.5 s: .*our name under another key")
            scene.processes[0].until("another key claims to be str:alice", "err")

    def test_a_key_that_is_not_the_peers(self):
        with Scene() as scene:
            _, port = self.answerer(scene)
            ping = scene.run("ping", WHIMBREL, "ping", "bob", "--name", "alice", "--peer",
                             f"bob=127.0.0.1:{port},{'07' * 32}", "--set", "TimeoutInitial=500")
            self.assertEqual(ping.code(), 1, ping.report())

    def test_the_peers_key(self):
        with Scene() as scene:
            key = scene.run("key", WHIMBREL, "key", scene.path("bob.key")).out.strip()
            _, port = self.answerer(scene, "--key", scene.path("bob.key"))
            ping = scene.run("ping", WHIMBREL, "ping", "bob", "--name", "alice", "--peer",
                             f"bob=127.0.0.1:{port},{key}", "-c", "1")
            self.assertEqual(ping.code(), 0, ping.report())


if __name__ == "__main__":
    WHIMBREL = sys.argv.pop(1)
    unittest.main()
