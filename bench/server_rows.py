"""The rows of the server: whimbreld in a process of its own, beside Debian's turnserver (coturn) under the same load.

The load is that of bench_relay: 16 pairs over loopback, both ends of each on the relay, one UDP datagram for each packet.
`coturn` has both ends on the relay, too: each has an allocation and sends by its channel to the other's relayed address.
`coturn_plain` is what TURN does cheapest: one end is a peer without an allocation, so that each packet passes the server
once, and half of the clients have no relay at all. Targets are held against this one.
"""
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from harness import Failure, Measurement, Row, finish, free_port, TIME_LIMIT_S, memory_per_session, read_line, start

RIVALS = ("coturn", "coturn_plain")
SECONDS_MAX = 0.5  # of one run: the part shall be over soon
JUNK_SECONDS = 0.25  # of each kind
START_LIMIT_S = 10
STUN_BINDING = bytes.fromhex("000100002112a442") + bytes(12)


class Server:
    """A server of another process, and its folder. Both are gone at the end of a `with`."""

    def __init__(self, command, folder):
        self.folder = folder
        self.log = folder / "log"
        self.command = command
        self.start()

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def restart(self, port):
        """After its end."""
        self.start()
        return self.wait(port)

    def wait(self, port):
        """Until it answers to STUN, as both do."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.1)
            s.connect(("127.0.0.1", port))
            for _ in range(int(START_LIMIT_S / 0.1)):
                if self.process.poll() is not None:
                    break
                try:
                    s.send(STUN_BINDING)
                    s.recv(1500)
                    return self
                except ConnectionRefusedError:
                    time.sleep(0.05)
                except TimeoutError:
                    pass
        last = (self.log.read_text(errors="replace").strip().splitlines() or ["it says nothing"])[-1]
        self.__exit__()
        raise Failure(f"the server does not come up: {last}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def whimbreld_path(build):
    return build.parent / "apps" / "whimbreld" / "whimbreld"


# All users of a run are new, and come from one address.
NAMES_UNLIMITED = "\n[login]\nnew_names_per_minute = 1000000\nnew_names_of_network = 1000000\n"


def start_whimbreld(build, port, settings="", admin="", on_disk=True):
    folder = Path(tempfile.mkdtemp(prefix="whimbrel-bench-"))
    config = folder / "whimbreld.toml"
    state = folder / "state" if on_disk else ""
    config.write_text(f'[server]\nlisten = ["127.0.0.1:{port}"]\nstate_folder = "{state}"\n'
                      f'log_level = "warning"\ndrain_seconds = 0\n\n[admin]\nlisten = "{admin}"\n{NAMES_UNLIMITED}{settings}')
    return Server([whimbreld_path(build), "--config", config], folder).wait(port)


def start_coturn(port):
    """As a server of games would have it: UDP only, long-term credentials; one relay thread, as whimbreld has. (The
    default, one for each processor, costs as much for each packet.)"""
    folder = Path(tempfile.mkdtemp(prefix="whimbrel-bench-"))
    command = ["turnserver", "-n", "--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--listening-port", port,
               "--relay-threads", 1, "--lt-cred-mech", "--user", "bench:bench", "--realm", "bench",
               "--allow-loopback-peers", "--no-tcp", "--no-tls", "--no-dtls", "--no-tcp-relay", "--no-cli",
               "--no-rfc5780", "--no-stun-backward-compatibility", "--no-software-attribute", "--no-stdout-log",
               "--log-file", "/dev/null", "--userdb", folder / "users", "--pidfile", folder / "pid"]
    return Server([str(part) for part in command], folder).wait(port)


ROW_PREFIX = {"whimbrel": "leg", "coturn": "turn", "coturn_plain": "turn_plain"}


def load(program, build, what, port, server, seconds):
    return start(build / "bench_relay", "client", f"{ROW_PREFIX[program]}_{what}", port, seconds,
                 "--pid", server.process.pid, "--state", server.folder / "state")


def end(process):
    if process.poll() is None:
        process.kill()
        process.communicate()


def relay(what, settings=""):
    """A runner of bench_relay."""
    def run(program, build, seconds):
        port = free_port()
        with start_whimbreld(build, port, settings) if program == "whimbrel" else start_coturn(port) as server:
            client = load(program, build, what, port, server, min(seconds, SECONDS_MAX))
            try:
                return {}, finish(client)
            finally:
                end(client)
    return run


# Of all opens together; the limit for each /24 and the one on opens without a cookie are as they are.
OPENS_UNLIMITED = "\n[relay]\nopens_per_second = 1000000\n"


def cpu_seconds(pid):
    """clock_getcpuclockid(3)"""
    return time.clock_gettime((~pid << 3) | 2)


def refused(admin):
    """What the relay has dropped or answered by a cookie so far."""
    with urllib.request.urlopen(f"http://{admin}/metrics", timeout=5) as page:
        lines = page.read().decode().splitlines()
    wanted = ("whimbrel_relay_dropped_total{", "whimbrel_relay_cookies_total ")
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(wanted))


def run_junk(program, build, seconds):
    """{kind: refused for each second of the server's CPU time}"""
    port, admin, rates = free_port(), f"127.0.0.1:{free_port()}", {}
    with start_whimbreld(build, port, OPENS_UNLIMITED, admin) as server:
        client = load(program, build, "junk", port, server, JUNK_SECONDS)
        try:
            kind = read_line(client, START_LIMIT_S).strip()
            while kind != "end":
                before, cpu_before = refused(admin), cpu_seconds(server.process.pid)
                client.stdin.write(b"g")
                client.stdin.flush()
                following = read_line(client, START_LIMIT_S).strip()
                time.sleep(0.02)  # for what waits in the socket
                cpu = cpu_seconds(server.process.pid) - cpu_before
                rates[kind] = (refused(admin) - before) / cpu
                kind = following
            finish(client)
        finally:
            end(client)
    return {}, rates


def run_memory(row):
    def run(program, build, seconds):
        return {}, finish(start(build / "bench_server_memory", "local", row, 0, seconds))
    return run


# So that a client may send as many as it takes to measure.
SIGNALS_UNLIMITED = "\n[rendezvous]\nsignals_per_second = 100000\n"


def rendezvous(what, settings=""):
    """A runner of bench_rendezvous."""
    def run(program, build, seconds):
        port = free_port()
        with start_whimbreld(build, port, settings, on_disk=what == "sessions") as server:
            client = start(build / "bench_rendezvous", "client", what, port, min(seconds, 1))
            try:
                memory = memory_per_session(server.process, client) if what == "sessions" else {}
                return {}, finish(client) | memory
            finally:
                end(client)
    return run


IDLE_SECONDS = 10


RETURN_LIMIT_S = 30


def metric(admin, name):
    with urllib.request.urlopen(f"http://{admin}/metrics", timeout=5) as page:
        lines = page.read().decode().splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + " "))


