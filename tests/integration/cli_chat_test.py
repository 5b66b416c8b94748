"""`whimbrel chat`, as people use it: cli_chat_test.py WHIMBREL WHIMBRELD"""

import re
import signal
import socket
import sys
import time
import unittest

from processes import Scene
from terminal import TerminalProcess

WHIMBREL = WHIMBRELD = ""

# So that who is away is noticed within a test's patience.
FAST = ["--set", "TimeoutInitial=1500", "--set", "TimeoutConnected=1500"]


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def chat(scene, name, *arguments, home="config"):
    return scene.start(name, "env", f"XDG_CONFIG_HOME={scene.path(home)}", WHIMBREL, "chat", "--name", name, *FAST,
                       *arguments)


def at_terminal(scene, name, *arguments, does=("chat",), **size):
    command = ["env", f"XDG_CONFIG_HOME={scene.path('config')}", WHIMBREL, *does, "--name", name, *FAST, *arguments]
    process = TerminalProcess(scene.folder, f"{len(scene.processes)}-{name}", command, **size)
    scene.processes.append(process)
    return process


def end(process, code=0):
    process.end_input()
    assert process.code() == code, process.report()


class Alone(unittest.TestCase):
    """Two on one machine, without a server."""

    def bob(self, scene, port, *arguments):
        return chat(scene, "bob", "--listen", f"127.0.0.1:{port}", "--key", scene.path("bob.key"), "--accept", "all",
                    *arguments)

    def alice(self, scene, port, *arguments):
        return chat(scene, "alice", "bob", "--key", scene.path("alice.key"), "--peer", f"bob=127.0.0.1:{port}", *arguments)

    def lines_of(self, process, name="alice"):
        return re.findall(rf"^{name}: (.*)$", process.out, re.MULTILINE)

    def test_it_dials_before_the_first_line(self):
        with Scene() as scene:
            bob = self.bob(scene, port := free_port())
            alice = self.alice(scene, port)
            alice.until(r"^\* waiting for bob\n\* bob is here$")
            bob.until(r"^\* alice joined$")
            end(alice)
            bob.until(r"^\* alice left$")
            end(bob)

    def test_the_other_one_comes_later(self):
        with Scene() as scene:
            alice = self.alice(scene, port := free_port())
            alice.until(r"^\* waiting for bob$")
            alice.write("one\ntwo\n")
            alice.until(r"^\* 2 lines for bob are kept, and so is what you type now$")
            alice.until(r"^\* bob: .* did not accept or answer in 1.5 s: not running, .*; still waiting$")
            alice.write("three\n")
            bob = self.bob(scene, port)
            bob.until("^alice: one\nalice: two\nalice: three$")
            alice.until(r"^\* bob is here\n\* bob has got what was kept$")
            alice.write("four\n")
            bob.until("^alice: four$")
            end(alice)
            self.assertEqual(self.lines_of(bob), ["one", "two", "three", "four"])
            self.assertEqual(alice.out.count("did not accept or answer"), 1, "not each time")

    def test_who_leaves_and_comes_back(self):
        with Scene() as scene:
            bob = self.bob(scene, port := free_port())
            alice = self.alice(scene, port)
            alice.write("before\n")
            bob.until("^alice: before$")
            end(bob)
            alice.until(r"^\* bob left$")
            alice.write("between 1\n")
            alice.until("1 line for bob is kept")
            alice.write("between 2\n")
            again = self.bob(scene, port)
            again.until("^alice: between 2$")
            alice.until(r"^\* bob is here again$")
            alice.write("after\n")
            again.until("^alice: after$")
            end(alice)
            self.assertEqual(self.lines_of(bob), ["before"])
            self.assertEqual(self.lines_of(again), ["between 1", "between 2", "after"])

    def test_who_is_killed_and_comes_back(self):
        """What was typed while nobody knew it yet, and afterwards."""
        with Scene() as scene:
            bob = self.bob(scene, port := free_port())
            alice = self.alice(scene, port)
            alice.write("before\n")
            bob.until("^alice: before$")
            time.sleep(0.2)
            bob.kill()
            for i in range(5):
                alice.write(f"{i}\n")
            alice.until(r"^\* bob: no answer from .*; calling again$")
            alice.until("5 lines for bob are kept")
            alice.write("5\n")
            again = self.bob(scene, port)
            again.until("^alice: 5$")
            alice.write("6\n")
            again.until("^alice: 6$")
            end(alice)
            self.assertEqual(self.lines_of(again), [str(i) for i in range(7)])

    def test_who_is_killed_and_is_back_at_once(self):
        for key in (["--key"], []):  # its own, and a fresh one
            with self.subTest(key), Scene() as scene:
                port = free_port()
                key = key and [*key, scene.path("b.key")]
                bob = chat(scene, "bob", "--listen", f"127.0.0.1:{port}", "--accept", "all", *key)
                alice = self.alice(scene, port)
                alice.write("before\n")
                bob.until("^alice: before$")
                time.sleep(0.2)
                bob.kill()
                alice.write("between\n")
                again = chat(scene, "bob", "--listen", f"127.0.0.1:{port}", "--accept", "all", *key)
                alice.write("after\n")
                again.until("^alice: after$")
                end(alice)
                self.assertEqual(self.lines_of(again), ["between", "after"])

    def test_who_was_called_writes_to_one_who_was_killed(self):
        with Scene() as scene:
            bob = self.bob(scene, port := free_port())
            alice = self.alice(scene, port)
            alice.until("bob is here")
            bob.until("alice joined")
            alice.kill()
            bob.write("are you there?\n")
            bob.until(r"^\* alice: ")
            bob.write("hello?\n")
            again = self.alice(scene, port)
            again.until("^bob: are you there\\?\nbob: hello\\?$")
            bob.until("alice is here again")
            end(bob)
            end(again)
            self.assertEqual(self.lines_of(again, "bob"), ["are you there?", "hello?"])

    def test_a_program_that_stood_still_shows_each_line_once(self):
        """It still gets what was sent to it, and then gets it again."""
        with Scene() as scene:
            bob = self.bob(scene, port := free_port())
            alice = self.alice(scene, port)
            alice.write("before\n")
            bob.until("^alice: before$")
            bob.popen.send_signal(signal.SIGSTOP)
            alice.write("one\ntwo\n")
            alice.until("2 lines for bob are kept")
            alice.write("three\n")
            bob.popen.send_signal(signal.SIGCONT)
            bob.until("^alice: three$")
            alice.write("four\n")
            bob.until("^alice: four$")
            end(alice)
            self.assertEqual(self.lines_of(bob), ["before", "one", "two", "three", "four"])

    def test_both_call(self):
        with Scene() as scene:
            ports = {"alice": free_port(), "bob": free_port()}
            both = {name: chat(scene, name, other, "--listen", f"127.0.0.1:{ports[name]}", "--peer",
                               f"{other}=127.0.0.1:{ports[other]}")
                    for name, other in (("alice", "bob"), ("bob", "alice"))}
            for name, other in (("alice", "bob"), ("bob", "alice")):
                both[name].until(rf"^\* {other} is here$")
                both[name].write(f"from {name}\n")
            both["bob"].until("^alice: from alice$")
            both["alice"].until("^bob: from bob$")
            for process in both.values():
                end(process)

    def test_another_program_on_the_other_side(self):
        """One that knows nothing of lines: it reads them as messages, and its session may break as well."""
        with Scene() as scene:
            peer = scene.start("peer", WHIMBREL, "demo-peer", "--name", "bob", "--listen", "127.0.0.1:0")
            port = peer.until(r'"port_v4":(\d+)').group(1)
            alice = self.alice(scene, port)
            peer.until('"event":"request"')
            peer.write('{"do":"accept","user":"alice"}\n')
            alice.until("bob is here")
            alice.write("one\n")
            peer.until(f'"payload":"{b"one".hex()}"')
            peer.write(f'{{"do":"send","to":"alice","payload":"{b"two".hex()}"}}\n')
            alice.until("^bob: two$")
            end(alice)

    def test_what_was_not_delivered_is_said(self):
        with Scene() as scene:
            alice = self.alice(scene, free_port())
            alice.write("one\n\ttwo\n")
            end(alice, 1)
            alice.until(r"^\* not delivered to bob: one\n\* not delivered to bob: \?two$")

    def test_more_than_is_kept_for_somebody_who_does_not_come(self):
        with Scene() as scene:
            alice = self.alice(scene, free_port())
            alice.write("".join(f"{i}\n" for i in range(3000)))
            self.assertEqual(alice.code(), 1, alice.report())
            alice.until(r"^\* not delivered to bob: 0$")
            alice.until(r"^\* not delivered to bob: 19\n\* not delivered to bob: 980 lines more, and what was not read")

    def test_a_line_that_is_too_long(self):
        with Scene() as scene:
            bob = self.bob(scene, port := free_port())
            alice = self.alice(scene, port)
            alice.write("x" * 524289 + "\nshort\n")
            alice.until("a line of 524289 bytes is too long for a message")
            bob.until("^alice: short$")
            end(alice, 1)

    def test_by_address_and_to_oneself(self):
        with Scene() as scene:
            bob = self.bob(scene, port := free_port())
            alice = chat(scene, "alice", f"127.0.0.1:{port}", "alice")
            alice.until(rf"^\* ip:127.0.0.1:{port} is here$")
            alice.until(r"^\* alice is here$")
            alice.write("hello\n")
            bob.until("^alice: hello$")
            alice.until("^alice: hello$")
            bob.write("and you\n")
            alice.until(f"^ip:127.0.0.1:{port}: and you$")
            end(alice)
            bob.until("alice left")

    def test_nobody_at_all(self):
        with Scene() as scene:
            bob = self.bob(scene, port := free_port())
            bob.write("first\nsecond\n")
            bob.until(r"^\* nobody is here yet: what you type is kept for whoever joins first$")
            alice = self.alice(scene, port)
            alice.until("^bob: first\nbob: second$")
            end(bob)
            lonely = self.bob(scene, free_port())
            lonely.write("anybody?\n")
            end(lonely, 1)
            lonely.until(r"^\* not delivered to anybody: anybody\?$")

    def test_many_lines_through_a_pipe(self):
        with Scene() as scene:
            bob = self.bob(scene, port := free_port())
            alice = self.alice(scene, port)
            alice.write("".join(f"{i}\n" for i in range(20000)))
            end(alice)
            bob.until("^alice: 19999$")
            self.assertEqual(self.lines_of(bob), [str(i) for i in range(20000)])

    def test_commands_that_are_none(self):
        with Scene() as scene:
            bob = self.bob(scene, port := free_port())
            alice = self.alice(scene, port)
            alice.until("bob is here")
            alice.write("/nonsense a b\n//shrug\n/accept\n/help\n/accept carol\n/leave carol\n/accept a:\n")
            alice.until(r"^\* there is no /nonsense: /who, /accept, /refuse, /leave, /quit and /help are what there is")
            alice.until(r"^\* /accept whom\? Write /accept NAME$")
            alice.until(r"^  /who +who is in the chat")
            alice.until(r"^\* carol does not ask, or has stopped asking$")
            alice.until(r"^\* no session with carol$")
            alice.until(r'^\* "a:" is not a user')
            end(alice)
            bob.until("alice left")
            self.assertEqual(self.lines_of(bob), ["/shrug"])

    def test_who_leaves_by_command_comes_in_again_when_called(self):
        with Scene() as scene:
            bob = self.bob(scene, port := free_port())
            alice = self.alice(scene, port)
            alice.until("bob is here")
            bob.until("alice joined")
            bob.write("/leave alice\n")
            bob.until(r"^\* no longer with alice$")
            alice.until(r"^\* bob left$")
            alice.write("wait\n")
            bob.until("^alice: wait$")
            end(alice)


