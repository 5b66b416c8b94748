"""A process on a terminal of its own: what a person would see there, and keys that they press."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import threading
import time
import unicodedata

from processes import PATIENCE_SECONDS


class Display:
    """A terminal as far as line editors use one: text, cursor movement, erasing."""

    SEQUENCE = re.compile(r"\x1b(\[[0-9;?]*[@-~]|[()][0-9A-B]|[=>78cM])")

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.lines = [[]]
        self.row = self.column = 0
        self.pending = ""

    def feed(self, text):
        text = self.pending + text
        self.pending = ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                found = self.SEQUENCE.match(text, at)
                if not found:
                    if len(text) - at < 16:
                        self.pending = text[at:]
                        return
                    at += 1
                    continue
                self.sequence(found.group(1))
                at = found.end()
                continue
            self.character(text[at])
            at += 1

    def sequence(self, sequence):
        if sequence[0] != "[":
            return
        number = int(re.sub(r"\D.*", "", sequence[1:-1]) or 0)
        kind = sequence[-1]
        line = self.lines[self.row]
        if kind == "K":
            self.lines[self.row] = line[:self.column] if number == 0 else []
        elif kind == "J" and number == 0:
            self.lines[self.row] = line[:self.column]
            del self.lines[self.row + 1:]
        elif kind == "A":
            self.row = max(0, self.row - max(number, 1))
        elif kind == "B":
            self.row = min(len(self.lines) - 1, self.row + max(number, 1))
        elif kind == "C":
            self.column = min(self.columns - 1, self.column + max(number, 1))
        elif kind == "D":
            self.column = max(0, self.column - max(number, 1))
        elif kind == "G":
            self.column = max(number, 1) - 1
        elif kind == "P":
            del line[self.column:self.column + max(number, 1)]
        elif kind == "@":
            line[self.column:self.column] = [" "] * max(number, 1)
        elif kind in "Hf":
            raise AssertionError("a line editor has no business at a fixed place of the screen")

    def new_line(self):
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append([])

    def character(self, character):
        if character == "\n":
            self.new_line()
        elif character == "\r":
            self.column = 0
        elif character == "\b":
            self.column = max(0, self.column - 1)
        elif character >= " ":
            if self.column >= self.columns:
                self.column = 0
                self.new_line()
            line = self.lines[self.row]
            while len(line) <= self.column:
                line.append(" ")
            line[self.column] = character
            self.column += 1
            if unicodedata.east_asian_width(character) in "WF":
                if len(line) <= self.column:
                    line.append("")
                line[self.column] = ""
                self.column += 1

    @property
    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.lines)


class TerminalProcess:
    """Fits into a Scene as a Process does."""

    def __init__(self, folder, name, command, columns=80, rows=24):
        self.name, self.command = name, command
        self.err_path = os.path.join(folder, f"{name}.err")
        self.display = Display(columns, rows)
        self.raw = ""
        self.lock = threading.Lock()
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        with open(self.err_path, "wb") as err:
            self.popen = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=err, start_new_session=True,
                                          env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"})
        self.done = False
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        undecoded = b""
        while not self.done:
            if not select.select([self.master], [], [], 0.05)[0]:
                continue
            try:
                undecoded += os.read(self.master, 65536)
            except OSError:
                return
            text = undecoded.decode("utf-8", "ignore")
            rest = len(undecoded) - len(text.encode())
            undecoded = undecoded[len(undecoded) - rest:] if 0 < rest < 4 else b""
            with self.lock:
                self.raw += text
                self.display.feed(text)

    @property
    def out(self):
        with self.lock:
            return self.display.text

    @property
    def err(self):
        with open(self.err_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def write(self, text):
        os.write(self.master, text.encode())

    def settings(self):
        """Of the terminal: whether it echoes and gathers lines by itself."""
        return termios.tcgetattr(self.slave)[3] & (termios.ECHO | termios.ICANON)

    def code(self):
        try:
            return self.popen.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end\n{self.report()}") from None

    def kill(self):
        self.popen.kill()
        self.popen.wait()

    def close(self):
        self.done = True
        self.reader.join()
        os.close(self.master)
        os.close(self.slave)

    def until(self, pattern):
        """Waits until the screen matches; returns the match."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            ended = self.popen.poll() is not None
            if ended:
                time.sleep(0.1)
            found = re.search(pattern, self.out, re.MULTILINE)
            if found:
                return found
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"{self.name} never showed {pattern!r}\n{self.report()}")
            time.sleep(0.01)

    def report(self):
        return (f"$ {' '.join(self.command)}\ncode {self.popen.poll()}\n--- screen\n{self.out[-3000:]}\n"
                f"--- raw\n{self.raw[-500:]!r}\n--- stderr\n{self.err[-1000:]}")