def return_times(admin, users):
    """When the first, half and all of them are logged in, counted from now on."""
    begin, seen = time.monotonic(), {}
    wanted = {"first_s": 1, "p50_s": users / 2, "last_s": users}
    while len(seen) < len(wanted):
        here, now = metric(admin, "whimbrel_rendezvous_users"), time.monotonic() - begin
        if now > RETURN_LIMIT_S:
            raise Failure(f"{here:g} of {users} are back after {RETURN_LIMIT_S} s")
        seen |= {name: now for name, count in wanted.items() if here >= count and name not in seen}
        time.sleep(0.01)
    return seen


def run_returns(program, build, seconds):
    """Two thousand who do nothing; then the server is killed and started again."""
    port, admin = free_port(), f"127.0.0.1:{free_port()}"
    with start_whimbreld(build, port, admin=admin) as server:
        client = start(build / "bench_rendezvous", "client", "returns", port, 60)
        try:
            users = json.loads(read_line(client, TIME_LIMIT_S))["up"]
            time.sleep(3)  # what comes after a login
            before = cpu_seconds(server.process.pid)
            time.sleep(IDLE_SECONDS)
            idle = (cpu_seconds(server.process.pid) - before) / IDLE_SECONDS / users
            server.process.kill()
            server.process.wait()
            server.restart(port)
            times = return_times(admin, users)
            return {}, times | {"idle_cpu_us": idle * 1e6,
                                "login_cpu_us": cpu_seconds(server.process.pid) / users * 1e6}
        finally:
            end(client)


def of_client(name):
    return lambda server, client: client[name]


def per_core(server, client):
    return client["packets"] / client["server_cpu_s"]


def cpu_microseconds(server, client):
    return client["server_cpu_s"] / client["packets"] * 1e6


def share_of_system(server, client):
    return client["server_system_s"] / (client["server_system_s"] + client["server_user_s"])


def busy(server, client):
    return client["server_cpu_s"] / client["seconds"]


