"""A client that records: connections and channels over bare sockets, every frame of the broker's
written into the transcript. It waits for what the script says, and notes what does not come."""

import hashlib
import struct
import time

import wire
from differential.methods import decode_header, decode_method, encode_header, encode_method
from differential.table import show_table

SECONDS_MAX = 8
CONTENT = {"basic.deliver", "basic.return", "basic.get-ok"}
# Not replies to a method: they come when they come.
DELIVERIES = {"basic.deliver", "basic.cancel"}
GREETING = {"connection.start", "connection.tune", "connection.open-ok"}
PUBLISHING = {"basic.return", "basic.ack", "basic.nack"}
# A reply's body is shown whole up to here, else as its length and digest.
BODY_SHOWN_MAX = 100
CAPABILITIES = {
    "publisher_confirms": True, "exchange_exchange_bindings": True, "basic.nack": True,
    "consumer_cancel_notify": True, "connection.blocked": True, "authentication_failure_close": True,
}


class Address:
    """Where a broker is, and as whom one comes."""

    def __init__(self, host, port, user="guest", password="guest", vhost="/"):
        self.host, self.port = host, port
        self.user, self.password, self.vhost = user, password, vhost


def show_arguments(arguments):
    """Arguments of a method, as transcripts have them."""
    show = [f"{name}={show_table(value) if isinstance(value, dict) else repr(value)}"
            for name, value in arguments.items() if name != "ticket"]
    return " ".join(show)


def show_body(body, frames):
    """A body and in how many frames it came."""
    if len(body) <= BODY_SHOWN_MAX:
        return f"{body!r} in {len(frames)} frames"
    return f"{len(body)} octets {hashlib.sha256(body).hexdigest()[:12]} in frames of {frames}"