class Terminal(unittest.TestCase):
    def test_a_line_comes_while_one_is_half_typed(self):
        with Scene() as scene:
            alice = at_terminal(scene, "alice", "--listen", "127.0.0.1:0", "--accept", "all")
            port = alice.until(r"alice on UDP port (\d+); /help lists commands, Ctrl-D ends").group(1)
            bob = chat(scene, "bob", "alice", "--peer", f"alice=127.0.0.1:{port}")
            alice.until(r"^\* bob joined$")
            alice.write("half a wörd")
            alice.until("^> half a wörd$")
            bob.write("a line\n")
            alice.until("^bob: a line\n> half a wörd$")
            # In the middle of it, and longer than the screen is wide.
            alice.write("\x01" + "0123456789" * 20 + "\x1b[C\x1b[C")
            bob.write("another\nand one\n")
            digits = "0123456789" * 20
            long = f"> {digits}half a wörd"
            rows = [long[i:i + 80] for i in range(0, len(long), 80)]
            alice.until("^bob: a line\nbob: another\nbob: and one\n" + "\n".join(rows) + "$")
            alice.write("X\r")
            bob.until(f"^alice: {digits}haXlf a wörd$")
            alice.write("\x1b[A\x15now\r")  # the line before, erased
            bob.until("^alice: now$")
            alice.write("/nonsense\r")
            alice.until(r"^\* there is no /nonsense")
            before = alice.before[3]
            alice.write("\x04")
            self.assertEqual(alice.code(), 0, alice.report())
            self.assertEqual(alice.settings(), before & 0o12, "the terminal is as it was")
            bob.until("alice left")
            alice.close()

    def test_a_window_that_shrinks(self):
        with Scene() as scene:
            alice = at_terminal(scene, "alice", "--listen", "127.0.0.1:0", "--accept", "all")
            port = alice.until(r"UDP port (\d+)").group(1)
            bob = chat(scene, "bob", "alice", "--peer", f"alice=127.0.0.1:{port}")
            alice.until("bob joined")
            alice.write("half")
            alice.until("^> half$")
            alice.resize(40, 24)
            alice.popen.send_signal(signal.SIGWINCH)
            bob.write("a line\n")
            alice.until("^bob: a line\n> half$")
            alice.write(" done\r")
            bob.until("^alice: half done$")
            alice.close()

    def test_what_the_library_says_does_not_get_into_the_line(self):
        with Scene() as scene:
            alice = at_terminal(scene, "alice", "--listen", "127.0.0.1:0", "--accept", "all", "-v")
            port = alice.until(r"UDP port (\d+)").group(1)
            alice.write("half")
            alice.until("^> half$")
            bob = chat(scene, "bob", "alice", "--peer", f"alice=127.0.0.1:{port}")
            alice.until("bob joined\n> half$")
            bob.kill()
            alice.close()

    def test_it_is_stopped_and_goes_on(self):
        """Ctrl-Z and fg, in a shell that has the terminal."""
        with Scene() as scene:
            shell = TerminalProcess(scene.folder, "shell", ["setsid", "-c", "-w", "bash", "--norc", "--noprofile", "-i"])
            scene.processes.append(shell)
            shell.write("bind 'set enable-bracketed-paste off'; exec 2>&1; PS1='$ '\n")
            shell.write(f"{WHIMBREL} chat --name alice --listen 127.0.0.1:0 --accept all\n")
            port = shell.until(r"alice on UDP port (\d+)").group(1)
            bob = chat(scene, "bob", "alice", "--peer", f"alice=127.0.0.1:{port}", "--set", "TimeoutConnected=10000")
            shell.until("bob joined")
            shell.write("half")
            shell.until("^> half$")
            shell.write("\x1a")
            shell.until("Stopped")
            shell.write("echo in $((1+1)) shell; stty -a | grep -o -- '[^ ]icanon' || echo gathers lines\n")
            shell.until("^in 2 shell\ngathers lines$")
            bob.write("meanwhile\n")
            shell.write("fg\n")
            shell.until("^bob: meanwhile\n> half$")
            shell.write(" done\r")
            bob.until("^alice: half done$")
            shell.write("\x04")
            bob.until("alice left")
            shell.write("echo back $((2+2)); exit\n")
            shell.until("^back 4$")
            self.assertEqual(shell.code(), 0, shell.report())
            shell.close()

    def test_someone_asks_and_goes(self):
        with Scene() as scene:
            bob = at_terminal(scene, "bob", "--listen", "127.0.0.1:0")
            port = bob.until(r"UDP port (\d+)").group(1)
            for how in ("end", "kill"):
                alice = chat(scene, "alice", "bob", "--peer", f"bob=127.0.0.1:{port}")
                bob.until(r"^\* alice wants to talk: /accept alice or /refuse alice$")
                if how == "kill":
                    alice.kill()
                else:
                    alice.end_input()
                    alice.code()
                time.sleep(0.2)
                bob.write("/accept alice\r")
                bob.until(r"^\* alice (has gone meanwhile|does not ask, or has stopped asking)$")
            self.assertNotIn("joined", bob.out)
            alice = chat(scene, "alice", "bob", "--peer", f"bob=127.0.0.1:{port}")
            alice.write("hello\n")
            bob.until(r"(?s)wants to talk.*gone.*wants to talk")
            bob.write("/accept alice\r")
            bob.until(r"^\* alice joined\nalice: hello")
            bob.close()

    def test_ctrl_c_says_what_was_not_delivered(self):
        with Scene() as scene:
            alice = at_terminal(scene, "alice", "bob", "--peer", f"bob=127.0.0.1:{free_port()}")
            alice.write("one\rha")
            alice.until("^> ha$")
            alice.write("\x04\x15\x04")  # the first one only beeps
            alice.until("not everything that was typed has arrived yet; Ctrl-C ends at once")
            alice.popen.send_signal(signal.SIGINT)
            alice.code()
            alice.until(r"^\* not delivered to bob: one$")
            alice.close()


