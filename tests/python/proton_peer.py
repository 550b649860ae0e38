"""A peer of AMQP 1.0: python-qpid-proton's engine, one step at a time.

Nothing sleeps: a peer lets proton run until what it waits for is so. What it does not wait for it
does not answer either: between two waits a peer is silent.
"""

import functools
import json
import os
import time
import urllib.parse
import urllib.request
import uuid

from proton import Data, Delivery, Described, Endpoint, Handler, Link, Message, Terminus, ulong
from proton.reactor import Container

from scenario import Unexpected, expect, expect_equal

(HEADER, DELIVERY_ANNOTATIONS, ANNOTATIONS, PROPERTIES, APPLICATION, DATA, SEQUENCE, VALUE,
 FOOTER) = range(0x70, 0x79)


class Received:
    """A delivery that is complete."""

    def __init__(self, delivery, octets):
        self.delivery = delivery
        self.octets = octets
        self.was_settled = delivery.settled

    @functools.cached_property
    def message(self):
        """As proton reads it. Kept: a body of octets is a view into it."""
        message = Message()
        message.decode(self.octets)
        return message

    @property
    def body(self):
        """The body, octets as text."""
        body = self.message.body
        return bytes(body).decode() if isinstance(body, (bytes, memoryview)) else body

    @property
    def sections(self):
        """The octets of each section, by descriptor."""
        return split(self.octets)


class Peer(Handler):
    """A connection, and what came on its links."""

    def __init__(self, bus, **options):
        super().__init__()
        self.container = Container()
        container = options.pop("container", None)
        if container is not None:
            self.container.container_id = container
        self.container.timeout = 0.1
        self.container.start()
        self.is_gone = False
        options.setdefault("user", bus.user)
        options.setdefault("password", bus.password)
        options.setdefault("reconnect", False)
        url = options.pop("url", f"amqp://{bus.host}:{bus.port}")
        expects_open = options.pop("expects_open", True)
        self.connection = self.container.connect(url, handler=self, **options)
        self.session = self.connection.session()
        self.session.open()
        bus.connections.append(self)
        if expects_open:
            opened = Endpoint.REMOTE_ACTIVE | Endpoint.REMOTE_CLOSED
            self.until(lambda: self.connection.state & opened, "answer to open")

    def until(self, condition, what, seconds=10):
        """Lets proton run until the condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise Unexpected(f"no {what} within {seconds} s: {self.story()}")
            if self.is_gone:
                raise Unexpected(f"no {what}, for the connection is gone: {self.story()}")
            self.container.process()

    def story(self):
        """What the broker has closed, and why."""
        said = [self.connection.remote_condition, self.session.remote_condition]
        transport = self.connection.transport
        said.append(transport.condition if transport else None)
        return "; ".join(repr(it) for it in said if it) or "nothing was said"

    def on_transport_closed(self, _event):
        """The socket is gone."""
        self.is_gone = True

    def on_delivery(self, event):
        """Keeps what is complete, in order."""
        delivery, link = event.delivery, event.link
        if link.is_receiver and delivery.readable and not delivery.partial:
            octets = link.recv(delivery.pending) or b""
            link.received.append(Received(delivery, octets))
            link.advance()

    def on_link_remote_detach(self, event):
        """A link was detached, not closed: it is attached elsewhere."""
        event.link.detach()
        event.link.is_detached = True

    def sender(self, address=None, **more):
        """A link to publish on; it must be taken."""
        return self.attached(self.begin_sender(address, **more))

    def receiver(self, address=None, **more):
        """A link to consume from; it must be taken."""
        return self.attached(self.begin_receiver(address, **more))

    def begin_sender(self, address=None, *, session=None, mode=None, dynamic=False, name=None):
        """Asks for a link to publish on."""
        link = (session or self.session).sender(name or uuid.uuid4().hex)
        link.target.type = Terminus.TARGET
        if address is not None:
            link.target.address = address
        link.target.dynamic = dynamic
        if mode is not None:
            link.snd_settle_mode = mode
        link.open()
        return link

    def begin_receiver(self, address=None, *, session=None, mode=None, second=False,
                       dynamic=False, credit=0, name=None):
        """Asks for a link to consume from."""
        link = (session or self.session).receiver(name or uuid.uuid4().hex)
        link.received = []
        link.source.type = Terminus.SOURCE
        if address is not None:
            link.source.address = address
        link.source.dynamic = dynamic
        if mode is not None:
            link.snd_settle_mode = mode
        if second:
            link.rcv_settle_mode = Link.RCV_SECOND
        link.open()
        if credit:
            link.flow(credit)
        return link

    def answered(self, link):
        """Waits for the answer to an attach: whether the link is taken."""
        def is_taken():
            terminus = link.remote_source if link.is_receiver else link.remote_target
            return link.state & Endpoint.REMOTE_ACTIVE and terminus.type != Terminus.UNSPECIFIED

        def is_answered():
            ended = (Endpoint.REMOTE_CLOSED & (link.state | link.session.state))
            return ended or is_taken()

        self.until(is_answered, "answer to an attach")
        return not Endpoint.REMOTE_CLOSED & (link.state | link.session.state)

    def attached(self, link):
        """The link, which must be taken."""
        if not self.answered(link):
            raise Unexpected(f"a link was refused: {link.remote_condition} {self.story()}")
        return link

    def expect_refused(self, link, condition, text):
        """The link must be refused: first an attach without the terminus, then a detach."""
        expect(not self.answered(link), "a link was taken that had to be refused")
        expect_condition(link.remote_condition, condition, text)

    def expect_session_ended(self, session, condition, text):
        """The session must be ended by the broker."""
        self.until(lambda: session.state & Endpoint.REMOTE_CLOSED, "end of the session")
        expect_condition(session.remote_condition, condition, text)

    def expect_closed(self, condition, text, seconds=10):
        """The connection must be closed by the broker."""
        self.until(lambda: self.connection.state & Endpoint.REMOTE_CLOSED, "close", seconds)
        expect_condition(self.connection.remote_condition, condition, text)

    def put(self, link, message):
        """Sends a message, or the octets of one, when there is credit."""
        self.until(lambda: link.credit > 0, "credit")
        if isinstance(message, Message):
            return message.send(link)
        delivery = link.delivery(link.delivery_tag())
        link.stream(message)
        link.advance()
        if link.snd_settle_mode == Link.SND_SETTLED:
            delivery.settle()
        return delivery

    def outcome(self, delivery):
        """What the broker says became of a message that was sent."""
        self.until(lambda: delivery.remote_state or delivery.settled, "outcome")
        expect(delivery.settled, "the broker settles with the outcome")
        state = delivery.remote_state
        delivery.settle()
        return {Delivery.ACCEPTED: "accepted", Delivery.REJECTED: "rejected",
                Delivery.RELEASED: "released", Delivery.MODIFIED: "modified"}.get(state, state)

    def send(self, link, message):
        """Sends a message, which must be accepted."""
        expect_equal(self.outcome(self.put(link, message)), "accepted", "outcome")

    def publish(self, address, *texts):
        """Sends messages of text, each of which must be accepted."""
        link = self.sender(address)
        sent = [self.put(link, text(body)) for body in texts]
        for delivery in sent:
            expect_equal(self.outcome(delivery), "accepted", "outcome")
        link.close()

    def take(self, link, count, seconds=10):
        """Waits for so many deliveries and takes them out of the link's list."""
        what = f"{count} deliveries (there are {len(link.received)})"
        self.until(lambda: len(link.received) >= count or link.state & Endpoint.REMOTE_CLOSED,
                   what, seconds)
        expect(len(link.received) >= count, f"{what}: {link.remote_condition}")
        taken, link.received = link.received[:count], link.received[count:]
        return taken

    def drain(self, link, credit):
        """Takes what is there, at most so many: the broker has to say that there is no more."""
        link.received = []
        link.drain(credit)
        self.until(lambda: not link.draining(), "end of draining")
        taken, link.received = link.received, []
        return taken

    def round_trip(self, seconds=10):
        """When this returns, the broker has read all that was sent before."""
        session = self.connection.session()
        session.open()
        self.until(lambda: session.state & Endpoint.REMOTE_ACTIVE, "answer to begin", seconds)
        session.close()
        self.until(lambda: session.state & Endpoint.REMOTE_CLOSED, "answer to end", seconds)

    def detach(self, link):
        """Closes a link and waits for the answer."""
        link.close()
        self.until(lambda: link.state & Endpoint.REMOTE_CLOSED, "answer to detach")

    def close(self):
        """Closes the connection and waits for the answer."""
        if not self.is_gone:
            self.connection.close()
            self.until(lambda: self.connection.state & Endpoint.REMOTE_CLOSED, "answer to close", 3)


