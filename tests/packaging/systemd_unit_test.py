"""The unit of systemd: systemd_unit_test.py CMAKE BUILD OPERATING.md WHIMBRELD"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

CMAKE = BUILD = DOCUMENT = WHIMBRELD = ""
ANALYZE = shutil.which("systemd-analyze")
# As a service has it: what else tests and shells have set is none of its business.
KEPT = ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "PATH")


def drop_ins():
    """As OPERATING.md has them: a comment with the path, and what is in the file."""
    with open(DOCUMENT, encoding="utf-8") as file:
        found = re.findall(r"^```ini\n# (/etc/systemd/system/whimbreld\.service\.d/\S+)\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)
    return sorted(found)


class Unit(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="whimbrel-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    def installed(self, prefix):
        root = os.path.join(self.folder, "root" + prefix.replace("/", "-"))
        subprocess.run([CMAKE, "--install", BUILD, "--component", "systemd", "--prefix", prefix], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DESTDIR": root}, timeout=60)
        path = f"{root}{prefix}/lib/systemd/system/whimbreld.service"
        with open(path, encoding="utf-8") as file:
            return path, file.read()

    def verify(self, *paths):
        if ANALYZE is None:
            self.skipTest("THE UNIT IS NOT VERIFIED: there is no systemd-analyze here")
        done = subprocess.run([ANALYZE, "verify", "--man=no", *paths], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_paths_follow_the_prefix(self):
        for prefix in ("/usr", "/usr/local", "/opt/whimbrel"):
            _, unit = self.installed(prefix)
            self.assertIn(f"exec {prefix}/bin/whimbreld --state", unit)
            self.assertNotIn("@", re.sub(r"SystemCallFilter=@system-service|\"\$@\"", "", unit))

    def test_systemd_looks_there(self):
        if ANALYZE is None:
            self.skipTest("THE UNIT PATHS ARE NOT CHECKED: there is no systemd-analyze here")
        paths = subprocess.run([ANALYZE, "unit-paths"], capture_output=True, text=True, timeout=60, check=True).stdout.split()
        for prefix in ("/usr", "/usr/local"):
            self.assertIn(f"{prefix}/lib/systemd/system", paths)

    def test_systemd_takes_it(self):
        path, _ = self.installed("/usr")
        self.verify(path)

    def test_systemd_takes_the_drop_ins(self):
        path, _ = self.installed("/usr")
        os.mkdir(path + ".d")
        for name, content in drop_ins():
            with open(os.path.join(path + ".d", os.path.basename(name)), "w", encoding="utf-8") as file:
                file.write(content)
        self.verify(path)

    def test_it_is_tried_again_until_it_can_serve(self):
        """An address that comes late, a disk without room: systemd would give up after five starts in ten seconds. Settings with a
        fault need a person."""
        _, unit = self.installed("/usr")
        head, service = unit.split("[Service]")
        self.assertRegex(head, r"(?m)^StartLimitIntervalSec=0$")
        self.assertRegex(service, r"(?m)^Restart=on-failure$")
        self.assertRegex(service, r"(?m)^RestartPreventExitStatus=2$")
        settings = os.path.join(self.folder, "w.toml")
        for text, code in (('listen = ["192.0.2.9:4040"]', 1), ("listen = [", 2), ("listens = 1", 2)):
            with open(settings, "w", encoding="utf-8") as file:
                file.write(f"[server]\nstate_folder = \"\"\n{text}\n")
            done = subprocess.run([WHIMBRELD, "--config", settings], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, code, done.stderr)

    def test_its_command_serves_with_the_keys_that_are_handed_over(self):
        """What systemd does, without it: the command of the unit, with the variables that it sets."""
        _, unit = self.installed("/usr")
        command = re.search("^ExecStart=(.*)$", unit, re.MULTILINE).group(1)
        settings = os.path.join(self.folder, "w.toml")
        command = command.replace("/etc/whimbreld.toml", settings).replace("/usr/bin/whimbreld", WHIMBRELD)
        names = [name for _, content in drop_ins() for name in re.findall("(?m)^LoadCredential=([^:]+):/etc/whimbreld/", content)]
        with open(DOCUMENT, encoding="utf-8") as file:
            text = file.read()
        secret = re.search(r'(?m)^(token_key_file = "\$\{CREDENTIALS_DIRECTORY\}/(\S+)")$', text)
        key = re.search(r'(?m)^(key_file = "\$\{CREDENTIALS_DIRECTORY\}/(\S+)")$', text)
        self.assertEqual([key.group(2), secret.group(2)], names)
        handed = os.path.join(self.folder, "credentials")
        os.mkdir(handed)
        for name, content in ((secret.group(2), "0" * 64 + "\n"), (key.group(2), "whimbrel-secret-key " + "0" * 64 + "\n")):
            with open(os.path.join(handed, name), "w", encoding="utf-8") as file:
                file.write(content)
        with open(settings, "w", encoding="utf-8") as file:
            file.write(f"""[server]
listen = ["127.0.0.1:0"]
[admin]
listen = "none"
[login]
mode = "token"
token_algorithm = "HS256"
{secret.group(1)}
[[sites]]
name = "fra"
address = "127.0.0.1:9"
{key.group(1)}
""")
        env = {name: value for name, value in os.environ.items() if name in KEPT}
        env["STATE_DIRECTORY"] = os.path.join(self.folder, "state")
        without = subprocess.run(shlex.split(command), env=env, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(without.returncode, 1)
        self.assertRegex(without.stderr, "CREDENTIALS_DIRECTORY is not set: .*LoadCredential=")
        env["CREDENTIALS_DIRECTORY"] = handed
        log_path = os.path.join(self.folder, "log")
        with open(log_path, "wb") as log:
            server = subprocess.Popen(shlex.split(command), env=env, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while True:
                ended = server.poll() is not None
                with open(log_path, encoding="utf-8") as file:
                    said = file.read()
                if "server key" in said:
                    break
                self.assertFalse(ended or time.monotonic() > deadline, said)
                time.sleep(0.02)
            server.send_signal(signal.SIGTERM)
            self.assertEqual(server.wait(60), 0)
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()


if __name__ == "__main__":
    CMAKE, BUILD, DOCUMENT, WHIMBRELD = sys.argv[1:5]
    WHIMBRELD = os.path.abspath(WHIMBRELD)
    unittest.main(argv=[sys.argv[0], *sys.argv[5:]], verbosity=2)