class WithServer(unittest.TestCase):
    def server(self, scene, port=0, *arguments):
        process = scene.start("whimbreld", WHIMBRELD, "--listen", f"127.0.0.1:{port}", "--state", scene.path("state"),
                              "--admin", "", *arguments)
        return process, int(process.until(r"UDP port (\d+)", "err").group(1))

    def test_a_server_that_comes_later(self):
        with Scene() as scene:
            port = free_port()
            alice = chat(scene, "alice", "bob", "--server", f"127.0.0.1:{port}")
            alice.until(rf"^\* connecting to 127.0.0.1:{port}\n\* waiting for bob$")
            alice.write("early\n")
            alice.until("1 line for bob is kept")
            alice.until(rf"^\* server: the server at 127.0.0.1:{port} did not accept or answer in 3 s: not running, .*; trying again$")
            self.server(scene, port)
            alice.until(r"^\* online as alice$")
            alice.until(r"^\* bob: .*not online.*; still waiting$")
            bob = chat(scene, "bob", "--accept", "all", "--server", f"127.0.0.1:{port}")
            bob.until(r"^\* online as bob$")
            bob.until(r"^alice: early$")
            alice.until(r"^\* bob is here$")
            end(alice)
            self.assertEqual(alice.out.count("did not accept or answer"), 1, alice.report())

    def test_what_a_server_that_is_not_there_leaves_undelivered(self):
        with Scene() as scene:
            port = free_port()
            alice = chat(scene, "alice", "bob", "--server", f"127.0.0.1:{port}")
            alice.write("one\n")
            end(alice, 1)
            alice.until(r"^\* bob: str:bob could not be looked up in 1.5 s: there is no answer from the server \(reason 5003\)"
                        r"\n\* not delivered to bob: one$")

    def test_a_server_that_goes_and_comes_back(self):
        with Scene() as scene:
            server, port = self.server(scene, 0, "--log-level", "debug")
            alice = chat(scene, "alice", "--server", f"127.0.0.1:{port}")
            alice.until(r"^\* online as alice$")
            # All that she has asked for is answered: what follows is silence, not a missing answer.
            server.until(r"debug slot [0-9a-f]{8} opened", "err")
            server.kill()
            alice.until(rf"^\* server: the server at 127.0.0.1:{port} went silent; trying again$")
            self.server(scene, port)
            alice.until(r"^\* online as alice again$")
            end(alice)

    def test_who_leaves_and_comes_back(self):
        with Scene() as scene:
            _, port = self.server(scene)
            alice = chat(scene, "alice", "bob", "--server", f"127.0.0.1:{port}")
            alice.until("bob is not online")
            for how in ("end", "kill"):
                bob = chat(scene, "bob", "--accept", "all", "--server", f"127.0.0.1:{port}")
                alice.until(rf"^\* bob is here{'' if how == 'end' else ' again'}$")
                alice.write(f"{how} 1\n")
                bob.until(f"^alice: {how} 1$")
                time.sleep(0.2)
                if how == "end":
                    end(bob)
                    alice.until(r"^\* bob left$")
                else:
                    bob.kill()
                alice.write(f"{how} 2\n{how} 3\n")
                alice.until(r"\* [12] lines? for bob (is|are) kept")
                bob = chat(scene, "bob", "--accept", "all", "--server", f"127.0.0.1:{port}")
                bob.until(f"^alice: {how} 2\nalice: {how} 3$")
                alice.write(f"{how} 4\n")
                bob.until(f"^alice: {how} 4$")
                self.assertEqual(re.findall("^alice: .*$", bob.out, re.MULTILINE),
                                 [f"alice: {how} {i}" for i in (2, 3, 4)])
                end(bob)
                alice.until(r"(?s)left.*bob left$" if how == "end" else r"(?s)left.*left.*left$")
            end(alice)

    def test_a_lobby_at_a_terminal(self):
        with Scene() as scene:
            _, port = self.server(scene)
            alice = at_terminal(scene, "alice", "--server", f"127.0.0.1:{port}", does=("lobby", "create"))
            lobby = alice.until(r"in lobby (\d+)").group(1)
            alice.write("half")
            alice.until("^> half$")
            bob = at_terminal(scene, "bob", "--server", f"127.0.0.1:{port}", does=("lobby", "join", lobby))
            alice.until(r"^\* bob came\n> half$")
            bob.write("/nonsense\r//shrug\r")
            bob.until(r"^\* there is no /nonsense: /who, ")
            alice.until("^bob: /shrug\n> half$")
            alice.write(" done\r\x04")
            bob.until("^alice: half done\n\* alice left")
            self.assertEqual(alice.code(), 0, alice.report())
            bob.write("\x04")
            self.assertEqual(bob.code(), 0, bob.report())
            alice.close()
            bob.close()

    def test_a_name_that_is_taken(self):
        with Scene() as scene:
            _, port = self.server(scene)
            first = chat(scene, "alice", "--server", f"127.0.0.1:{port}")
            first.until("online as alice")
            second = chat(scene, "alice", "bob", "--server", f"127.0.0.1:{port}", home="another")
            second.write("hello\n")
            second.until(r"^\* server: the server refuses: .*belongs to another key")
            end(second, 1)
            second.until(r"^\* not delivered to bob: hello$")
            end(first)

    def test_a_server_that_is_another(self):
        with Scene() as scene:
            _, port = self.server(scene)
            alice = chat(scene, "alice", "--server", f"127.0.0.1:{port},{'07' * 32}")
            alice.until(rf"^\* connecting to 127.0.0.1:{port}$")
            alice.until(rf"^\* server: the server at 127.0.0.1:{port} did not .*wrong address or key.*; trying again$")
            alice.kill()

    def test_relays_that_carry_nothing_are_said(self):
        with Scene() as scene:
            def settings(name, text):
                with open(scene.path(name), "w", encoding="utf-8") as file:
                    file.write(text)
                return "--config", scene.path(name)

            _, port = self.server(scene, 0, *settings("none.toml", "[relay]\nenabled = false\n"))
            alice = chat(scene, "alice", "--server", f"127.0.0.1:{port}")
            alice.until(r"^\* online as alice; this server has no relay, so users who know only each other's names can't talk$")
            relay = scene.start("relay", WHIMBRELD, "--listen", "127.0.0.1:0", "--admin", "", "--state", scene.path("fra"),
                                *settings("fra.toml", "[rendezvous]\nenabled = false\n[relay]\nsite = \"fra\"\n"))
            at = relay.until(r"UDP port (\d+)", "err").group(1)
            sites = (f"[relay]\nenabled = false\n[[sites]]\nname = \"ams\"\naddress = \"127.0.0.1:{at}\"\n"
                     f"key_file = \"{scene.path('fra')}/site.key\"\n")
            server = scene.start("server", WHIMBRELD, "--listen", "127.0.0.1:0", "--admin", "", "--state", scene.path("two"),
                                 *settings("sites.toml", sites))
            port = server.until(r"UDP port (\d+)", "err").group(1)
            bob = chat(scene, "bob", "--server", f"127.0.0.1:{port}")
            bob.until(rf'^\* online as bob; the relay at 127.0.0.1:{at} does not call itself "ams": the names of the sites differ$')
            end(alice)
            end(bob)
            full = scene.start("full", WHIMBRELD, "--listen", "127.0.0.1:0", "--admin", "", "--state", scene.path("full"),
                               *settings("full.toml", "[relay]\nslots_max = 1\n"))
            port = full.until(r"UDP port (\d+)", "err").group(1)
            alice = chat(scene, "alice", "--server", f"127.0.0.1:{port}")
            alice.until("online as alice")
            bob = chat(scene, "bob", "--server", f"127.0.0.1:{port}")
            carol = chat(scene, "carol", "alice", "--server", f"127.0.0.1:{port}")
            carol.until(rf"^\* online as carol; the relay at 127.0.0.1:{port} is full: try again later$")
            full.popen.terminate()
            alice.until(r"^\* server: the server is about to stop$")
            for process in (alice, bob, carol):
                process.kill()

    def test_logged_in_elsewhere(self):
        with Scene() as scene:
            _, port = self.server(scene)
            first = chat(scene, "alice", "--server", f"127.0.0.1:{port}")
            first.until("online as alice")
            second = chat(scene, "alice", "--server", f"127.0.0.1:{port}")
            second.until("online as alice")
            first.until(r"^\* server: logged in elsewhere as str:alice$")
            end(first, 1)
            end(second)


if __name__ == "__main__":
    WHIMBREL, WHIMBRELD = sys.argv.pop(1), sys.argv.pop(1)
    unittest.main()