def loss(server, client):
    return client["lost"] / (client["lost"] + client["packets"])


def forwarding(size, target):
    name = f"relay_{size}"
    return Measurement(name, ("whimbrel", *RIVALS), [
        Row(f"{name}_packets_per_core_s", "1/s", per_core, target=target, against={"coturn_plain": 1}),
        Row(f"{name}_cpu_us_per_packet", "us", cpu_microseconds, higher_is_better=False),
        Row(f"{name}_kernel_share", "", share_of_system, higher_is_better=False),
        Row(f"{name}_packets_per_s", "1/s", lambda server, client: client["packets"] / client["seconds"]),
        Row(f"{name}_server_busy", "", busy),
        Row(f"{name}_loss", "", loss, higher_is_better=False)], runner=relay(size))


MEASUREMENTS = [
    forwarding("1200B", 200e3),
    forwarding("100B", 200e3),
    Measurement("relay_latency", ("whimbrel", "coturn"), [
        Row("relay_added_latency_p50_us", "us", of_client("added_p50_us"), higher_is_better=False, target=50),
        Row("relay_added_latency_p99_us", "us", of_client("added_p99_us"), higher_is_better=False, target=250),
        Row("relay_latency_bare_rtt_p50_us", "us", of_client("bare_rtt_p50_us"), higher_is_better=False),
        Row("relay_latency_load_packets_per_s", "1/s", of_client("load_packets_per_s"))], runner=relay("latency")),
    Measurement("relay_flood", ("whimbrel",), [
        Row("relay_quiet_rtt_p99_us", "us", of_client("quiet_rtt_p99_us"), higher_is_better=False),
        *(Row(f"relay_flood_{kind}_added_p99_ms", "ms", of_client(f"{kind}_added_p99_ms"), higher_is_better=False,
              target=1) for kind in ("spoofed", "shown", "full")),
        *(Row(f"relay_flood_{kind}_login_p99_ms", "ms", of_client(f"{kind}_login_p99_ms"), higher_is_better=False)
          for kind in ("quiet", "spoofed", "shown", "full")),
        Row("relay_flood_full_per_s", "1/s", of_client("full_per_s")),
        Row("relay_flood_logins_failed", "", of_client("logins_failed"), higher_is_better=False, target=0)],
        runner=relay("flood")),
    Measurement("relay_opens", ("whimbrel", "coturn"), [
        Row("relay_opens_per_core_s", "1/s", lambda server, client: client["opens"] / client["server_cpu_s"],
            against={"coturn": 1}),
        Row("relay_opens_per_s", "1/s", lambda server, client: client["opens"] / client["seconds"])],
        runner=relay("opens", OPENS_UNLIMITED)),
    Measurement("relay_junk", ("whimbrel",), [
        Row(f"relay_junk_{kind}_refused_per_core_s", "1/s", of_client(kind), target=100e3)
        for kind in ("token", "mac", "spoofed", "short", "packet")], runner=run_junk),
    Measurement("relay_slot_memory", ("whimbrel",), [
        Row("relay_slot_bytes", "B", of_client("bytes"), higher_is_better=False, target=512)],
        runner=run_memory("slot_memory"), once=True),
    Measurement("rendezvous_user_memory", ("whimbrel",), [
        Row("rendezvous_user_bytes", "B", of_client("bytes"), higher_is_better=False)],
        runner=run_memory("user_memory"), once=True),
    Measurement("rendezvous_session_memory", ("whimbrel",), [
        Row("rendezvous_session_bytes", "B", of_client("bytes_per_session"), higher_is_better=False)],
        runner=rendezvous("sessions"), once=True),
    Measurement("returns", ("whimbrel",), [
        Row("idle_user_cpu_us_per_s", "us", of_client("idle_cpu_us"), higher_is_better=False, target=5),
        Row("return_first_s", "s", of_client("first_s"), higher_is_better=False),
        Row("return_p50_s", "s", of_client("p50_s"), higher_is_better=False),
        Row("return_of_2000_s", "s", of_client("last_s"), higher_is_better=False, target=3),
        Row("return_cpu_us_per_user", "us", of_client("login_cpu_us"), higher_is_better=False)],
        runner=run_returns, once=True),
    Measurement("returns_simulated", ("whimbrel",), [
        Row("return_of_10000_simulated_s", "s", of_client("all_s"), higher_is_better=False, target=9),
        Row("login_without_kernel_us", "us", of_client("login_us"), higher_is_better=False, target=250)],
        runner=lambda program, build, seconds: ({}, finish(start(build / "bench_returns", "local", "10000", 0, seconds))),
        once=True),
    Measurement("signals", ("whimbrel",), [
        Row("signal_idle_p50_ms", "ms", of_client("idle_p50_ms"), higher_is_better=False),
        Row("signal_idle_p99_ms", "ms", of_client("idle_p99_ms"), higher_is_better=False, target=5),
        Row("signal_1000_per_s_p50_ms", "ms", of_client("busy_p50_ms"), higher_is_better=False),
        Row("signal_1000_per_s_p99_ms", "ms", of_client("busy_p99_ms"), higher_is_better=False, target=5)],
        runner=rendezvous("signals", SIGNALS_UNLIMITED)),
    Measurement("first_message", ("whimbrel",), [
        Row("first_message_p50_ms", "ms", of_client("p50_ms"), higher_is_better=False),
        Row("first_message_p99_ms", "ms", of_client("p99_ms"), higher_is_better=False),
        Row("first_message_relayed", "", lambda server, client: client["relayed"] / client["count"])],
        runner=rendezvous("first_message")),
]


