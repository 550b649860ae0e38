"""Publishing: confirms, returns, properties, bodies of every size, with pika."""

import datetime
import decimal

import pika

from scenario import (consume, deliveries, expect, expect_channel_closed, expect_equal, get_all,
                      main, scenario)

VHOST = "in vhost '/'"


@scenario
def a_confirmed_message_is_in_the_queue(bus):
    channel, reader = bus.channel(), bus.channel()
    queue = bus.queue(channel, durable=True)
    channel.confirm_delivery()
    for number in range(50):
        mode = pika.DeliveryMode.Persistent if number % 2 else pika.DeliveryMode.Transient
        channel.basic_publish("", queue, str(number).encode(),
                              pika.BasicProperties(delivery_mode=mode))
        answer = reader.queue_declare(queue, passive=True)
        expect_equal(answer.method.message_count, number + 1, "depth right after the confirm")


@scenario
def a_message_nobody_wants_is_confirmed(bus):
    channel = bus.channel()
    channel.confirm_delivery()
    channel.basic_publish("amq.direct", bus.name("key"), b"nobody")


@scenario
def a_mandatory_message_nobody_wants_comes_back_whole(bus):
    channel = bus.channel()
    channel.confirm_delivery()
    key = bus.name("key")
    properties = pika.BasicProperties(content_type="text/plain", headers={"a": 1})
    try:
        channel.basic_publish("amq.direct", key, b"back" * 100_000, properties, mandatory=True)
    except pika.exceptions.UnroutableError as unroutable:
        expect_equal(len(unroutable.messages), 1, "messages returned")
        message = unroutable.messages[0]
        found = (message.method.reply_code, message.method.reply_text, message.method.exchange,
                 message.method.routing_key)
        expect_equal(found, (312, "NO_ROUTE", "amq.direct", key), "basic.return")
        expect_equal(message.body, b"back" * 100_000, "body")
        expect_equal(message.properties.headers, {"a": 1}, "headers")
        return
    expect(False, "the message was not returned")


@scenario
def a_mandatory_message_that_is_routed_stays(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"here", mandatory=True)
    expect_equal(get_all(channel, queue), ["here"], "bodies")


@scenario
def publishing_to_a_missing_exchange_closes_the_channel_only(bus):
    connection = bus.connect()
    channel = connection.channel()
    channel.confirm_delivery()
    exchange = bus.name("exchange")
    expect_channel_closed(404, f"NOT_FOUND - no exchange '{exchange}' {VHOST}",
                          lambda: channel.basic_publish(exchange, "a", b"lost"))
    queue = bus.queue(connection.channel())
    connection.channel().basic_publish("", queue, b"alive")
    expect_equal(get_all(connection.channel(), queue), ["alive"], "bodies")


@scenario
def bodies_of_every_size_arrive_equal(bus):
    for frame_max in [4096, 131072]:
        connection = bus.connect(frame_max=frame_max)
        channel, receiver = connection.channel(), connection.channel()
        queue = bus.queue(channel)
        channel.confirm_delivery()
        # A body frame is 8 bytes shorter than frame_max; none at all for an empty body.
        payload = frame_max - 8
        sizes = [0, 1, payload - 1, payload, payload + 1, 2 * payload, 2 * payload + 1, 300 * 1024]
        bodies = [bytes(index % 251 for index in range(size)) for size in sizes]
        for body in bodies:
            channel.basic_publish("", queue, body)
        received = []
        receiver.basic_consume(queue, lambda *arguments: received.append(arguments[3]),
                               auto_ack=True)
        while len(received) < len(bodies):
            connection.process_data_events(time_limit=1)
        for size, sent, found in zip(sizes, bodies, received):
            expect(found == sent, f"frame_max {frame_max}: a body of {size} bytes came back as"
                   f" {len(found)} bytes, different")
        channel.basic_publish("", queue, bodies[-1])


@scenario
def a_body_of_eight_mebibytes_arrives_equal(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    channel.confirm_delivery()
    body = bytes(range(256)) * (8 * 1024 * 4)
    channel.basic_publish("", queue, body)
    _, _, found = channel.basic_get(queue, auto_ack=True)
    expect(found == body, f"{len(found)} bytes came back, different")


@scenario
def every_property_arrives_equal(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    when = datetime.datetime(2026, 11, 25, 9, 30, tzinfo=datetime.timezone.utc)
    properties = pika.BasicProperties(
        content_type="application/json", content_encoding="utf-8", delivery_mode=2, priority=9,
        correlation_id="c" * 255, reply_to="somewhere", expiration="3600000", message_id="m-1",
        timestamp=1_764_063_000, type="kind", user_id=bus.user, app_id="app",
        headers={
            "text": "grüße", "empty": "", "yes": True, "no": False, "small": -7,
            "large": 2**40, "negative": -2**40, "nothing": None, "price": decimal.Decimal("12.34"),
            "when": when, "table": {"deep": {"deeper": {"deepest": ["a", 1, True, None]}}},
            "list": [1, "two", {"three": 3}, [4, [5]]], "bytes": b"\x00\xff",
            "long text": "x" * 100_000,
        })
    channel.basic_publish("", queue, b"{}", properties)
    _, found, _ = channel.basic_get(queue, auto_ack=True)
    for field in vars(properties):
        expected = getattr(properties, field)
        expect_equal(getattr(found, field), expected, f"property {field}")


@scenario
def no_property_at_all_arrives_as_none(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    channel.basic_publish("", queue, b"bare")
    method, found, _ = channel.basic_get(queue, auto_ack=True)
    expect_equal({key: value for key, value in vars(found).items() if value is not None}, {},
                 "properties")
    expect_equal((method.exchange, method.routing_key, method.redelivered), ("", queue, False),
                 "exchange, routing key, redelivered")


@scenario
def messages_of_one_channel_keep_their_order(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    for number in range(2000):
        channel.basic_publish("", queue, str(number).encode())
    receiver = bus.channel()
    consume(receiver, queue, auto_ack=True)
    found = [body for _, _, _, body in deliveries(receiver, 2000, 20)]
    expect_equal(found, [str(number) for number in range(2000)], "order")


@scenario
def a_routing_key_of_255_bytes_works(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    key = "k" * 255
    channel.queue_bind(queue, "amq.direct", key)
    channel.basic_publish("amq.direct", key, b"long")
    method, _, _ = channel.basic_get(queue, auto_ack=True)
    expect_equal(method.routing_key, key, "routing key")


if __name__ == "__main__":
    main()
