"""Bindings of queues and exchanges, and what they route."""

from differential.script import script


def routed(stage, channel, exchange, queue, keys, **properties):
    """Publishes each key as its body, and gets what came."""
    for key in keys:
        channel.publish(exchange, key, key, **properties)
    stage.drain(channel, queue)


@script
def a_direct_exchange_routes_by_the_whole_key(stage):
    channel = stage.channel()
    queue, exchange = stage.queue(channel), stage.exchange(channel, "direct")
    for key in ["a", "a.b", "", "a"]:
        channel.call("queue.bind", queue=queue, exchange=exchange, routing_key=key)
    routed(stage, channel, exchange, queue, ["a", "a.b", "", "b", "A"])
    channel.call("queue.unbind", queue=queue, exchange=exchange, routing_key="a")
    routed(stage, channel, exchange, queue, ["a", "a.b"])


@script
def a_fanout_exchange_takes_no_notice_of_keys(stage):
    channel = stage.channel()
    queue, exchange = stage.queue(channel), stage.exchange(channel, "fanout")
    for key in ["a", "b"]:
        channel.call("queue.bind", queue=queue, exchange=exchange, routing_key=key)
    routed(stage, channel, exchange, queue, ["", "a", "z"])


@script
def a_topic_exchange_matches_words(stage):
    channel = stage.channel()
    exchange = stage.exchange(channel, "topic")
    keys = ["", "a", "a.b", "a.b.c", "b.a", "a..b", ".", "a.", ".a", "*", "#", "a.*.c", "x.y.z.c"]
    patterns = ["#", "*", "a", "a.*", "a.#", "*.b", "#.c", "a.#.c", "#.b.#", "*.*", "", "a.*.*",
                "#.#", "*.#", "a..b", "#.*"]
    for number, pattern in enumerate(patterns):
        queue = stage.queue(channel, f"q{number}")
        channel.call("queue.bind", queue=queue, exchange=exchange, routing_key=pattern)
    for key in keys:
        channel.publish(exchange, key, key)
    for number, _ in enumerate(patterns):
        stage.drain(channel, stage.name(f"q{number}"))


@script
def a_headers_exchange_compares_values(stage):
    channel = stage.channel()
    exchange = stage.exchange(channel, "headers")
    bindings = [
        {}, {"a": 1}, {"x-match": "all", "a": 1, "b": "x"}, {"x-match": "any", "a": 1, "b": "x"},
        {"x-match": "any"}, {"x-match": "all"}, {"a": None}, {"x-b": 1}, {"x-match": "any", "x-b": 1},
        {"a": {"b": 1}},
    ]
    for number, arguments in enumerate(bindings):
        queue = stage.queue(channel, f"q{number}")
        channel.call("queue.bind", queue=queue, exchange=exchange, arguments=arguments)
    for number, headers in enumerate([{}, {"a": 1}, {"a": 2}, {"b": "x"}, {"a": 1, "b": "x"},
                                      {"x-b": 1}, {"a": {"b": 1}}, {"a": "1"}]):
        channel.publish(exchange, "", f"{number}", headers=headers)
    channel.publish(exchange, "", "no headers at all")
    for number, _ in enumerate(bindings):
        stage.drain(channel, stage.name(f"q{number}"))


@script
def a_headers_match_with_the_x_headers(stage):
    channel = stage.channel()
    exchange = stage.exchange(channel, "headers")
    for number, match in enumerate(["any-with-x", "all-with-x"]):
        queue = stage.queue(channel, f"q{number}")
        channel.call("queue.bind", queue=queue, exchange=exchange,
                     arguments={"x-match": match, "x-b": 1, "a": 2})
        for headers in [{"x-b": 1}, {"a": 2}, {"a": 2, "x-b": 1}, {}]:
            channel.publish(exchange, "", repr(headers), headers=headers)
        stage.drain(channel, queue)


@script
def a_headers_match_that_is_none_is_refused(stage):
    connection = stage.connect()
    queue = stage.queue(connection.channel(1))
    for number, value in enumerate([5, True, "some"], 2):
        connection.channel(number).call("queue.bind", queue=queue, exchange="amq.headers",
                                        arguments={"x-match": value})


