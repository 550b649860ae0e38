"""AMQP 0-9-1 by hand, on a bare socket: for what no client library would ever send.

Frame: type (1 byte), channel (2), size (4), payload, end (0xCE). §4.2.3
"""

import select
import socket
import struct
import time

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
END = b"\xce"
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

CONNECTION_START, CONNECTION_START_OK = (10, 10), (10, 11)
CONNECTION_TUNE, CONNECTION_TUNE_OK = (10, 30), (10, 31)
CONNECTION_OPEN, CONNECTION_OPEN_OK = (10, 40), (10, 41)
CONNECTION_CLOSE, CONNECTION_CLOSE_OK = (10, 50), (10, 51)
CHANNEL_OPEN, CHANNEL_OPEN_OK = (20, 10), (20, 11)
CHANNEL_CLOSE, CHANNEL_CLOSE_OK = (20, 40), (20, 41)
EXCHANGE_DECLARE, EXCHANGE_DECLARE_OK = (40, 10), (40, 11)
QUEUE_DECLARE, QUEUE_DECLARE_OK = (50, 10), (50, 11)
BASIC_QOS, BASIC_QOS_OK = (60, 10), (60, 11)
BASIC_PUBLISH, BASIC_RETURN, BASIC_ACK = (60, 40), (60, 50), (60, 80)
BASIC_RECOVER = (60, 110)
CONFIRM_SELECT, CONFIRM_SELECT_OK = (85, 10), (85, 11)


class Closed(Exception):
    """The broker closed the socket."""


class Late(Exception):
    """The broker did not send it in time."""


def frame(kind, channel, payload, end=END):
    """One frame."""
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + end


def method(channel, name, arguments=b""):
    """One method frame."""
    return frame(METHOD, channel, struct.pack(">HH", *name) + arguments)


def short(text):
    """A short string."""
    data = text.encode()
    return struct.pack(">B", len(data)) + data


def long(data):
    """A long string or an encoded table."""
    return struct.pack(">I", len(data)) + data


def publish(channel, exchange, key, body, flags=0, frame_max=131072):
    """basic.publish with its content, without properties. Flags: 1 mandatory, 2 immediate."""
    data = method(channel, BASIC_PUBLISH,
                  struct.pack(">H", 0) + short(exchange) + short(key) + bytes([flags]))
    data += frame(HEADER, channel, struct.pack(">HHQH", 60, 0, len(body), 0))
    step = frame_max - 8
    for begin in range(0, len(body), step):
        data += frame(BODY, channel, body[begin:begin + step])
    return data


def start_ok(bus):
    """connection.start-ok with PLAIN, saying that the client understands a refused login."""
    capabilities = short("authentication_failure_close") + b"t\x01"
    properties = short("capabilities") + b"F" + long(capabilities)
    response = f"\0{bus.user}\0{bus.password}".encode()
    return method(0, CONNECTION_START_OK,
                  long(properties) + short("PLAIN") + long(response) + short("en_US"))


class Reply:
    """A method frame as received."""

    def __init__(self, channel, payload):
        self.channel = channel
        self.name = struct.unpack(">HH", payload[:4])
        self.arguments = payload[4:]

    def code_and_text(self):
        """Of a close or a return."""
        code, size = struct.unpack(">HB", self.arguments[:3])
        return code, self.arguments[3:3 + size].decode()

    def failing_method(self):
        """Class and method that a close blames."""
        size = self.arguments[2]
        return struct.unpack(">HH", self.arguments[3 + size:7 + size])


class Peer:
    """A socket to the broker."""

    def __init__(self, bus):
        self.bus = bus
        self.socket = socket.create_connection((bus.host, bus.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.frame_max = 131072

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """Sends all; a broker that hung up shows at the next read."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.socket], [], [], left)[0]:
            raise Late(f"nothing came in time; {len(self.buffer)} bytes are waiting")
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed("the broker closed the socket")
        self.buffer += data

    def read_bytes(self, count, seconds=5):
        """Exactly so many bytes."""
        deadline = time.monotonic() + seconds
        while len(self.buffer) < count:
            self.fill(deadline)
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_frame(self, seconds=5):
        """The next frame: kind, channel, payload."""
        deadline = time.monotonic() + seconds
        while len(self.buffer) < 7:
            self.fill(deadline)
        kind, channel, size = struct.unpack(">BHI", self.buffer[:7])
        while len(self.buffer) < 8 + size:
            self.fill(deadline)
        payload, end = self.buffer[7:7 + size], self.buffer[7 + size:8 + size]
        if end != END:
            raise AssertionError(f"the broker's frame ends with {end!r}")
        self.buffer = self.buffer[8 + size:]
        return kind, channel, payload

    def read_method(self, seconds=5):
        """The next method frame; heartbeats are passed over."""
        while True:
            kind, channel, payload = self.read_frame(seconds)
            if kind == METHOD:
                return Reply(channel, payload)
            if kind != HEARTBEAT:
                raise AssertionError(f"a frame of type {kind} where a method was due")

    def expect(self, name, channel=0, seconds=5):
        """The next method, which must be this one."""
        reply = self.read_method(seconds)
        if (reply.name, reply.channel) != (name, channel):
            said = ""
            if reply.name in (CONNECTION_CLOSE, CHANNEL_CLOSE):
                said = f": {reply.code_and_text()}"
            raise AssertionError(f"expected method {name} on channel {channel},"
                                 f" found {reply.name} on channel {reply.channel}{said}")
        return reply

    def wait_closed(self, seconds=5):
        """Reads until the broker closes the socket; returns how many seconds that took."""
        begun = time.monotonic()
        try:
            while True:
                self.fill(begun + seconds)
        except Closed:
            return time.monotonic() - begun

    def handshake(self, channel_max=2047, frame_max=131072, heartbeat=0):
        """From the protocol header to connection.open-ok."""
        self.send(PROTOCOL_HEADER)
        self.expect(CONNECTION_START)
        self.send(start_ok(self.bus))
        self.expect(CONNECTION_TUNE)
        self.frame_max = frame_max
        self.send(method(0, CONNECTION_TUNE_OK,
                         struct.pack(">HIH", channel_max, frame_max, heartbeat)))
        self.send(method(0, CONNECTION_OPEN, short(self.bus.vhost) + short("") + b"\0"))
        self.expect(CONNECTION_OPEN_OK)
        return self

    def open_channel(self, channel):
        """channel.open and its answer."""
        self.send(method(channel, CHANNEL_OPEN, short("")))
        self.expect(CHANNEL_OPEN_OK, channel)
        return self


def connected(bus, **tuning):
    """A peer whose handshake is done and whose channel 1 is open."""
    return Peer(bus).handshake(**tuning).open_channel(1)
