"""Streams (x-queue-type=stream), with pika."""

import datetime
import time

import pika

from scenario import (consume, deliveries, depth, expect, expect_channel_closed,
                      expect_connection_closed, expect_equal, main, scenario)

STREAM = {"x-queue-type": "stream"}


def stream(bus, channel, **arguments):
    """Declares a stream; underscores of the arguments' names are dashes."""
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    return bus.queue(channel, durable=True, arguments={**STREAM, **named})


def fill(channel, name, bodies, **headers):
    """Publishes, and returns when all is confirmed."""
    channel.confirm_delivery()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    for body in bodies:
        channel.basic_publish("", name, body.encode(), pika.BasicProperties(headers=named))


def reader(bus, name, offset=None, prefetch=100, **arguments):
    """A channel of its own that reads the stream from there on."""
    channel = bus.channel()
    channel.basic_qos(prefetch_count=prefetch)
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    if offset is not None:
        named["x-stream-offset"] = offset
    consume(channel, name, arguments=named)
    return channel


def read(channel, count):
    """The next `count` messages: offsets and bodies, acknowledged."""
    received = deliveries(channel, count)[:count]
    del channel.received[:count]
    for _, method, _, _ in received:
        channel.basic_ack(method.delivery_tag)
    return [(properties.headers["x-stream-offset"], body) for _, _, properties, body in received]


def numbered(numbers):
    return [(number, f"m{number}") for number in numbers]


def nothing_more(channel):
    """Whether nothing comes, as far as half a second tells."""
    channel.connection.process_data_events(time_limit=0.5)
    return not channel.received


@scenario
def what_was_read_is_there_for_everybody_else(bus):
    channel = bus.channel()
    name = stream(bus, channel)
    fill(channel, name, [f"m{number}" for number in range(20)])
    for _ in range(3):
        expect_equal(read(reader(bus, name, "first"), 20), numbered(range(20)), "from the first")
    expect_equal(read(reader(bus, name, 15), 5), numbered(range(15, 20)), "from the 15th")
    at_the_end = reader(bus, name)
    expect(nothing_more(at_the_end), "nothing old for who reads what comes")
    fill(channel, name, ["m20"])
    expect_equal(read(at_the_end, 1), numbered([20]), "what comes")


@scenario
def acknowledgements_are_credit_whatever_they_say(bus):
    channel = bus.channel()
    name = stream(bus, channel)
    fill(channel, name, [f"m{number}" for number in range(10)])
    slow = reader(bus, name, "first", prefetch=3)
    received = list(deliveries(slow, 3))
    expect(nothing_more_than(slow, 3), "no more than the prefetch")
    tags = [method.delivery_tag for _, method, *_ in received]
    slow.basic_ack(tags[0])
    if bus.is_rabbitmq_3:
        slow.basic_ack(tags[2], multiple=True)  # It refuses the others, as 4.0 does not.
    else:
        slow.basic_nack(tags[1], requeue=True)
        slow.basic_reject(tags[2], requeue=False)
    expect_equal([body for *_, body in deliveries(slow, 6)], [f"m{n}" for n in range(6)], "bodies")
    expect(not any(method.redelivered for _, method, *_ in slow.received), "none comes again")


def nothing_more_than(channel, count):
    channel.connection.process_data_events(time_limit=0.5)
    return len(channel.received) == count


@scenario
def a_reader_begins_at_a_time_or_an_interval_ago(bus):
    channel = bus.channel()
    name = stream(bus, channel)
    fill(channel, name, ["m0", "m1"])
    expect_equal(read(reader(bus, name, "1h"), 2), numbered([0, 1]), "an hour ago")
    long_ago = datetime.datetime.now() - datetime.timedelta(hours=1)
    expect_equal(read(reader(bus, name, long_ago), 2), numbered([0, 1]), "since then")
    if bus.is_rabbitmq_3:
        return  # It begins with the chunk that was written last.
    tomorrow = datetime.datetime.now() + datetime.timedelta(days=1)
    expect(nothing_more(reader(bus, name, tomorrow)), "nothing was published tomorrow")
    time.sleep(2.1)  # tidy: the clock is what is asked about, and a timestamp has seconds
    since = datetime.datetime.now() - datetime.timedelta(seconds=1)
    fill(channel, name, ["m2"])
    expect_equal(read(reader(bus, name, since), 1), numbered([2]), "since a second ago")
    expect_equal(read(reader(bus, name, "last"), 1), numbered([2]), "the last")


@scenario
def a_filter_lets_its_values_through(bus):
    if bus.is_rabbitmq_3:
        return  # Filters came with 3.13.
    channel = bus.channel()
    name = stream(bus, channel)
    for number, value in enumerate(["a", "b", None, "a", "c"]):
        headers = {} if value is None else {"x_stream_filter_value": value}
        fill(channel, name, [f"m{number}"], **headers)
    only_a = reader(bus, name, "first", x_stream_filter="a")
    expect_equal(read(only_a, 2), numbered([0, 3]), "one value")
    several = reader(bus, name, "first", x_stream_filter=["b", "c"], x_stream_match_unfiltered=True)
    expect_equal(read(several, 3), numbered([1, 2, 4]), "two values, and unmarked ones")
    expect(nothing_more(only_a), "nothing else")


