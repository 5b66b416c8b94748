"""Several relays, and keys that are revoked: cli_relays_test.py WHIMBREL WHIMBRELD"""

import os
import signal
import sys
import time
import unittest
import urllib.request

from processes import Scene

WHIMBREL = WHIMBRELD = ""


class Servers:
    """A rendezvous without a relay, and relays beside it. `address` is what the rendezvous says of where they are."""

    def __init__(self, scene, names, address="\"127.0.0.1:{port}\"", key_file=None):
        self.scene = scene
        self.relays = {name: self.start_relay(name, 0) for name in names}
        sites = "".join(
            f"[[sites]]\nname = \"{name}\"\naddress = {address.format(port=relay.port)}\n"
            f"key_file = \"{key_file or scene.path(name) + '/site.key'}\"\n" for name, relay in self.relays.items())
        self.main = self.start("main", f"[relay]\nenabled = false\n{sites}", 0)

    def start(self, name, settings, port):
        path = self.scene.path(name + ".toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(settings)
        server = self.scene.start(name, WHIMBRELD, "--config", path, "--listen", f"127.0.0.1:{port}", "--state",
                                  self.scene.path(name), "--admin", "127.0.0.1:0")
        server.port = int(server.until(r"UDP port (\d+)", "err").group(1))
        server.admin = server.until(r"metrics at (http://\S+)/metrics", "err").group(1)
        return server

    def start_relay(self, name, port):
        return self.start(name, f"[rendezvous]\nenabled = false\n[relay]\nsite = \"{name}\"\n", port)

    @staticmethod
    def metric(server, name):
        with urllib.request.urlopen(server.admin + "/metrics", timeout=30) as page:
            for line in page.read().decode().splitlines():
                if line.startswith(name + " "):
                    return float(line.split()[1])
        raise AssertionError(f"no {name}")

    def wait_for(self, server, name, least):
        while self.metric(server, name) < least:
            time.sleep(0.02)

    def user(self, name, *arguments):
        process = self.scene.start(name, "env", f"XDG_CONFIG_HOME={self.scene.path('config')}", WHIMBREL, *arguments,
                                   "--name", name, "--server", f"127.0.0.1:{self.main.port}")
        return process

    def chats(self):
        bob = self.user("bob", "chat", "--accept", "all")
        self.wait_for(self.main, "whimbrel_rendezvous_users", 1)
        alice = self.user("alice", "chat", "bob", "--accept", "all")
        self.wait_for(self.main, "whimbrel_rendezvous_users", 2)
        return alice, bob


class Relays(unittest.TestCase):
    def carrying(self, servers):
        return max(servers.relays, key=lambda name: servers.metric(servers.relays[name],
                                                                   "whimbrel_relay_forwarded_packets_total"))

    def test_a_relay_that_is_killed_under_traffic_is_replaced(self):
        with Scene() as scene:
            servers = Servers(scene, ["ams", "fra"])
            alice, bob = servers.chats()
            for relay in servers.relays.values():
                servers.wait_for(relay, "whimbrel_relay_slots", 2)
            alice.write("before\n")
            bob.until("alice: before")
            used = self.carrying(servers)
            servers.relays[used].kill()
            for i in range(20):
                alice.write(f"{i}\n")
                bob.write(f"{i}\n")
                time.sleep(0.02)
            bob.until("alice: 19")
            alice.until("bob: 19")
            expected = "".join(f"alice: {i}\n" for i in range(20))
            self.assertIn(expected, bob.out)
            for process in (alice, bob):
                process.end_input()
                self.assertEqual(process.code(), 0, process.report())

    def test_a_relay_is_known_by_its_name_or_by_all_its_addresses(self):
        for address in ("\"localhost:{port}\"", "[\"[::1]:{port}\", \"127.0.0.1:{port}\"]"):
            with self.subTest(address), Scene() as scene:
                servers = Servers(scene, ["fra"], address)
                alice, bob = servers.chats()
                alice.write("here\n")
                bob.until("alice: here")
                self.assertGreater(servers.metric(servers.relays["fra"], "whimbrel_relay_forwarded_packets_total"), 0)

    def test_a_relay_with_another_key_is_named_at_both_ends(self):
        with Scene() as scene:
            key = scene.path("other.key")
            made = scene.run("key", WHIMBREL, "key", key)
            self.assertEqual(made.code(), 0)
            servers = Servers(scene, ["fra"], key_file=key)
            port = servers.relays["fra"].port
            servers.main.until(rf'warning site "fra" at 127.0.0.1:{port} answers, but takes no tickets of this server: its site.key is '
                               rf'another one than {key} here. Compare "sha256sum {key}" with', "err")
            servers.relays["fra"].until("their tokens are not sealed with this relay's site.key", "err")

    def test_a_relay_that_is_right_is_not_warned_of(self):
        with Scene() as scene:
            servers = Servers(scene, ["fra"])
            servers.wait_for(servers.relays["fra"], "whimbrel_relay_closed_total", 1)
            self.assertNotIn("warning", servers.main.err)
            self.assertNotIn("warning", servers.relays["fra"].err)

    def test_a_relay_of_another_name_is_named(self):
        with Scene() as scene:
            servers = Servers(scene, ["fra"])
            servers.main.kill()
            with open(scene.path("main.toml"), encoding="utf-8") as file:
                settings = file.read().replace('name = "fra"', 'name = "ams"')
            servers.main = servers.start("main", settings, 0)
            servers.main.until('warning site "ams" at .* calls itself by another name.*relay.site', "err")

    def test_a_relay_is_added_and_taken_away_while_the_server_serves(self):
        with Scene() as scene:
            servers = Servers(scene, [])
            relay = servers.start_relay("fra", 0)

            def reload(sites):
                before = servers.main.err.count("changed: sites")
                with open(scene.path("main.toml"), "w", encoding="utf-8") as file:
                    file.write("[relay]\nenabled = false\n" + sites)
                servers.main.popen.send_signal(signal.SIGHUP)
                while servers.main.err.count("changed: sites") == before:
                    self.assertIsNone(servers.main.popen.poll(), servers.main.report())
                    time.sleep(0.02)

            early = servers.user("early", "recv")
            servers.wait_for(servers.main, "whimbrel_rendezvous_users", 1)
            reload(f"""[[sites]]
name = "fra"
address = "127.0.0.1:{relay.port}"
key_file = "{scene.path('fra')}/site.key"
""")
            alice = servers.user("alice", "chat", "bob", "--accept", "all")
            bob = servers.user("bob", "chat", "--accept", "all")
            servers.wait_for(relay, "whimbrel_relay_opened_total", 3)  # the server tries it, too
            alice.write("here\n")
            bob.until("alice: here")
            opened = servers.metric(relay, "whimbrel_relay_opened_total")
            reload("")
            bob.write("still\n")
            alice.until("bob: still")
            late = servers.user("late", "recv")
            servers.wait_for(servers.main, "whimbrel_rendezvous_users", 4)
            self.assertEqual(servers.metric(relay, "whimbrel_relay_opened_total"), opened)
            self.assertGreaterEqual(servers.metric(relay, "whimbrel_relay_slots"), 2)
            for process in (early, late):
                self.assertIsNone(process.popen.poll(), process.report())

    def test_a_relay_that_is_no_address_is_named(self):
        with Scene() as scene:
            path = scene.path("bad.toml")
            with open(path, "w", encoding="utf-8") as file:
                file.write("[relay]\naddress = \"192.0.2.7\"\n")
            server = scene.run("server", WHIMBRELD, "--config", path, "--check-config")
            self.assertEqual(server.code(), 1, server.report())
            self.assertIn("relay.address: '192.0.2.7' is no address with a port", server.err)

    def test_with_the_rendezvous_gone_as_well(self):
        with Scene() as scene:
            servers = Servers(scene, ["ams", "fra"])
            alice, bob = servers.chats()
            for relay in servers.relays.values():
                servers.wait_for(relay, "whimbrel_relay_slots", 2)
            alice.write("before\n")
            bob.until("alice: before")
            time.sleep(0.5)  # both relays are bound
            servers.main.kill()
            servers.relays[self.carrying(servers)].kill()
            alice.write("after\n")
            bob.until("alice: after")
            bob.write("and back\n")
            alice.until("bob: and back")

    def test_a_transfer_lives_through_a_drain(self):
        with Scene() as scene:
            servers = Servers(scene, ["ams", "fra"])
            data = os.urandom(8_000_000)
            with open(scene.path("data"), "wb") as file:
                file.write(data)
            recv = servers.user("bob", "recv")
            servers.wait_for(servers.main, "whimbrel_rendezvous_users", 1)
            with open(scene.path("data"), "rb") as file:
                send = scene.start("alice", "env", f"XDG_CONFIG_HOME={scene.path('config')}", WHIMBREL, "send", "bob",
                                   "--name", "alice", "--server", f"127.0.0.1:{servers.main.port}", "--set",
                                   "SendRateMax=4000000", stdin=file)
            for relay in servers.relays.values():
                servers.wait_for(relay, "whimbrel_relay_slots", 2)
            while max(servers.metric(relay, "whimbrel_relay_forwarded_packets_total")
                      for relay in servers.relays.values()) < 500:
                time.sleep(0.02)
            servers.relays[self.carrying(servers)].popen.terminate()
            self.assertEqual((send.code(), recv.code()), (0, 0), send.report() + recv.report())
            with open(recv.out_path, "rb") as file:
                self.assertTrue(file.read() == data, "the copy differs")


class Revoked(unittest.TestCase):
    def revoke(self, scene, *arguments):
        return scene.run("revoke", WHIMBRELD, *arguments)

    def test_who_is_revoked_is_out(self):
        with Scene() as scene:
            servers = Servers(scene, ["ams"])
            alice, bob = servers.chats()
            alice.write("let me in\n")
            bob.until("alice: let me in")
            done = self.revoke(scene, "--state", scene.path("main"), "--revoke", "str:alice")
            self.assertEqual(done.code(), 0, done.report())
            self.assertRegex(done.out, r"^revoked [0-9a-f]{64}\n$")
            bob.until("the certificate of str:alice was revoked")
            alice.until(r"^\* server: .*this key was revoked")
            again = servers.user("alice", "send", "bob")
            again.write("x")
            self.assertEqual(again.code(), 1)
            self.assertIn("this key was revoked", again.err)

    def test_a_name_that_is_released_is_the_next_ones(self):
        with Scene() as scene:
            servers = Servers(scene, [])

            def come(home):
                user = scene.start("alice", "env", f"XDG_CONFIG_HOME={scene.path(home)}", WHIMBREL, "lobby", "list",
                                   "--name", "alice", "--server", f"127.0.0.1:{servers.main.port}")
                return user.code(), user.report()

            self.assertEqual(come("one")[0], 0)
            code, report = come("two")
            self.assertEqual(code, 1, report)
            self.assertIn("belongs to another key", report)
            done = self.revoke(scene, "--state", scene.path("main"), "--release", "str:alice")
            self.assertEqual(done.code(), 0, done.report())
            self.assertRegex(done.out, "^revoked [0-9a-f]{64}\nreleased str:alice\n$")
            self.assertEqual(come("two")[0], 0)
            self.assertIn("this key was revoked", come("one")[1])
            nobody = self.revoke(scene, "--state", scene.path("main"), "--release", "str:nobody")
            self.assertEqual(nobody.code(), 1)
            self.assertIn("nobody has claimed str:nobody", nobody.err)

    def test_a_folder_that_others_may_write_to_is_refused(self):
        with Scene() as scene:
            os.mkdir(scene.path("open"))
            os.chmod(scene.path("open"), 0o777)
            server = scene.run("server", WHIMBRELD, "--listen", "127.0.0.1:0", "--state", scene.path("open"))
            self.assertEqual(server.code(), 1)
            self.assertIn("can be written by others: chmod 700", server.err)

    def test_the_key_of_another_site_is_to_be_copied(self):
        with Scene() as scene:
            with open(scene.path("toml"), "w", encoding="utf-8") as file:
                file.write('[[sites]]\nname = "ams"\naddress = "127.0.0.1:4040"\n' f'key_file = "{scene.path("ams.key")}"\n')
            for written in ("", "nonsense\n"):
                if written:
                    with open(scene.path("ams.key"), "w", encoding="utf-8") as file:
                        file.write(written)
                server = scene.run("server", WHIMBRELD, "--config", scene.path("toml"), "--listen", "127.0.0.1:0", "--state", "")
                self.assertEqual(server.code(), 1)
                self.assertIn("a copy of site.key, from the state folder of that relay", server.err)
                self.assertNotIn("makes one", server.err)

    def test_a_relay_says_that_tokens_are_of_another_key(self):
        with Scene() as scene:
            other = scene.path("other.key")
            self.assertEqual(scene.run("key", WHIMBREL, "key", other).code(), 0)
            servers = Servers(scene, ["ams"], key_file=other)
            user = servers.user("alice", "recv")
            servers.relays["ams"].until("must be a copy of that file", "err")
            user.kill()

    def test_what_cannot_be_revoked(self):
        with Scene() as scene:
            servers = Servers(scene, ["ams"])
            state = scene.path("main")
            for arguments, text in ((("--state", state, "--revoke", "str:nobody"), "nobody has claimed str:nobody"),
                                    (("--state", state, "--revoke", "what?"), "neither a key"),
                                    (("--state", scene.path("none"), "--revoke", "str:eve"), "--state"),
                                    (("--state", "", "--revoke", "str:eve"), "nothing to change in")):
                process = self.revoke(scene, *arguments)
                self.assertEqual(process.code(), 1, process.report())
                self.assertIn(text, process.err)
            self.assertIsNone(servers.main.popen.poll())


if __name__ == "__main__":
    WHIMBRELD = sys.argv.pop(2)
    WHIMBREL = sys.argv.pop(1)
    unittest.main()
