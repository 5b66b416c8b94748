"""What the demo prints: headings, checks and events with the time since the start, and on a terminal a live line below."""

import os
import shutil
import textwrap
import time

NO_BREAK = "\u00a0"  # a blank at which no line ends


class Failed(Exception):
    def __init__(self, expected, seen):
        super().__init__(f"expected {expected}, saw {seen}")
        self.expected, self.seen = expected, seen


def locale_has_unicode(environment=os.environ):
    """Python turns a C locale into UTF-8 for itself alone: what the terminal shows is in the variables that a user sets."""
    told = environment.get("LC_ALL") or environment.get("LANG") or ""
    if not told and environment.get("LC_CTYPE") != "C.UTF-8":
        told = environment.get("LC_CTYPE") or ""
    return "utf-8" in told.lower() or "utf8" in told.lower()


class Screen:
    """`begin` is the monotonic time that all times are told from."""

    def __init__(self, out, begin):
        self.out, self.begin = out, begin
        self.fancy = out.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
        self.unicode = locale_has_unicode()
        self.good, self.bad, self.dot = ("✓", "✗", "·") if self.unicode else ("ok", "FAILED", "-")
        self.columns = min(shutil.get_terminal_size((100, 24)).columns, 110) if out.isatty() else 110
        self.live_shown = False
        self.live_printed_at = begin

    def colour(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.fancy and text else text

    def wipe(self):
        if self.live_shown:
            self.out.write("\r\033[K")
        self.live_shown = False

    def line(self, text=""):
        self.wipe()
        text = text.replace(NO_BREAK, " ")
        if not self.unicode:
            text = text.replace("→", "->").replace("…", "...").replace("·", "-")
        self.out.write(text + "\n")
        self.out.flush()

    def heading(self, text):
        self.line()
        for part in textwrap.wrap(text, self.columns - 1):
            self.line(self.colour("1", part))

    def paragraph(self, text):
        for part in textwrap.wrap(text, self.columns - 3):
            self.line("  " + part)

    def _entry(self, mark, code, text, detail, at):
        """One line if it fits; otherwise the detail stands below the text."""
        width = max(len(self.good), 1)
        head = f"  {mark:<{width}} {at - self.begin:6.2f} s  "
        room = max(self.columns - len(head) - 1, 20)
        coloured = f"  {self.colour(code, f'{mark:<{width}}')} {self.colour('2', f'{at - self.begin:6.2f} s')}  "
        if detail and len(text) + 2 + len(detail) <= room:
            self.line(coloured + text + "  " + self.colour("2", detail))
            return
        rows = [(row, "") for row in textwrap.wrap(text, room)] + [(row, "2") for row in textwrap.wrap(detail, room)]
        for index, (row, row_code) in enumerate(rows):
            start = coloured if index == 0 else " " * len(head)
            self.line(start + (self.colour(row_code, row) if row_code else row))

    def check(self, ok, text, detail, seconds):
        took = f"({seconds:.2f}{NO_BREAK}s)"
        detail = f"{detail} {took}" if detail else took
        self._entry(self.good if ok else self.bad, "32" if ok else "31", text, detail, time.monotonic())

    def event(self, text, at=None):
        """Something that happened, at a monotonic time or now."""
        self._entry(self.dot, "36", text, "", at or time.monotonic())

    def live(self, text):
        """On a terminal one line that changes; elsewhere a line now and then."""
        if self.fancy:
            self.wipe()
            self.out.write(self.colour("36", f"    {text}"[: self.columns - 1]))
            self.live_shown = True
            self.out.flush()
        elif time.monotonic() - self.live_printed_at >= 5:
            self.live_printed_at = time.monotonic()
            self.event(text)

    def picture(self, text):
        self.line()
        if not self.unicode:
            text = text.translate(str.maketrans("┌┐└┘├┤┬┴─│", "++++++++-|"))
        for row in text.strip("\n").splitlines():
            self.line(row)
