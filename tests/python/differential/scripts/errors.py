"""What closes a connection, and the order of frames around a close."""

import struct

import wire
from differential.methods import METHODS, encode_method
from differential.script import script


def refused(stage, *frames):
    """Sends frames on a connection whose channel 1 is open, and reads until it ends."""
    connection = stage.connect()
    connection.channel(1)
    connection.send_raw(b"".join(frames))
    connection.expect_end()


def refused_in_words(stage, rabbitmq, tubepost, *frames):
    """As above; the code is the same, but RabbitMQ's text is a term of Erlang."""
    connection = stage.connect()
    connection.channel(1)
    with stage.differs("frame-error-texts", rabbitmq, tubepost):
        connection.send_raw(b"".join(frames))
        connection.expect_end()


def method(channel, name, **arguments):
    return wire.frame(wire.METHOD, channel, encode_method(name, arguments))


def header(channel, size=0, class_id=60, weight=0):
    return wire.frame(wire.HEADER, channel, struct.pack(">HHQH", class_id, weight, size, 0))


def publish(channel=1):
    return method(channel, "basic.publish", exchange="amq.direct", routing_key="k")


@script
def what_is_not_implemented_is_said_so(stage):
    for frames in [
            [method(1, "basic.publish", exchange="amq.direct", immediate=True), header(1)],
            [method(1, "basic.qos", prefetch_size=5)],
            [method(1, "basic.recover")], [method(1, "basic.recover-async")],
            [method(1, "channel.flow", active=False)]]:
        refused(stage, *frames)


@script
def a_tag_used_twice_ends_the_connection(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel)
    channel.call("basic.consume", queue=queue, consumer_tag="mine")
    channel.call("basic.consume", queue=queue, consumer_tag="mine")
    connection.expect_end()


@script
def channels_are_opened_once_and_before_use(stage):
    refused(stage, method(1, "channel.open"))
    refused(stage, method(9, "basic.qos"))
    refused(stage, method(9, "channel.close", reply_code=200))


@script
def what_comes_for_a_closed_channel_is_an_error(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    channel.call("channel.close", reply_code=200)
    connection.send(1, "basic.qos")
    connection.expect_end()


@script
def frames_that_are_not_due_are_unexpected(stage):
    for frames in [[header(1)], [wire.frame(wire.BODY, 1, b"x")],
                   [publish(), wire.frame(wire.BODY, 1, b"x")],
                   [publish(), method(1, "basic.qos")],
                   [publish(), header(1, 5), method(1, "basic.qos")],
                   [publish(), header(1, 5), header(1, 5)],
                   [publish(), method(1, "channel.close", reply_code=200)],
                   [publish(), header(1, class_id=50)]]:
        refused(stage, *frames)


@script
def a_body_longer_than_announced_is_refused(stage):
    connection = stage.connect()
    connection.channel(1)
    with stage.differs("body-overrun", "still open", "content body frame exceeds remaining"):
        connection.send_raw(publish() + header(1, 2) + wire.frame(wire.BODY, 1, b"xyz"))
        connection.expect_end(0.5)
        connection.cut()


@script
def frames_of_no_form_are_frame_errors(stage):
    refused_in_words(stage, "reply-code=501", "reply-code=501",
                     wire.frame(wire.METHOD, 1, encode_method("basic.qos", {}), end=b"\0"))
    refused_in_words(stage, "reply-code=501", "reply-code=501",
                     struct.pack(">BHI", wire.METHOD, 1, 200_000) + b"x" * 200_001)


@script
def a_frame_of_no_known_type_is_refused(stage):
    refused_in_words(stage, "reply-code=501", "reply-code=501", wire.frame(7, 1, b"what"))


@script
def a_method_of_no_known_number_is_refused(stage):
    for name in [(60, 999), (999, 1)]:
        with stage.differs("unknown-methods", "END", "connection.close reply-code=540"):
            refused(stage, wire.method(1, name))


@script
def a_method_cut_short_is_a_syntax_error(stage):
    refused_in_words(stage, "reply-code=501", "reply-code=501",
                     wire.method(1, METHODS["queue.declare"][:2], b"\0\0\x05ab"))


@script
def methods_of_the_server_are_not_for_clients(stage):
    refused(stage, method(1, "queue.declare-ok", queue="q"))
    refused(stage, method(1, "basic.deliver", consumer_tag="c"), header(1))
    refused(stage, method(1, "basic.get-empty"))


@script
def channel_methods_on_channel_zero_and_the_other_way(stage):
    refused(stage, method(0, "queue.declare", queue="q"))
    refused(stage, method(0, "channel.open"))
    refused(stage, method(1, "connection.open", virtual_host="/"))
    refused(stage, method(1, "connection.close", reply_code=200))
    refused_in_words(stage, "reply-code=505", "reply-code=505",
                     wire.frame(wire.HEARTBEAT, 1, b""))


@script
def a_connection_may_not_open_twice(stage):
    refused(stage, method(0, "connection.open", virtual_host="/"))
    refused(stage, method(0, "connection.start-ok", mechanism="PLAIN"))
    refused(stage, method(0, "connection.tune-ok"))


@script
def old_classes_are_answered_or_not(stage):
    channel = stage.channel()
    channel.call("access.request", realm="/data")
    channel.sync()


@script
def after_a_channel_error_all_is_ignored_until_close_ok(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    passive = {"queue": "none", "passive": True}
    connection.send_raw(method(1, "queue.declare", **passive) * 3 + publish() + header(1)
                        + method(1, "basic.qos"))
    channel.sync()
    channel = connection.channel(1)
    channel.sync()
    connection.send_raw(method(1, "queue.declare", **passive)
                        + method(1, "channel.close", reply_code=200))
    channel.expect("channel.close-ok")
    connection.channel(2).sync()


@script
def a_channel_closed_by_the_client_says_nothing_more(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel)
    channel.call("basic.consume", queue=queue, consumer_tag="c")
    channel.call("channel.close", reply_code=200, reply_text="bye")
    connection.channel(1).publish("", queue, "waits")
    stage.until(queue, 1)
    connection.channels[1].get(queue)


@script
def a_close_of_the_connection_is_answered_and_final(stage):
    connection = stage.connect()
    connection.channel(1)
    connection.send_raw(method(0, "connection.close", reply_code=200)
                        + method(1, "queue.declare", queue=stage.name("never")))
    connection.pump(lambda: "connection.close-ok" in connection.seen)
    with stage.differs("socket-after-close-ok", "still open", "END"):
        connection.expect_end(0.5)
    connection.cut()
    stage.channel().depth(stage.name("never"))


@script
def a_long_reply_text_is_cut(stage):
    connection = stage.connect()
    connection.channel(1).depth("n" * 255)
    with stage.differs("cut-texts", "\\xc3...", "é..."):
        connection.channel(2).call("exchange.declare", exchange="é" * 127, passive=True)
    connection.channel(3).call("queue.bind", queue="a" * 200, exchange="b" * 200)
