"""Exchanges, bindings and routing, with pika."""

import pika

from scenario import (expect, expect_channel_closed, expect_connection_closed, expect_equal,
                      get_all, main, scenario)

VHOST = "in vhost '/'"


def routed(channel, exchange, queue, keys):
    """Which of the keys reach the queue."""
    for key in keys:
        channel.basic_publish(exchange, key, key.encode())
    return get_all(channel, queue)


@scenario
def the_standard_exchanges_exist(bus):
    channel = bus.channel()
    for name in ["amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match"]:
        channel.exchange_declare(name, passive=True)


@scenario
def the_default_exchange_routes_to_the_queue_of_that_name(bus):
    channel = bus.channel()
    queue, other = bus.queue(channel), bus.queue(channel)
    channel.basic_publish("", queue, b"for you")
    expect_equal(get_all(channel, queue), ["for you"], "bodies")
    expect_equal(get_all(channel, other), [], "bodies of the other queue")


@scenario
def a_direct_exchange_routes_by_equal_key(bus):
    channel = bus.channel()
    exchange, queue = bus.exchange(channel, "direct"), bus.queue(channel)
    channel.queue_bind(queue, exchange, "a")
    channel.queue_bind(queue, exchange, "b.c")
    found = routed(channel, exchange, queue, ["a", "b", "b.c", "A", "", "a."])
    expect_equal(found, ["a", "b.c"], "routed keys")


@scenario
def a_fanout_exchange_routes_every_key_to_every_queue(bus):
    channel = bus.channel()
    exchange = bus.exchange(channel, "fanout")
    first, second = bus.queue(channel), bus.queue(channel)
    channel.queue_bind(first, exchange, "ignored")
    channel.queue_bind(second, exchange)
    expect_equal(routed(channel, exchange, first, ["x", "y"]), ["x", "y"], "first queue")
    expect_equal(get_all(channel, second), ["x", "y"], "second queue")


@scenario
def a_topic_exchange_matches_words(bus):
    channel = bus.channel()
    exchange = bus.exchange(channel, "topic")
    cases = [
        ("a.b", ["a.b"]),
        ("a.*", ["a.b", "a.c", "a."]),
        ("*", ["a"]),  # RabbitMQ: the empty key has no word at all.
        ("*.*", ["a.b", "a.c", "b.c", "a.", ".b"]),
        ("a.#", ["a", "a.b", "a.c", "a.b.c", "a."]),
        ("#.c", ["a.c", "b.c", "a.b.c"]),
        ("a.#.c", ["a.c", "a.b.c"]),
        ("#.b.#", ["a.b", "b.c", "a.b.c", ".b"]),
        ("a.*.#", ["a.b", "a.c", "a.b.c", "a."]),
        ("", [""]),
    ]
    keys = ["", "a", "a.b", "a.c", "b.c", "a.b.c", "a.", ".b"]
    for pattern, expected in cases:
        queue = bus.queue(channel)
        channel.queue_bind(queue, exchange, pattern)
        found = routed(channel, exchange, queue, keys)
        channel.queue_unbind(queue, exchange, pattern)
        expected = [key for key in keys if key in expected]
        expect_equal(found, expected, f"keys that {pattern!r} matches")