def text(body, **more):
    """A message whose body is a text, in a data section."""
    return Message(body=body.encode(), inferred=True, **more)


def settle(received, state, failed=False, undeliverable=False, annotations=None):
    """Says what became of a delivery."""
    delivery = received.delivery
    if state == Delivery.MODIFIED:
        delivery.local.failed = failed
        delivery.local.undeliverable = undeliverable
        if annotations:
            delivery.local.annotations = annotations
    delivery.update(state)
    delivery.settle()


def accept(*received):
    """Accepts deliveries."""
    for it in received:
        settle(it, Delivery.ACCEPTED)


def bodies(received):
    """The bodies of deliveries."""
    return [it.body for it in received]


def expect_condition(found, condition, text):
    """An error's name, and words that are in its description."""
    expect(found is not None, f"no error was said, expected {condition} {text}")
    expect_equal(found.name, condition, f"condition of {found.description!r}")
    expect(text in (found.description or ""), f"expected {text!r} in {found.description!r}")


def encoded(value):
    """A value's octets."""
    data = Data()
    data.put_object(value)
    return data.encode()


def section(descriptor, value):
    """A section's octets."""
    return encoded(Described(ulong(descriptor), value))


def split(octets):
    """The octets of each section, by descriptor; of several data sections all of them."""
    found = {}
    while octets:
        length = Data().decode(octets)
        # AMQP 1.0 §3.2: described by a ulong, which everybody encodes in one octet.
        expect_equal(octets[:2], b"\x00\x53", "the begin of a section")
        found[octets[2]] = found.get(octets[2], b"") + octets[:length]
        octets = octets[length:]
    return found


# What values point into: proton's binaries are views of their data's memory, and do not hold it.
POINTED_INTO = []


def value_of(octets):
    """What a section's octets say."""
    data = Data()
    POINTED_INTO.append(data)
    data.decode(octets)
    data.rewind()
    data.next()
    return data.get_py_described().value


def api(method, path, **body):
    """A call of the HTTP API, which must be answered with success."""
    parts = urllib.parse.urlsplit(os.environ["TUBEPOST_API"])
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    address = f"http://{parts.hostname}:{parts.port}/api/{path}"
    passwords.add_password(None, address, parts.username, parts.password)
    login = urllib.request.HTTPBasicAuthHandler(passwords)
    request = urllib.request.Request(address, json.dumps(body).encode(), method=method)
    request.add_header("content-type", "application/json")
    with urllib.request.build_opener(login).open(request, timeout=10) as answer:
        return answer.read()
