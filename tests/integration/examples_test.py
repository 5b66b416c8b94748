"""The examples, run as their comments say: examples_test.py CHAT ECHO_SERVER PORT_BEFORE PORT_AFTER LOBBY FOLDER [WHIMBRELD]"""

import os
import socket
import sys
import unittest

from processes import Scene

CHAT = ECHO_SERVER = PORT_BEFORE = PORT_AFTER = LOBBY = FOLDER = WHIMBRELD = ""


def free_ports(count):
    """Ports that nobody had a moment ago."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for each in sockets:
        each.bind(("0.0.0.0", 0))
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Examples(unittest.TestCase):
    def test_chat(self):
        alice_port, bob_port = free_ports(2)
        with Scene() as scene:
            bob = scene.start("bob", CHAT, "bob", bob_port, "alice", f"127.0.0.1:{alice_port}")
            alice = scene.start("alice", CHAT, "alice", alice_port, "bob", f"127.0.0.1:{bob_port}")
            alice.write("hello bob\n")
            bob.until("^alice: hello bob$")
            bob.write("hello alice\n")
            alice.until("^bob: hello alice$")
            alice.write("last words\n")
            alice.end_input()
            self.assertEqual(alice.code(), 0, alice.report())
            bob.until("^alice: last words$")

    def test_chat_lets_nobody_else_in(self):
        eve_port, bob_port, alice_port = free_ports(3)
        with Scene() as scene:
            bob = scene.start("bob", CHAT, "bob", bob_port, "alice", f"127.0.0.1:{alice_port}")
            eve = scene.start("eve", CHAT, "eve", eve_port, "bob", f"127.0.0.1:{bob_port}")
            eve.write("it is me, alice\n")
            eve.until(r"^\* ")  # no answer
            self.assertEqual(bob.out, "")

    def test_lobby(self):
        if not WHIMBRELD:
            self.skipTest("whimbreld was not built")
        with Scene() as scene:
            server = scene.start("server", WHIMBRELD, "--listen", "127.0.0.1:0", "--state", "", "--admin", "none")
            address = "127.0.0.1:" + server.until(r"UDP port (\d+)", "err").group(1)
            alice = scene.start("alice", LOBBY, "alice", address)
            alice.until("waiting in lobby")
            bob = scene.start("bob", LOBBY, "bob", address)
            alice.until("^str:bob: hello from str:bob$")
            bob.until("^str:alice: hello from str:alice$")
            for user in (alice, bob):
                self.assertEqual(user.code(), 0, user.report())

    def test_lobby_without_a_server(self):
        with Scene() as scene:
            alone = scene.run("alone", LOBBY, "alice", f"127.0.0.1:{free_ports(1)[0]}")
            self.assertEqual(alone.code(), 1)
            self.assertIn("not connected", alone.err)

    def test_echo_server(self):
        port, = free_ports(1)
        with Scene() as scene:
            server = scene.start("server", ECHO_SERVER, "bob", port)
            server.until("echo on port")
            client = scene.start("client", CHAT, "alice", "0", "bob", f"127.0.0.1:{port}")
            client.write("one\n")
            client.until("^bob: one$")
            client.write("two\n")
            client.until("^bob: two$")
            server.until("str:alice is welcome")
            server.interrupt()
            self.assertEqual(server.code(), 0)

    def play(self, program):
        one, two = free_ports(2)
        with Scene() as scene:
            players = [scene.start("one", program, one, two), scene.start("two", program, two, one)]
            for player in players:
                self.assertEqual(player.code(), 0, player.report())
                self.assertRegex(player.out, r"(?m)^tick \d+: the other is at \d+\.\d$")

    def test_the_port_before(self):
        self.play(PORT_BEFORE)

    def test_the_port_after(self):
        self.play(PORT_AFTER)

    def test_chat_is_short(self):
        with open(os.path.join(FOLDER, "chat.cc"), encoding="utf-8") as file:
            self.assertLess(len(file.readlines()), 80)


if __name__ == "__main__":
    CHAT, ECHO_SERVER, PORT_BEFORE, PORT_AFTER, LOBBY, FOLDER = sys.argv[1:7]
    WHIMBRELD = sys.argv[7] if len(sys.argv) > 7 else ""
    unittest.main(argv=sys.argv[:1])
