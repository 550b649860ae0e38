"""Messages between AMQP 0-9-1 (pika) and AMQP 1.0 (python-qpid-proton): docs/conversion.md.

No floating-point numbers: pika cannot write them, and reads them as integers.
"""

import datetime
import decimal
import uuid

import pika
from proton import (UNDESCRIBED, Array, Data, Delivery, Described, Link, char, decimal64, int32,
                    symbol, timestamp, ubyte, uint, ulong)

from proton_peer import (ANNOTATIONS, APPLICATION, DATA, FOOTER, HEADER, PROPERTIES, SEQUENCE,
                         VALUE, Peer, accept, bodies, section, settle, text)
from scenario import consume, deliveries, depth, expect, expect_equal, get_all, main, scenario

UUID = uuid.UUID("6b1f0c1a-0d4c-4c0e-8d1f-3a5b7c9d0e1f")
AT = 1_764_063_000


def to_proton(bus, body=b"body", exchange="", **properties):
    """What proton receives of a message that pika publishes."""
    channel, peer = bus.channel(), Peer(bus)
    queue = bus.queue(channel)
    if exchange:
        channel.queue_bind(queue, exchange, queue)
    channel.basic_publish(exchange, queue, body, pika.BasicProperties(**properties))
    [received] = peer.take(peer.receiver(f"/queues/{queue}", credit=1), 1)
    accept(received)
    return received, queue


def to_pika(bus, *sections):
    """What pika receives of a message of these sections that proton publishes."""
    channel, peer = bus.channel(), Peer(bus)
    queue = bus.queue(channel)
    peer.send(peer.sender(f"/queues/{queue}"), b"".join(sections))
    _, properties, body = channel.basic_get(queue, auto_ack=True)
    expect(properties is not None, "the message is not there")
    return properties, body


@scenario
def properties_of_pika_reach_proton(bus):
    received, queue = to_proton(
        bus, delivery_mode=2, priority=7, expiration="60000", message_id="m-1",
        correlation_id=f"urn:uuid:{UUID}", user_id="guest", reply_to="a/b c",
        content_type="text/plain", content_encoding="gzip", timestamp=AT, app_id="app",
        type="kind", exchange="amq.direct")
    message = received.message
    found = {name: getattr(message, name) for name in [
        "durable", "priority", "ttl", "id", "correlation_id", "user_id", "reply_to",
        "content_type", "content_encoding", "creation_time", "group_id", "first_acquirer",
        "delivery_count", "body"]}
    expect_equal(found, {
        "durable": True, "priority": 7, "ttl": 60.0, "id": "m-1", "correlation_id": UUID,
        "user_id": b"guest", "reply_to": "/queues/a%2Fb%20c", "content_type": "text/plain",
        "content_encoding": "gzip", "creation_time": float(AT), "group_id": "app",
        "first_acquirer": True, "delivery_count": 0, "body": b"body"}, "message")
    expect_equal(dict(message.annotations),
                 {"x-basic-type": "kind", "x-exchange": "amq.direct", "x-routing-key": queue},
                 "annotations")


@scenario
def a_message_of_pika_without_properties_is_a_data_section(bus):
    for body in [b"", b"\x00\xff", b"x" * 300_000]:
        received, queue = to_proton(bus, body)
        expect_equal(bytes(received.message.body), body, "body")
        message = received.message
        expect_equal((message.durable, message.id, message.properties), (False, None, None), "rest")
        expect_equal(dict(message.annotations), {"x-exchange": "", "x-routing-key": queue},
                     "annotations")