def simulated(key, name, p50=None, p99=None, loses=True):
    """A row of bench_sim, the same on every machine."""
    rows = [Row(f"{name}_p50_ms", "ms", of_client("p50_ms"), higher_is_better=False, target=p50),
            Row(f"{name}_p99_ms", "ms", of_client("p99_ms"), higher_is_better=False, target=p99)]
    if loses:
        rows.append(Row(f"{name}_lost", "", of_client("lost"), higher_is_better=False, target=0))
    return Measurement(key, ("whimbrel",), rows, local=True, once=True)


MEASUREMENTS += [
    simulated("sim_meet", "sim_first_message_50ms_legs", 250, 800, loses=False),
    simulated("sim_meet_loss_1", "sim_first_message_50ms_legs_1pct", 250, 800, loses=False),
    simulated("sim_failover_both", "sim_relay_killed", 300, 600),
    simulated("sim_failover_one", "sim_relay_killed_one_way", 300, 600),
    simulated("sim_restart_both", "sim_only_server_restarted", 300, 600),
    simulated("sim_drain_both", "sim_relay_drained"),
    simulated("sim_drain_restart", "sim_only_server_drained"),
]
NOTES = f"""\
Runs of the server's rows last {SECONDS_MAX:g} s at most, so that all of them take a minute or two.
Per core: for each second of CPU time that the server's process used, on loopback, where a sender's time includes the way to
the receiver's socket. coturn has both ends of a pair on the relay, as whimbreld has; coturn_plain only one. Server and load
share this machine's processors: packets_per_s says less than packets_per_core_s, and server_busy is the part of one that the
server got. Clients send each packet as a datagram of its own, without segmentation offload, in trains of up to 8.
Added latency: half of (a round trip through the relay, less the median one of bare sockets at that time), while 16 pairs put
half of the relay's own maximum on it; with fewer processors than four, load, clients and server wait for each other.
Flood: first packets of sessions, each under a key of its own: 2,500 a second from made-up addresses, as many from one that answers
cookies and reads nothing else, and as many as this machine sends; added to the p99 of a round trip through the relay, and how long
others take to log in meanwhile.
Opens: of a slot; for coturn of an allocation, with credentials. Junk: opens with a cookie and a token of another site, or a
wrong mac; without a cookie (most are asked for one); too short; packets of no slot.
Memory, resident: slots and users are 100,000 of simulated clients, in one process with a relay, or with a rendezvous alone;
sessions 1,000 of real ones that are logged in, with all that whimbreld has of them.
Returns: 2,000 instances of the library, logged in and idle; then the server is killed and started again, and time runs from its first answer.
Simulated: users over lines of 25 ms each way, down for a second, and a server whose time is this machine's; with 100,000 (bench_returns local
--row 100000) it takes four minutes.
Signals: half of the time there and back, 300 bytes; alone, and while others send 1,000 a second. First message: 50 pairs who
know each other's names only and have a slot already, from the send to the arrival.
Rows that begin with sim_ are simulated: two users behind symmetric translators, one or two relays; 200 meetings over legs of 50 ms,
or 100 outages under traffic both ways every 10 ms, round trips through the relay from 20 to 100 ms: the longest time without a
message, and reliable messages that were lost."""


def exists(program, build):
    return whimbreld_path(build).exists() if program == "whimbrel" else shutil.which("turnserver") is not None
