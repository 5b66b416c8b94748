"""Shows that the two homes cannot reach each other, by datagrams of our own, and what the server sees of them (STUN)."""

import os
import socket
import struct
import time

from processes import PATIENCE_SECONDS
from screen import Failed

COOKIE = 0x2112A442
XOR_MAPPED_ADDRESS = 0x0020
SILENCE_SECONDS = 0.2


def seen_from(server, sock):
    """RFC 8489: the address and port that a server sees `sock` at; None without an answer."""
    transaction = os.urandom(12)
    for _ in range(20):
        sock.sendto(struct.pack("!HHI", 1, 0, COOKIE) + transaction, server)
        try:
            answer = sock.recv(2048)
        except TimeoutError:
            continue
        if answer[:2] != b"\x01\x01" or answer[8:20] != transaction:
            continue
        at = 20
        while at + 4 <= len(answer):
            kind, size = struct.unpack("!HH", answer[at : at + 4])
            if kind == XOR_MAPPED_ADDRESS and size == 8:
                port, host = struct.unpack("!HI", answer[at + 6 : at + 12])
                return socket.inet_ntoa(struct.pack("!I", host ^ COOKIE)), port ^ COOKIE >> 16
            at += 4 + (size + 3 & ~3)
    return None


def open_socket(place):
    with place:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", 0))
    sock.settimeout(0.5)
    return sock


def arrives(sender, address, receiver, seconds):
    """Whether a datagram to `address` comes to `receiver`."""
    word = os.urandom(8)
    try:
        sender.sendto(word, address)
    except OSError:
        return False
    deadline = time.monotonic() + seconds
    receiver.settimeout(seconds)
    while time.monotonic() < deadline:
        try:
            if receiver.recv(2048) == word:
                return True
        except TimeoutError:
            break
    return False


class Apart:
    def __init__(self, network, server):
        self.homes, self.server = network.homes, (server.address, server.port)

    def outside(self):
        """Each peer reaches the server, which sees its router's address instead of its own."""
        for name, home in self.homes.items():
            with open_socket(home.computer) as sock:
                seen = seen_from(self.server, sock)
            if not seen or seen[0] != home.outside:
                raise Failed(f"the server to see {name} at {home.outside}", seen)
        return ", ".join(f"{name} {home.address} as {home.outside}" for name, home in self.homes.items())

    def uninvited(self, sender, name):
        """Sends to `name` at the own address and at the one that the server sees. Sockets of their own: where both had
        sent to each other, the NATs would let both through."""
        home = self.homes[name]
        with open_socket(home.computer) as receiver, open_socket(sender.computer) as sock, open_socket(home.router) as router:
            seen = seen_from(self.server, receiver)
            inside = (home.address, receiver.getsockname()[1])
            if not arrives(router, inside, receiver, PATIENCE_SECONDS):  # it does receive
                raise Failed(f"{name} to receive from the own router", "nothing")
            for address in (inside, seen):
                if arrives(sock, address, receiver, SILENCE_SECONDS):
                    raise Failed(f"nothing to reach {name} at {address[0]}:{address[1]}", "the datagram arrived")

    def closed(self):
        self.uninvited(self.homes["alice"], "bob")
        self.uninvited(self.homes["bob"], "alice")
        return "datagrams of one to the other, at the inner address and at the outer, do not arrive"
