#!/usr/bin/env python3
"""The demonstration behind `./dev demo`. A `whimbreld` and two `whimbrel` processes that know only each other's names, in
network namespaces behind two NATs where that is allowed, otherwise on this host; the server is killed and comes back under
traffic. `direct`: the two alone, one with the other's address. Exit code 0 only if everything was as it should be.

    python3 tools/demo [direct] --whimbrel PROGRAM --whimbreld PROGRAM
"""

import argparse
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from network import Impossible, OneHost, TwoNats, command_for_namespaces
from processes import TIED, tail
from relayed import Direct, Relayed
from screen import Failed, Screen

OK, FAILED, SKIPPED, INTERRUPTED, NOBODY_READS = 0, 1, 77, 130, 141


class Stopped(BaseException):
    """By Ctrl-C, SIGTERM, or a terminal that went away."""


def stop_by_signals():
    def stop(*_):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # the cleaning up is not to be disturbed
        raise Stopped

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def report_failure(screen, failed, folder):
    screen.line()
    screen.line(screen.colour("31", "The demo FAILED."))
    screen.paragraph(f"expected: {failed.expected}")
    screen.paragraph(f"seen:     {failed.seen}")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".log"):
            screen.line(f"  end of {os.path.join(folder, name)}:")
            for line in tail(os.path.join(folder, name), 8).splitlines():
                screen.line(f"    {line[:200]}")


def make_demo(options, screen, folder, network):
    sizes = (options.file_mib << 20, options.lossy_file_mib << 20)
    if options.kind == "direct":
        return Direct(options.whimbrel, screen, folder, network, *sizes)
    return Relayed(options.whimbrel, options.whimbreld, screen, folder, network, *sizes)


def perform(options, screen, network):
    """Returns the exit code. Nothing runs any more afterwards."""
    folder = tempfile.mkdtemp(prefix="whimbrel-demo-")
    demo = make_demo(options, screen, folder, network)
    failed, keep = None, False
    try:
        try:
            demo.run()
        except Failed as error:
            failed, keep = error, True
        demo.clear()
        if failed:
            report_failure(screen, failed, folder)
            return FAILED
        screen.line()
        seconds = time.monotonic() - screen.begin
        screen.line(screen.colour("1", f"All {demo.checks} checks passed in {seconds:.1f} s."))
        return OK
    finally:
        demo.clear()
        if not keep:
            shutil.rmtree(folder)


def in_namespaces(begin, prefix):
    """Runs the demo once more, as root over namespaces of its own; they end with it."""
    alive, held = os.pipe()  # held open by the demo until its end
    command = [*TIED, *prefix, *ourselves(), *sys.argv[1:], "--inside", str(begin)]
    child = subprocess.Popen(command, pass_fds=(held,))
    os.close(held)
    try:
        return child.wait()
    except Stopped:
        child.kill()  # by which the demo is told to stop, unless Ctrl-C told it already
        child.wait()
        select.select([alive], [], [], 20)
        return INTERRUPTED


def ourselves():
    return [sys.executable, "-B", os.path.dirname(os.path.abspath(__file__))]


def choose_network(options, screen):
    """The network that the demo can have here, or the command to run it in namespaces."""
    if options.kind == "direct" or options.network == "host":
        return OneHost(), None
    try:
        return None, command_for_namespaces([*ourselves(), "--probe"])
    except Impossible as error:
        if options.network == "namespaces":
            screen.line(f"Skipped: no network namespaces with NATs here ({error}).")
            return None, None
        screen.paragraph(f"No network namespaces with NATs here ({error}): everything runs on this one host instead.")
        return OneHost(), None


def parse():
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", choices=["relayed", "direct"], default="relayed",
                        help="with a server between them (default), or the two alone")
    parser.add_argument("--whimbrel", help="the whimbrel program")
    parser.add_argument("--whimbreld", help="the whimbreld program")
    parser.add_argument("--network", choices=["auto", "namespaces", "host"], default="auto",
                        help=f"namespaces: exit code {SKIPPED} where there are none")
    parser.add_argument("--file-mib", type=int, default=20, help="size of the file on the clean line")
    parser.add_argument("--lossy-file-mib", type=int, default=1, help="and on the bad one")
    parser.add_argument("--probe", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--inside", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.probe:
        for name in ("whimbrel",) if options.kind == "direct" else ("whimbrel", "whimbreld"):
            program = getattr(options, name)
            if not program or not os.access(program, os.X_OK):
                parser.error(f"--{name} {program} is not a program: build it first (./dev build)")
    return options


def probe():
    try:
        TwoNats()
        return OK
    except Impossible as error:
        print(error, file=sys.stderr)
        return FAILED


def run(options, screen):
    if options.inside:
        return perform(options, screen, TwoNats())
    network, prefix = choose_network(options, screen)
    if prefix:
        return in_namespaces(screen.begin, prefix)
    return perform(options, screen, network) if network else SKIPPED


def main():
    options = parse()
    if options.probe:
        return probe()
    stop_by_signals()
    screen = Screen(sys.stdout, options.inside or time.monotonic())
    try:
        code = run(options, screen)
        sys.stdout.flush()
        return code
    except Stopped:
        end_of_output = INTERRUPTED
    except BrokenPipeError:
        end_of_output = NOBODY_READS
    try:
        if end_of_output == INTERRUPTED:
            screen.line("Stopped; nothing is left running.")
    except OSError:
        pass
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
    return end_of_output


if __name__ == "__main__":
    sys.exit(main())
