"""Every setting and every flag with values that are right, wrong and strange: cli_config_test.py WHIMBREL WHIMBRELD"""

import concurrent.futures
import json
import os
import re
import sys
import unittest

try:
    import tomllib
except ImportError:  # before Python 3.11
    tomllib = None

from processes import Scene

WHIMBRELD = ""
SITE = {"name": "fra", "address": "127.0.0.1:9", "key_file": "fra.key"}
# Whatever is said of a value is a line that fits on a screen or two.
LINE_MAX = 1000


def literal(value):
    """As TOML has it. JSON's texts are TOML's, but for DEL."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {literal(one)}" for name, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


class Config(unittest.TestCase):
    def setUp(self):
        self.scene = self.enterContext(Scene())
        if tomllib is None:
            self.skipTest("THE SETTINGS ARE NOT LOOKED AT: Python has no tomllib before 3.11")
        self.printed = tomllib.loads(self.print_config())

    def write(self, name, text):
        with open(self.scene.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.scene.path(name)

    def print_config(self, *arguments):
        printed = self.scene.run("print", WHIMBRELD, "--print-config", *arguments)
        self.assertEqual((printed.code(), printed.err), (0, ""), printed.report())
        return printed.out

    def keys(self):
        """Each setting, as (table, key, its value)."""
        for table, keys in self.printed.items():
            for key, value in keys.items():
                yield table, key, value
        for key, value in SITE.items():
            yield "sites", key, value

    def test_each_key_has_a_comment(self):
        text = self.print_config("--config", self.write("w.toml", "[[sites]]\n" + "".join(
            f"{key} = {literal(value)}\n" for key, value in SITE.items())))
        lines = text.splitlines()
        keys = [i for i, line in enumerate(lines) if re.match(r"\w+ = ", line)]
        self.assertEqual(len(keys), len(list(self.keys())))
        for i in keys:
            self.assertRegex(lines[i - 1], r"^# \S.*: (true or false|a whole number from \d+ to \d+|one of \"|\"open\"|a text|a list)")
            value = re.escape(lines[i].split(" = ")[1])
            if not lines[i].startswith(("name", "key_file", "address = \"127")):
                self.assertRegex(lines[i - 1], f"; {value} unless told otherwise$")

    def test_what_is_printed_is_read_back(self):
        strange = 'a "b" \\c # = [x] \u00e4\u20ac\U0001f600 \'d\' %s {} \\u0041'
        values = {"listen": ["127.0.0.1:0"], "state_folder": strange, "log_level": "debug", "log_format": "json",
                  "mode": "numeric", "token_algorithm": "EdDSA", "token_key_file": strange, "address": [strange, "b"], "site": 'x"\\\u00e4'}
        text = ""
        for table, keys in self.printed.items():
            text += f"[{table}]\n"
            for key, value in keys.items():
                value = not value if isinstance(value, bool) else 7 if isinstance(value, int) else values.get(key, value)
                if key == "enabled":
                    value = True
                if table == "admin":
                    value = "127.0.0.1:7"
                if key.startswith("slot_"):
                    value = 4242
                text += f"{key} = {literal(value)}\n"
        text += "[[sites]]\n" + "".join(f"{key} = {literal(value if key != 'key_file' else strange)}\n" for key, value in SITE.items())
        text += "[[sites]]\n" + "".join(f"{key} = {literal(value + '2')}\n" for key, value in SITE.items())
        first = self.print_config("--config", self.write("one.toml", text))
        expected = tomllib.loads(text)
        self.assertEqual(tomllib.loads(first), expected)
        self.assertEqual(self.print_config("--config", self.write("two.toml", first)), first)

    def outcome(self, i, text):
        """Of a start with these settings: its code and what it said."""
        state = self.scene.path(f"state{i}")
        path = self.write(f"{i}.toml", text)
        process = self.scene.run(f"check{i}", WHIMBRELD, "--config", path, "--check-config",
                                 *(() if "state_folder" in text else ("--state", state)))
        self.assertFalse(os.path.exists(state), text[:200])
        return process

    def one(self, i, table, key, value):
        settings = {table: {key: value}}
        if table == "sites":
            text = "[[sites]]\n" + "".join(f"{name} = {literal({**SITE, key: value}[name])}\n" for name in SITE)
        else:
            text = f"[{table}]\n{key} = {literal(settings[table][key])}\n"
        text += "" if table == "server" else "[server]\n"
        text += "" if key == "listen" and table == "server" else 'listen = ["127.0.0.1:0"]\n' if table != "server" else ""
        text += "" if table == "admin" else '[admin]\nlisten = "none"\n'
        process = self.outcome(i, text)
        told = f"{table}.{key} = {literal(value)[:100]}\n{process.report()[-3000:]}"
        self.assertIn(process.code(), (0, 1, 2), told)
        if process.code() == 0:
            return told
        lines = process.err.splitlines()
        self.assertEqual(len(lines), 1, told)
        self.assertLess(len(lines[0]), LINE_MAX, told)
        self.assertNotRegex(lines[0], r"[\x00-\x1f\x7f]", told)
        # A folder, an address or a file is called by its own name in some.
        self.assertRegex(lines[0], rf"{key}|{table}|\[\[sites\]\]|site \"|state folder|UDP|no address", told)
        return None

    def test_strange_values_of_every_key(self):
        tried = []
        for table, key, value in self.keys():
            wrong = {int: ["many", 1.5, -1, 1 << 62, True], bool: ["yes", 1], str: [7, ["x", 7], True], list: ["x", 7, [7]]}
            kind = type(value)
            strange = [{"a": 1}, "x" * 100_000, "a\nb", "\x7f\x1b[2J", "", *wrong[kind]]
            if kind is list:
                strange += [[], ["a\nb"], ["x" * 100_000], ["x"] * 10_000]
            tried += [(table, key, one) for one in strange]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            accepted = [one for one in pool.map(lambda case: self.one(case[0], *case[1]), enumerate(tried)) if one]
        self.assertGreater(len(tried), 250)
        # An empty text is a value for some; a list of one for an address.
        self.assertLess(len(accepted), 15, accepted)

    def test_an_output_that_is_full_is_an_error(self):
        for words in (("--print-config",), ("--check-config", "--state", "", "--listen", "127.0.0.1:0", "--admin", "none")):
            with open("/dev/full", "w", encoding="utf-8") as full:
                process = self.scene.run("full", WHIMBRELD, *words, stdout=full)
            self.assertEqual(process.code(), 1, process.report())
            self.assertIn("can't write to the standard output: No space left", process.err)

    def test_numbers_at_their_ends(self):
        ends = re.findall(r"(?m)^# .*: a whole number from (\d+) to (\d+).*\n(\w+) = ", self.print_config())
        self.assertGreater(len(ends), 10)
        tables = {key: table for table, key, value in self.keys() if isinstance(value, int)}
        for least, most, key in ends:
            for value, right in ((int(least), True), (int(most), True), (int(least) - 1, False), (int(most) + 1, False)):
                process = self.scene.run("ends", WHIMBRELD, "--print-config", "--config",
                                         self.write("w.toml", f"[{tables[key]}]\n{key} = {value}\n"))
                self.assertEqual(process.code(), 0 if right else 2, f"{key} = {value}\n{process.report()}")

    def test_strange_values_of_every_flag(self):
        helped = self.scene.run("help", WHIMBRELD, "--help")
        flags = re.findall(r"(?m)^ +(?:-\w,)?(--[\w-]+) (TEXT|UINT|INT)?", helped.out)
        with_value = [name for name, kind in flags if kind]
        self.assertGreaterEqual(set(with_value), {"--config", "--listen", "--state", "--admin", "--log-level", "--revoke", "--backup"})
        for name in with_value:
            for value in ("", "x" * 5000, "a\nb\x1b[2J", b"\xff\xfe", 'info"\n[relay]\nenabled = false\nx = "'):
                state = () if name == "--state" else ("--state", self.scene.path("state"))
                check = () if name in ("--revoke", "--release", "--backup") else ("--check-config",)
                process = self.scene.run("flag", WHIMBRELD, name, value, *state, *check, *(() if name == "--listen" else ("--listen", "127.0.0.1:0")),
                                         *(() if name == "--admin" else ("--admin", "none")))
                told = f"{name} {value!r:.80}\n{process.report()[-2500:]}"
                if name in ("--state", "--admin") and value == "":
                    self.assertEqual(process.code(), 0, told)
                    continue
                self.assertIn(process.code(), (1, 2), told)
                self.assertEqual(len(process.err.splitlines()), 1, told)
                self.assertLess(len(process.err), LINE_MAX, told)
                self.assertNotRegex(process.err.strip(), r"[\x00-\x1f\x7f]", told)
                self.assertEqual(process.out, "", told)
                self.assertFalse(os.path.exists(self.scene.path("state")), told)


if __name__ == "__main__":
    WHIMBRELD = os.path.abspath(sys.argv[2])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
