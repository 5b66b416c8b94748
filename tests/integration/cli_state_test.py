"""The state folder of a server: cli_state_test.py WHIMBREL WHIMBRELD"""

import contextlib
import os
import shutil
import signal
import sqlite3
import sys
import time
import unittest

from processes import PATIENCE_SECONDS, Scene

WHIMBREL = WHIMBRELD = ""
FILES = ("server.key", "authority", "site.key", "names.sqlite")


def start(scene, state, *arguments):
    return scene.start("whimbreld", WHIMBRELD, "--listen", "127.0.0.1:0", "--admin", "none", "--state", state, *arguments)


def key_of(server):
    return server.until(r"server key ([0-9a-f]{64})", "err").group(1)


def stop(server):
    server.popen.send_signal(signal.SIGTERM)
    assert server.code() == 0, server.report()


def claim(scene, server, name):
    """A player takes the name."""
    port = server.until(r"UDP port (\d+)", "err").group(1)
    player = scene.start(name, "env", f"XDG_CONFIG_HOME={scene.path('config')}", WHIMBREL, "ping", "str:nobody", "--name", name,
                         "--server", f"127.0.0.1:{port}", "--count", "1")
    player.code()


def names_in(path):
    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            return {name for (name,) in database.execute("SELECT identity FROM names")}
    except sqlite3.OperationalError:
        return set()


