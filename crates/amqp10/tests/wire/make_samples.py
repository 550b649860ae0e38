"""What python-qpid-proton writes, frame by frame, as hex: `python make_samples.py > samples.txt`.

Two of its engines talk to each other in memory, and each frame of either is a line: who wrote it,
a name for the messages, and the octets. Made with python-qpid-proton 0.40.0.
"""

import uuid

from proton import (
    Collector, Condition, Connection, Delivery, Described, Endpoint, Link, Message, SASL, Terminus,
    Transport, byte, char, decimal128, decimal32, decimal64, float32, int32, short, symbol,
    timestamp, ubyte, uint, ulong, ushort, Array, UNDESCRIBED, Data,
)


class Wire:
    """Everything that one engine wrote, cut into protocol headers and frames."""

    def __init__(self, name):
        self.name, self.octets = name, b""

    def take(self, octets):
        self.octets += octets
        while len(self.octets) >= 8:
            is_header = self.octets.startswith(b"AMQP")
            size = 8 if is_header else int.from_bytes(self.octets[:4], "big")
            if len(self.octets) < size:
                return
            line, self.octets = self.octets[:size], self.octets[size:]
            print(self.name, "header" if is_header else "frame", line.hex())


def pump(ends):
    moved = True
    while moved:
        moved = False
        for (wire, source), (_, sink) in (ends, ends[::-1]):
            pending = source.pending()
            if pending > 0:
                octets = source.peek(pending)
                wire.take(octets)
                source.pop(len(octets))
                sink.push(octets)
                moved = True


def frames():
    client, server = Transport(), Transport(mode=Transport.SERVER)
    ends = [(Wire("client"), client), (Wire("server"), server)]
    client.sasl().allowed_mechs("ANONYMOUS")
    server.sasl().allowed_mechs("ANONYMOUS")
    client.max_frame_size, server.max_frame_size = 65536, 4096
    client.idle_timeout = 30
    ours, theirs = Connection(), Connection()
    ours.container, theirs.container = "client-1", "server-1"
    ours.hostname = "vhost:orders"
    ours.desired_capabilities = Array(UNDESCRIBED, Data.SYMBOL, symbol("ANONYMOUS-RELAY"))
    theirs.offered_capabilities = Array(
        UNDESCRIBED, Data.SYMBOL, symbol("ANONYMOUS-RELAY"), symbol("queue"))
    ours.properties = {symbol("product"): "tests", symbol("version"): ulong(7)}
    events = Collector()
    theirs.collect(events)
    client.bind(ours)
    server.bind(theirs)
    ours.open()
    pump(ends)
    theirs.open()
    session = ours.session()
    session.open()
    sender = session.sender("to-queue")
    sender.target.address = "/queues/orders"
    sender.source.address = "here"
    sender.snd_settle_mode, sender.rcv_settle_mode = Link.SND_MIXED, Link.RCV_FIRST
    sender.open()
    receiver = session.receiver("from-queue")
    receiver.source.address = "/queues/orders"
    receiver.source.durability = Terminus.DELIVERIES
    receiver.source.expiry_policy = Terminus.EXPIRE_NEVER
    receiver.source.timeout = 3600
    receiver.source.distribution_mode = Terminus.DIST_MODE_COPY
    receiver.source.filter.put_dict({
        symbol("selector"): Described(symbol("apache.org:selector-filter:string"), "colour = 1")})
    receiver.source.outcomes.put_array(False, Data.SYMBOL)
    receiver.source.outcomes.enter()
    for outcome in ("amqp:accepted:list", "amqp:released:list"):
        receiver.source.outcomes.put_symbol(symbol(outcome))
    receiver.source.outcomes.exit()
    receiver.open()
    dynamic = session.receiver("dynamic")
    dynamic.source.dynamic = True
    dynamic.open()
    pump(ends)
    remote = theirs.session_head(Endpoint.REMOTE_ACTIVE)
    remote.open()
    link = theirs.link_head(Endpoint.REMOTE_ACTIVE)
    links = []
    while link:
        links.append(link)
        link = link.next(Endpoint.REMOTE_ACTIVE)
    for link in links:
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        link.open()
        if link.is_receiver:
            link.flow(10)
    receiver.flow(5)
    pump(ends)
    states = ["ACCEPTED", "REJECTED", "RELEASED", "MODIFIED"]
    for number, state in enumerate(states):
        sender.delivery(b"tag-%d" % number)
        sender.send(Message(body=state).encode())
        sender.advance()
    large = sender.delivery(b"large")
    sender.send(Message(body=b"x" * 6000, inferred=True).encode())
    sender.advance()
    pump(ends)
    incoming = links[0]
    for state in states:
        delivery = incoming.current
        delivery.local.failed = True
        delivery.local.undeliverable = True
        delivery.local.condition = Condition("amqp:not-allowed", "no", {symbol("queue"): "orders"})
        incoming.advance()
        delivery.update(getattr(Delivery, state))
        delivery.settle()
    pump(ends)
    outgoing = links[1]
    outgoing.delivery(b"")
    outgoing.send(Message(body=None).encode())
    outgoing.advance()
    pump(ends)
    receiver.drain(0)
    pump(ends)
    links[2].condition = Condition("amqp:link:stolen", "another took it")
    links[2].close()
    pump(ends)
    sender.close()
    receiver.detach()
    pump(ends)
    session.close()
    theirs.condition = Condition("amqp:connection:forced", "by the operator")
    theirs.close()
    pump(ends)
    ours.close()
    pump(ends)


def messages():
    everything = Message(
        durable=True, priority=7, ttl=60, first_acquirer=True, delivery_count=3,
        id=uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"), user_id=b"guest",
        address="/queues/orders", subject="orders.new", reply_to="/queues/answers",
        correlation_id=ulong(77), content_type=symbol("application/json"),
        content_encoding=symbol("gzip"), expiry_time=1.5, creation_time=1.25,
        group_id="group", group_sequence=9, reply_to_group_id="other",
        instructions={symbol("x-opt-hop"): True},
        annotations={symbol("x-opt-key"): "k", symbol("x-opt-number"): ulong(2 ** 40)},
        properties={
            "null": None, "true": True, "ubyte": ubyte(200), "ushort": ushort(60000),
            "uint": uint(70000), "ulong": ulong(2 ** 63), "byte": byte(-5), "short": short(-300),
            "int": int32(-70000), "long": -2 ** 40, "float": float32(0.5), "double": 0.25,
            "char": char("\u20ac"), "timestamp": timestamp(1700000000000), "string": "gr\u00fcn",
            "uuid": uuid.UUID(int=5), "symbol": symbol("s"), "binary": b"\x00\xff",
            "d32": decimal32(1), "d64": decimal64(2), "d128": decimal128(b"0123456789abcdef"),
        },
        body={"list": [1, "two", [None]], "map": {uint(0): uint(1)},
              "array": Array(UNDESCRIBED, Data.INT, 1, 2, 3),
              "described": Described(symbol("x:y"), [uint(300)])})
    named = {
        "everything": everything,
        "value": Message(body="hello"),
        "data": Message(body=b"hello", inferred=True),
        "long-data": Message(body=b"h" * 300, inferred=True),
        "sequence": Message(body=[1, 2], inferred=True),
        "nothing": Message(),
        "long-list": Message(body=[uint(number) for number in range(300)]),
        "described-array": Message(body=Array(symbol("x:y"), Data.STRING, "a", "b")),
    }
    for name, message in named.items():
        print("message", name, message.encode().hex())


frames()
messages()