@scenario
def headers_of_pika_reach_proton_with_their_types(bus):
    headers = {"text": "grüße", "octets": b"\xff\x00", "small": 7, "big": 2**40,
               "true": True, "none": None, "time": datetime.datetime.fromtimestamp(
                   AT, datetime.timezone.utc), "decimal": decimal.Decimal("1.5"),
               "list": [1], "table": {"a": 1},
               "x-list": [1, "a", None, {"b": True}], "x-table": {"k": "v"}, "x-text": "t"}
    message = to_proton(bus, headers=headers)[0].message
    found = dict(message.properties)
    expect_equal(found, {"text": "grüße", "octets": b"\xff\x00", "small": 7, "big": 2**40,
                         "true": True, "none": None, "time": AT * 1000},
                 "application properties")
    expect_equal(type(found["time"]), timestamp, "type of a time")
    annotations = dict(message.annotations)
    expect_equal(annotations["x-list"], [1, "a", None, {"b": True}], "a list")
    expect_equal(annotations["x-table"], {symbol("k"): "v"}, "a table")
    expect_equal(annotations["x-text"], "t", "a text")


@scenario
def other_keys_of_pika_reach_proton_as_x_cc(bus):
    message = to_proton(bus, headers={"CC": ["a", "b"], "BCC": ["c"]})[0].message
    expect_equal(message.annotations["x-cc"], ["a", "b"], "x-cc")
    expect_equal(message.properties, None, "BCC is nobody's to see")


@scenario
def properties_of_proton_reach_pika(bus):
    properties, body = to_pika(
        bus,
        section(HEADER, [True, ubyte(7), uint(60_000)]),
        section(ANNOTATIONS, {symbol("x-basic-type"): "kind", symbol("x-own"): ulong(5),
                              symbol("x-cc"): ["a"], symbol("other"): 1}),
        section(PROPERTIES, [UUID, b"guest", "to", "subject", "/queues/a%2Fb%20c", "c-1",
                             symbol("text/plain"), symbol("gzip"), None, timestamp(AT * 1000 + 5),
                             "app"]),
        section(APPLICATION, {"text": "grüße", "char": char("ä"), "uuid": UUID,
                              "time": timestamp(AT * 1000), "octets": b"\xff", "int": int32(-1),
                              "symbol": symbol("s"), "none": None, "list": [1, [True]],
                              "map": {"k": ubyte(1)}, "array": Array(UNDESCRIBED, Data.LONG, 1, 2),
                              # These three are left out.
                              "decimal": decimal64(1), "described": Described(symbol("d"), 1),
                              "array of described": Array(symbol("d"), Data.INT, 1)}),
        section(DATA, b"one"), section(DATA, b"two"))
    expect_equal(body, b"onetwo", "body")
    found = {name: getattr(properties, name) for name in [
        "delivery_mode", "priority", "expiration", "message_id", "correlation_id", "user_id",
        "reply_to", "content_type", "content_encoding", "timestamp", "app_id", "type"]}
    expect_equal(found, {
        "delivery_mode": 2, "priority": 7, "expiration": "60000", "message_id": f"urn:uuid:{UUID}",
        "correlation_id": "c-1", "user_id": "guest", "reply_to": "a/b c",
        "content_type": "text/plain", "content_encoding": "gzip", "timestamp": AT, "app_id": "app",
        "type": "kind"}, "properties")
    headers = properties.headers
    time = headers.pop("time")
    expect_equal(time.replace(tzinfo=datetime.timezone.utc).timestamp(), AT, "a time")
    expect_equal(headers, {
        "x-own": 5, "CC": ["a"], "text": "grüße", "char": "ä", "uuid": f"urn:uuid:{UUID}",
        "octets": b"\xff", "int": -1, "symbol": "s", "none": None,
        "list": [1, [True]], "map": {"k": 1}, "array": [1, 2]}, "headers")


@scenario
def ids_of_every_type_reach_pika(bus):
    body = section(DATA, b"x")
    for given, message_id, headers in [
        ("text", "text", None),
        (ulong(2**64 - 1), str(2**64 - 1), None),
        (UUID, f"urn:uuid:{UUID}", None),
        (b"\xff\x00", None, {"x-message-id": b"\xff\x00", "x-correlation-id": b"\xff\x00"}),
        ("ü" * 200, None, {"x-message-id": "ü" * 200, "x-correlation-id": "ü" * 200}),
    ]:
        ids = section(PROPERTIES, [given, None, None, None, None, given])
        properties, _ = to_pika(bus, ids, body)
        found = (properties.message_id, properties.correlation_id, properties.headers)
        expect_equal(found, (message_id, message_id, headers), f"ids of {given!r}")


