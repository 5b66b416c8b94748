"""The processes of the demo: peers (`whimbrel demo-peer`) and a server (`whimbreld`)."""

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.request

from screen import Failed

PATIENCE_SECONDS = 60  # for hangs alone: far more than anything here takes
# What is started ends with us, even when we are killed.
TIED = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def start(place, command, **options):
    """In a place of the network, and out of the reach of the terminal's Ctrl-C, which is for us alone."""
    with place:
        return subprocess.Popen([*TIED, *command], start_new_session=True, **options)


def end(process, seconds=0):
    """Waits so long for its end, then kills it."""
    if process is None:
        return
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tail(path, count):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-count:]).rstrip()
    except OSError:
        return ""


class Peer:
    """One `whimbrel demo-peer` process."""

    def __init__(self, whimbrel, name, folder, place, arguments, file_name=None):
        self.name = name
        self.identity = f"str:{name}"
        file_name = file_name or name
        self.log = open(os.path.join(folder, f"{file_name}.log"), "w", encoding="utf-8")
        self.arguments = ["demo-peer", "--name", name, *arguments]
        self.process = start(place, [whimbrel, *self.arguments, "--key", os.path.join(folder, f"{file_name}.key"), "-v"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, bufsize=1)
        self.events = queue.Queue()
        self.messages, self.requests, self.failures, self.send_failures = [], [], [], []
        self.info = self.server = None
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.ready = self.next_event(PATIENCE_SECONDS)
        if self.ready.get("event") != "ready":
            raise Failed(f"{name} to be ready", f"{self.ready['event']}; {tail(self.log.name, 3)}")

    def _read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            event["at"] = time.monotonic()
            self.log.write("> " + (line if len(line) < 400 else line[:400] + "...\n"))
            self.events.put(event)
        self.events.put({"event": "ended"})

    def next_event(self, timeout):
        try:
            return self.events.get(timeout=timeout)
        except queue.Empty:
            return {"event": "nothing"}

    def tell(self, what, **fields):
        command = json.dumps({"do": what, **fields})
        self.log.write("< " + command[:400] + "\n")
        try:
            self.process.stdin.write(command + "\n")
        except BrokenPipeError:
            raise Failed(f"{self.name} to be running", f"it ended with code {self.process.poll()}") from None

    def collect(self):
        """Sorts what has come."""
        while True:
            try:
                event = self.events.get_nowait()
            except queue.Empty:
                return
            kind = event["event"]
            if kind == "message":
                self.messages.append(event)
            elif kind == "request":
                self.requests.append(event["user"])
            elif kind == "failed":
                self.failures.append(event["info"])
            elif kind == "send_failed":
                self.send_failures.append(event)
            elif kind == "done":
                self._answered(event)
            elif kind == "ended":
                raise Failed(f"{self.name} to be running", f"it ended with code {self.process.wait()}")

    def _answered(self, event):
        if event.get("error"):
            raise Failed(f"{self.name} to take a command", event["error"])
        if event.get("do") == "info":
            self.info = event["info"]
        elif event.get("do") == "server":
            self.server = event["server"]
        elif event.get("ok") is False:
            raise Failed(f"{self.name}: {event['do']} to succeed", "it answered false")

    def stop(self):
        try:
            self.process.stdin.close()
        except OSError:
            pass
        end(self.process, 5)
        self.reader.join(5)
        self.log.close()


class Server:
    """`whimbreld`, which may be started again and again over the same state."""

    DRAIN_SECONDS = 1

    def __init__(self, whimbreld, folder, place, address, port):
        self.whimbreld, self.place, self.address = whimbreld, place, address
        self.state, self.config = os.path.join(folder, "state"), os.path.join(folder, "whimbreld.toml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"[server]\ndrain_seconds = {self.DRAIN_SECONDS}\n")
        self.log_path = os.path.join(folder, "whimbreld.log")
        self.log_begin = 0
        self.port, self.key, self.authority, self.admin, self.process = port, "", "", "", None

    def start(self):
        """Does not wait for it: see running()."""
        self.admin = ""
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.log_begin = log.tell()
            self.process = start(self.place, [
                self.whimbreld, "--config", self.config, "--listen", f"{self.address}:{self.port}", "--state", self.state,
                "--admin", "127.0.0.1:0"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def said(self, pattern):
        """A match in what the present process said."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            file.seek(self.log_begin)
            return re.search(pattern, file.read())

    def running(self):
        """Whether it takes packets by now. It says where and who it is as its last words before."""
        if self.admin:
            return True
        if self.process.poll() is not None:
            raise Failed("whimbreld to start", f"code {self.process.returncode}: {tail(self.log_path, 2)}")
        found = self.said(r"UDP port (\d+)[^$]*server key ([0-9a-f]{64})[^$]*authority ([0-9a-f]{64})[^$]*metrics at (\S+)\n")
        if not found:
            return False
        before = (self.key, self.authority)
        self.port, self.key, self.authority, self.admin = int(found[1]), found[2], found[3], found[4]
        if before not in (("", ""), (self.key, self.authority)):
            raise Failed("the same server key and authority as before", (self.key, self.authority))
        return True

    def name(self):
        return f"{self.address}:{self.port},{self.key}"

    def metric(self, name):
        with self.place, urllib.request.urlopen(self.admin, timeout=PATIENCE_SECONDS) as page:
            for line in page.read().decode().splitlines():
                if line.startswith(name + " "):
                    return int(float(line.split()[1]))
        raise Failed(f"a metric {name}", "none of that name")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.kill()
