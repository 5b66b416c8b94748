"""Where the demo takes place: on one host, or in network namespaces of its own, where a NAT stands before each peer.

The namespaces have no names: they are gone with the last process and handle of them.
"""

import ctypes
import os
import shutil
import subprocess

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
# Where Debian keeps `ip` and `nft`; not everybody's PATH has it.
TOOL_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class Impossible(Exception):
    """Why there can be no namespaces here."""


class Here:
    """The network that we are in; used as `with place:`."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def _call(what, function, *arguments):
    if function(*arguments) != 0:
        raise Impossible(f"{what}: {os.strerror(ctypes.get_errno())}")


class Namespace:
    """`with namespace:` what is started and opened lies in it."""

    def __init__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _call("unshare", LIBC.unshare, CLONE_NEWNET)
        self.handle = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.__exit__()

    def __enter__(self):
        _call("setns", LIBC.setns, self.handle, CLONE_NEWNET)
        return self

    def __exit__(self, *_):
        _call("setns", LIBC.setns, self.home, CLONE_NEWNET)

    def run(self, tool, *arguments, text, handles=()):
        path = shutil.which(tool, path=TOOL_PATH)
        if not path:
            raise Impossible(f"no program {tool}")
        with self:
            done = subprocess.run([path, *arguments], input=text, text=True, capture_output=True, pass_fds=handles,
                                  check=False)
        if done.returncode != 0:
            raise Impossible(f"{tool}: {(done.stderr or done.stdout).strip().splitlines()[0]}")


class OneHost:
    """Everything on 127.0.0.1."""

    separate = False
    server_address, server_port = "127.0.0.1", 0  # any port that is free
    peer_arguments = ["--listen", "127.0.0.1:0"]

    def __init__(self):
        self.server = self.alice = self.bob = Here()

    def picture(self):
        return """
      ┌─────────┐          ┌─────────────┐          ┌─────────┐
      │  alice  ├──────────┤  whimbreld  ├──────────┤   bob   │
      └─────────┘          └─────────────┘          └─────────┘
                        127.0.0.1, one host
"""


# A home router: outward everybody has its address, inward comes only what answers something.
NFT_RULES = """
table ip home {
  chain nat { type nat hook postrouting priority 100; oifname "wan" masquerade; }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "lan" accept
  }
  chain input {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    iifname "lan" accept
  }
}
"""
IPTABLES_RULES = """
*nat
-A POSTROUTING -o wan -j MASQUERADE
COMMIT
*filter
:FORWARD DROP
:INPUT DROP
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i lan -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -i lan -j ACCEPT
COMMIT
"""


class Home:
    """A peer's computer and the router before it. `cable` is the internet's end of the router's line."""

    def __init__(self, internet, cable, outside, gateway, lan, inside):
        self.outside, self.address = outside, inside
        self.router, self.computer = Namespace(), Namespace()
        internet.run("ip", "-batch", "-", handles=(self.router.handle,), text=f"""
link add {cable} type veth peer name wan netns /proc/self/fd/{self.router.handle}
addr add {gateway}/24 dev {cable}
link set {cable} up
""")
        self.router.run("ip", "-batch", "-", handles=(self.computer.handle,), text=f"""
link set lo up
link add lan type veth peer name eth0 netns /proc/self/fd/{self.computer.handle}
addr add {outside}/24 dev wan
addr add {lan}/24 dev lan
link set wan up
link set lan up
route add default via {gateway}
""")
        self.computer.run("ip", "-batch", "-", text=f"""
link set lo up
addr add {inside}/24 dev eth0
link set eth0 up
route add default via {lan}
""")
        forward(self.router)
        if shutil.which("nft", path=TOOL_PATH):
            self.router.run("nft", "-f", "-", text=NFT_RULES)
        elif shutil.which("iptables-restore", path=TOOL_PATH):
            self.router.run("iptables-restore", text=IPTABLES_RULES)
        else:
            raise Impossible("no program nft (package nftables) for the NATs")


def forward(place):
    with place:
        try:
            with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as file:
                file.write("1")
        except OSError as error:
            raise Impossible(f"ip_forward: {error.strerror}") from None


class TwoNats:
    """The internet, with addresses that are reserved for documentation, and two homes. Needs root over its namespaces."""

    separate = True
    server_address, server_port = "192.0.2.1", 4040
    peer_arguments = []

    def __init__(self):
        self.server = Namespace()
        self.server.run("ip", "-batch", "-", text=f"link set lo up\naddr add {self.server_address}/32 dev lo\n")
        forward(self.server)
        self.homes = {"alice": Home(self.server, "to-alice", "203.0.113.10", "203.0.113.1", "192.168.1.1", "192.168.1.2"),
                      "bob": Home(self.server, "to-bob", "198.51.100.20", "198.51.100.1", "10.0.0.1", "10.0.0.2")}
        self.alice, self.bob = self.homes["alice"].computer, self.homes["bob"].computer

    def picture(self):
        return """
   ┌───────────────┐                                   ┌───────────────┐
   │     alice     │                                   │      bob      │
   │  192.168.1.2  │                                   │   10.0.0.2    │
   └───────┬───────┘                                   └───────┬───────┘
           │ 192.168.1.0/24                        10.0.0.0/24 │
   ┌───────┴───────┐         ┌───────────────┐         ┌───────┴───────┐
   │      NAT      │         │   whimbreld   │         │      NAT      │
   │ 203.0.113.10  ├─────────┤   192.0.2.1   ├─────────┤ 198.51.100.20 │
   └───────────────┘         └───────────────┘         └───────────────┘
"""


# In a process namespace, too: all that is in it ends with its first process.
NAMESPACES = ["unshare", "--net", "--pid", "--fork", "--kill-child=TERM"]


def command_for_namespaces(probe):
    """What stands before a command to give it root over namespaces of its own; `probe` is a command that tries them.
    Raises Impossible with the reason."""
    if not shutil.which("unshare"):
        raise Impossible("no program unshare (package util-linux)")
    reason = ""
    for user in ([[], ["--user", "--map-root-user"]] if os.geteuid() == 0 else [["--user", "--map-root-user"]]):
        done = subprocess.run([*NAMESPACES, *user, *probe], stdin=subprocess.DEVNULL, text=True, capture_output=True,
                              check=False)
        if done.returncode == 0:
            return [*NAMESPACES, *user]
        reason = (done.stderr.strip().splitlines() or [f"code {done.returncode}"])[-1]
    raise Impossible(reason)
