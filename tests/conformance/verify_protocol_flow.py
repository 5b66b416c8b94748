"""One direction of a session, as docs/PROTOCOL.md sections 4 and 5 describe it: keys, credit and messages."""

import verify_protocol_wire as wire
from verify_protocol_wire import Reader, require

AES_GCM_PACKETS_MAX = 1 << 23
CLOSING = {"CLOSE", "ACK", "PATH_ACK"}


class Stream:
    """Bytes that come in parts: a channel's reliable messages, or the fragments of one message."""

    def __init__(self):
        self.data = bytearray()
        self.ahead = {}
        self.highest = 0
        self.begun, self.parsed = [], 0

    def put(self, offset, part):
        self.highest = max(self.highest, offset + len(part))
        self.ahead[offset] = max(self.ahead.get(offset, b""), part, key=len)
        while ready := [at for at in self.ahead if at <= len(self.data)]:
            for at in ready:
                self.join(at, self.ahead.pop(at))

    def join(self, at, part):
        known = bytes(self.data[at:at + len(part)])
        require(part[:len(known)] == known, "a part that comes again has the same bytes")
        self.data += part[len(known):]

    def parse(self):
        """Notes the messages whose length is here: (where it begins, size)."""
        while self.parsed < len(self.data):
            reader = Reader(self.data[self.parsed:self.parsed + 4])
            if reader.left() < wire.varint_size_from(reader.data[0]):
                return
            size = reader.shortest_varint()
            require(size <= wire.MESSAGE_MAX, "a message within 524288 bytes")
            self.begun.append((self.parsed + reader.at, size))
            self.parsed += reader.at + size

    def messages(self):
        """As (size, bytes that are here)."""
        self.parse()
        return [(size, bytes(self.data[at:at + size])) for at, size in self.begun]

    def parsed_to_end(self):
        """Nothing but whole messages."""
        self.parse()
        return self.highest == len(self.data) == self.parsed

    def charged(self):
        """What counts as credit: the highest offset, and all of a message whose length was sent."""
        self.parse()
        return max(self.highest, self.parsed)


