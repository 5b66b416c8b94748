"""What bench/run and the rows of the server share: rows, and how the programs that measure them are started and read."""
import json
import os
import select
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

TIME_LIMIT_S = 300  # of one process; the programs give up earlier by themselves


@dataclass
class Row:
    """One line of the table. `value` takes what the server and the client printed."""
    name: str
    unit: str
    value: object
    higher_is_better: bool = True
    target: float = None             # an absolute one
    against: dict = field(default_factory=dict)  # rival -> factor on its figure


@dataclass
class Measurement:
    """One run of a server and a client (or of one local program) gives one or more rows."""
    key: str
    programs: tuple
    rows: list
    local: bool = False
    once: bool = False  # simulated: every round would give the same
    runner: object = None  # of (program, build folder, seconds): does it all, and gives what `value` takes


class Failure(Exception):
    pass


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def resident_bytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise Failure("no VmRSS")


def read_line(process, limit_s):
    """One line of a process, or Failure."""
    deadline = time.monotonic() + limit_s
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))
        byte = os.read(process.stdout.fileno(), 1) if ready else b""
        if not byte:
            raise Failure("it says nothing")
        line += byte
    return line.decode()


def start(program, side, row, port, seconds, *more):
    return subprocess.Popen(
        [str(program), side, "--port", str(port), "--row", row, "--seconds", str(seconds), *map(str, more)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process):
    """Waits for the end of a process; its last line of output as a dict ({} if it printed none)."""
    try:
        out, err = process.communicate(timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Failure("it hung") from None
    if process.returncode != 0:
        last = (err.decode(errors="replace").strip().splitlines() or ["nothing on stderr"])[-1]
        raise Failure(f"it ended with {process.returncode}: {last}")
    lines = [line for line in out.decode().splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {}


def memory_per_session(server, client):
    """The client says when all sessions are up; they end when its stdin is closed."""
    before = resident_bytes(server.pid)
    up = json.loads(read_line(client, TIME_LIMIT_S))["up"]
    time.sleep(0.5)
    return {"bytes_per_session": (resident_bytes(server.pid) - before) / up}
