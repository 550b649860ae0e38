"""Where Tubepost answers otherwise on purpose, and where the newer RabbitMQ does. Differences that
belong to a larger story are shown there."""

import struct

import wire
from differential.methods import encode_header
from differential.script import script


@script
def a_client_may_change_its_mind_before_it_opens(stage):
    connection = stage.connect_raw().greet().log_in().tune()
    with stage.differs("close-before-open", "END", "connection.close-ok"):
        connection.call("connection.close", "connection.close-ok", reply_code=200)
    connection.cut()


@script
def names_are_utf_8(stage):
    bad = b"\x05not \xff"
    declare = wire.method(1, wire.QUEUE_DECLARE, b"\0\0" + bad + b"\x08" + wire.long(b""))
    publish = wire.method(1, wire.BASIC_PUBLISH, b"\0\0" + wire.short("amq.direct") + bad + b"\0")
    publish += wire.frame(wire.HEADER, 1, encode_header(0, {}))
    key = b"\x08" + bad + b"t\x01"
    table = wire.method(1, wire.QUEUE_DECLARE,
                        b"\0\0" + wire.short(stage.name("q")) + b"\x08" + wire.long(key[1:]))
    for octets, rabbitmq in [(declare, "reply-code=501"), (publish, "still open"),
                             (table, "queue.declare-ok")]:
        connection = stage.connect()
        connection.channel(1)
        with stage.differs("utf-8-names", rabbitmq, "connection.close reply-code=502"):
            connection.send_raw(octets)
            connection.expect_end(0.5)
            connection.close()


@script
def tables_in_tables_have_a_floor(stage):
    table = {"bottom": 1}
    for _ in range(40):
        table = {"deeper": table}
    with stage.differs("table-depth", "queue.declare-ok", "connection.close reply-code=502"):
        connection = stage.connect()
        connection.channel(1).call("queue.declare", queue=stage.name("q"), arguments=table)
        connection.close()


@script
def a_queue_that_the_server_named_is_declared_again(stage):
    connection = stage.connect()
    queue = connection.channel(1).call("queue.declare", exclusive=True).get("queue")
    with stage.differs("generated-names", "reserved prefix", "queue.declare-ok"):
        connection.channel(2).call("queue.declare", queue=queue, exclusive=True)


@script
def a_reply_that_arrived_does_not_come_back(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    channel.call("basic.consume", queue="amq.rabbitmq.reply-to", no_ack=True, consumer_tag="reply")
    queue = stage.queue(channel)
    channel.publish("", queue, "question", reply_to="amq.rabbitmq.reply-to")
    stage.until(queue, 1)
    channel.get(queue, no_ack=True)
    address = channel.got("basic.get-ok")[1].get("reply-to", "")
    server = connection.channel(2)
    server.confirm()
    with stage.differs("mandatory-replies", "basic.return", "basic.deliver"):
        server.publish("", address, "answer", mandatory=True)
        channel.deliveries(1)


@script
def an_empty_secret_is_no_secret(stage):
    connection = stage.connect()
    with stage.differs("empty-secret", "update-secret-ok", "connection.close reply-code=530"):
        connection.call("connection.update-secret", "connection.update-secret-ok", new_secret="")
        connection.close()


@script
def a_limit_of_the_channel_stays_until_it_is_lifted(stage):
    channel = stage.channel()
    queue = stage.queue(channel)
    for number in range(3):
        channel.publish("", queue, str(number))
    stage.until(queue, 3)
    channel.call("basic.qos", prefetch_count=1, **{"global": True})
    channel.call("basic.qos", prefetch_count=5)
    with stage.differs("both-scopes", "b'2'", "2 of 3 basic.deliver came"):
        channel.call("basic.consume", queue=queue, consumer_tag="c")
        channel.deliveries(1)
        channel.ack(1)
        channel.connection.pump(lambda: channel.count("basic.deliver") == 3, 0.5)
        if channel.count("basic.deliver") < 3:
            channel.remark(f"{channel.count('basic.deliver')} of 3 basic.deliver came")


@script
def a_message_may_have_sixteen_mebibytes(stage):
    channel = stage.channel()
    queue = stage.queue(channel)
    with stage.differs("message-size", "basic.get-ok", "channel.close reply-code=406"):
        channel.publish("", queue, bytes(16 * 2**20 + 1))
        channel.get(queue, no_ack=True)