class Messages:
    """What was said in one direction, by kind and channel."""

    def __init__(self):
        self.streams, self.whole, self.parts = {}, {}, {}
        self.names = {}  # channel -> [(name, number of the first message of each kind)]
        self.ways = {}  # what is unreliable: (channel, sequence, offset) -> the paths that it left on

    def take(self, name, frame, path=0):
        """Notes what a frame says, once: what is unreliable may leave on two paths."""
        channel = frame["channel"]
        if name == "CHANNEL_NAME":
            self.rename(channel, frame)
        elif name == "STREAM":
            self.streams.setdefault(channel, Stream()).put(frame["offset"], frame["bytes"])
        elif name == "MESSAGE":
            key = ("unreliable", channel, frame["sequence"])
            require(key not in self.parts, "a sequence number is used once")
            if not self.is_copy(frame, 0, path):
                self.whole[key] = frame["bytes"]
            require(self.whole[key] == frame["bytes"], "a copy on another path has the same bytes")
        elif name == "RELIABLE FRAGMENT" or not self.is_copy(frame, frame["offset"], path):
            self.put_part("unreliable" if name == "FRAGMENT" else "unordered", frame)
        else:
            total, message = self.parts["unreliable", channel, frame["sequence"]]
            require(total == frame["total"], "all fragments of a message name the same total")
            message.put(frame["offset"], frame["bytes"])  # the same bytes, or it says so

    def is_copy(self, frame, offset, path):
        """Whether an unreliable frame has left on another path before."""
        ways = self.ways.setdefault((frame["channel"], frame["sequence"], offset), set())
        require(path not in ways, "what is unreliable is sent once on a path")
        ways.add(path)
        return len(ways) > 1

    def copied(self):
        """How many unreliable messages left on two paths, some part of them at least."""
        return len({key[:2] for key, ways in self.ways.items() if len(ways) > 1})

    def rename(self, channel, frame):
        """What comes on the channel from now on belongs to another one of the application."""
        names = self.names.setdefault(channel, [])
        if frame["count"] <= len(names):  # said again
            require(names[frame["count"] - 1][0] == frame["name"], "a name that is said again is the same")
            return
        require(frame["count"] == len(names) + 1, "the names of a channel are counted")
        stream = self.streams.get(channel, Stream())
        require(not stream.ahead and stream.parsed_to_end(), "a channel is given away when it is idle")
        unordered = sum(1 for kind, at, _ in self.parts if kind == "unordered" and at == channel)
        first = {"reliable": len(stream.begun), "unordered": unordered, "unreliable": frame["sequence"]}
        names.append((frame["name"], first))

    def name_of(self, kind, channel, number):
        """The application's name of the channel, for a message of a kind by its number."""
        name = channel
        for later, first in self.names.get(channel, []):
            if number >= first[kind]:
                name = later
        return name

    def put_part(self, kind, frame):
        key = (kind, frame["channel"], frame["sequence"])
        require(key not in self.whole, "a sequence number is used once")
        total, message = self.parts.setdefault(key, (frame["total"], Stream()))
        require(total == frame["total"], "all fragments of a message name the same total")
        again = kind == "unreliable" and frame["offset"] < len(message.data)
        require(not again, "an unreliable fragment is sent once")
        message.put(frame["offset"], frame["bytes"])

    def used(self):
        """What counts as credit: for each channel the bytes, and the messages begun."""
        used = {}
        for channel, stream in self.streams.items():
            charged = stream.charged()
            used[channel] = (charged, len(stream.begun))
        for (kind, channel, _), (total, _) in self.parts.items():
            if kind == "unordered":
                size, begun = used.get(channel, (0, 0))
                used[channel] = (size + total, begun + 1)
        return used

    def all(self):
        """Every message as (kind, channel, bytes), in the order of sending for each kind and channel."""
        found = []
        for channel, stream in sorted(self.streams.items()):
            require(not stream.ahead, "a stream without holes at the end")
            for number, (size, data) in enumerate(stream.messages()):
                require(len(data) == size, f"a whole last message on channel {channel}")
                found.append(("reliable", self.name_of("reliable", channel, number), data))
        return sorted(found, key=lambda m: m[1]) + self.numbered()

    def numbered(self):
        whole = dict(self.whole)
        for key, (total, message) in self.parts.items():
            require(len(message.data) == total, "a message with all its fragments")
            whole[key] = bytes(message.data)
        found, last = [], {}
        for (kind, channel, sequence), data in sorted(whole.items()):
            hole = sequence != last.get((kind, channel), -1) + 1
            require(kind == "unreliable" or not hole, "messages are numbered from 0 without a hole")
            last[kind, channel] = sequence
            found.append((kind, self.name_of(kind, channel, sequence), data))
        return sorted(found, key=lambda m: m[:2])


class Credit:
    """What the sender of a flow may send: section 5, Credit."""

    def __init__(self, parameters):
        self.bytes, self.messages = parameters[1], parameters[2]
        self.channel = (parameters[3], parameters[7])
        self.channels = {}

    def raise_session(self, frame):
        self.bytes = max(self.bytes, frame["bytes"])
        self.messages = max(self.messages, frame["messages"])

    def raise_channel(self, frame):
        known = self.channels.get(frame["channel"], self.channel)
        self.channels[frame["channel"]] = (max(known[0], frame["bytes"]), max(known[1], frame["messages"]))

    def check(self, said):
        used = said.used()
        require(sum(size for size, _ in used.values()) <= self.bytes, "a sender within the session's bytes")
        require(sum(begun for _, begun in used.values()) <= self.messages, "a sender within the session's messages")
        for channel, (size, begun) in used.items():
            size_max, begun_max = self.channels.get(channel, self.channel)
            require(size <= size_max, f"a sender within the bytes of channel {channel}")
            require(begun <= begun_max, f"a sender within the messages of channel {channel}")