@scenario
def bodies_of_values_and_sequences_reach_pika_as_sections(bus):
    footer = section(FOOTER, {symbol("sum"): b"\x01"})
    for sections in [section(VALUE, {"a": [1, None]}), section(VALUE, "text"),
                     section(SEQUENCE, [1, "a"]) + section(SEQUENCE, [])]:
        properties, body = to_pika(bus, sections, footer)
        expect_equal((properties.type, body), ("amqp-1.0", sections + footer), "type and body")
        # And the same again, published by pika.
        received, _ = to_proton(bus, body, type=properties.type)
        expect(received.octets.endswith(sections + footer), "the sections came back as they were")
    properties, body = to_pika(bus, section(DATA, b"x"), footer)
    expect_equal((properties.type, body), (None, b"x"), "a footer behind data")
    expect_equal(to_pika(bus, b"", section(APPLICATION, {"k": 1}))[1], b"", "no body")


@scenario
def what_says_nothing_of_durability_says_nothing_to_pika(bus):
    for header, mode in [([True], 2), ([False], 1), ([], None)]:
        properties, _ = to_pika(bus, section(HEADER, header), section(DATA, b"x"))
        expect_equal(properties.delivery_mode, mode, f"delivery-mode of header {header}")


def with_dead_letters(bus, channel, **more):
    """A queue whose dead letters go to another: the names of both."""
    dead = bus.queue(channel)
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead, **more}
    return bus.queue(channel, arguments=arguments), dead


@scenario
def a_death_by_pika_is_told_to_proton(bus):
    channel, peer = bus.channel(), Peer(bus)
    queue, dead = with_dead_letters(bus, channel)
    channel.basic_publish("", queue, b"m", pika.BasicProperties(headers={"k": 1}))
    method, _, _ = channel.basic_get(queue)
    channel.basic_reject(method.delivery_tag, requeue=False)
    [received] = peer.take(peer.receiver(f"/queues/{dead}", credit=1), 1)
    annotations = received.message.annotations
    [death] = annotations["x-opt-deaths"].elements
    expect_equal((death["queue"], death["reason"], death["count"], death["exchange"]),
                 (queue, "rejected", 1, ""), "death")
    expect_equal(list(death["routing-keys"].elements), [queue], "routing-keys")
    expect_equal(annotations["x-routing-key"], dead, "key")
    expect_equal(annotations["x-first-death-queue"], queue, "first death")
    expect_equal(dict(received.message.properties), {"k": 1}, "application properties")


@scenario
def a_death_by_proton_is_told_to_pika(bus):
    channel, peer = bus.channel(), Peer(bus)
    queue, dead = with_dead_letters(bus, channel)
    peer.send(peer.sender(f"/queues/{queue}"), text("m", properties={"k": 1}))
    [received] = peer.take(peer.receiver(f"/queues/{queue}", credit=1), 1)
    settle(received, Delivery.REJECTED)
    peer.round_trip()
    _, _, properties, body = deliveries_of(channel, dead)
    expect_equal(body, "m", "body")
    [death] = properties.headers["x-death"]
    expect_equal((death["queue"], death["reason"], death["count"], death["routing-keys"]),
                 (queue, "rejected", 1, [queue]), "death")
    expect_equal(properties.headers["x-first-death-reason"], "rejected", "first death")
    expect_equal(properties.headers["k"], 1, "application property")


def deliveries_of(channel, queue):
    """The next message of a queue."""
    consume(channel, queue, auto_ack=True)
    return deliveries(channel, 1)[0]


@scenario
def deaths_on_both_sides_are_counted_in_one_list(bus):
    channel, peer = bus.channel(), Peer(bus)
    second, last = with_dead_letters(bus, channel)
    first = bus.queue(channel, arguments={"x-dead-letter-exchange": "",
                                          "x-dead-letter-routing-key": second})
    channel.basic_publish("", first, b"m")
    [received] = peer.take(peer.receiver(f"/queues/{first}", credit=1), 1)
    settle(received, Delivery.REJECTED)
    [received] = peer.take(peer.receiver(f"/queues/{second}", credit=1), 1)
    settle(received, Delivery.REJECTED)
    peer.round_trip()
    _, _, properties, _ = deliveries_of(channel, last)
    found = [(it["queue"], it["count"]) for it in properties.headers["x-death"]]
    expect_equal(found, [(second, 1), (first, 1)], "deaths")


