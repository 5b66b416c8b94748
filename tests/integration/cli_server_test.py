"""A server, and users who know nothing but each other's names: cli_server_test.py WHIMBREL WHIMBRELD"""

import base64
import hmac
import json
import os
import re
import signal
import sys
import time
import unittest
import urllib.request

from processes import PATIENCE_SECONDS, Scene

WHIMBREL = WHIMBRELD = ""


class Server(unittest.TestCase):
    def server(self, scene, port=0, *arguments, address="127.0.0.1"):
        process = scene.start("whimbreld", WHIMBRELD, "--listen", f"{address}:{port}", "--state", scene.path("state"),
                              "--admin", "127.0.0.1:0", *arguments)
        port = int(process.until(r"UDP port (\d+)", "err").group(1))
        key = process.until(r"server key ([0-9a-f]{64})", "err").group(1)
        process.admin = process.until(r"metrics at (http://\S+)/metrics", "err").group(1)
        return process, port, key

    def tool(self, scene, name, *arguments, **options):
        return scene.start(name, "env", f"XDG_CONFIG_HOME={scene.path('config')}", WHIMBREL, *arguments, **options)

    def own_hosts(self, scene):
        """What to put before a command so that it finds game.test where the second result says; a mount namespace stands for the DNS."""
        hosts = scene.path("hosts")

        def move_to(*addresses):
            with open(hosts, "r+" if os.path.exists(hosts) else "w", encoding="utf-8") as file:
                file.write("".join(f"{address} game.test\n" for address in addresses))
                file.truncate()

        move_to("127.0.0.1")
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
                   'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
        if scene.run("allowed", *command, "true").code() != 0:
            self.skipTest("no mount namespaces here")
        return [*command, "env", f"XDG_CONFIG_HOME={scene.path('config')}"], move_to

    def until_logged_in(self, server, client):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.metric(server, "whimbrel_rendezvous_users") < 1:
            self.assertLess(time.monotonic(), deadline, client.report())
            time.sleep(0.02)

    def metric(self, server, name):
        with urllib.request.urlopen(server.admin + "/metrics", timeout=30) as page:
            for line in page.read().decode().splitlines():
                if line.startswith(name + " "):
                    return float(line.split()[1])
        self.fail(f"no {name}")

    def test_a_name_is_enough(self):
        with Scene() as scene:
            server, port, key = self.server(scene)
            data = os.urandom(3_000_000)
            with open(scene.path("data"), "wb") as file:
                file.write(data)
            recv = self.tool(scene, "recv", "recv", "--name", "bob", "--server", f"127.0.0.1:{port}")
            recv.until("waiting", "err")
            while self.metric(server, "whimbrel_rendezvous_users") < 1:
                time.sleep(0.02)
            with open(scene.path("data"), "rb") as file:
                send = self.tool(scene, "send", "send", "bob", "--name", "alice", "--server", f"127.0.0.1:{port},{key}",
                                 stdin=file)
            self.assertEqual((send.code(), recv.code()), (0, 0), send.report() + recv.report())
            with open(recv.out_path, "rb") as file:
                self.assertTrue(file.read() == data, "the copy differs")
            self.assertGreater(self.metric(server, "whimbrel_relay_forwarded_packets_total"), 2000)
            with urllib.request.urlopen(server.admin + "/healthz", timeout=30) as page:
                self.assertEqual(page.read(), b"ok\n")

    @staticmethod
    def token_of(secret, name="str:alice"):
        def base64url(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=")

        claims = json.dumps({"sub": name, "exp": int(time.time()) + 300}).encode()
        signed = base64url(b'{"alg":"HS256","typ":"JWT"}') + b"." + base64url(claims)
        return (signed + b"." + base64url(hmac.digest(secret, signed, "sha256"))).decode()

    def test_settings_are_read_again(self):
        with Scene() as scene:
            def write(secret, more=""):
                with open(scene.path("secret"), "wb") as file:
                    file.write(secret)
                with open(scene.path("toml"), "w", encoding="utf-8") as file:
                    file.write(f"""[login]
mode = "token"
token_algorithm = "HS256"
token_key_file = "{scene.path('secret')}"
{more}""")

            def reload(pattern):
                before = len(server.err)
                server.popen.send_signal(signal.SIGHUP)
                deadline = time.monotonic() + PATIENCE_SECONDS
                while not re.search(pattern, server.err[before:]):
                    self.assertLess(time.monotonic(), deadline, server.report())
                    time.sleep(0.02)

            def login(secret):
                player = self.tool(scene, "alice", "recv", "--name", "alice", "--server", f"127.0.0.1:{port}", "--token",
                                   self.token_of(secret))
                return player

            one, two = (os.urandom(32).hex().encode() for _ in range(2))
            write(one)
            server, port, _ = self.server(scene, 0, "--config", scene.path("toml"))
            write(two, "names_of_key = 9\n[server]\nlog_level = \"debug\"\n[relay]\nthreads = 2\nsite = \"x\"\n"
                  "slots_max = 5\n[rendezvous]\nclients_max = 1\n")
            reload(r"changed: server.log_level, login.names_of_key, rendezvous.clients_max, relay.slots_max\n(.*\n)*"
                   r".*need a restart: relay.site, relay.threads$")
            first = login(two)
            self.until_logged_in(server, first)
            full = self.tool(scene, "full", "info", "carol", "--name", "bob", "--server", f"127.0.0.1:{port}", "--token",
                             self.token_of(two, "str:bob"))
            self.assertEqual(full.code(), 1, full.report())
            self.assertIn("full", full.err)
            first.interrupt()
            first.code()
            refused = self.tool(scene, "refused", "info", "bob", "--name", "alice", "--server", f"127.0.0.1:{port}", "--token",
                                self.token_of(one))
            self.assertEqual(refused.code(), 1, refused.report())
            write(two, "names_of_key = many")
            reload("the settings stay as they were: .*toml")
            write(b"short")
            reload("the settings stay as they were: .*secret")
            server.popen.send_signal(signal.SIGUSR1)
            server.until("nothing is done for this signal", "err")
            self.until_logged_in(server, login(two))

    def test_a_token_of_the_backend(self):
        """As OPERATING.md says it: a secret, a token made with it, and a player who is online."""
        with Scene() as scene:
            secret = os.urandom(32).hex().encode()
            for name, data in (("secret", secret + b"\n"), ("toml", f"""[login]
mode = "token"
token_algorithm = "HS256"
token_key_file = "{scene.path('secret')}"
""".encode())):
                with open(scene.path(name), "wb") as file:
                    file.write(data)
            server, port, _ = self.server(scene, 0, "--config", scene.path("toml"))
            self.assertRegex(server.err, "the newline at the end of .*secret' is no part of the secret")
            token = self.token_of(secret)
            with open(scene.path("token"), "w", encoding="utf-8") as file:
                file.write(token + "\n")
            at = ("recv", "--name", "alice", "--server", f"127.0.0.1:{port}")
            for i, (words, variable) in enumerate(((("--token", token), ""), (("--token", "@" + scene.path("token")), ""),
                                                   ((), token), ((), "@" + scene.path("token")))):
                os.environ["WHIMBREL_TOKEN"] = variable
                player = self.tool(scene, f"alice{i}", *at, *words)
                del os.environ["WHIMBREL_TOKEN"]
                self.until_logged_in(server, player)
                player.interrupt()
                player.code()
                while self.metric(server, "whimbrel_rendezvous_users") > 0:
                    time.sleep(0.02)
            release = scene.run("release", WHIMBRELD, "--state", scene.path("state"), "--release", "str:alice")
            self.assertEqual(release.code(), 1, "that would shut the right player out")
            self.assertIn("nobody has claimed str:alice", release.err)
            again = self.tool(scene, "again", *at, "--token", token)
            self.until_logged_in(server, again)
            again.interrupt()
            again.code()
            for words, code, text in ((("--token", "@" + scene.path("none")), 1, "No such file"),
                                      (("--token", "@" + scene.folder), 1, "it is a folder"),
                                      (("--token", token[:-4] + "AAAA"), 1, "token"),
                                      ((), 1, "token")):
                refused = self.tool(scene, "refused", "info", "bob", *at[1:], *words)
                self.assertEqual(refused.code(), code, refused.report())
                self.assertIn(text, refused.err)
            alone = self.tool(scene, "alone", "recv", "--name", "alice", "--token", token)
            self.assertEqual(alone.code(), 2)
            self.assertIn("--server", alone.err)

    def test_a_server_that_moves_to_another_address(self):
        """Its name is looked up again while it is not reached: before the first login, and when it is lost later."""
        with Scene() as scene:
            server, port, _ = self.server(scene)
            own_hosts, move_to = self.own_hosts(scene)
            move_to("127.0.0.9")
            recv = scene.start("recv", *own_hosts, WHIMBREL, "recv", "--name", "bob", "--server", f"game.test:{port}")
            recv.until("waiting", "err")
            move_to("127.0.0.1")
            self.until_logged_in(server, recv)
            server.kill()
            move_to("127.0.0.7")
            server, _, _ = self.server(scene, port, address="127.0.0.7")
            self.until_logged_in(server, recv)
            send = self.tool(scene, "send", "send", "bob", "--name", "alice", "--server", f"127.0.0.7:{port}")
            send.write("here you are")
            send.end_input()
            self.assertEqual((send.code(), recv.code()), (0, 0), send.report() + recv.report())
            self.assertEqual(recv.out, "here you are")

    def test_a_name_with_addresses_where_nobody_is(self):
        """AAAA and A, and the server listens on IPv4 only: nothing leads to the first address, and nobody is at the second."""
        with Scene() as scene:
            server, port, _ = self.server(scene)
            own_hosts, move_to = self.own_hosts(scene)
            move_to("2001:db8::1", "::1", "127.0.0.1")
            recv = scene.start("recv", *own_hosts, WHIMBREL, "recv", "--name", "bob", "--server", f"game.test:{port}")
            self.until_logged_in(server, recv)

    def test_a_machine_with_several_addresses(self):
        """It listens on all of them. What a player sent to one of them is answered from that one, else the player takes no answer."""
        with Scene() as scene:
            server, port, key = self.server(scene, address="0.0.0.0")
            recv = self.tool(scene, "recv", "recv", "--name", "bob", "--server", f"127.0.0.5:{port},{key}")
            self.until_logged_in(server, recv)
            send = self.tool(scene, "send", "send", "bob", "--name", "alice", "--server", f"127.0.0.6:{port},{key}")
            send.write("here you are")
            send.end_input()
            self.assertEqual((send.code(), recv.code()), (0, 0), send.report() + recv.report())
            self.assertEqual(recv.out, "here you are")

    def test_it_ends_at_once_while_a_name_is_looked_up(self):
        """The name server is silent, and the system's resolver waits for it. There is nothing yet that would have to be closed."""
        with Scene() as scene:
            names = scene.path("resolv.conf")
            with open(names, "w", encoding="utf-8") as file:
                file.write("nameserver 192.0.2.53\noptions timeout:30 attempts:1\n")
            own = ["unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-c",
                   "ip link set lo up && ip link add v0 type veth peer name v1 && ip addr add 192.0.2.1/24 dev v0 && ip link set v0 up && "
                   "ip link set v1 up && ip neigh add 192.0.2.53 lladdr 02:00:00:00:00:01 dev v0 && "
                   'mount --bind "$0" /etc/resolv.conf && exec "$@"', names]
            if scene.run("allowed", *own, "true").code() != 0:
                self.skipTest("no namespaces here")
            recv = scene.start("recv", *own, "env", f"XDG_CONFIG_HOME={scene.path('config')}", WHIMBREL, "recv", "--name", "bob",
                               "--server", "game.test:4040")
            time.sleep(1.5)
            self.assertIsNone(recv.popen.poll(), recv.report())
            recv.interrupt()
            self.assertEqual(recv.popen.wait(timeout=10), -signal.SIGINT, recv.report())

    def test_a_user_who_is_not_here(self):
        with Scene() as scene:
            _, port, _ = self.server(scene)
            send = self.tool(scene, "send", "send", "carol", "--name", "alice", "--server", f"127.0.0.1:{port}")
            send.write("anybody?")
            self.assertEqual(send.code(), 1)
            self.assertIn("str:carol is not online", send.err)

    def test_who_is_online(self):
        with Scene() as scene:
            _, port, _ = self.server(scene)
            alice = self.tool(scene, "alice", "demo-peer", "--name", "alice", "--server", f"127.0.0.1:{port}")
            alice.write('{"do":"watch","user":"bob"}\n')
            alice.until('"result":"Ok"')
            alice.until('"event":"presence","user":"str:bob","online":false')
            bob = self.tool(scene, "bob", "recv", "--name", "bob", "--server", f"127.0.0.1:{port}")
            alice.until('"event":"presence","user":"str:bob","online":true')
            bob.interrupt()
            bob.code()
            alice.until('(?s)"online":true.*"online":false')

    def test_a_name_that_is_taken(self):
        with Scene() as scene:
            server, port, _ = self.server(scene)
            recv = self.tool(scene, "recv", "recv", "--name", "bob", "--server", f"127.0.0.1:{port}")
            while self.metric(server, "whimbrel_rendezvous_users") < 1:
                time.sleep(0.02)
            thief = self.tool(scene, "send", "send", "carol", "--name", "bob", "--server", f"127.0.0.1:{port}", "--key",
                              scene.path("other.key"))
            thief.write("x")
            self.assertEqual(thief.code(), 1)
            self.assertIn("belongs to another key", thief.err)
            self.assertIsNone(recv.popen.poll())

    def test_a_server_with_another_key(self):
        with Scene() as scene:
            _, port, key = self.server(scene)
            wrong = "0" * 62 + key[:2]
            send = self.tool(scene, "send", "send", "bob", "--name", "alice", "--server", f"127.0.0.1:{port},{wrong}")
            send.write("x")
            self.assertEqual(send.code(), 1)
            self.assertIn("there is no connection to the server", send.err)

    def test_a_server_that_is_killed_under_traffic(self):
        with Scene() as scene:
            server, port, _ = self.server(scene)
            chats = []
            for name, users in (("bob", []), ("alice", ["bob"])):
                chats.append(self.tool(scene, name, "chat", *users, "--name", name, "--accept", "all", "--server",
                                       f"127.0.0.1:{port}"))
                while self.metric(server, "whimbrel_rendezvous_users") < len(chats):
                    time.sleep(0.02)
            bob, alice = chats
            alice.write("before\n")
            bob.until("alice: before")
            server.kill()
            alice.write("while it is away\n")
            self.server(scene, port)
            alice.write("after\n")
            bob.until("alice: while it is away\nalice: after")
            bob.write("and back\n")
            alice.until("bob: and back")
            for process in chats:
                process.end_input()
                self.assertEqual(process.code(), 0, process.report())

    def test_it_drains_and_stops(self):
        with Scene() as scene:
            config = scene.path("whimbreld.toml")
            with open(config, "w", encoding="utf-8") as file:
                file.write("[server]\ndrain_seconds = 1\n")
            server, _, _ = self.server(scene, 0, "--config", config)
            server.popen.terminate()
            self.assertEqual(server.code(), 0)
            self.assertRegex(server.err, r"draining for 1 s[^\n]*\n[^\n]*stopped")


class WrongUse(unittest.TestCase):
    def fault(self, code, *arguments):
        with Scene() as scene:
            process = scene.run("whimbreld", WHIMBRELD, *arguments)
            self.assertEqual(process.code(), code, process.report())
            self.assertEqual(len(process.err.strip().splitlines()), 1, process.err)
            return process.err

    def test_settings(self):
        with Scene() as scene:
            path = scene.path("w.toml")
            with open(path, "w", encoding="utf-8") as file:
                file.write("[relay]\nslots_max = \"many\"\n")
            self.assertIn("w.toml:2: relay.slots_max is a whole number", self.fault(2, "--config", path, "--check-config"))
        self.assertIn("log_level is one of", self.fault(2, "--log-level", "loud"))
        self.assertIn("Try \"whimbreld --help\"", self.fault(2, "--nonsense"))
        self.assertIn("no address", self.fault(1, "--listen", "here", "--state", ""))

    def test_what_it_prints_it_takes(self):
        with Scene() as scene:
            path = scene.path("w.toml")
            printed = scene.run("print", WHIMBRELD, "--print-config")
            self.assertEqual(printed.code(), 0)
            with open(path, "w", encoding="utf-8") as file:
                file.write(printed.out)
            checked = scene.run("check", WHIMBRELD, "--config", path, "--check-config")
            self.assertEqual((checked.code(), checked.out), (0, "the settings are right\n"))

    def test_a_state_folder_that_cannot_be(self):
        self.assertIn("--state", self.fault(1, "--state", "/dev/null/here", "--listen", "127.0.0.1:0"))


if __name__ == "__main__":
    WHIMBRELD = sys.argv.pop(2)
    WHIMBREL = sys.argv.pop(1)
    unittest.main()
