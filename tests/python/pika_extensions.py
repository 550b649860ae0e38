"""What RabbitMQ's queues do besides: expiry, limits, dead letters, priorities, with pika."""

import time

import pika

from scenario import (Unexpected, consume, deliveries, depth, expect, expect_channel_closed,
                      expect_equal, get_all, main, scenario)

VHOST = "in vhost '/'"


def ready(channel, queue, count, seconds=5):
    """Waits until so many messages are ready in the queue."""
    deadline = time.monotonic() + seconds
    while depth(channel, queue) != count:
        expect(time.monotonic() < deadline,
               f"{count} messages in the queue within {seconds} s, there are {depth(channel, queue)}")
        channel.connection.process_data_events(time_limit=0.02)


def with_dead_letters(bus, channel, **arguments):
    """A queue, and the one that its dead letters go to."""
    dead = bus.queue(channel)
    named = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    named.update({"x-" + name.replace("_", "-"): value for name, value in arguments.items()})
    return bus.queue(channel, arguments=named), dead


def death(channel, dead):
    """The properties of the next dead letter, and its first death without the time."""
    ready(channel, dead, 1)
    method, properties, _ = channel.basic_get(dead, auto_ack=True)
    entry = dict(properties.headers["x-death"][0])
    age = abs(entry.pop("time").timestamp() - time.time())
    expect(age < 60, f"a death a moment ago, it was {age} s")
    return method, properties, entry


@scenario
def a_message_expires_by_the_queues_time_and_says_so(bus):
    channel = bus.channel()
    queue, dead = with_dead_letters(bus, channel, message_ttl=50)
    channel.basic_publish("", queue, b"m", pika.BasicProperties(headers={"kept": 1}))
    method, properties, entry = death(channel, dead)
    expect_equal(entry, {"count": 1, "reason": "expired", "queue": queue, "exchange": "",
                         "routing-keys": [queue]}, "x-death")
    expect_equal((method.exchange, method.routing_key), ("", dead), "exchange and key")
    headers = {name: value for name, value in properties.headers.items()
               if name != "x-death" and not name.startswith("x-last-death")}
    expect_equal(headers, {"kept": 1, "x-first-death-exchange": "", "x-first-death-queue": queue,
                           "x-first-death-reason": "expired"}, "headers")


@scenario
def a_messages_own_time_is_taken_from_it_and_told(bus):
    channel = bus.channel()
    queue, dead = with_dead_letters(bus, channel)
    channel.basic_publish("", queue, b"m", pika.BasicProperties(expiration="40", priority=3))
    _, properties, entry = death(channel, dead)
    expect_equal((properties.expiration, properties.priority), (None, 3), "expiration, priority")
    expect_equal(entry.get("original-expiration"), "40", "original-expiration")


