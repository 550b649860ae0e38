"""Streams: declared, written, read from wherever one likes, and what they refuse."""

import time

from differential.script import script
from differential.table import Typed

STREAM = {"x-queue-type": "stream"}


def stream(stage, channel, noun="stream", **arguments):
    """Declares a stream; underscores of the arguments' names are dashes."""
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    return stage.queue(channel, noun, durable=True, arguments={**STREAM, **named})


def fill(stage, channel, name, bodies, **properties):
    """Publishes, and returns when all of it may be read."""
    if not channel.confirming:
        channel.confirm()
    for body in bodies:
        channel.publish("", name, body, **properties)


def read(stage, name, count, prefetch=100, wait=0, **arguments):
    """What a consumer on a connection of its own gets; `wait` seconds after the last nothing more
    is to have come."""
    channel = stage.channel()
    channel.call("basic.qos", prefetch_count=prefetch)
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    channel.call("basic.consume", queue=name, consumer_tag="reader", arguments=named)
    channel.deliveries(count)
    if wait:
        more = channel.connection.pump(lambda: channel.count("basic.deliver") > count, wait)
        channel.remark(f"more than {count} came: {more}")
    return channel


def on_channels(stage, method, *variants, **common):
    """A method with each of the variants, on a channel of its own."""
    connection = stage.connect()
    for number, variant in enumerate(variants, 1):
        connection.channel(number).call(method, **{**common, **variant})


@script
def a_stream_is_durable_and_nobodys_own(stage):
    flags = [{"durable": True}, {}, {"durable": True, "exclusive": True},
             {"durable": True, "auto_delete": True}, {"exclusive": True, "auto_delete": True}]
    on_channels(stage, "queue.declare", *(
        {"queue": stage.name(f"s{number}"), **flag} for number, flag in enumerate(flags)
    ), arguments=STREAM)


@script
def arguments_of_a_stream_that_may_be_are_taken(stage):
    good = [
        {"x-max-age": "1D"}, {"x-max-age": "007s"}, {"x-max-age": "1Y"},
        {"x-max-length-bytes": 2**40}, {"x-max-length-bytes": 0},
        {"x-stream-max-segment-size-bytes": 10_000}, {"x-initial-cluster-size": 1},
        {"x-stream-max-segment-size-bytes": 3_000_000_000},
        {"x-queue-leader-locator": "client-local"}, {"x-queue-leader-locator": "least-leaders"},
        {"x-unknown": {"a": [1, None]}},
    ]
    on_channels(stage, "queue.declare", *(
        {"queue": stage.name(f"s{number}"), "arguments": {**STREAM, **more}}
        for number, more in enumerate(good)), durable=True)


@script
def arguments_of_a_stream_that_cannot_be_are_refused_in_words(stage):
    bad = [
        {"x-max-age": "1 day"}, {"x-max-age": "5"}, {"x-max-age": "0s"},
        {"x-max-age": 5}, {"x-max-age": True},
        {"x-max-length-bytes": -1}, {"x-max-length-bytes": "1"},
        {"x-stream-max-segment-size-bytes": 3_000_000_001},
        {"x-stream-max-segment-size-bytes": -1}, {"x-stream-max-segment-size-bytes": "1"},
        {"x-initial-cluster-size": 0}, {"x-initial-cluster-size": "1"},
        {"x-queue-leader-locator": "nearest"}, {"x-queue-leader-locator": 1},
    ]
    on_channels(stage, "queue.declare", *(
        {"queue": stage.name(f"s{number}"), "arguments": {**STREAM, **more}}
        for number, more in enumerate(bad)), durable=True)
    for age in ["", "D", "-1D"]:
        with stage.differs("stream-crashes", "reply-code=541", "channel.close reply-code=406"):
            channel = stage.channel()
            channel.call("queue.declare", queue=stage.name("s"), durable=True,
                         arguments={**STREAM, "x-max-age": age})
            channel.connection.close()


@script
def a_stream_refuses_arguments_of_other_queues(stage):
    others = [
        {"x-max-length": 5}, {"x-message-ttl": 1000}, {"x-expires": 60000},
        {"x-max-priority": 5}, {"x-overflow": "drop-head"}, {"x-queue-mode": "lazy"},
        {"x-dead-letter-exchange": "x"}, {"x-single-active-consumer": True},
        {"x-delivery-limit": 3}, {"x-quorum-initial-group-size": 1},
        {"x-dead-letter-exchange": "x", "x-dead-letter-routing-key": "k"},
        {"x-dead-letter-strategy": "at-most-once"}, {"x-queue-version": 2},
    ]
    on_channels(stage, "queue.declare", *(
        {"queue": stage.name(f"s{number}"), "arguments": {**STREAM, **more}}
        for number, more in enumerate(others)), durable=True)


