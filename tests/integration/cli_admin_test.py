"""The operator's page: cli_admin_test.py WHIMBREL WHIMBRELD"""

import contextlib
import signal
import socket
import sys
import threading
import unittest
import urllib.error
import urllib.request

from processes import PATIENCE_SECONDS, Scene

WHIMBRELD = ""
HALF = b"GET /healthz HTTP/1.1\r\nHost: here\r\n"


def start(scene, *arguments, admin="127.0.0.1:0"):
    server = scene.start("whimbreld", WHIMBRELD, "--listen", "127.0.0.1:0", "--state", "", "--admin", admin, *arguments)
    port = int(server.until(r"metrics at http://127.0.0.1:(\d+)/metrics", "err").group(1))
    return server, port


def healthz(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE_SECONDS) as page:
        return page.read()


class SlowClients:
    """Each sends half a question, and a letter more from time to time, and comes again when it is put out."""

    def __init__(self, port, count):
        self.port, self.ended = port, threading.Event()
        self.begun = threading.Semaphore(0)
        self.threads = [threading.Thread(target=self.run) for _ in range(count)]

    def run(self):
        first = True
        while not self.ended.is_set():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as half:
                half.sendall(HALF)
                if first:
                    self.begun.release()
                first = False
                while not self.ended.wait(0.2):
                    half.sendall(b"x")
            self.ended.wait(0.05)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        for _ in self.threads:
            self.begun.acquire()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()


class Admin(unittest.TestCase):
    def test_slow_clients_stop_nobody(self):
        with Scene() as scene:
            server, port = start(scene)
            with SlowClients(port, 40):
                for _ in range(5):
                    self.assertEqual(healthz(port), b"ok\n")
                server.popen.send_signal(signal.SIGTERM)
                self.assertEqual(server.code(), 0, server.report())

    def test_a_scraper_that_keeps_its_connection_delays_no_stop(self):
        with Scene() as scene:
            server, port = start(scene)
            with socket.create_connection(("127.0.0.1", port)) as kept:
                kept.sendall(HALF + b"Connection: keep-alive\r\n\r\n")
                kept.settimeout(PATIENCE_SECONDS)
                answer = b""
                while more := kept.recv(4096):
                    answer += more
                self.assertIn(b"200 OK", answer)
                self.assertIn(b"ok\n", answer)
                server.popen.send_signal(signal.SIGTERM)
                self.assertEqual(server.code(), 0, server.report())

    def test_a_question_has_no_body_and_an_end(self):
        with Scene() as scene:
            _, port = start(scene)
            for question in (b"POST /metrics HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n",
                             b"GET /metrics HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n",
                             b"GET /metrics HTTP/1.1\r\nHost: here\r\n"):
                with socket.create_connection(("127.0.0.1", port)) as greedy:
                    piece = b"10000\r\n" + bytes(0x10000) + b"\r\n" if b"chunked" in question else b"X-More: 1\r\n" * 5000
                    sent = 0
                    with self.assertRaises(OSError):
                        greedy.sendall(question)
                        while sent < 1 << 30:
                            greedy.sendall(piece)
                            sent += len(piece)
                    self.assertLess(sent, 64 << 20, "what the socket holds, and no more")
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", data=b"", timeout=PATIENCE_SECONDS)
            self.assertEqual(refused.exception.code, 405)
            self.assertEqual(healthz(port), b"ok\n")

    def test_two_servers_do_not_share_a_page(self):
        with Scene() as scene:
            _, port = start(scene)
            second = scene.run("second", WHIMBRELD, "--listen", "127.0.0.1:0", "--state", "", "--admin", f"127.0.0.1:{port}")
            self.assertEqual(second.code(), 1)
            self.assertIn("Address already in use; choose another", second.err)

    def test_no_page_in_every_way_to_say_so(self):
        with Scene() as scene:
            for i, (words, text) in enumerate(((("--admin", "none"), ""), (("--admin", ""), ""), ((), '[admin]\nlisten = "none"\n'),
                                               ((), '[admin]\nlisten = ""\n'))):
                with open(scene.path("toml"), "w", encoding="utf-8") as file:
                    file.write(text)
                command = (WHIMBRELD, "--config", scene.path("toml"), *words)
                self.assertEqual(scene.run(f"check{i}", *command, "--check-config").code(), 0)
                self.assertIn('listen = "none"', scene.run(f"print{i}", *command, "--print-config").out)
                server = scene.start(f"server{i}", *command, "--listen", "127.0.0.1:0", "--state", "")
                server.until("server key", "err")
                server.popen.send_signal(signal.SIGTERM)
                self.assertEqual(server.code(), 0, server.report())
                self.assertNotIn("metrics at", server.err)

    def test_an_address_that_is_none_is_refused_by_the_check_too(self):
        with Scene() as scene:
            for mode in ((), ("--check-config",)):
                refused = scene.run("refused", WHIMBRELD, "--listen", "127.0.0.1:0", "--state", "", "--admin", "here", *mode)
                self.assertEqual(refused.code(), 1, mode)
                self.assertIn('"here" is no address with a port', refused.err)


if __name__ == "__main__":
    WHIMBRELD = sys.argv[2]
    unittest.main(argv=sys.argv[:1], verbosity=2)
