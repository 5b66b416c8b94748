"""Processes of a test: started with their output in files, awaited with a deadline, never left behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

# Far more than anything here takes: a deadline is for hangs, never a measurement.
PATIENCE_SECONDS = 60


class Process:
    """`stdin` is a pipe unless it is given."""

    def __init__(self, folder, name, command, stdin=subprocess.PIPE, stdout=None):
        self.name, self.command = name, command
        self.out_path = os.path.join(folder, f"{name}.out")
        self.err_path = os.path.join(folder, f"{name}.err")
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.popen = subprocess.Popen(command, stdin=stdin, stdout=stdout or out, stderr=err)

    @property
    def out(self):
        with open(self.out_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    @property
    def err(self):
        with open(self.err_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def write(self, text):
        self.popen.stdin.write(text.encode())
        self.popen.stdin.flush()

    def end_input(self):
        self.popen.stdin.close()

    def code(self):
        """Waits for the end."""
        try:
            return self.popen.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end\n{self.report()}") from None

    def interrupt(self):
        self.popen.send_signal(signal.SIGINT)

    def kill(self):
        self.popen.kill()
        self.popen.wait()

    def until(self, pattern, stream="out"):
        """Waits until the output matches; returns the match."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            ended = self.popen.poll() is not None
            found = re.search(pattern, getattr(self, stream), re.MULTILINE)
            if found:
                return found
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"{self.name} never said {pattern!r}\n{self.report()}")
            time.sleep(0.01)

    def report(self):
        return (f"$ {' '.join(os.fsdecode(word) for word in self.command)}\ncode {self.popen.poll()}\n"
                f"--- stdout\n{self.out[-2000:]}\n--- stderr\n{self.err[-2000:]}")


class Scene:
    """A folder and the processes that run in it; all of them are gone at the end."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="whimbrel-test-")
        self.processes = []
        return self

    def __exit__(self, kind, *_):
        for process in self.processes:
            if process.popen.poll() is None:
                process.kill()
            if process.popen.stdin:
                try:
                    process.popen.stdin.close()
                except OSError:
                    pass
            if kind:
                print(f"=== {process.name}\n{process.report()}", file=sys.stderr)
        shutil.rmtree(self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, name, *command, **options):
        process = Process(self.folder, f"{len(self.processes)}-{name}", list(command), **options)
        self.processes.append(process)
        return process

    def run(self, name, *command, **options):
        """Runs to the end with no input."""
        process = self.start(name, *command, stdin=subprocess.DEVNULL, **options)
        process.code()
        return process