@script
def a_stream_declared_again_is_the_same_or_refused(stage):
    name = stage.name("s")
    first = {**STREAM, "x-max-age": "1D", "x-max-length-bytes": 50_000}
    on_channels(stage, "queue.declare", *(
        {"arguments": other} for other in [
            first, first, {**first, "x-max-age": "2D"}, {**first, "x-max-age": "24h"},
            {**first, "x-max-length-bytes": Typed("l", 50_000)},
            {**first, "x-max-length-bytes": 50_001}, STREAM, {}, {"x-queue-type": "classic"},
            {"x-queue-type": "quorum"}, {**first, "x-stream-max-segment-size-bytes": 10_000},
        ]), {"arguments": first, "durable": False}, {"passive": True, "durable": False},
        queue=name, durable=True)


@script
def a_stream_is_not_fetched_from_nor_purged(stage):
    name = stream(stage, stage.channel())
    for method in ["basic.get", "queue.purge"]:
        stage.channel().call(method, queue=name)


@script
def a_consumer_of_a_stream_has_a_prefetch_and_acknowledges(stage):
    name = stream(stage, stage.channel())
    without = stage.channel()
    with stage.differs("stream-texts", f"not set for 'queue '{name}'", f"for stream queue '{name}'"):
        without.call("basic.consume", queue=name, consumer_tag="c")
    automatic = stage.channel()
    automatic.call("basic.qos", prefetch_count=1)
    with stage.differs("stream-texts", "by stream queues queue", "by stream queue"):
        automatic.call("basic.consume", queue=name, consumer_tag="c", no_ack=True)
    shared = stage.channel()
    shared.call("basic.qos", prefetch_count=1)
    shared.call("basic.qos", prefetch_count=1, **{"global": True})
    shared.call("basic.consume", queue=name, consumer_tag="c")


@script
def messages_of_a_stream_are_numbered_and_stay(stage):
    channel = stage.channel()
    name = stream(stage, channel)
    fill(stage, channel, name, ["a", "b"], headers={"mine": 1}, delivery_mode=2)
    fill(stage, channel, name, ["c"])
    fill(stage, channel, name, ["d"], headers={"x-stream-offset": "mine"}, expiration="1",
         priority=3, message_id="m", timestamp=1_700_000_000)
    for _ in range(2):
        reader = read(stage, name, 4, wait=0.3, x_stream_offset="first")
        reader.ack(reader.tag(), multiple=True)
        reader.sync()


@script
def a_reader_begins_where_it_says(stage):
    channel = stage.channel()
    name = stream(stage, channel)
    fill(stage, channel, name, [f"m{number}" for number in range(5)])
    for offset, count in [("first", 5), ("last", 1), (0, 5), (3, 2), (Typed("l", 4), 1), (Typed("b", 2), 3),
                          (Typed("u", 1), 4), ("1h", 5), ("1Y", 5),
                          (Typed("T", int(time.time()) - 3600), 5)]:
        read(stage, name, count, wait=0.3, x_stream_offset=offset)
    for offset in [{}, {"x_stream_offset": "next"}, {"x_stream_offset": 5},
                   {"x_stream_offset": 7}]:
        read(stage, name, 0, wait=0.3, **offset)


@script
def a_reader_of_what_comes_gets_what_comes(stage):
    channel = stage.channel()
    name = stream(stage, channel)
    fill(stage, channel, name, ["old"])
    reader = read(stage, name, 0)
    ahead = read(stage, name, 0, x_stream_offset=3)
    fill(stage, channel, name, ["one", "two", "three"])
    for one, count in [(reader, 3), (ahead, 1)]:
        one.deliveries(count)


@script
def an_offset_that_is_none_is_refused(stage):
    name = stream(stage, stage.channel())


    def begin(offset):
        channel = stage.channel()
        channel.call("basic.qos", prefetch_count=10)
        channel.call("basic.consume", queue=name, consumer_tag="c",
                     arguments={"x-stream-offset": offset})
        channel.connection.close()

    for offset in ["5", "1 h", "0s"]:
        begin(offset)
    for offset in ["yesterday", "First", "-1", "", True, 1.5, None, ["first"], {"a": 1}]:
        with stage.differs("stream-crashes", "reply-code=541", "channel.close reply-code=406"):
            begin(offset)
    with stage.differs("stream-offsets", "basic.consume-ok", "channel.close reply-code=406"):
        begin(-1)


@script
def what_is_out_is_bounded_by_the_prefetch(stage):
    channel = stage.channel()
    name = stream(stage, channel)
    fill(stage, channel, name, [f"m{number}" for number in range(7)])
    reader = read(stage, name, 3, prefetch=3, wait=0.3, x_stream_offset="first")
    reader.ack(1)
    reader.deliveries(4)
    reader.ack(3, multiple=True)
    reader.deliveries(6)
    reader.ack(9)
    reader.expect("channel.close")


@script
def what_is_not_acknowledged_comes_again_to_whoever_reads_again(stage):
    channel = stage.channel()
    name = stream(stage, channel)
    fill(stage, channel, name, ["a", "b"])
    reader = read(stage, name, 2, x_stream_offset="first")
    reader.call("basic.cancel", consumer_tag="reader")
    reader.ack(1)
    reader.call("basic.consume", queue=name, consumer_tag="again",
                arguments={"x-stream-offset": "first"})
    reader.deliveries(4)