class Connection:
    """One socket."""

    def __init__(self, transcript, label, address):
        self.transcript, self.label, self.address = transcript, label, address
        self.peer = wire.Peer(address)
        self.channels = {}
        self.partial = {}  # Channel to a content that is not whole yet.
        self.frame_max = 131072
        self.seen = []  # Of channel 0: names of methods.
        self.ended = False
        self.greeting_shown = True

    def lane(self, channel, name):
        """The lane in which a method of the broker's is kept."""
        if name in DELIVERIES:
            kind = "deliveries"
        elif name in PUBLISHING:
            kind = "publishing"
        else:
            kind = "replies"
        return f"connection {self.label} channel {channel} {kind}"

    def write(self, channel, name, line):
        self.transcript.write(self.lane(channel, name), line)

    def send(self, channel, name, **arguments):
        """A method frame, without waiting."""
        self.peer.send(wire.frame(wire.METHOD, channel, encode_method(name, arguments)))

    def send_raw(self, data):
        """Octets as they are."""
        self.peer.send(data)

    def pump(self, until, seconds=SECONDS_MAX):
        """Reads frames until the condition holds; False when the deadline passed, or the end."""
        deadline = time.monotonic() + seconds
        while not until():
            if self.ended:
                return False
            try:
                self.take(*self.peer.read_frame(deadline - time.monotonic()))
            except wire.Closed:
                self.ended = True
                self.transcript.write(f"connection {self.label} channel 0 replies", "END")
            except wire.Late:
                return False
        return True

    def take(self, kind, channel, payload):
        """One frame of the broker's."""
        if kind == wire.HEARTBEAT:
            return
        if kind == wire.METHOD:
            name, arguments = decode_method(payload)
            if name in CONTENT:
                self.partial[channel] = (name, arguments, None, None, [])
            else:
                self.take_method(channel, name, arguments)
            return
        name, arguments, size, properties, frames = self.partial[channel]
        if kind == wire.HEADER:
            size, properties = decode_header(payload)
        else:
            frames.append(payload)
        self.partial[channel] = (name, arguments, size, properties, frames)
        body = b"".join(frames)
        if len(body) >= size:
            del self.partial[channel]
            lengths = [len(frame) for frame in frames]
            self.write(channel, name, f"{name} {show_arguments(arguments)} | "
                       f"{show_arguments(properties)} | {show_body(body, lengths)}")
            self.channels[channel].note(name, arguments, properties)

    def take_method(self, channel, name, arguments):
        if name in ("basic.ack", "basic.nack"):
            self.take_confirms(channel, name, arguments)
            return
        if self.greeting_shown or name not in GREETING:
            self.write(channel, name, f"{name} {self.shown(name, arguments)}".rstrip())
        if channel in self.channels:
            self.channels[channel].note(name, arguments, None)
        self.seen.append(name)
        if name == "channel.close":
            self.send(channel, "channel.close-ok")
        elif name == "connection.close":
            self.send(0, "connection.close-ok")
            self.pump(lambda: False)

    def take_confirms(self, channel, name, arguments):
        """Brokers may confirm several at once or not: noted is each by itself."""
        peer, tag = self.channels[channel], arguments["delivery-tag"]
        tags = [open_tag for open_tag in peer.unconfirmed
                if open_tag == tag or (arguments["multiple"] and (open_tag < tag or tag == 0))]
        if not tags:
            self.write(channel, name, f"{name} of {tag}, which is not due")
        for tag in tags:
            peer.unconfirmed.remove(tag)
            self.write(channel, name, f"{name} of {tag}")

    @staticmethod
    def shown(name, arguments):
        """Of the greeting, what it is made of: the version is each broker's own, and the order of
        the mechanisms nobody's."""
        if name != "connection.start":
            return show_arguments(arguments)
        greeting = dict(arguments)
        properties = greeting.pop("server-properties")
        greeting["mechanisms"] = sorted(greeting["mechanisms"].split())
        names = sorted(set(properties) - {"capabilities"})
        capabilities, product = properties["capabilities"].value, properties["product"]
        return (f"{show_arguments(greeting)} product={product!r} properties={names} "
                f"capabilities={show_table(capabilities)}")

    def greet(self):
        """The protocol header and connection.start."""
        self.send_raw(wire.PROTOCOL_HEADER)
        self.pump(lambda: "connection.start" in self.seen)
        return self

    def log_in(self, mechanism="PLAIN", response=None, capabilities=None):
        """connection.start-ok, and what comes."""
        if response is None:
            response = f"\0{self.address.user}\0{self.address.password}"
        known = CAPABILITIES if capabilities is None else capabilities
        self.send(0, "connection.start-ok", client_properties={"capabilities": known},
                  mechanism=mechanism, response=response, locale="en_US")
        self.pump(lambda: "connection.tune" in self.seen)
        return self

    def tune(self, channel_max=2047, frame_max=131072, heartbeat=0):
        """connection.tune-ok, which nothing answers."""
        self.frame_max = frame_max
        self.send(0, "connection.tune-ok", channel_max=channel_max, frame_max=frame_max,
                  heartbeat=heartbeat)
        return self

    def open(self, vhost=None):
        """connection.open, and what comes."""
        vhost = self.address.vhost if vhost is None else vhost
        self.send(0, "connection.open", virtual_host=vhost)
        self.pump(lambda: "connection.open-ok" in self.seen)
        return self

    def call(self, name, reply, **arguments):
        """A method on channel 0 that is answered."""
        before = self.seen.count(reply)
        self.send(0, name, **arguments)
        if not self.pump(lambda: self.seen.count(reply) > before) and not self.ended:
            self.transcript.write(self.lane(0, name), f"no {reply} came")

    def expect_end(self, seconds=SECONDS_MAX):
        """Reads on until the broker hangs up."""
        self.pump(lambda: False, seconds)
        if not self.ended:
            self.transcript.write(f"connection {self.label} channel 0 replies", "still open")

    def channel(self, number):
        """A channel, opened."""
        peer = self.channels[number] = Channel(self, number)
        peer.call("channel.open")
        return peer

    def close(self):
        """In order: what came before close-ok and was not asked for is in the transcript."""
        if not self.ended:
            self.call("connection.close", "connection.close-ok", reply_code=200)
            self.peer.socket.close()
            self.ended = True

    def cut(self):
        """Without a word."""
        self.peer.socket.close()
        self.ended = True