class Flow:
    """The packets of one direction, and what the sender of them knows. `peer`: the parameters of who receives them."""

    def __init__(self, end, is_opener, suite, key, peer, source, paths):
        self.end, self.is_opener, self.suite = end, is_opener, suite
        self.source = source  # where the sender was in the handshake
        self.paths = paths  # of both directions
        self.keys, self.sealed = [key], 0
        self.confirmed = -1  # the number of the latest key under which a packet was acknowledged
        self.packets = 0
        self.datagram_max = peer[5]
        self.said, self.arrived, self.credit = Messages(), Messages(), Credit(peer)
        self.answered = set()
        self.closed = None
        self.reverse = None  # the other direction
        self.waits = False  # for the first packet of the other direction, and says no more than PING until then

    def track(self, path):
        return path.tracks[self.end]

    def open(self, packet, path):
        """A packet's frames in plain, or raises; follows a key update."""
        first, size = packet[0], (packet[0] & 3) + 1
        require(first & 0x0C == 0, "a data packet's zero bits are zero")
        require(len(packet) > 5 + size + wire.TAG_SIZE, "a data packet with a sealed byte")
        track = self.track(path)
        number = track.recover(int.from_bytes(packet[5:5 + size], "big"), size)
        nonce = wire.nonce_of(self.suite, path.number, number)
        plain = self.unseal(first >> 4 & 1, nonce, packet[:5 + size], packet[5 + size:])
        require(plain is not None, f"a data packet opens (path {path.number}, number {number})")
        track.check_next(number, size)
        return plain

    def generation(self):
        return len(self.keys) - 1

    def unseal(self, phase, nonce, header, sealed):
        """With the present key, or with the next one where the key phase is the other one: nobody goes back in what it sends."""
        stepped = phase != self.generation() % 2
        key = wire.next_key(self.keys[-1]) if stepped else self.keys[-1]
        plain = wire.open_sealed(self.suite, key, nonce, sealed, header)
        if plain is None:
            return None
        if stepped:
            self.check_step()
            self.keys.append(key)
            self.sealed = 0
        self.sealed += 1
        within = self.suite != wire.AES_GCM or self.sealed <= AES_GCM_PACKETS_MAX
        require(within, "an AES-GCM key within its limit")
        return plain

    def check_step(self):
        """Who moves on first has a packet of the present phase acknowledged, but for the first time; the other one follows."""
        follows = self.reverse.generation() > self.generation()
        confirmed = self.generation() == 0 or self.confirmed == self.generation()
        require(follows or confirmed, "no key update before a packet of the present phase was acknowledged")

    def note_packet(self, path, packet, source, names):
        """Size rules, and what may be said when."""
        track, size = self.track(path), packet.size
        track.note(packet, source)
        require(size <= self.datagram_max, f"a datagram of {size} bytes within what the peer takes")
        probe = names == {"PING", "PADDING"}
        require(size <= track.proven_size or probe, f"a datagram of {size} bytes is a probe, or was proven before")
        require(not (names & {"CLOSE"} or self.closed) or names <= CLOSING, "with CLOSE, and after it, only acknowledgements")
        opens = bool(names & {"HANDSHAKE_DONE", "CLOSE"})
        require(self.is_opener or self.packets > 0 or opens, "the answering side begins with HANDSHAKE_DONE, or refuses")
        require(not (self.is_opener and "HANDSHAKE_DONE" in names), "HANDSHAKE_DONE comes from the answering side")
        self.packets += 1

    def acknowledged(self, path, ranges):
        """An ACK of this flow's packets on a path has reached their sender."""
        self.track(path).acknowledged(ranges)
        self.confirmed = max([self.confirmed] + [packet.generation for packet in self.track(path).named(ranges)])

    def check_arrived(self):
        """Section 6: what was in flight on a path that ended, or died, is sent again on another one."""
        reliable = [message for message in self.said.all() if message[0] != "unreliable"]
        arrived = [message for message in self.arrived.all() if message[0] != "unreliable"]
        require(reliable == arrived, "all that is reliable has arrived")
