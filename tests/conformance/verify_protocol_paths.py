"""The paths of a session, as docs/PROTOCOL.md sections 4, 6 and 8 describe them: numbers, acknowledgements, who opens a path, what
may be said on it, how it ends. And the places that datagrams come from and go to."""

import verify_protocol_wire as wire
from verify_protocol_wire import require

BASE_DATAGRAM = 1200
REPLAY_WINDOW = 4096
PATHS_MAX = 8
CHALLENGES = {"PATH_CHALLENGE", "PATH_RESPONSE"}
SIGNALLED = {0xE0, 0xE1, 0xE5, 0xE6}  # the first bytes of what travels in a signal: InitIK, RespIK, CookieReply, VersionReply


class Sent:
    """A packet that left: whether it arrived, its size, the number of its key, and the paths that it says have ended."""

    def __init__(self, delivered, size, generation, ends):
        self.delivered, self.size, self.generation, self.ends = delivered, size, generation, ends


class Track:
    """One direction of one path: its packet numbers, and what its sender knows of them."""

    def __init__(self):
        self.sent = []  # by packet number
        self.largest = self.largest_acked = -1
        self.proven_size = BASE_DATAGRAM
        self.challenges = []  # (bytes, where they came from)
        self.sources = []  # that packets have arrived from

    def recover(self, cut, size):
        """The number that was cut to `size` bytes."""
        number = wire.recover_packet_number(self.largest, cut, 8 * size)
        require(number > self.largest - REPLAY_WINDOW, "a packet number within the window")
        return number

    def check_next(self, number, size):
        require(number == len(self.sent), f"packet numbers count up ({number} after {len(self.sent)} packets)")
        needed = wire.packet_number_size(number, self.largest_acked)
        require(size == needed, f"{needed} bytes of packet number as RFC 9000 17.1 asks for, not {size}")

    def note(self, packet, source):
        self.sent.append(packet)
        if packet.delivered:
            self.largest = max(self.largest, len(self.sent) - 1)
            self.sources.append(source)

    def named(self, ranges):
        """The packets that an ACK names."""
        require(ranges[0][1] < len(self.sent), "an ACK names packets that were sent on its path")
        named = [(number, self.sent[number]) for lowest, highest in ranges for number in range(lowest, highest + 1)]
        for number, packet in named:
            require(packet.delivered, f"an ACK names packets that arrived, not {number}")
        return [packet for _, packet in named]

    def acknowledged(self, ranges):
        """An ACK has reached the sender."""
        self.proven_size = max([self.proven_size] + [packet.size for packet in self.named(ranges)])
        self.largest_acked = max(self.largest_acked, ranges[0][1])


class OnePath:
    """What both ends have told of a path."""

    def __init__(self, number, leader):
        self.number = number
        self.indices = {}  # by end
        self.told = set()  # ends whose index has arrived
        self.over_for = set()  # ends that have said so, or have acknowledged it
        self.wanted = {leader: number == 0, 1 - leader: True}  # by end: packets to it
        self.tracks = {0: Track(), 1: Track()}  # by who sends


class Paths:
    """All paths of a session, those that have ended included. The leader is the end with the larger static key."""

    def __init__(self, leader):
        self.leader = leader
        self.all = {0: OnePath(0, leader)}
        self.all[0].told = {0, 1}
        self.statuses = ({}, {})  # by end: sequence -> (path, standby, the paths that it was said on)

    def opened(self, number):
        path = self.all.get(number)
        require(path is not None, f"path {number} was opened before it is spoken of")
        return path

    def here(self):
        """Those that have not ended for both."""
        return [path for path in self.all.values() if len(path.over_for) < 2]

    # ---- frames -----------------------------------------------------------------------------------------------------

    def index(self, end, frame, delivered):
        """PATH_INDEX. Returns whether it is the first one of this end for the path."""
        number, index = frame["path"], frame["index"]
        path = self.all.get(number)
        if path is None:
            require(end == self.leader, "the leader opens paths")
            require(number == len(self.all), "paths are numbered one by one from 1, and no number comes again")
            require(len(self.here()) < PATHS_MAX, "eight paths at a time")
            path = self.all[number] = OnePath(number, self.leader)
        require(end == self.leader or self.leader in path.told, "the follower answers a PATH_INDEX that has come")
        require(end not in path.over_for, "no index of a path that has ended")
        first = end not in path.indices
        require(path.indices.setdefault(end, index) == index, "one index of an end for a path")
        if delivered:
            path.told.add(end)
        return first

    def abandon(self, end, frame, on_path):
        path = self.opened(frame["path"])
        require(path is not on_path, "PATH_ABANDON is said on another path: the last one does not end")
        path.over_for.add(end)

    def status(self, end, frame, on_path):
        path, sequence, standby = self.opened(frame["path"]), frame["sequence"], frame["standby"]
        require(end not in path.over_for, "no PATH_STATUS of a path that has ended")
        said = self.statuses[end]
        if sequence in said:  # on another path: a copy (section 8)
            before, standby_before, ways = said[sequence]
            again = (before, standby_before) == (path.number, standby) and on_path not in ways
            require(again, "a sequence of PATH_STATUS comes again in a copy on another path only")
            return ways.add(on_path)
        require(sequence > max(said, default=-1), "a PATH_STATUS has a higher sequence than those before")
        said[sequence] = (path.number, standby, {on_path})
        path.wanted[end] = standby == 0

    def check_wanted(self):
        wanted = [path.number for path in self.all.values() if not path.over_for and path.wanted[self.leader]]
        require(len(wanted) <= 1, f"the leader wants packets on one path, not on {wanted}")

    def acknowledges(self, end, packets):
        """An end that acknowledges a PATH_ABANDON knows of it."""
        for number in {number for packet in packets for number in packet.ends}:
            self.all[number].over_for.add(end)

    # ---- packets ----------------------------------------------------------------------------------------------------

    def check_packet(self, end, path, names, target):
        """What may be said on a path, by its state."""
        require(end not in path.over_for, f"nothing on path {path.number}, which has ended")
        require(1 - end in path.told, "a packet to an index that has come")
        if path.number == 0:
            return
        heard = path.tracks[1 - end].sources
        if end == self.leader:
            require(self.leader in path.indices, "an index of one's own before the first packet")
            require(heard or names == {"PATH_CHALLENGE"}, "nothing but PATH_CHALLENGE before the follower was heard there")
        else:
            require(heard, "the follower waits for the leader's first packet on a path")
            first = not path.tracks[end].sent
            require(not first or target in heard, "the follower's first packet goes where the leader's came from")


# ---- places -----------------------------------------------------------------------------------------------------------


def kind_of(place):
    """`site 1 slot 11`, `user 0` (a signal), or an address."""
    word = place.split(" ")[0]
    return word if word in ("site", "user") else "address"


class Places:
    """Whose slots are whose. Sections 7 and 8."""

    def __init__(self):
        self.owners = {}

    def check(self, end, source, target, packet):
        kind = kind_of(source)
        require(kind == kind_of(target), "a carrier brings packets to places of its kind")
        if kind == "user":
            require(packet[0] in SIGNALLED, f"{packet[0]:02x} does not travel in a signal")
        if kind == "site":
            require(source.split(" ")[1] == target.split(" ")[1], "a relay forwards between its own slots")
        if kind != "address":
            for place, owner in ((source, end), (target, 1 - end)):
                require(self.owners.setdefault(place, owner) == owner, f"{place} belongs to one end")