@script
def the_default_exchange_routes_to_the_queue_of_the_name_and_is_left_alone(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel)
    channel.publish("", queue, "there")
    channel.get(queue)
    calls = [
        ("queue.bind", {"queue": queue, "exchange": ""}),
        ("queue.bind", {"queue": queue, "exchange": "", "routing_key": "other"}),
        ("queue.unbind", {"queue": queue, "exchange": "", "routing_key": queue}),
        ("exchange.bind", {"destination": "amq.fanout", "source": ""}),
        ("exchange.bind", {"destination": "", "source": "amq.fanout"}),
        ("exchange.unbind", {"destination": "amq.fanout", "source": ""}),
    ]
    for number, (method, arguments) in enumerate(calls, 2):
        connection.channel(number).call(method, **arguments)


@script
def bindings_are_told_apart_by_key_and_arguments(stage):
    channel = stage.channel()
    queue, exchange = stage.queue(channel), stage.exchange(channel, "direct", auto_delete=True)
    channel.call("queue.bind", queue=queue, exchange=exchange, routing_key="k")
    channel.call("queue.bind", queue=queue, exchange=exchange, routing_key="k",
                 arguments={"note": 1})
    channel.call("queue.bind", queue=queue, exchange=exchange, routing_key="k")
    routed(stage, channel, exchange, queue, ["k"])
    channel.call("queue.unbind", queue=queue, exchange=exchange, routing_key="k",
                 arguments={"note": 2})
    channel.call("queue.unbind", queue=queue, exchange=exchange, routing_key="k")
    routed(stage, channel, exchange, queue, ["k"])
    channel.call("queue.unbind", queue=queue, exchange=exchange, routing_key="k",
                 arguments={"note": 1})
    channel.call("exchange.declare", exchange=exchange, passive=True)


@script
def what_was_never_bound_is_unbound_without_complaint(stage):
    channel = stage.channel()
    queue = stage.queue(channel)
    channel.call("queue.unbind", queue=queue, exchange="amq.direct", routing_key="never")
    channel.call("exchange.unbind", destination="amq.fanout", source="amq.direct",
                 routing_key="never")


@script
def exchanges_bound_to_exchanges_route_once_for_each_queue(stage):
    channel = stage.channel()
    top, left = stage.exchange(channel, "topic", "top"), stage.exchange(channel, "fanout", "left")
    right = stage.exchange(channel, "direct", "right")
    queue = stage.queue(channel)
    for target, pattern in [(left, "#.l"), (right, "k.#"), (right, "k.l")]:
        channel.call("exchange.bind", destination=target, source=top, routing_key=pattern)
    channel.call("queue.bind", queue=queue, exchange=left)
    channel.call("queue.bind", queue=queue, exchange=right, routing_key="k.l")
    channel.call("queue.bind", queue=queue, exchange=top, routing_key="#")
    # A circle ends.
    channel.call("exchange.bind", destination=top, source=left)
    channel.call("exchange.bind", destination=top, source=top, routing_key="#")
    routed(stage, channel, top, queue, ["k.l", "k", "x", "x.l"])
    channel.call("exchange.unbind", destination=left, source=top, routing_key="#.l")
    channel.call("queue.unbind", queue=queue, exchange=top, routing_key="#")
    routed(stage, channel, top, queue, ["k.l", "x.l"])


@script
def an_alternate_exchange_takes_what_is_not_routed(stage):
    channel = stage.channel()
    rest, queue = stage.exchange(channel, "fanout", "rest"), stage.queue(channel)
    exchange = stage.exchange(channel, "direct", arguments={"alternate-exchange": rest})
    lost = stage.exchange(channel, "direct", "lost", arguments={"alternate-exchange": "nowhere"})
    channel.confirm()
    channel.publish(exchange, "k", "returned", mandatory=True)
    channel.call("queue.bind", queue=queue, exchange=rest)
    channel.publish(exchange, "k", "kept", mandatory=True)
    channel.publish(lost, "k", "returned too", mandatory=True)
    stage.drain(channel, queue)


@script
def an_internal_exchange_is_published_to_by_exchanges_only(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    inside, queue = stage.exchange(channel, "fanout", internal=True), stage.queue(channel)
    channel.call("queue.bind", queue=queue, exchange=inside)
    channel.call("exchange.bind", destination=inside, source="amq.direct", routing_key=inside)
    routed(stage, channel, "amq.direct", queue, [inside])
    refused = connection.channel(2)
    refused.publish(inside, "k", "no")
    refused.sync()
    trace = connection.channel(3)
    trace.call("exchange.declare", exchange="amq.rabbitmq.trace", type="topic", durable=True,
               internal=True)
    trace.publish("amq.rabbitmq.trace", "k", "no")
    trace.sync()