class State(unittest.TestCase):
    def test_one_server_for_one_folder(self):
        with Scene() as scene:
            first = start(scene, scene.path("state"))
            key_of(first)
            second = start(scene, scene.path("state"))
            self.assertEqual(second.code(), 1)
            self.assertIn("another whimbreld uses the state folder", second.err)
            first.kill()
            third = start(scene, scene.path("state"))
            key_of(third)

    def test_a_long_drain_makes_the_book_of_clients_no_older(self):
        with Scene() as scene:
            server = start(scene, scene.path("state"))
            key_of(server)
            clients = scene.path("state") + "/clients"
            os.utime(clients, (0, 0))
            self.until(lambda: os.stat(clients).st_mtime > 0, server)  # touched; the next time is seconds away
            server.popen.send_signal(signal.SIGSTOP)
            os.utime(clients, (0, 0))
            server.popen.send_signal(signal.SIGTERM)
            server.popen.send_signal(signal.SIGCONT)
            self.assertEqual(server.code(), 0, server.report())
            self.assertGreater(os.stat(clients).st_mtime, time.time() - 30)

    def test_those_who_were_connected_are_called_back(self):
        with Scene() as scene:
            first = start(scene, scene.path("state"))
            port = first.until(r"UDP port (\d+)", "err").group(1)
            player = scene.start("alice", "env", f"XDG_CONFIG_HOME={scene.path('config')}", WHIMBREL, "recv", "--name", "alice",
                                 "--server", f"127.0.0.1:{port}")
            clients = scene.path("state") + "/clients"
            self.until(lambda: os.path.getsize(clients) > 0, first)
            self.assertEqual(os.stat(clients).st_mode & 0o777, 0o600)
            first.kill()
            second = scene.start("whimbreld", WHIMBRELD, "--listen", f"127.0.0.1:{port}", "--admin", "none", "--state", scene.path("state"))
            second.until(r"called back: 1", "err")
            self.until(lambda: os.path.getsize(clients) > 0, second)
            player.kill()
            second.kill()

    def until(self, done, process):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not done():
            self.assertLess(time.monotonic(), deadline, process.report())
            time.sleep(0.02)

    def test_what_is_missing_is_not_made_in_silence(self):
        with Scene() as scene:
            first = start(scene, scene.path("state"))
            key = key_of(first)
            stop(first)
            for file in FILES:
                for emptied in (False, True):
                    copy = scene.path(f"{file}-{emptied}")
                    shutil.copytree(scene.path("state"), copy)
                    os.remove(os.path.join(copy, file))
                    if emptied:
                        with open(os.path.join(copy, file), "wb"):
                            os.chmod(os.path.join(copy, file), 0o600)
                    refused = start(scene, copy)
                    self.assertEqual(refused.code(), 1, file)
                    self.assertRegex(refused.err, f"but not, or empty: {file} .*--make-missing")
                    if emptied and file != "names.sqlite":
                        continue
                    if file == "authority":
                        os.remove(os.path.join(copy, "authority.pub"))
                    made = start(scene, copy, "--make-missing")
                    self.assertEqual(key_of(made) == key, file != "server.key")
                    stop(made)

    def test_a_start_by_root_in_the_folder_of_a_service(self):
        """The service can go on with what root has made there; and where it can't, the error says what to do."""
        if os.geteuid() != 0:
            self.skipTest("this is about root")
        nobody = 65534
        with Scene() as scene:
            state = scene.path("state")
            os.mkdir(state, 0o700)
            os.chown(state, nobody, nobody)
            server = start(scene, state)
            key = key_of(server)
            claim(scene, server, "alice")
            stop(server)
            self.assertIn("names.sqlite", os.listdir(state))
            for name in os.listdir(state):
                self.assertEqual(os.stat(os.path.join(state, name)).st_uid, nobody, name)
            os.chmod(os.path.dirname(state), 0o755)
            as_nobody = ["setpriv", f"--reuid={nobody}", f"--regid={nobody}", "--clear-groups"]
            if scene.run("allowed", *as_nobody, WHIMBRELD, "--version").code() != 0:
                self.skipTest("another user can't run the program where it lies")
            service = scene.start("service", *as_nobody, WHIMBRELD, "--listen", "127.0.0.1:0", "--admin", "none",
                                  "--state", state)
            self.assertEqual(key_of(service), key)
            stop(service)
            os.chown(os.path.join(state, "lock"), 0, 0)
            refused = scene.start("refused", *as_nobody, WHIMBRELD, "--listen", "127.0.0.1:0", "--admin", "none",
                                  "--state", state)
            self.assertEqual(refused.code(), 1)
            self.assertIn("belong to the user that runs whimbreld", refused.err)

    def test_a_full_disk(self):
        """At the start, with a state and without one, and for a backup: nothing is lost, and nobody is told to throw names away."""
        with Scene() as scene:
            server = start(scene, scene.path("state"))
            key = key_of(server)
            claim(scene, server, "alice")
            stop(server)
            own_disk = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
                        'mount -t tmpfs -o size=512k none "$0" && exec sh -c "$@"', scene.path("disk")]
            os.mkdir(scene.path("disk"))
            if scene.run("allowed", *own_disk, "true").code() != 0:
                self.skipTest("no mount namespaces here")
            serve = f"timeout 30 {WHIMBRELD} --listen 127.0.0.1:0 --admin none --state disk/state"
            fill = "head -c 1M /dev/zero > disk/filler 2>/dev/null"
            script = f"""
                cp -r state disk/state || exit 9
                {fill}
                {serve}; echo "code $?" >&2
                {WHIMBRELD} --state state --backup disk/backup; echo "code $?" >&2
                ls disk
                rm disk/filler
                cp disk/state/names.sqlite kept.sqlite
                ( {serve} & pid=$!; sleep 1; kill $pid; wait $pid )
                rm -r disk/state; mkdir -m 700 disk/state
                {fill}
                {serve}; echo "code $?" >&2
                rm disk/filler
                ls disk/state"""
            done = scene.run("full", *own_disk, f"cd {scene.folder}; " + script)
            lines = done.err.splitlines()
            self.assertRegex(lines[0], "disk is full|No space left|disk I/O error|make room", done.report())
            self.assertEqual(lines[1], "code 1", done.report())
            self.assertRegex(lines[2], "disk is full|No space left|make room", done.report())
            self.assertEqual(lines[3], "code 1", done.report())
            self.assertRegex(done.err, f"server key {key}", "it starts once there is room")
            self.assertRegex(lines[-2], "No space left", done.report())
            self.assertEqual(lines[-1], "code 1", done.report())
            self.assertNotRegex(done.err, "move it away|claimed anew|make-missing")
            self.assertNotRegex(done.out, "backup")
            self.assertNotRegex(done.out, "key|names", "a state that could not be made leaves nothing")
            self.assertEqual(names_in(scene.path("kept.sqlite")), {"str:alice"})

    def test_a_copy_of_the_file_has_the_names(self):
        with Scene() as scene:
            server = start(scene, scene.path("state"))
            claim(scene, server, "alice")
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                shutil.copy(scene.path("state/names.sqlite"), scene.path("copy.sqlite"))
                if names_in(scene.path("copy.sqlite")) == {"str:alice"}:
                    break
                self.assertLess(time.monotonic(), deadline, "the file alone never has the name")
                time.sleep(0.2)

    def test_a_backup_of_a_running_server(self):
        with Scene() as scene:
            server = start(scene, scene.path("state"))
            key = key_of(server)
            claim(scene, server, "alice")
            backup = (WHIMBRELD, "--state", scene.path("state"), "--backup", scene.path("backup"))
            done = scene.run("backup", *backup)
            self.assertEqual(done.code(), 0, done.report())
            self.assertEqual(names_in(scene.path("backup/names.sqlite")), {"str:alice"})
            self.assertEqual(os.stat(scene.path("backup")).st_mode & 0o777, 0o700)
            again = scene.run("again", *backup)
            self.assertEqual(again.code(), 1)
            self.assertIn("is there already", again.err)
            none = scene.run("none", WHIMBRELD, "--state", scene.path("nothing"), "--backup", scene.path("b2"))
            self.assertEqual(none.code(), 1)
            self.assertIn("name the state folder", none.err)
            restored = start(scene, scene.path("backup"))
            self.assertEqual(key_of(restored), key)


if __name__ == "__main__":
    WHIMBREL, WHIMBRELD = map(os.path.abspath, sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
