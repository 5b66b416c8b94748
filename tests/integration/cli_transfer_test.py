"""`whimbrel send` and `whimbrel recv`, as in a pipe: cli_transfer_test.py WHIMBREL"""

import os
import subprocess
import sys
import unittest

from processes import Scene

WHIMBREL = ""
BAD_LINE = ["--set", "FakePacketLossSend=5", "--set", "FakePacketLagSend=10"]


class Transfer(unittest.TestCase):
    def receiver(self, scene, *arguments, **options):
        process = scene.start("recv", WHIMBREL, "recv", "--name", "bob", "--listen", "127.0.0.1:0",
                              *arguments, **options)
        return process, process.until(r"UDP port (\d+)", "err").group(1)

    def sender(self, scene, port, *arguments, name="send", **options):
        return scene.start(name, WHIMBREL, "send", "bob", "--name", "alice", "--peer",
                           f"bob=127.0.0.1:{port}", *arguments, **options)

    def transfer(self, data, *arguments):
        with Scene() as scene:
            with open(scene.path("data"), "wb") as file:
                file.write(data)
            recv, port = self.receiver(scene, *arguments)
            with open(scene.path("data"), "rb") as file:
                send = self.sender(scene, port, *arguments, stdin=file)
            codes = (send.code(), recv.code())
            self.assertEqual(codes, (0, 0), send.report() + recv.report())
            with open(recv.out_path, "rb") as file:
                self.assertTrue(file.read() == data, "the copy differs")
            self.assertIn("confirmed by str:bob", send.err)
            self.assertIn("from str:alice", recv.err)

    def test_nothing(self):
        self.transfer(b"")

    def test_one_byte(self):
        self.transfer(b"x")

    def test_more_than_every_buffer_holds(self):
        self.transfer(os.urandom((8 << 20) + 1))

    def test_over_a_bad_line(self):
        self.transfer(os.urandom(300_000), *BAD_LINE)

    def test_on_another_channel(self):
        self.transfer(b"hello", "--channel", "-7")

    def test_by_address_alone(self):
        with Scene() as scene:
            recv = scene.start("recv", WHIMBREL, "recv", "--listen", "127.0.0.1:0")
            port = recv.until(r"UDP port (\d+)", "err").group(1)
            send = scene.start("send", WHIMBREL, "send", f"localhost:{port}")
            send.write("hello")
            send.end_input()
            self.assertEqual((send.code(), recv.code()), (0, 0), send.report() + recv.report())
            self.assertEqual(recv.out, "hello")

    def test_what_comes_late_still_arrives(self):
        with Scene() as scene:
            recv, port = self.receiver(scene)
            send = self.sender(scene, port)
            send.write("one ")
            recv.until("one ")  # it leaves before the input ends
            send.write("two")
            send.end_input()
            self.assertEqual((send.code(), recv.code()), (0, 0), send.report() + recv.report())
            self.assertEqual(recv.out, "one two")

    def test_only_whom_it_accepts(self):
        with Scene() as scene:
            recv, port = self.receiver(scene, "--accept", "carol,dave", "--timeout", "30")
            send = self.sender(scene, port)
            send.end_input()
            self.assertEqual(send.code(), 1)
            self.assertIn("str:bob", send.err)
            recv.until("refused str:alice", "err")
            self.assertIsNone(recv.popen.poll())

    def test_one_sender_at_a_time(self):
        with Scene() as scene:
            recv, port = self.receiver(scene)
            first = self.sender(scene, port)
            first.write("one ")
            recv.until("one ")
            second = scene.start("second", WHIMBREL, "send", "bob", "--name", "eve", "--peer",
                                 f"bob=127.0.0.1:{port}")
            second.write("intruder")
            second.end_input()
            self.assertEqual(second.code(), 1)
            first.write("two")
            first.end_input()
            self.assertEqual((first.code(), recv.code()), (0, 0), first.report() + recv.report())
            self.assertEqual(recv.out, "one two")

    def test_a_sender_that_is_interrupted(self):
        with Scene() as scene:
            recv, port = self.receiver(scene)
            send = self.sender(scene, port)
            send.write("half")
            recv.until("half")
            send.interrupt()
            self.assertEqual(send.code(), 1)
            self.assertIn("interrupted", send.err)
            self.assertEqual(recv.code(), 1)
            self.assertIn("broke off", recv.err)

    def test_a_sender_that_dies(self):
        with Scene() as scene:
            recv, port = self.receiver(scene, "--set", "TimeoutConnected=1000", "--set", "KeepAlive=1000")
            send = self.sender(scene, port)
            send.write("half")
            recv.until("half")
            send.kill()
            self.assertEqual(recv.code(), 1, recv.report())
            self.assertIn("the transfer failed", recv.err)

    def test_a_receiver_that_is_interrupted(self):
        with Scene() as scene:
            recv, port = self.receiver(scene)
            send = self.sender(scene, port)
            send.write("half")
            recv.until("half")
            recv.interrupt()
            self.assertEqual(recv.code(), 1)
            self.assertEqual(send.code(), 1)
            self.assertIn("str:bob closed the session", send.err)

    def test_a_reader_that_stops(self):
        with Scene() as scene:
            head = subprocess.Popen(["head", "-c", "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            recv, port = self.receiver(scene, stdout=head.stdin)
            head.stdin.close()
            with open(scene.path("data"), "wb") as file:
                file.write(bytes(4 << 20))
            with open(scene.path("data"), "rb") as file:
                send = self.sender(scene, port, stdin=file)
            self.assertEqual(head.stdout.read(), bytes(3))
            head.stdout.close()
            head.wait()
            self.assertEqual(recv.code(), 1)
            self.assertIn("standard output", recv.err)
            self.assertEqual(send.code(), 1)

    def test_a_disk_that_is_full(self):
        with Scene() as scene, open("/dev/full", "wb") as full:
            recv, port = self.receiver(scene, stdout=full)
            send = self.sender(scene, port)
            send.write("hello")
            send.end_input()
            self.assertEqual((send.code(), recv.code()), (1, 1), send.report() + recv.report())
            self.assertIn("No space left", recv.err)
            self.assertIn("the receiver could not write: No space left", send.err)

    def test_closed_files_are_not_taken_for_sockets(self):
        with Scene() as scene:
            recv = scene.start("recv", "sh", "-c", 'exec "$@" <&- >&-', "sh", WHIMBREL, "recv", "--name", "bob",
                               "--listen", "127.0.0.1:0")
            port = recv.until(r"UDP port (\d+)", "err").group(1)
            send = self.sender(scene, port)
            send.write("hello")
            send.end_input()
            self.assertEqual((send.code(), recv.code()), (1, 1), send.report() + recv.report())
            self.assertIn("can't write to the standard output", recv.err)

    def test_a_closed_input_is_no_empty_one(self):
        with Scene() as scene:
            recv, port = self.receiver(scene)
            send = scene.start("send", "sh", "-c", 'exec "$@" <&-', "sh", WHIMBREL, "send", f"127.0.0.1:{port}")
            self.assertEqual(send.code(), 1)
            self.assertIn("can't read the standard input", send.err)
            self.assertEqual(recv.out, "")

    def test_who_only_looks_does_not_use_up_the_receiver(self):
        with Scene() as scene:
            recv, port = self.receiver(scene)
            peer = ["bob", "--name", "alice", "--peer", f"bob=127.0.0.1:{port}"]
            for command in (["ping", "-c", "2", "-i", "0.01"], ["info", "-i", "0.1"], ["ping", "-c", "1"]):
                looker = scene.run("looker", WHIMBREL, *command[:1], *peer, *command[1:])
                self.assertEqual(looker.code(), 0, looker.report() + recv.report())
            stays = scene.start("stays", WHIMBREL, "info", *peer[:2], "eve", *peer[3:], "--watch", "-i", "0.1")
            stays.until("state")
            send = self.sender(scene, port)
            send.write("hello")
            send.end_input()
            self.assertEqual((send.code(), recv.code()), (0, 0), send.report() + recv.report())
            self.assertEqual(recv.out, "hello")

    def test_another_program_is_turned_away(self):
        with Scene() as scene:
            recv, port = self.receiver(scene)
            chat = scene.start("chat", WHIMBREL, "chat", "bob", "--name", "eve", "--channel", "1", "--peer",
                               f"bob=127.0.0.1:{port}")
            chat.write("hello\n")
            recv.until("str:eve does not speak", "err")
            send = self.sender(scene, port)
            send.write("hello")
            send.end_input()
            self.assertEqual((send.code(), recv.code()), (0, 0), send.report() + recv.report())
            self.assertEqual(recv.out, "hello")

    def test_a_peer_that_takes_no_transfers(self):
        with Scene() as scene:
            chat = scene.start("chat", WHIMBREL, "chat", "--name", "bob", "--listen", "127.0.0.1:0", "-v",
                               "--accept", "all")
            send = self.sender(scene, chat.until(r"UDP port (\d+)", "err").group(1))
            send.write("hello")
            send.end_input()
            send.until("is the other side running `whimbrel recv`", "err")
            self.assertIsNone(send.popen.poll())  # it still waits
            send.interrupt()
            self.assertEqual(send.code(), 1)
            self.assertEqual(send.err.count("is the other side running"), 1)

    def test_a_name_steers_no_terminal(self):
        evil = b"a\x1b[2J\xc2\x9b1\x9b2\xff"
        with Scene() as scene:
            recv, port = self.receiver(scene)
            send = scene.start("send", WHIMBREL, "send", "bob", "--name", evil, "--peer", f"bob=127.0.0.1:{port}",
                               stdin=subprocess.DEVNULL)
            self.assertEqual((send.code(), recv.code()), (0, 0))
            self.assertIn("from str:a?[2J?1?2?\n", recv.err)


if __name__ == "__main__":
    WHIMBREL = sys.argv.pop(1)
    unittest.main()