class Channel:
    """One channel of a connection."""

    def __init__(self, connection, number):
        self.connection, self.number = connection, number
        self.events = []  # (name, arguments, properties) of all that came.
        self.confirming, self.published, self.unconfirmed = False, 0, []

    def note(self, name, arguments, properties):
        self.events.append((name, arguments, properties))

    @property
    def is_closed(self):
        """Whether the broker closed it, or its connection."""
        closed = any(name == "channel.close" for name, _, _ in self.events)
        return closed or self.connection.ended or "connection.close" in self.connection.seen

    def count(self, *names):
        return sum(name in names for name, _, _ in self.events)

    def remark(self, line):
        """What the client itself has to say."""
        lane = f"connection {self.connection.label} channel {self.number} replies"
        self.connection.transcript.write(lane, line)

    def cast(self, name, **arguments):
        """A method that nothing answers, or that is told not to be answered."""
        self.connection.send(self.number, name, **arguments)

    def call(self, name, **arguments):
        """A method and its answer, which may be the end of the channel. Returns its arguments."""
        answers = {f"{name}-ok", "basic.get-empty"} if name == "basic.get" else {f"{name}-ok"}
        before = self.count(*answers)
        self.cast(name, **arguments)
        came = self.connection.pump(lambda: self.count(*answers) > before or self.is_closed)
        if not came and not self.is_closed:
            self.remark(f"no answer to {name}")
        return self.events[-1][1] if came and self.events else {}

    def publish(self, exchange, key, body=b"", mandatory=False, immediate=False, **properties):
        """A message. In confirm mode it is waited for, so that confirms come in order."""
        body = body.encode() if isinstance(body, str) else body
        if self.confirming:
            self.published += 1
            self.unconfirmed.append(self.published)
        data = wire.frame(wire.METHOD, self.number, encode_method("basic.publish", {
            "exchange": exchange, "routing_key": key, "mandatory": mandatory,
            "immediate": immediate}))
        data += wire.frame(wire.HEADER, self.number, encode_header(len(body), properties))
        step = self.connection.frame_max - 8
        for begin in range(0, len(body), step):
            data += wire.frame(wire.BODY, self.number, body[begin:begin + step])
        self.connection.send_raw(data)
        if self.confirming:
            self.confirmed()

    def confirm(self):
        """confirm.select"""
        self.call("confirm.select")
        self.confirming = True

    def confirmed(self):
        """Waits until everything published is confirmed."""
        if not self.connection.pump(lambda: not self.unconfirmed or self.is_closed):
            self.remark(f"not confirmed: {self.unconfirmed}")

    def sync(self):
        """When this returns, the channel has done all that was sent before, or was closed."""
        self.call("exchange.declare", exchange="amq.direct", passive=True)

    def expect(self, name, count=1):
        """Waits until so many of a method have come in all."""
        if not self.connection.pump(lambda: self.count(name) >= count or self.is_closed):
            self.remark(f"{self.count(name)} of {count} {name} came")

    def deliveries(self, count):
        """Waits until so many deliveries have come in all."""
        self.expect("basic.deliver", count)

    def tag(self, place=-1):
        """The delivery tag of a message that came; 0 when there is none."""
        tags = [arguments["delivery-tag"] for name, arguments, _ in self.events
                if name in ("basic.deliver", "basic.get-ok")]
        return tags[place] if tags and -len(tags) <= place < len(tags) else 0

    def got(self, name):
        """Arguments and properties of the last of a method; empty when none came."""
        found = [event for event in self.events if event[0] == name]
        return found[-1][1:] if found else ({}, {})

    def get(self, queue, **arguments):
        """basic.get"""
        return self.call("basic.get", queue=queue, **arguments)

    def ack(self, tag, multiple=False):
        self.cast("basic.ack", delivery_tag=tag, multiple=multiple)

    def nack(self, tag, multiple=False, requeue=False):
        self.cast("basic.nack", delivery_tag=tag, multiple=multiple, requeue=requeue)

    def reject(self, tag, requeue=False):
        self.cast("basic.reject", delivery_tag=tag, requeue=requeue)

    def depth(self, queue):
        """queue.declare, passive"""
        self.call("queue.declare", queue=queue, passive=True)