@scenario
def a_message_without_time_reaches_only_who_waits(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    channel.basic_publish("", queue, b"late", pika.BasicProperties(expiration="0"))
    ready(channel, queue, 0)
    consume(channel, queue)
    channel.basic_publish("", queue, b"in time", pika.BasicProperties(expiration="0"))
    expect_equal(deliveries(channel, 1)[0][3], "in time", "delivered")


@scenario
def a_rejected_message_is_a_dead_letter_with_its_own_key(bus):
    channel = bus.channel()
    fanout = bus.exchange(channel, "fanout")
    dead = bus.queue(channel)
    channel.queue_bind(dead, fanout)
    queue = bus.queue(channel, arguments={"x-dead-letter-exchange": fanout})
    channel.basic_publish("", queue, b"m")
    method, _, _ = channel.basic_get(queue)
    channel.basic_reject(method.delivery_tag, requeue=False)
    method, _, entry = death(channel, dead)
    expect_equal((method.exchange, method.routing_key), (fanout, queue), "exchange and key")
    expect_equal((entry["reason"], entry["count"]), ("rejected", 1), "reason and count")


@scenario
def a_retry_counts_its_rounds(bus):
    channel = bus.channel()
    wait = bus.name("queue")
    work = bus.queue(channel, arguments={"x-dead-letter-exchange": "",
                                         "x-dead-letter-routing-key": wait})
    bus.queues.append(wait)
    channel.queue_declare(wait, arguments={"x-dead-letter-exchange": "", "x-message-ttl": 20,
                                           "x-dead-letter-routing-key": work})
    channel.basic_publish("", work, b"m")
    for rounds in range(3):
        ready(channel, work, 1)
        method, properties, _ = channel.basic_get(work)
        found = [(entry["queue"], entry["reason"], entry["count"])
                 for entry in (properties.headers or {}).get("x-death", [])]
        expected = [(wait, "expired", rounds), (work, "rejected", rounds)] if rounds else []
        expect_equal(found, expected, f"deaths after {rounds} rounds")
        channel.basic_nack(method.delivery_tag, requeue=False)


@scenario
def what_would_go_round_by_itself_ends(bus):
    channel = bus.channel()
    one, two = bus.name("queue"), bus.name("queue")
    bus.queues += [one, two]
    for queue, other in ((one, two), (two, one)):
        channel.queue_declare(queue, arguments={"x-dead-letter-exchange": "", "x-message-ttl": 20,
                                                "x-dead-letter-routing-key": other})
    channel.basic_publish("", one, b"m")
    ready(channel, one, 0)
    ready(channel, two, 0)


@scenario
def a_full_queue_drops_its_oldest(bus):
    channel = bus.channel()
    queue, dead = with_dead_letters(bus, channel, max_length=2)
    for body in (b"1", b"2", b"3"):
        channel.basic_publish("", queue, body)
    _, _, entry = death(channel, dead)
    expect_equal(entry["reason"], "maxlen", "reason")
    expect_equal(get_all(channel, queue), ["2", "3"], "what is left")


@scenario
def a_queue_limited_in_bytes_counts_bodies(bus):
    channel = bus.channel()
    queue = bus.queue(channel, arguments={"x-max-length-bytes": 10})
    for body in (b"12345", b"67890", b"x"):
        channel.basic_publish("", queue, body, pika.BasicProperties(headers={"not": "counted"}))
    ready(channel, queue, 2)
    expect_equal(get_all(channel, queue), ["67890", "x"], "what is left")


@scenario
def a_full_queue_that_refuses_tells_the_publisher(bus):
    channel = bus.channel()
    queue = bus.queue(channel, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"1")
    try:
        channel.basic_publish("", queue, b"2")
    except pika.exceptions.NackError:
        expect_equal(get_all(channel, queue), ["1"], "what is left")
        channel.basic_publish("", queue, b"3")
        return
    raise Unexpected("a nack")


@scenario
def a_full_queue_can_refuse_with_a_dead_letter(bus):
    channel = bus.channel()
    queue, dead = with_dead_letters(bus, channel, max_length=1, overflow="reject-publish-dlx")
    channel.basic_publish("", queue, b"1")
    channel.basic_publish("", queue, b"2")
    _, _, entry = death(channel, dead)
    expect_equal((entry["reason"], entry["queue"]), ("maxlen", queue), "reason and queue")
    expect_equal(get_all(channel, queue), ["1"], "what is left")


@scenario
def the_highest_priority_goes_first(bus):
    channel = bus.channel()
    queue = bus.queue(channel, arguments={"x-max-priority": 5})
    for name, priority in (("a", None), ("b", 1), ("c", 9), ("d", 5), ("e", 1)):
        channel.basic_publish("", queue, name.encode(), pika.BasicProperties(priority=priority))
    ready(channel, queue, 5)
    expect_equal(get_all(channel, queue), ["c", "d", "b", "e", "a"], "order")


@scenario
def a_consumer_of_a_higher_priority_is_served_first(bus):
    low, high = bus.channel(), bus.channel()
    queue = bus.queue(low)
    low.basic_qos(prefetch_count=10)
    high.basic_qos(prefetch_count=2)
    consume(low, queue)
    consume(high, queue, arguments={"x-priority": 10})
    publisher = bus.channel()
    for number in range(3):
        publisher.basic_publish("", queue, str(number).encode())
    expect_equal([item[3] for item in deliveries(high, 2)], ["0", "1"], "the first two")
    expect_equal([item[3] for item in deliveries(low, 1)], ["2"], "the rest")


@scenario
def a_single_active_consumer_has_it_all_until_it_goes(bus):
    first, second = bus.channel(), bus.channel()
    queue = bus.queue(first, arguments={"x-single-active-consumer": True})
    tag = consume(first, queue)
    consume(second, queue)
    publisher = bus.channel()
    for number in range(2):
        publisher.basic_publish("", queue, str(number).encode())
    expect_equal(len(deliveries(first, 2)), 2, "at the first")
    first.basic_cancel(tag)
    publisher.basic_publish("", queue, b"2")
    expect_equal([item[3] for item in deliveries(second, 1)], ["2"], "at the second")


@scenario
def a_queue_that_nobody_uses_goes(bus):
    channel = bus.channel()
    queue = bus.name("queue")
    channel.queue_declare(queue, arguments={"x-expires": 200})
    time.sleep(0.1)  # tidy: half of the time that the queue has
    channel.basic_get(queue)  # Somebody uses it.
    deadline = time.monotonic() + 5
    while True:
        try:
            bus.channel().queue_declare(queue, passive=True)
        except pika.exceptions.ChannelClosedByBroker as closed:
            return expect_equal(closed.reply_code, 404, "reply code")
        expect(time.monotonic() < deadline, "the queue gone within 5 s")
        time.sleep(0.3)  # tidy: asking more often would keep the queue alive


@scenario
def a_quorum_queue_counts_returns_and_gives_up(bus):
    channel = bus.channel()
    dead = bus.queue(channel)
    queue = bus.queue(channel, durable=True, arguments={
        "x-queue-type": "quorum", "x-delivery-limit": 1, "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": dead})
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"poison")
    for returns in range(2):
        ready(channel, queue, 1)
        method, properties, _ = channel.basic_get(queue)
        count = (properties.headers or {}).get("x-delivery-count", 0)
        expect_equal(count, returns, "x-delivery-count")
        channel.basic_nack(method.delivery_tag, requeue=True)
    _, _, entry = death(channel, dead)
    expect_equal(entry["reason"], "delivery_limit", "reason")


@scenario
def arguments_that_are_none_are_refused(bus):
    for name, value, why in (
            ("x-message-ttl", -1, "{value_negative,-1}"),
            ("x-expires", 0, "{value_zero,0}"),
            ("x-max-length", "many", '"expected integer, got longstr"'),
            ("x-max-priority", 256, "{max_value_exceeded,256}")):
        queue = bus.name("queue")
        expect_channel_closed(
            406, f"PRECONDITION_FAILED - invalid arg '{name}' for queue '{queue}' {VHOST}: {why}",
            lambda: bus.channel().queue_declare(queue, arguments={name: value}))


if __name__ == "__main__":
    main()