@scenario
def priorities_count_from_either_side(bus):
    channel, peer = bus.channel(), Peer(bus)
    queue = bus.queue(channel, arguments={"x-max-priority": 9})
    peer.send(peer.sender(f"/queues/{queue}"), text("proton 5", priority=5))
    for priority in [3, 9]:
        properties = pika.BasicProperties(priority=priority)
        channel.basic_publish("", queue, f"pika {priority}".encode(), properties)
    expect_equal(get_all(channel, queue), ["pika 9", "proton 5", "pika 3"], "order")


@scenario
def time_counts_from_either_side(bus):
    channel, peer = bus.channel(), Peer(bus)
    queue, dead = with_dead_letters(bus, channel)
    channel.basic_publish("", queue, b"pika", pika.BasicProperties(expiration="50"))
    [received] = peer.take(peer.receiver(f"/queues/{dead}", credit=1), 1)
    expect_equal((received.body, received.message.ttl), ("pika", 0.0), "expired")
    [death] = received.message.annotations["x-opt-deaths"].elements
    expect_equal((death["reason"], death["ttl"]), ("expired", 50), "death")
    accept(received)
    peer.send(peer.sender(f"/queues/{queue}"), text("proton", ttl=0.05))
    peer.close()
    _, _, properties, body = deliveries_of(channel, dead)
    expect_equal((body, properties.expiration), ("proton", None), "expired")
    [death] = properties.headers["x-death"]
    expect_equal((death["reason"], death["original-expiration"]), ("expired", "50"), "death")


@scenario
def a_message_goes_around_between_both(bus):
    channel, peer = bus.channel(), Peer(bus)
    first, second = bus.queue(channel), bus.queue(channel)
    given = pika.BasicProperties(
        delivery_mode=2, priority=4, message_id="m", correlation_id="c", reply_to="queue",
        content_type="text/plain", timestamp=AT, app_id="a", type="t",
        headers={"k": "v", "n": 5, "x-table": {"a": [1, "b"]}})
    channel.basic_publish("", first, b"body", given)
    [received] = peer.take(peer.receiver(f"/queues/{first}", credit=1), 1)
    peer.send(peer.sender(f"/queues/{second}"), received.octets)
    accept(received)
    _, properties, body = channel.basic_get(second, auto_ack=True)
    expect_equal(body, b"body", "body")
    expect_equal(vars(properties), vars(given), "properties")


@scenario
def what_pika_did_not_settle_comes_to_proton_as_delivered_before(bus):
    channel, peer = bus.channel(), Peer(bus)
    queue = bus.queue(channel)
    channel.basic_publish("", queue, b"a")
    channel.basic_get(queue)
    channel.close()
    link = peer.receiver(f"/queues/{queue}", credit=1)
    [received] = peer.take(link, 1)
    expect_equal(received.message.first_acquirer, False, "first-acquirer")
    settle(received, Delivery.RELEASED)
    peer.detach(link)
    method, _, _ = bus.channel().basic_get(queue)
    expect_equal(method.redelivered, True, "redelivered")


@scenario
def both_consume_from_one_queue(bus):
    channel, peer = bus.channel(), Peer(bus)
    queue = bus.queue(channel)
    consume(channel, queue, auto_ack=True)
    link = peer.receiver(f"/queues/{queue}", mode=Link.SND_SETTLED, credit=10)
    peer.round_trip()
    publisher = bus.channel()
    for number in range(6):
        publisher.basic_publish("", queue, str(number).encode())
    deliveries(channel, 3)
    found = sorted([it[3] for it in channel.received] + bodies(peer.take(link, 3)))
    expect_equal(found, list("012345"), "bodies of both")


if __name__ == "__main__":
    main()