@script
def verdicts_of_a_streams_consumer(stage):
    channel = stage.channel()
    name = stream(stage, channel)
    fill(stage, channel, name, [f"m{number}" for number in range(4)])
    for settle, code in [("basic.nack", 540), ("basic.reject", 540), ("basic.recover", 541)]:
        with stage.differs("stream-verdicts", f"reply-code={code}", "channel.close-ok"):
            reader = read(stage, name, 2, prefetch=2, x_stream_offset="first")
            if settle == "basic.recover":
                reader.cast(settle, requeue=True)
            else:
                reader.cast(settle, delivery_tag=1, requeue=True)
            reader.connection.pump(lambda: reader.count("basic.deliver") > 2, 0.5)
            reader.call("channel.close")
            reader.connection.close()


@script
def several_read_one_stream_at_once(stage):
    channel = stage.channel()
    name = stream(stage, channel)
    exclusive = stage.channel()
    exclusive.call("basic.qos", prefetch_count=10)
    exclusive.call("basic.consume", queue=name, consumer_tag="mine", exclusive=True)
    other = stage.channel()
    other.call("basic.qos", prefetch_count=10)
    for tag in ["a", "b", "a"]:
        other.call("basic.consume", queue=name, consumer_tag=tag)


@script
def each_type_of_queue_knows_arguments_of_consumers(stage):
    channel = stage.channel()
    names = [stream(stage, channel), stage.queue(channel, "classic"),
             stage.queue(channel, "quorum", durable=True, arguments={"x-queue-type": "quorum"})]
    arguments = [{"x-priority": 5}, {"x-priority": "5"}, {"x-stream-offset": "first"},
                 {"x-stream-offset": True}, {"x-unknown": 1}, {"x-priority": -1, "x-unknown": [1]}]
    for name in names:
        connection = stage.connect()
        for number, more in enumerate(arguments, 1):
            if name.startswith("stream") and more == {"x-stream-offset": True}:
                continue
            one = connection.channel(number)
            one.call("basic.qos", prefetch_count=1)
            one.call("basic.consume", queue=name, consumer_tag="c", arguments=more)


@script
def a_stream_takes_what_is_routed_to_it(stage):
    channel = stage.channel()
    name = stream(stage, channel)
    exchange = stage.exchange(channel, "topic")
    channel.call("queue.bind", queue=name, exchange=exchange, routing_key="a.#")
    channel.confirm()
    channel.publish(exchange, "a.b", "routed", mandatory=True)
    channel.publish(exchange, "b", "not routed", mandatory=True)
    channel.publish(exchange, "b", "by bcc", headers={"mine": 1, "BCC": ["a.c"]})
    read(stage, name, 2, wait=0.3, x_stream_offset="first").connection.close()
    channel.publish(exchange, "a", "headers", headers={"CC": ["x"], "list": [1], "text": "t"})
    with stage.differs("stream-headers", "headers={text: 't', x-stream-offset", "list: A [I 1]"):
        read(stage, name, 1, x_stream_offset=2)


@script
def a_stream_takes_dead_letters(stage):
    channel = stage.channel()
    name = stream(stage, channel)
    mortal = stage.queue(channel, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": name})
    channel.publish("", mortal, "dies")
    channel.get(mortal)
    channel.reject(channel.tag())
    channel.sync()
    with stage.differs("stream-dead-letters", "0 of 1 basic.deliver", "basic.deliver"):
        read(stage, name, 1, x_stream_offset="first")


@script
def a_stream_in_a_transaction(stage):
    channel = stage.channel()
    name = stream(stage, channel)
    channel.call("tx.select")
    channel.publish("", name, "committed")
    channel.call("tx.commit")
    channel.publish("", name, "rolled back")
    channel.call("tx.rollback")
    read(stage, name, 1, wait=0.3, x_stream_offset="first")


@script
def a_large_message_of_a_stream_comes_in_frames(stage):
    channel = stage.channel()
    name = stream(stage, channel)
    fill(stage, channel, name, [bytes(range(256)) * 2000])
    read(stage, name, 1, x_stream_offset="first")


@script
def a_deleted_streams_consumers_are_told(stage):
    channel = stage.channel()
    name = stream(stage, channel)
    fill(stage, channel, name, ["a"])
    reader = read(stage, name, 1, x_stream_offset="first")
    channel.call("queue.delete", queue=name)
    reader.expect("basic.cancel")
    channel.depth(name)


@script
def a_stream_that_is_used_or_not_empty(stage):
    channel = stage.channel()
    name = stream(stage, channel)
    fill(stage, channel, name, ["a"])
    stage.until(name, 1)
    for flag in ["if_empty", "if_unused"]:
        with stage.differs("stream-deletion", "queue.delete-ok", "channel.close reply-code=406"):
            reader = read(stage, name, 1, x_stream_offset="first")
            reader.connection.channel(2).call("queue.delete", queue=name, **{flag: True})
            reader.connection.close()
            again = stage.channel()
            stream(stage, again)
            fill(stage, again, name, ["a"])
