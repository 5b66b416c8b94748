"""Wrong use, help and bad input of the tool: cli_usage_test.py WHIMBREL"""

import socket
import sys
import unittest

from processes import Scene

WHIMBREL = ""
COMMANDS = ["chat", "send", "recv", "ping", "info", "key", "cert", "options", "version"]


class Usage(unittest.TestCase):
    def run_tool(self, *arguments):
        with Scene() as scene:
            process = scene.run("whimbrel", WHIMBREL, *arguments)
            return process.code(), process.out, process.err

    def assert_refused(self, code, pattern, *arguments):
        """One clear line on stderr, nothing on stdout, this exit code."""
        got, out, err = self.run_tool(*arguments)
        self.assertEqual(got, code, err)
        self.assertEqual(out, "")
        self.assertRegex(err, pattern)
        self.assertEqual(len(err.strip().splitlines()), 1, err)
        self.assertTrue(err.startswith("whimbrel: "), err)

    def test_version(self):
        for arguments in (["version"], ["--version"]):
            code, out, _ = self.run_tool(*arguments)
            self.assertEqual(code, 0)
            self.assertRegex(out, r"^whimbrel \d+\.\d+\.\d+$")

    def test_help_names_every_command_but_the_hidden_one(self):
        code, out, _ = self.run_tool("--help")
        self.assertEqual(code, 0)
        for command in COMMANDS:
            self.assertRegex(out, rf"(?m)^ +{command} ")
        self.assertNotIn("demo-peer", out)

    def test_each_command_has_help(self):
        for command in COMMANDS:
            code, out, _ = self.run_tool(command, "--help")
            self.assertEqual(code, 0)
            self.assertIn("Usage: whimbrel " + command, out)

    def test_network_commands_show_examples(self):
        for command in ("chat", "send", "recv", "ping", "info"):
            self.assertIn("Examples", self.run_tool(command, "--help")[1])

    def test_options_are_listed_with_their_ranges(self):
        code, out, _ = self.run_tool("options")
        self.assertEqual(code, 0)
        self.assertRegex(out, r"(?m)^FakePacketLossSend +2 +0 +100 +0")

    def test_wrong_use_is_code_2(self):
        self.assert_refused(2, "subcommand")
        self.assert_refused(2, "fly", "fly")
        self.assert_refused(2, "USER", "send")
        self.assert_refused(2, "send --help", "send", "bob", "--nonsense")
        self.assert_refused(2, "USER", "ping")
        self.assert_refused(2, "count", "ping", "bob", "--count", "many")
        self.assert_refused(2, "count", "ping", "bob", "-c", "-1")
        self.assert_refused(2, "count", "info", "bob", "-c", "-1")
        self.assert_refused(2, "app-id", "ping", "bob", "--app-id", "-1")
        self.assert_refused(2, "--answer takes no USER", "ping", "--answer", "bob")

    def test_unknown_words_are_named(self):
        self.assert_refused(2, '"--nope"', "--nope")
        self.assert_refused(2, '"cert foo"', "cert", "foo")
        self.assert_refused(2, '"cert --foo"', "cert", "--foo")
        self.assert_refused(2, "subcommand.*cert --help", "cert")

    def test_bad_names_and_addresses(self):
        self.assert_refused(2, "1 to 31 bytes", "send", "a" * 32)
        self.assert_refused(2, "not a user", "send", "steamid:bob")
        self.assert_refused(2, "NAME=HOST:PORT", "send", "bob", "--peer", "127.0.0.1:1")
        self.assert_refused(2, "not an address", "send", "bob", "--peer", "bob=127.0.0.1")
        self.assert_refused(2, "64 hex digits", "send", "bob", "--peer", "bob=127.0.0.1:1,abc")
        self.assert_refused(2, "--listen", "recv", "--listen", "here")
        self.assert_refused(2, "in numbers", "recv", "--listen", "myhost:4000")
        self.assert_refused(2, "in numbers", "recv", "--listen", "[myhost]:4000")
        self.assert_refused(2, "not a user", "recv", "--accept", "steamid:x")
        self.assert_refused(2, 'two "="', "send", "bob", "--peer", "a=b=127.0.0.1:1")

    def test_addresses_with_a_scope(self):
        for arguments in (["ping", "[fe80::1%lo]:4000"], ["ping", "bob", "--peer", "bob=[fe80::1%lo]:4000"],
                          ["recv", "--listen", "[fe80::1%lo]:4000"]):
            self.assert_refused(2, "scope", *arguments)

    def test_bad_settings_name_the_range(self):
        self.assert_refused(2, "0 to 100", "recv", "--set", "FakePacketLossSend=101")
        self.assert_refused(2, "0 to 100", "recv", "--set", "FakePacketLossSend=5%")
        self.assert_refused(2, "whimbrel options", "recv", "--set", "Nonsense=1")
        self.assert_refused(2, "NAME=VALUE", "recv", "--set", "FakePacketLossSend")

    def test_an_unknown_host(self):
        self.assert_refused(1, "can't find the host", "send", "bob", "--peer", "bob=no-such-host.invalid:1")

    def test_a_port_in_use(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            self.assert_refused(1, f"{port}.*in use", "recv", "--listen", f"127.0.0.1:{port}")

    def test_an_address_that_is_not_ours(self):
        self.assert_refused(1, "203.0.113.1", "recv", "--listen", "203.0.113.1:4000")

    def test_a_user_with_no_address(self):
        self.assert_refused(1, "--peer", "send", "bob")
        self.assert_refused(1, "--peer", "ping", "bob")

    def test_nobody_comes(self):
        code, out, err = self.run_tool("recv", "--listen", "127.0.0.1:0", "--timeout", "1")
        self.assertEqual(code, 1)
        self.assertEqual(out, "")
        self.assertIn("nobody sent", err)

    def test_an_output_that_is_full(self):
        for arguments in (["--help"], ["--version"], ["ping", "--help"], ["version"], ["options"]):
            with Scene() as scene, open("/dev/full", "wb") as full:
                process = scene.run("whimbrel", WHIMBREL, *arguments, stdout=full)
                self.assertEqual(process.code(), 1, process.report())
                self.assertIn("No space left", process.err)

    def test_nobody_answers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            port = silent.getsockname()[1]
            code, _, err = self.run_tool("ping", f"127.0.0.1:{port}", "--set", "TimeoutInitial=500")
        self.assertEqual(code, 1)
        self.assertIn("did not accept or answer in 0.5 s: ", err)
        self.assertIn("firewall", err)


if __name__ == "__main__":
    WHIMBREL = sys.argv.pop(1)
    unittest.main()