@scenario
def hash_matches_every_topic_the_empty_one_too(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    channel.queue_bind(queue, "amq.topic", "#")
    expect_equal(routed(channel, "amq.topic", queue, ["", "a", "a.b.c.d"]), ["", "a", "a.b.c.d"],
                 "routed keys")


@scenario
def overlapping_bindings_deliver_one_copy(bus):
    channel = bus.channel()
    exchange, queue = bus.exchange(channel, "topic"), bus.queue(channel)
    for pattern in ["#", "a.*", "a.b", "a.b"]:
        channel.queue_bind(queue, exchange, pattern)
    expect_equal(routed(channel, exchange, queue, ["a.b"]), ["a.b"], "routed keys")


@scenario
def a_headers_exchange_matches_all_or_any(bus):
    channel = bus.channel()
    messages = {
        "both": {"colour": "red", "size": 3},
        "colour": {"colour": "red"},
        "other": {"colour": "blue", "size": 3},
        "typed": {"colour": "red", "size": "3"},
        "with-x": {"colour": "red", "size": 3, "x-origin": "lab"},
        "none": {},
    }
    wanted = {"colour": "red", "size": 3}
    cases = [
        ("all", wanted, ["both", "with-x"]),
        ("any", wanted, ["both", "colour", "other", "typed", "with-x"]),
        # Headers that begin with x- take no part, but where the kind of match says so.
        ("all", {**wanted, "x-origin": "lab"}, ["both", "with-x"]),
        ("all-with-x", {**wanted, "x-origin": "lab"}, ["with-x"]),
        ("any-with-x", {"x-origin": "lab"}, ["with-x"]),
        # No value: the header is there, whatever it holds.
        ("all", {"size": None}, ["both", "other", "typed", "with-x"]),
        (None, wanted, ["both", "with-x"]),
    ]
    for kind, arguments, expected in cases:
        queue = bus.queue(channel)
        arguments = dict(arguments, **({"x-match": kind} if kind else {}))
        channel.queue_bind(queue, "amq.headers", "", arguments)
        for name, headers in messages.items():
            properties = pika.BasicProperties(headers=headers)
            channel.basic_publish("amq.headers", "any key", name.encode(), properties)
        expect_equal(get_all(channel, queue), expected, f"messages that {arguments} matches")
        channel.queue_unbind(queue, "amq.headers", "", arguments)


@scenario
def an_unknown_kind_of_headers_match_is_refused(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    try:
        channel.queue_bind(queue, "amq.headers", "", {"x-match": "some"})
    except Exception as error:
        expect_equal(getattr(error, "reply_code", None), 406, f"reply code of {error!r}")
        return
    expect(False, "a binding with x-match 'some' was accepted")


@scenario
def after_unbind_nothing_is_routed(bus):
    channel = bus.channel()
    exchange, queue = bus.exchange(channel, "direct"), bus.queue(channel)
    channel.queue_bind(queue, exchange, "a")
    channel.queue_bind(queue, exchange, "b")
    channel.queue_unbind(queue, exchange, "a")
    channel.queue_unbind(queue, exchange, "a")
    expect_equal(routed(channel, exchange, queue, ["a", "b"]), ["b"], "routed keys")


@scenario
def an_exchange_bound_to_an_exchange_passes_messages_on(bus):
    channel = bus.channel()
    source, target = bus.exchange(channel, "topic"), bus.exchange(channel, "fanout")
    queue = bus.queue(channel)
    channel.exchange_bind(target, source, "a.#")
    channel.exchange_bind(source, target, "back.#")  # A circle must not hang.
    channel.queue_bind(queue, target)
    expect_equal(routed(channel, source, queue, ["a.b", "c"]), ["a.b"], "routed keys")
    channel.exchange_unbind(target, source, "a.#")
    expect_equal(routed(channel, source, queue, ["a.b"]), [], "routed keys after unbind")


@scenario
def an_equal_declaration_is_accepted_again(bus):
    channel = bus.channel()
    exchange = bus.exchange(channel, "topic", durable=True)
    channel.exchange_declare(exchange, "topic", durable=True)


@scenario
def an_exchange_is_not_declared_again_otherwise(bus):
    channel = bus.channel()
    exchange = bus.exchange(channel, "topic", durable=True)
    for field, received, current, arguments in [
        ("type", "'fanout'", "'topic'", {"exchange_type": "fanout", "durable": True}),
        ("durable", "'false'", "'true'", {"exchange_type": "topic"}),
        ("auto_delete", "'true'", "'false'",
         {"exchange_type": "topic", "durable": True, "auto_delete": True}),
    ]:
        expect_channel_closed(
            406,
            f"PRECONDITION_FAILED - inequivalent arg '{field}' for exchange '{exchange}' {VHOST}:"
            f" received {received} but current is {current}",
            lambda arguments=arguments: bus.channel().exchange_declare(exchange, **arguments))


@scenario
def an_exchange_of_an_unknown_type_is_refused(bus):
    name, channel = bus.name("exchange"), bus.channel()
    if bus.is_rabbitmq_3:
        expect_connection_closed(503, "COMMAND_INVALID - unknown exchange type 'ring'",
                                 lambda: channel.exchange_declare(name, "ring"))
        return
    expect_channel_closed(406, "PRECONDITION_FAILED - unknown exchange type 'ring'",
                          lambda: channel.exchange_declare(name, "ring"))


@scenario
def an_exchange_that_is_missing_is_named(bus):
    missing = bus.name("exchange")
    text = f"NOT_FOUND - no exchange '{missing}' {VHOST}"
    connection = bus.connect()
    queue = bus.queue(connection.channel())
    for action in [
        lambda channel: channel.exchange_declare(missing, passive=True),
        lambda channel: channel.queue_bind(queue, missing, "a"),
        lambda channel: channel.exchange_bind(missing, "amq.topic", "a"),
    ]:
        expect_channel_closed(404, text, lambda action=action: action(connection.channel()))
    expect(connection.is_open, "the connection lives on after channel errors")


@scenario
def deleting_a_missing_exchange_or_binding_is_no_error(bus):
    channel = bus.channel()
    channel.exchange_delete(bus.name("exchange"))
    queue = bus.queue(channel)
    channel.queue_unbind(queue, "amq.direct", "never bound")


@scenario
def an_exchange_in_use_is_kept_when_asked(bus):
    channel = bus.channel()
    exchange, queue = bus.exchange(channel, "direct"), bus.queue(channel)
    channel.queue_bind(queue, exchange, "a")
    expect_channel_closed(
        406, f"PRECONDITION_FAILED - exchange '{exchange}' {VHOST} in use",
        lambda: bus.channel().exchange_delete(exchange, if_unused=True))
    channel.queue_unbind(queue, exchange, "a")
    channel.exchange_delete(exchange, if_unused=True)


@scenario
def an_auto_delete_exchange_goes_with_its_last_binding(bus):
    channel = bus.channel()
    exchange, queue = bus.exchange(channel, "direct", auto_delete=True), bus.queue(channel)
    channel.queue_bind(queue, exchange, "a")
    channel.queue_bind(queue, exchange, "b")
    channel.queue_unbind(queue, exchange, "a")
    channel.exchange_declare(exchange, passive=True)
    channel.queue_delete(queue)
    expect_channel_closed(404, f"NOT_FOUND - no exchange '{exchange}' {VHOST}",
                          lambda: channel.exchange_declare(exchange, passive=True))


@scenario
def an_internal_exchange_takes_no_publish_from_clients(bus):
    channel = bus.channel()
    exchange = bus.exchange(channel, "fanout", internal=True)

    def publish():
        channel.confirm_delivery()
        channel.basic_publish(exchange, "a", b"")

    expect_channel_closed(
        403, f"ACCESS_REFUSED - cannot publish to internal exchange '{exchange}' {VHOST}", publish)


@scenario
def names_that_begin_with_amq_are_reserved(bus):
    name = "amq." + bus.name("mine")
    expect_channel_closed(
        403, f"ACCESS_REFUSED - exchange name '{name}' contains reserved prefix 'amq.*'",
        lambda: bus.channel().exchange_declare(name, "direct"))
    expect_channel_closed(
        403, f"ACCESS_REFUSED - queue name '{name}' contains reserved prefix 'amq.*'",
        lambda: bus.channel().queue_declare(name))
    expect_channel_closed(404, f"NOT_FOUND - no queue '{name}' {VHOST}",
                          lambda: bus.channel().queue_declare(name, passive=True))


@scenario
def the_default_exchange_is_not_changed(bus):
    text = "ACCESS_REFUSED - operation not permitted on the default exchange"
    queue = bus.queue(bus.channel())
    for action in [
        lambda channel: channel.exchange_delete(""),
        lambda channel: channel.queue_bind(queue, "", "a"),
        lambda channel: channel.queue_unbind(queue, "", "a"),
        lambda channel: channel.exchange_bind("amq.fanout", "", "a"),
    ]:
        expect_channel_closed(403, text, lambda action=action: action(bus.channel()))


@scenario
def the_standard_exchanges_are_not_deleted(bus):
    for name in ["amq.topic", "amq.direct"]:
        text = f"ACCESS_REFUSED - deletion of system exchange '{name}' {VHOST} not allowed"
        expect_channel_closed(403, text, lambda name=name: bus.channel().exchange_delete(name))


if __name__ == "__main__":
    main()
