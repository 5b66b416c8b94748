"""Lobbies by the tool: cli_lobbies_test.py WHIMBREL WHIMBRELD"""

import json
import sys
import unittest

from processes import Scene

WHIMBREL = WHIMBRELD = ""


class Servers:
    def __init__(self, scene, *arguments):
        self.scene, self.arguments, self.port = scene, arguments, 0
        self.server = None
        self.start()

    def start(self):
        self.server = self.scene.start("server", WHIMBRELD, "--listen", f"127.0.0.1:{self.port}", "--state",
                                       self.scene.path("state"), "--admin", "none", *self.arguments)
        self.port = int(self.server.until(r"UDP port (\d+)", "err").group(1))

    def command(self, name, *words):
        return ("env", f"XDG_CONFIG_HOME={self.scene.path('config')}", WHIMBREL, "lobby", *words, "--name", name,
                "--server", f"127.0.0.1:{self.port}")

    def user(self, name, *words):
        return self.scene.start(name, *self.command(name, *words))

    def list(self, *words):
        found = self.scene.run("list", *self.command("guest", "list", "--json", *words))
        assert found.code() == 0, found.report()
        return json.loads(found.out)


def number(user):
    return user.until(r"in lobby (\d+)").group(1)


class Lobbies(unittest.TestCase):
    def test_two_who_know_nothing_of_each_other_meet(self):
        with Scene() as scene:
            servers = Servers(scene)
            alice = servers.user("alice", "create", "--max", "4", "--data", "map=dunes", "--data", "level=7")
            alice.until("level=7")
            found = servers.list("--filter", "map=dunes", "--filter", "level>=5", "--free", "3")
            self.assertEqual(found, [{"id": number(alice), "members": 1, "members_max": 4,
                                      "data": {"level": "7", "map": "dunes"}}])
            for other in (["--filter", "map!=dunes"], ["--filter", "level<7"], ["--free", "4"]):
                self.assertEqual(servers.list(*other), [])
            bob = servers.user("bob", "join", found[0]["id"])
            alice.until("bob came")
            bob.write("hello\n")
            alice.until("^bob: hello$")
            alice.write("/set map sea\n/owner bob\n")
            bob.until("map = sea")
            alice.until("bob is the owner now")
            bob.write("/kick alice\n")
            alice.until("the owner has sent us away")
            self.assertEqual(alice.code(), 1, alice.report())
            bob.until("alice was sent away")
            self.assertEqual(servers.user("alice", "join", found[0]["id"]).code(), 1)
            bob.end_input()
            self.assertEqual(bob.code(), 0, bob.report())
            self.assertNotIn("lost", bob.out)
            self.assertEqual(servers.list(), [])

    def test_an_owner_who_is_killed_is_replaced(self):
        with Scene() as scene:
            servers = Servers(scene)
            alice = servers.user("alice", "create")
            bob = servers.user("bob", "join", number(alice))
            alice.until("bob came")
            alice.kill()
            bob.until("alice was lost")
            bob.until("bob is the owner now")

    def test_a_server_that_is_killed_comes_back_with_its_lobbies(self):
        with Scene() as scene:
            servers = Servers(scene)
            alice = servers.user("alice", "create", "--data", "map=dunes")
            alice.until("map=dunes")
            bob = servers.user("bob", "join", number(alice))
            alice.until("bob came")
            servers.server.kill()
            servers.start()
            for user in (alice, bob):
                user.until("back in the lobby")
            self.assertEqual(servers.list()[0]["data"], {"map": "dunes"})
            alice.write("/set map sea\nstill here\n")
            bob.until("map = sea")
            bob.until("^alice: still here$")

    def test_faults_say_what_to_do(self):
        with Scene() as scene:
            servers = Servers(scene)
            for words, code, said in (
                    (["join", "x"], 2, '"x" is no lobby'),
                    (["join", "12345"], 1, "can't join: no such lobby"),
                    (["list", "--filter", "level>=many"], 2, "compares whole numbers"),
                    (["list", "--filter", "level"], 2, "write KEY=VALUE"),
                    (["create", "--data", "level"], 2, "write KEY=VALUE"),
                    (["create", "--data", "a=" + "x" * 513], 1, "can't set a: over a limit")):
                user = scene.run("alice", *servers.command("alice", *words))
                self.assertEqual(user.code(), code, user.report())
                self.assertIn(said, user.err, user.report())
            alone = scene.run("alone", WHIMBREL, "lobby", "list", "--name", "alice")
            self.assertEqual(alone.code(), 2)
            self.assertIn("--server", alone.err)

    def test_a_server_may_have_none(self):
        with Scene() as scene:
            with open(scene.path("toml"), "w", encoding="utf-8") as file:
                file.write("[rendezvous]\nlobbies_max = 0\n")
            servers = Servers(scene, "--config", scene.path("toml"))
            user = scene.run("alice", *servers.command("alice", "list"))
            self.assertEqual(user.code(), 1)
            self.assertIn("this server has no lobbies", user.err)


if __name__ == "__main__":
    WHIMBREL, WHIMBRELD = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1], verbosity=2)
