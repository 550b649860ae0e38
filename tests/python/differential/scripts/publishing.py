"""Publishing: properties, sizes, confirms, returns, refusals."""

from differential.script import script
from differential.table import Typed

EVERYTHING = {
    "content_type": "text/plain", "content_encoding": "utf-8", "delivery_mode": 2, "priority": 3,
    "correlation_id": "c-1", "reply_to": "somewhere", "message_id": "m-1",
    "timestamp": 1_700_000_000, "type": "kind", "user_id": "guest", "app_id": "app",
    "cluster_id": "cluster",
    "headers": {
        "bool": True, "long": 2**40, "int": -5, "text": "grüße", "void": None, "double": 0.5,
        "list": [1, "a", [True, None]], "table": {"deep": {"deeper": {}}}, "octets": b"\x00\xff",
        "byte": Typed("b", -1), "ubyte": Typed("B", 255), "short": Typed("s", -2),
        "ushort": Typed("u", 65535), "uint": Typed("i", 2**32 - 1), "float": Typed("f", 0.25),
        "decimal": Typed("D", (2, 314)), "time": Typed("T", 1_700_000_000),
    },
}


@script
def every_property_and_type_of_header_arrives_as_it_was_sent(stage):
    channel = stage.channel()
    queue = stage.queue(channel)
    channel.publish("", queue, "all", **EVERYTHING)
    channel.publish("", queue, "none")
    channel.publish("", queue, "no headers", headers={})
    channel.publish("", queue, "modes", delivery_mode=1, priority=255)
    stage.drain(channel, queue)
    channel.publish("", queue, "all", **EVERYTHING)
    channel.call("basic.consume", queue=queue, no_ack=True)
    channel.deliveries(1)


@script
def a_delivery_mode_beyond_the_two_is_transient(stage):
    channel = stage.channel()
    queue = stage.queue(channel)
    with stage.differs("delivery-mode", "delivery_mode_unknown", "delivery-mode=7"):
        channel.publish("", queue, "mode", delivery_mode=7)
        channel.get(queue)


@script
def bodies_of_every_size_arrive_in_frames_of_the_negotiated_size(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel)
    for size in [0, 1, 131063, 131064, 131065, 262128, 1_000_000]:
        channel.publish("", queue, bytes(at % 251 for at in range(size)))
    stage.drain(channel, queue)
    small = stage.connect_raw().greet().log_in().tune(frame_max=8192).open().channel(1)
    for size in [8184, 8185, 50_000]:
        small.publish("", queue, bytes(at % 251 for at in range(size)))
    stage.drain(small, queue)


@script
def a_message_that_nobody_takes_returns_before_its_confirm(stage):
    channel = stage.channel()
    channel.publish("amq.direct", "nobody", "lost")
    channel.publish("amq.direct", "nobody", "back", mandatory=True, **EVERYTHING)
    channel.expect("basic.return")
    channel.confirm()
    channel.publish("amq.direct", "nobody", "lost")
    channel.publish("amq.direct", "nobody", "back", mandatory=True)
    channel.publish("", "no such queue", "back", mandatory=True)
    channel.publish("amq.direct", "nobody", b"x" * 300_000, mandatory=True, delivery_mode=2)
    channel.confirm()


@script
def confirms_count_from_the_first_select(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel, durable=True)
    channel.publish("", queue, "before")
    channel.confirm()
    for mode in [1, 2, 1, 2]:
        channel.publish("", queue, "after", delivery_mode=mode)
    channel.confirm()
    channel.publish("", queue, "later")
    other = connection.channel(2)
    other.confirm()
    other.publish("", queue, "by itself")
    channel.depth(queue)


