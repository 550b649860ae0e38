"""The kinds of exchange that RabbitMQ has by plugin, with pika."""

import time

import pika

from scenario import (consume, deliveries, depth, expect, expect_channel_closed, expect_equal,
                      get_all, main, round_trip, scenario)


def headers(**values):
    return pika.BasicProperties(headers={name.replace("_", "-"): it for name, it in values.items()})


@scenario
def a_delayed_message_comes_when_it_is_due(bus):
    channel = bus.channel()
    exchange = bus.exchange(channel, "x-delayed-message", durable=True,
                            arguments={"x-delayed-type": "direct"})
    queue = bus.queue(channel, durable=True)
    channel.queue_bind(queue, exchange, "k")
    begin = time.monotonic()
    channel.confirm_delivery()
    for name, delay in [("late", 900), ("soon", 300), ("now", 0)]:
        # Mandatory: one that waits is not unroutable.
        channel.basic_publish(exchange, "k", name.encode(), headers(x_delay=delay), mandatory=True)
    consume(channel, queue, auto_ack=True)
    received = deliveries(channel, 3)
    expect(time.monotonic() - begin >= 0.9, "the last one waited 0.9 s")
    expect_equal([body for *_, body in received], ["now", "soon", "late"], "bodies")
    delays = [properties.headers["x-delay"] for _, _, properties, _ in received]
    expect_equal(delays, [0, -300, -900], "x-delay as delivered")
    expect_equal({method.exchange for _, method, *_ in received}, {exchange}, "exchanges")


@scenario
def a_consistent_hash_sends_what_is_alike_to_one_queue(bus):
    channel = bus.channel()
    exchange = bus.exchange(channel, "x-consistent-hash", arguments={"hash-header": "user"})
    by_id = bus.exchange(channel, "x-consistent-hash", arguments={"hash-property": "message_id"})
    queues = [bus.queue(channel) for _ in range(4)]
    for queue in queues:
        channel.queue_bind(queue, exchange, "1")
        channel.queue_bind(queue, by_id, "1")
    for number in range(200):
        user = f"user-{number % 20}"
        channel.basic_publish(exchange, str(number), user.encode(), headers(user=user))
        channel.basic_publish(by_id, str(number), user.encode(),
                              pika.BasicProperties(message_id=user))
    bodies = [get_all(channel, queue) for queue in queues]
    expect_equal(sum(map(len, bodies)), 400, "messages")
    for user in {body for queue in bodies for body in queue}:
        counts = [queue.count(user) for queue in bodies if user in queue]
        # One queue by header, and one, perhaps the same, by message-id: the hash is of the value.
        expect_equal(counts, [20], f"messages of {user} in each queue")
    expect(sum(1 for queue in bodies if queue) > 1, "not all in one queue")
    expect_channel_closed(406, "PRECONDITION_FAILED - The binding key must be greater than 0",
                          lambda: bus.channel().queue_bind(queues[0], exchange, "0"))


@scenario
def a_random_exchange_takes_one_queue_for_each_message(bus):
    channel = bus.channel()
    for kind, key in [("x-random", "any"), ("x-local-random", ""), ("x-modulus-hash", "any")]:
        exchange = bus.exchange(channel, kind)
        queues = [bus.queue(channel) for _ in range(3)]
        for queue in queues:
            channel.queue_bind(queue, exchange, key)
        for number in range(150):
            channel.basic_publish(exchange, str(number), b"m")
        round_trip(channel)
        counts = [depth(channel, queue) for queue in queues]
        expect_equal(sum(counts), 150, f"messages by {kind}")
        expect(all(counts), f"each queue has some by {kind}: {counts}")


@scenario
def a_deduplicating_exchange_passes_each_message_once(bus):
    channel = bus.channel()
    exchange = bus.exchange(channel, "x-message-deduplication",
                            arguments={"x-cache-size": 100, "x-cache-ttl": 60000})
    queue = bus.queue(channel)
    channel.queue_bind(queue, exchange)
    for number in [1, 2, 1, 3, 2, 1]:
        channel.basic_publish(exchange, "k", str(number).encode(),
                              headers(x_deduplication_header=f"build-{number}"))
    channel.basic_publish(exchange, "k", b"no name")
    channel.basic_publish(exchange, "k", b"no name")
    expect_equal(get_all(channel, queue), ["1", "2", "3", "no name", "no name"], "bodies")


if __name__ == "__main__":
    main()