@scenario
def a_stream_keeps_no_more_than_it_may(bus):
    channel = bus.channel()
    # RabbitMQ trims whole segments, so the segments have to be small.
    name = stream(bus, channel, x_max_length_bytes=50_000, x_stream_max_segment_size_bytes=10_000)
    fill(channel, name, [f"m{number} " + "x" * 990 for number in range(300)])
    deadline = time.monotonic() + 10
    while True:
        oldest, _ = read(reader(bus, name, "first", prefetch=1), 1)[0]
        if oldest > 100:
            break
        expect(time.monotonic() < deadline, f"trimmed within 10 s; it begins with {oldest}")
        fill(channel, name, ["x" * 1000])
    expect(oldest < 300, "not everything is gone")


@scenario
def its_length_is_what_it_keeps(bus):
    channel = bus.channel()
    name = stream(bus, channel)
    fill(channel, name, [f"m{number}" for number in range(7)])
    deadline = time.monotonic() + 10
    # RabbitMQ counts now and then.
    while depth(channel, name) != 7:
        expect(time.monotonic() < deadline, f"7 messages within 10 s, not {depth(channel, name)}")
        channel.connection.process_data_events(time_limit=0.1)
    read(reader(bus, name, "first"), 7)
    expect_equal(depth(channel, name), 7, "after they were read")


@scenario
def what_a_stream_cannot_be_is_refused(bus):
    def declare(**settings):
        arguments = {**STREAM, **settings.pop("more", {})}
        bus.channel().queue_declare(bus.name("s"), arguments=arguments, **settings)

    def says(text):
        return f"PRECONDITION_FAILED - invalid property '{text}' for queue"

    for settings, text in [({"durable": False}, "non-durable"),
                           ({"durable": True, "auto_delete": True}, "auto-delete")]:
        try:
            declare(**settings)
        except pika.exceptions.ChannelClosedByBroker as closed:
            expect_equal(closed.reply_code, 406, "reply code")
            expect(closed.reply_text.startswith(says(text)), closed.reply_text)
        else:
            expect(False, f"{settings} were not refused")
    for more in [{"x-max-priority": 3}, {"x-expires": 1000}, {"x-max-age": "1 day"}]:
        try:
            declare(durable=True, more=more)
        except pika.exceptions.ChannelClosedByBroker as closed:
            expect_equal(closed.reply_code, 406, f"reply code for {more}")
        else:
            expect(False, f"{more} were not refused")


@scenario
def what_a_consumer_of_a_stream_has_to_say_is_asked_for(bus):
    channel = bus.channel()
    name = stream(bus, channel)
    what = f"queue '{name}' in vhost '{bus.vhost}'"
    without = f"PRECONDITION_FAILED - consumer prefetch count is not set for stream {what}"
    if bus.is_rabbitmq_3:
        without = f"PRECONDITION_FAILED - consumer prefetch count is not set for '{what}'"
    expect_channel_closed(406, without, lambda: bus.channel().basic_consume(name, print))

    def auto_ack():
        channel = bus.channel()
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(name, print, auto_ack=True)

    kind = "stream queues" if bus.is_rabbitmq_3 else "stream"
    text = f"NOT_IMPLEMENTED - automatic acknowledgement not supported by {kind} {what}"
    expect_connection_closed(540, text, auto_ack)

    def shared():
        channel = bus.channel()
        channel.basic_qos(prefetch_count=1)
        channel.basic_qos(prefetch_count=1, global_qos=True)
        channel.basic_consume(name, print)

    text = f"NOT_IMPLEMENTED - {what} does not support global qos"
    expect_connection_closed(540, text, shared)
    text = f"NOT_IMPLEMENTED - basic.get not supported by stream queues {what}"
    expect_connection_closed(540, text, lambda: bus.channel().basic_get(name))
    text = f"NOT_IMPLEMENTED - queue.purge not supported by stream queues {what}"
    expect_connection_closed(540, text, lambda: bus.channel().queue_purge(name))


@scenario
def many_read_at_once_while_others_publish(bus):
    channel = bus.channel()
    name = stream(bus, channel)
    readers = [reader(bus, name, "first", prefetch=50) for _ in range(5)]
    for begin in range(0, 500, 100):
        fill(channel, name, [f"m{number}" for number in range(begin, begin + 100)])
    for one in readers:
        got = []
        while len(got) < 500:
            got += read(one, min(50, 500 - len(got)))
        expect_equal(got, numbered(range(500)), "all in order")


if __name__ == "__main__":
    main()
