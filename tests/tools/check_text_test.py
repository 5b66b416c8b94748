"""Feeds tools/check_text made-up trees: each rule broken once, and kept once."""

import importlib.machinery
import importlib.util
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_text"
LOADER = importlib.machinery.SourceFileLoader("check_text", str(SCRIPT))
CHECK = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_text", LOADER))
LOADER.exec_module(CHECK)

SENTENCE = "// " + "word " * 19  # 98 columns


def breaches(files):
    """The breaches in a tree of {path: content}."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, content in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content)
        return CHECK.check_tree(root)[0]


class Comments(unittest.TestCase):
    def refuse(self, path, content, rule, line=1):
        found = breaches({path: content})
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"{path}:{line}: "), found)
        self.assertIn(rule, found[0])

    def allow(self, path, content):
        self.assertEqual(breaches({path: content}), [])

    def test_a_comment_has_a_hundred_columns(self):
        self.allow("src/base/a.h", SENTENCE + "ab\n")
        self.refuse("src/base/a.h", "\n" + SENTENCE + "abc\n", "101 columns", line=2)

    def test_a_comment_behind_code_counts_with_the_code(self):
        self.refuse("src/relay/a.cc", "int count = 0;  " + SENTENCE + "\n", "columns")

    def test_what_is_no_comment_is_the_formatter_s(self):
        self.allow("src/base/a.cc", 'const char* kText = "https://' + "x" * 100 + '";\n')

    def test_layouts_and_links_may_be_wider(self):
        self.allow("src/wire/a.h", "//  | " + "field u8 | " * 10 + "\n")
        self.refuse("src/wire/a.h", "//  | " + "field u8 | " * 11 + "\n", "columns")

    def test_every_folder_of_code_is_held_to_it(self):
        for path in ("include/whimbrel/a.h", "src/io/a.cc", "sim/a.h", "apps/whimbrel/a.cc", "examples/a.cc", "bench/a.cc", "tests/fuzz/a.cc"):
            self.refuse(path, SENTENCE + "abc\n", "101 columns")


class Names(unittest.TestCase):
    def test_a_file_that_is_named_exists(self):
        tree = {"src/base/time.h": "", "docs/STATES.md": "See base/time.h, src/base/time.h and time.h.\n"}
        self.assertEqual(breaches(tree), [])
        found = breaches({"docs/STATES.md": "\nSee base/tim.h.\n"})
        self.assertEqual(found, ["docs/STATES.md:2: there is no base/tim.h"])

    def test_in_comments_as_well(self):
        found = breaches({"src/base/time.h": "int a;  // docs/CLOCKS.md says more\n"})
        self.assertEqual(found, ["src/base/time.h:1: there is no docs/CLOCKS.md"])

    def test_includes_and_examples_are_others(self):
        self.assertEqual(breaches({"src/base/a.cc": '#include "base/b.h"\n// of <histedit.h>\n'}), [])
        self.assertEqual(breaches({"README.md": "```\ncat mine.toml\n```\n"}), [])


if __name__ == "__main__":
    unittest.main()