@script
def a_missing_exchange_closes_the_channel_and_confirms_nothing(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    channel.confirm()
    channel.publish("none", "k", "lost")
    channel = connection.channel(1)
    channel.publish("none", "k", "lost", mandatory=True)
    channel.sync()


@script
def further_keys_are_routed_and_blind_ones_not_shown(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queues = [stage.queue(channel, f"q{number}") for number in range(4)]
    channel.publish("", queues[0], "copies",
                    headers={"CC": [queues[1], queues[0]], "BCC": [queues[2]], "other": 1})
    channel.publish("", "no such queue", "copies", headers={"BCC": [queues[3]]})
    channel.publish("", queues[0], "empty lists", headers={"CC": [], "BCC": []})
    for queue in queues:
        stage.drain(channel, queue)
    for number, headers in enumerate([{"CC": "text"}, {"BCC": 5}, {"CC": [5]}], 2):
        channel = connection.channel(number)
        channel.publish("", queues[0], "refused", headers=headers)
        channel.sync()


@script
def an_alternate_exchange_is_for_what_none_of_the_keys_finds(stage):
    channel = stage.channel()
    alternate, other = stage.exchange(channel, "fanout", "alternate"), stage.queue(channel, "other")
    channel.call("queue.bind", queue=other, exchange=alternate)
    exchange = stage.exchange(channel, "direct", arguments={"alternate-exchange": alternate})
    queue = stage.queue(channel)
    channel.call("queue.bind", queue=queue, exchange=exchange, routing_key="k")
    for key, copies in [("k", ["x"]), ("x", ["k"]), ("x", ["y"])]:
        channel.publish(exchange, key, f"{key} {copies}", headers={"CC": copies})
    stage.until(queue, 2)
    stage.until(other, 1)
    for name in [queue, other]:
        stage.drain(channel, name)


@script
def a_topic_is_matched_for_each_of_the_keys(stage):
    channel = stage.channel()
    queue, exchange = stage.queue(channel), stage.exchange(channel, "topic")
    channel.call("queue.bind", queue=queue, exchange=exchange, routing_key="b.*")
    channel.publish(exchange, "a", "by cc", headers={"CC": ["b.c", "b.d"]})
    channel.confirm()
    channel.publish(exchange, "a", "back", mandatory=True, headers={"CC": ["c"], "BCC": ["d"]})
    stage.drain(channel, queue)


@script
def the_user_id_is_the_users_own(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel)
    channel.publish("", queue, "mine", user_id="guest")
    stage.drain(channel, queue)
    channel.publish("", queue, "forged", user_id="somebody")
    channel.sync()
    channel = connection.channel(2)
    channel.publish("", queue, "nobody's", user_id="")
    channel.sync()


@script
def an_expiration_is_a_number_in_a_string(stage):
    connection = stage.connect()
    queue = stage.queue(connection.channel(1))
    for number, text in enumerate(["", "soon", "-1", "1.5", "1000x", " 5", "4294967296", "+5"], 2):
        channel = connection.channel(number)
        channel.publish("", queue, text, expiration=text)
        channel.sync()
    channel = connection.channel(1)
    channel.publish("", queue, "kept", expiration="4294967295")
    stage.drain(channel, queue)


@script
def the_order_in_which_a_publish_is_looked_at(stage):
    connection = stage.connect()
    inside = stage.exchange(connection.channel(1), "fanout", internal=True)
    bad = {"expiration": "soon", "user_id": "somebody"}
    for number, (exchange, properties) in enumerate([
            ("none", bad), (inside, bad), ("amq.direct", {**bad, "user_id": "guest"}),
            ("amq.direct", {"expiration": "soon", "headers": {"CC": 1}})], 2):
        channel = connection.channel(number)
        channel.publish(exchange, "k", "refused", **properties)
        channel.sync()
    for number, (properties, text) in enumerate([
            (bad, "invalid expiration"),
            ({"user_id": "somebody", "headers": {"CC": 1}}, "invalid message")], 8):
        channel = connection.channel(number)
        with stage.differs("user-id-last", "user_id property", text):
            channel.publish("amq.direct", "k", "refused", **properties)
            channel.sync()


@script
def a_reply_goes_straight_to_who_asked(stage):
    asker, answerer = stage.connect(), stage.connect()
    channel, server = asker.channel(1), answerer.channel(1)
    queue = stage.queue(server)
    channel.call("basic.consume", queue="amq.rabbitmq.reply-to", no_ack=True, consumer_tag="reply")
    channel.publish("", queue, "question", reply_to="amq.rabbitmq.reply-to", correlation_id="7")
    stage.until(queue, 1)
    server.get(queue, no_ack=True)
    _, properties = server.got("basic.get-ok")
    address = properties.get("reply-to", "")
    server.depth(address)
    server.confirm()
    server.publish("", address, "answer", correlation_id="7")
    channel.deliveries(1)
    channel.call("basic.cancel", consumer_tag="reply")
    server.publish("", address, "too late")
    server.depth(address)


@script
def a_reply_address_is_used_as_it_is_meant(stage):
    connection = stage.connect()
    name = "amq.rabbitmq.reply-to"
    connection.channel(1).call("basic.consume", queue=name)
    channel = connection.channel(2)
    channel.publish("", "k", "no consumer", reply_to=name)
    channel.sync()
    channel = connection.channel(3)
    channel.call("basic.consume", queue=name, no_ack=True)
    channel.call("basic.consume", queue=name, no_ack=True)
    connection.channel(4).depth(name)
    connection.channel(5).call("queue.declare", queue=f"{name}.nobody", passive=True)
    connection.channel(6).get(name)
    connection.channel(7).call("queue.declare", queue=name)
    connection.channel(8).call("queue.bind", queue=name, exchange="amq.direct")
    connection.channel(9).call("queue.delete", queue=name)
    connection.channel(10).call("queue.purge", queue=name)
    channel = connection.channel(11)
    channel.call("basic.consume", queue=name, no_ack=True, exclusive=True, consumer_tag="x")


@script
def publishing_to_a_reply_address_of_nobody_is_no_error(stage):
    channel = stage.channel()
    channel.confirm()
    channel.publish("", "amq.rabbitmq.reply-to.g2dkAA", "lost")
    channel.publish("", "amq.rabbitmq.reply-to.nobody", "back", mandatory=True)
