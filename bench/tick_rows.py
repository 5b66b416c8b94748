"""Rows of a game server with many players at once: what a player costs the server in a tick, and how late the last ones hear."""
import signal

from harness import Failure, Measurement, Row, finish, free_port, read_line, start

RIVALS = ("enet",)
# A server that heard less had players that could not keep up, and was spared work. So was one whose
# states did not come.
HEARD_SHARE_MIN = 0.9


def program_path(program, build):
    return build / f"bench_ticks_{program}"


def runner_of(players):
    def run(program, build, seconds):
        path, port, row = program_path(program, build), free_port(), f"server_{players}"
        server = start(path, "server", row, port, seconds)
        client = None
        try:
            read_line(server, 10)
            client = start(path, "client", row, port, seconds)
            of_client = finish(client)
            server.send_signal(signal.SIGTERM)
            of_server = finish(server)
        finally:
            for process in (server, client):
                if process is not None and process.poll() is None:
                    process.kill()
                    process.communicate()
        least = HEARD_SHARE_MIN * of_server["ticks"] * players
        if of_server["received"] < least:
            raise Failure("the players could not keep up")
        if of_client["count"] < least:
            raise Failure("states were lost")
        return of_server, of_client
    return run


def microseconds_per_player_tick(server, client):
    return server["cpu_s"] / (server["ticks"] * server["players"]) * 1e6


def measurement_of(players):
    return Measurement(f"server_{players}", ("whimbrel", *RIVALS), [
        Row(f"server_{players}_us_per_player_tick", "us", microseconds_per_player_tick,
            higher_is_better=False, against={"enet": 1}),
        Row(f"server_{players}_p99_ms", "ms", lambda server, client: client["p99_us"] * 1e-3,
            higher_is_better=False)], runner=runner_of(players))


MEASUREMENTS = [measurement_of(200), measurement_of(1000)]
NOTES = "server_*: 60 Hz, 300 bytes to each player and 100 bytes from each, unreliable; the CPU time of the server's process alone."
