"""docs/TROUBLESHOOTING.md against the sources: each text that it is keyed by is one that they print, and each number and refusal has an entry."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs/TROUBLESHOOTING.md").read_text(encoding="utf-8")
# Texts are put together of several literals.
PIECES_MAX = 4
# In code, and about files, settings and commands, not about what is printed.
NO_TEXT = re.compile(r"^[\w.:/\[\]<>*()-]+$|^(--|whimbrel |whimbreld |Config::|\[)[^…]*$")


def squeezed(text):
    return re.sub(r"\s+", " ", text)


def literals(path):
    """The texts of a source file, those that continue each other as one."""
    source = path.read_text(encoding="utf-8")
    source = re.sub(r"//[^\n]*", "", source)
    joined = re.sub(r'(?<!\\)"\s*\n\s*"', "", source)
    return [re.sub(r"\\(.)", r"\1", found) for found in re.findall(r'(?<![\\\'])"((?:[^"\\\n]|\\.)*)"', joined)]


def sources():
    for folder in ("src", "apps"):
        for path in sorted((ROOT / folder).rglob("*.cc")) + sorted((ROOT / folder).rglob("*.h")):
            if not path.name.endswith("_test.cc"):
                yield path


def keys():
    """The texts in the first column of the tables."""
    for line in PAGE.splitlines():
        if not line.startswith("| ") or line.startswith("| ---"):
            continue
        for double, single in re.findall(r"``(.+?)``|`([^`]+)`", line.split("|")[1]):
            yield double or single


def consists_of(text, printed, pieces, begin=""):
    """Whether so many literals, one behind the other, are the text; of the first and the last one a part is enough."""
    if begin + text in printed or (begin and "…" + text in printed):
        return True
    ends = [match.start() for match in re.finditer(r"(?<=\S)(?=\s|['\"(),:;.])", text)]
    return pieces > 1 and any(
        (begin + text[:end] + "\n" in printed or begin + text[:end] + "…" in printed)
        and consists_of(text[end:].strip(), printed, pieces - 1, "\n") for end in ends)


def constants(header, enum):
    text = (ROOT / "include/whimbrel" / header).read_text(encoding="utf-8")
    body = re.search(rf"enum (?:class )?{enum} : int {{(.*?)}};", text, re.DOTALL).group(1)
    return {int(number): name for name, number in re.findall(r"k(\w+) = (\d+)", body)}


class Troubleshooting(unittest.TestCase):
    def test_each_text_is_in_the_sources(self):
        told = [re.sub(r" ?\{\w*\} ?", "…", squeezed(text)).strip() for path in sources() for text in literals(path)]
        printed = "\n" + "\n".join(told) + "\n"
        texts = [key for key in keys() if re.search("[a-z]{2}", key) and not NO_TEXT.match(key)]
        strange = [(key, part) for key in texts for part in key.split("…")
                   if not consists_of(part.strip(), printed, PIECES_MAX)]
        self.assertEqual(strange, [], "nothing prints these")
        self.assertGreater(len(texts), 120)

    def test_each_number_has_an_entry(self):
        for header, enum in (("result.h", "Result"), ("connection_info.h", "EndReason")):
            for number in constants(header, enum):
                if number:
                    self.assertRegex(PAGE, rf"(?m)^\| {number} \| \w", f"{enum} {number}")

    def test_each_refusal_has_an_entry(self):
        told = squeezed(PAGE)
        missing = [text for name in ("authority.cc", "authority.h", "backend_token.cc", "rendezvous_server.cc")
                   for text in literals(ROOT / "src/rendezvous" / name)
                   # What only our own client's mistakes would lead to, and what is hashed.
                   if len(text.split()) > 3 and not re.search(r"watch|whimbrel|view\(\)", text)
                   and text.strip(" :,") not in told]
        self.assertEqual(missing, [], "these refusals have no entry")

    def test_the_links_lead_somewhere(self):
        def anchor(title):
            return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")

        anchors = {anchor(title) for title in re.findall(r"(?m)^#+ (.*)$", PAGE)}
        for to in re.findall(r"\]\(#([^)]+)\)", PAGE):
            self.assertIn(to, anchors)
        for to in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGE):
            self.assertTrue((ROOT / "docs" / to).exists(), to)


if __name__ == "__main__":
    unittest.main()
