"""Feeds tools/check_includes made-up trees: each rule broken once, and kept once."""

import importlib.machinery
import importlib.util
import pathlib
import re
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_includes"
LOADER = importlib.machinery.SourceFileLoader("check_includes", str(SCRIPT))
CHECK = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_includes", LOADER))
LOADER.exec_module(CHECK)


def breaches(files):
    """The breaches in a tree of {path: content}."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, content in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content)
        found, count = CHECK.check_tree(root)
        assert count == len(files)
        return found


class TheTree(unittest.TestCase):
    """What stands on what is written in three places, and used."""

    ROOT = SCRIPT.parents[1]

    def test_is_linked_as_it_is_checked(self):
        lists = (self.ROOT / "src/CMakeLists.txt").read_text()
        linked = [line.split() for line in re.findall(r"^whimbrel_layer\((.*)\)", lists, re.M)]
        self.assertEqual({layer: below for layer, *below in linked}, CHECK.STANDS_ON)

    def test_is_drawn_as_it_is_checked(self):
        page = (self.ROOT / "docs/ARCHITECTURE.md").read_text()
        table = page[page.index("| folder | stands on |"):].split("\n\n")[0]
        drawn = [re.findall(r"`(\w+)`", line) for line in table.split("\n")[2:]]
        self.assertEqual({layer: below for layer, *below in drawn} | {"base": []}, CHECK.STANDS_ON)

    def test_each_layer_needs_what_it_stands_on(self):
        for layer, standing_on in CHECK.STANDS_ON.items():
            files = [file for file in (self.ROOT / "src" / layer).rglob("*") if file.suffix in (".h", ".cc")]
            used = {name for file in files for name in re.findall(r'#include "(\w+)/', file.read_text())}
            for below in standing_on:
                self.assertIn(below, used, f"{layer} does not need {below}")


class IncludeOrder(unittest.TestCase):
    def refuse(self, path, content, rule, line=1):
        found = breaches({path: content})
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"{path}:{line}: "), found)
        self.assertIn(rule, found[0])

    def allow(self, path, content):
        self.assertEqual(breaches({path: content}), [])

    def test_downwards_is_allowed(self):
        self.allow("src/session/session.cc", '#include "path/path.h"\n#include "base/time.h"\n')
        self.allow("src/api/calls.cc", '#include "base/time.h"\n')
        self.allow("src/path/congestion/cubic.cc", '#include "path/congestion/cubic.h"\n')

    def test_upwards_is_refused(self):
        self.refuse("src/base/time.cc", '\n#include "wire/frame.h"\n', "base stands below", line=2)
        self.refuse("src/endpoint/endpoint.cc", '#include "io/socket.h"\n', "may not include it")

    def test_neighbours_do_not_know_each_other(self):
        neighbours = [("path", "message"), ("message", "path"), ("handshake", "path"), ("relay", "rendezvous"),
                      ("traversal", "relay"), ("rendezvous", "traversal"), ("endpoint", "relay"),
                      ("endpoint", "rendezvous"), ("relay", "session"), ("io", "network"), ("network", "site"), ("site", "network"),
                      ("server", "network"), ("api", "site"), ("handshake", "wire")]
        for user, used in neighbours:
            self.refuse(f"src/{user}/a.cc", f'#include "{used}/b.h"\n', f"{user} stands below or beside {used}")

    def test_every_layer_may_include_those_it_stands_on(self):
        for layer in CHECK.STANDS_ON:
            for below in CHECK.layers_below(layer):
                self.allow(f"src/{layer}/a.cc", f'#include "{below}/b.h"\n')

    def test_bindings_see_the_public_headers_only(self):
        self.allow("bindings/godot/a.cc", "#include <whimbrel/identity.h>\n")
        self.refuse("bindings/godot/a.cc", '#include "base/time.h"\n', "public headers")

    def test_includes_are_written_from_the_src_root(self):
        self.refuse("src/path/pacer.cc", '#include "pacer.h"\n', "written from src/")
        self.refuse("src/path/pacer.cc", '#include "../base/time.h"\n', "written from src/")

    def test_a_folder_outside_the_house_is_refused(self):
        self.refuse("src/utils/a.cc", "int a;\n", "src/utils is not a layer")

    def test_commented_includes_do_not_count(self):
        self.allow("src/base/a.cc", '// #include "api/a.h"\n/*\n#include "api/a.h"\n*/\n')

    def test_a_line_number_survives_a_block_comment(self):
        self.refuse("src/base/a.cc", '/* one\ntwo */\n#include "io/a.h"\n', "base stands below", line=3)

    def test_the_simulator_reaches_up_to_clients_and_servers(self):
        self.allow("sim/world.cc", '#include "endpoint/endpoint.h"\n#include "sim/world.h"\n')
        self.allow("sim/world.cc", '#include "network/network.h"\n#include "site/site.h"\n')
        self.refuse("sim/world.cc", '#include "io/socket.h"\n', "may not include it")

    def test_public_headers_quote_nothing(self):
        self.allow("include/whimbrel/a.h", "#pragma once\n#include <whimbrel/b.h>\n#include <span>\n")
        self.refuse("include/whimbrel/a.h", '#pragma once\n#include "base/b.h"\n', "public headers", line=2)

    def test_programs_see_public_headers_and_their_folder(self):
        self.allow("apps/whimbrel/a.cc", '#include <whimbrel/b.h>\n#include "text.h"\n')
        self.refuse("apps/whimbrel/a.cc", '#include "base/b.h"\n', "own folder only")
        self.refuse("examples/a.cc", '#include "../src/base/b.h"\n', "own folder only")

    def test_tests_and_benchmarks_see_everything(self):
        self.allow("tests/property/a_test.cc", '#include "api/b.h"\n#include <thread>\n')
        self.allow("bench/a_bench.cc", '#include "crypto/b.h"\n')

    def test_only_crypto_includes_the_crypto_library(self):
        self.allow("src/crypto/aead.cc", "#include <openssl/evp.h>\n")
        self.refuse("src/handshake/noise.cc", "#include <openssl/evp.h>\n", "only src/crypto")
        self.refuse("src/io/socket.cc", "#include <openssl/rand.h>\n", "only src/crypto")

    def test_no_system_calls_below_io(self):
        for header in ["sys/socket.h", "netinet/in.h", "arpa/inet.h", "unistd.h", "sys/epoll.h", "thread", "mutex"]:
            self.allow("src/io/a.cc", f"#include <{header}>\n")
            self.refuse("src/path/a.cc", f"#include <{header}>\n", "below src/io")
            self.refuse("sim/a.cc", f"#include <{header}>\n", "below src/io")

    def test_a_unit_test_may_start_threads_but_read_no_clock(self):
        self.allow("src/base/a_test.cc", "#include <thread>\n")
        self.refuse("src/base/a_test.cc", "auto t = std::chrono::system_clock::now();\n", "::now")

    def test_no_clock_and_no_entropy_below_io(self):
        self.allow("src/io/clock.cc", "auto t = std::chrono::steady_clock::now();\n")
        self.refuse("src/path/a.cc", "auto t = std::chrono::steady_clock::now();\n", "::now")
        self.refuse("src/base/random.cc", "std::random_device device;\n", "random_device")
        self.refuse("sim/a.cc", "auto t = Clock::now();\n", "Clock::now")
        self.allow("src/path/a.cc", "// never steady_clock::now()\n")
        self.allow("sim/host.cc", "Instant Host::now() const { return now_; }\n")

    def test_log_and_crypto_may_lock_and_ask_for_entropy(self):
        self.allow("src/base/log.cc", "#include <mutex>\n")
        self.allow("src/crypto/secure_random.cc", "#include <sys/random.h>\n")

    def test_headers_need_pragma_once(self):
        self.refuse("src/base/a.h", "int a;\n", "#pragma once")

    def test_long_files_are_refused(self):
        self.allow("src/base/a.cc", "\n" * 600)
        self.refuse("src/base/a.cc", "\n" * 601, "601 lines", line=601)


class Script(unittest.TestCase):
    def test_this_tree_keeps_the_order_of_the_cmake_file(self):
        lines = (SCRIPT.parents[1] / "src" / "CMakeLists.txt").read_text().splitlines()
        layers = [line[len("whimbrel_layer("):-1].split() for line in lines if line.startswith("whimbrel_layer(")]
        self.assertEqual({name: below for name, *below in layers}, CHECK.STANDS_ON)


if __name__ == "__main__":
    unittest.main()
