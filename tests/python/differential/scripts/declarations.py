"""Queues and exchanges: declared, declared again, looked for, deleted."""

from differential.script import script
from differential.table import Typed


def again(stage, method, first, *others):
    """Declares once, then once more with each of the other arguments, on a channel of its own."""
    connection = stage.connect()
    connection.channel(1).call(method, **first)
    for number, other in enumerate(others, 2):
        connection.channel(number).call(method, **{**first, **other})


@script
def a_queue_declared_again_is_the_same_or_refused(stage):
    again(stage, "queue.declare", {"queue": stage.name("q")},
          {}, {"durable": True}, {"auto_delete": True}, {"passive": True},
          {"arguments": {"x-unknown": 1}}, {"arguments": {"x-message-ttl": 1000}},
          {"arguments": {"x-queue-type": "classic"}}, {"passive": True, "durable": True})


@script
def a_durable_queue_declared_otherwise_is_refused(stage):
    again(stage, "queue.declare", {"queue": stage.name("q"), "durable": True},
          {}, {"durable": False}, {"auto_delete": True, "durable": False},
          {"arguments": {"x-queue-type": "quorum"}})


@script
def arguments_of_a_queue_compare_by_value_and_class(stage):
    name = stage.name("q")
    first = {"queue": name, "arguments": {"x-message-ttl": 60000, "x-max-length": 5}}
    same = [Typed(letter, 60000) for letter in "ulI"]
    others = [{"x-message-ttl": value, "x-max-length": 5} for value in [*same, 60001, "60000"]]
    others += [{"x-message-ttl": 60000}, {"x-max-length": 5}, {}, {
        "x-message-ttl": 60000, "x-max-length": 5, "x-overflow": "drop-head"}]
    again(stage, "queue.declare", first, *({"arguments": value} for value in others))


@script
def each_argument_of_a_queue_is_part_of_what_it_is(stage):
    values = {
        "x-expires": [60000, 60001], "x-message-ttl": [1, 2], "x-max-length": [1, 2],
        "x-max-length-bytes": [1, 2], "x-overflow": ["drop-head", "reject-publish"],
        "x-dead-letter-exchange": ["a", "b"], "x-max-priority": [5, 6],
        "x-single-active-consumer": [True, False], "x-queue-mode": ["lazy", "default"],
        "x-queue-version": [1, 2],
    }
    connection, channel = stage.connect(), 0
    for number, (key, (value, other)) in enumerate(values.items()):
        name = stage.name(f"q{number}")
        for arguments in [{key: value}, {key: value}, {key: other}, {}]:
            channel += 1
            connection.channel(channel).call("queue.declare", queue=name, arguments=arguments)


@script
def a_dead_letter_key_is_part_of_what_a_queue_is(stage):
    first = {"x-dead-letter-exchange": "a", "x-dead-letter-routing-key": "k"}
    again(stage, "queue.declare", {"queue": stage.name("q"), "arguments": first},
          {"arguments": {"x-dead-letter-exchange": "a"}},
          {"arguments": {**first, "x-dead-letter-routing-key": "l"}})


@script
def arguments_of_a_queue_that_cannot_be_are_refused_in_words(stage):
    bad = [
        {"x-message-ttl": -1}, {"x-message-ttl": "1"}, {"x-message-ttl": 2**40},
        {"x-message-ttl": 1.5}, {"x-message-ttl": True}, {"x-expires": 0}, {"x-expires": -1},
        {"x-expires": "soon"}, {"x-max-length": -1}, {"x-max-length": "1"},
        {"x-max-length-bytes": -5}, {"x-overflow": "spill"}, {"x-overflow": 1},
        {"x-max-priority": -1}, {"x-max-priority": 256}, {"x-max-priority": "5"},
        {"x-dead-letter-exchange": 1}, {"x-dead-letter-routing-key": "k"},
        {"x-dead-letter-exchange": "a", "x-dead-letter-routing-key": 7},
        {"x-single-active-consumer": "yes"}, {"x-queue-type": "classical"}, {"x-queue-type": 5},
        {"x-queue-mode": "busy"}, {"x-queue-mode": 1},
    ]
    connection = stage.connect()
    for number, arguments in enumerate(bad, 1):
        connection.channel(number).call("queue.declare", queue=stage.name(f"q{number}"),
                                        arguments=arguments)


@script
def arguments_of_a_queue_that_may_be_are_taken(stage):
    good = [
        {"x-message-ttl": 0}, {"x-message-ttl": 2**32 - 1}, {"x-expires": 2**32 - 1},
        {"x-max-length": 0}, {"x-max-length": 2**40}, {"x-max-priority": 255},
        {"x-queue-mode": "lazy"}, {"x-queue-mode": "default"}, {"x-queue-version": 2},
        {"x-queue-type": "classic"}, {"x-unknown": {"a": [1, None]}},
        {"x-dead-letter-exchange": ""}, {"x-single-active-consumer": False},
        {"x-max-age": "1D"}, {"x-delivery-limit": 5},
    ]
    connection = stage.connect()
    for number, arguments in enumerate(good, 1):
        connection.channel(number).call("queue.declare", queue=stage.name(f"q{number}"),
                                        arguments=arguments)


@script
def a_quorum_queue_is_durable_and_nobodys_own(stage):
    connection = stage.connect()
    kind = {"arguments": {"x-queue-type": "quorum"}}
    for number, flags in enumerate([{"durable": True}, {}, {"durable": True, "exclusive": True},
                                    {"durable": True, "auto_delete": True}], 1):
        connection.channel(number).call("queue.declare", queue=stage.name(f"q{number}"), **flags,
                                        **kind)


@script
def a_quorum_queue_refuses_arguments_of_classic_ones(stage):
    connection = stage.connect()
    for number, more in enumerate([{"x-max-priority": 5}, {"x-queue-mode": "lazy"},
                                   {"x-delivery-limit": -1}, {"x-delivery-limit": "3"},
                                   {"x-quorum-initial-group-size": 1}], 1):
        connection.channel(number).call("queue.declare", queue=stage.name(f"q{number}"),
                                        durable=True, arguments={"x-queue-type": "quorum", **more})


@script
def the_server_names_a_queue_and_the_channel_remembers_it(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    channel.call("queue.declare", exclusive=True)
    channel.publish("", "")
    channel.call("queue.bind", exchange="amq.topic", routing_key="a.b")
    channel.call("queue.bind", exchange="amq.direct")
    channel.call("queue.unbind", exchange="amq.topic", routing_key="a.b")
    channel.publish("amq.topic", "a.b", "no more")
    channel.get("")
    channel.call("queue.purge")
    channel.call("basic.consume")
    channel.call("queue.delete")
    channel.expect("basic.cancel")
    for number, method in enumerate(["queue.purge", "basic.get", "basic.consume", "queue.bind",
                                     "queue.unbind", "queue.delete"], 2):
        connection.channel(number).call(method)
    connection.channel(8).depth("")


@script
def a_name_loses_its_line_ends_and_reserved_ones_are_refused(stage):
    connection = stage.connect()
    name = stage.name("lines")
    connection.channel(1).call("queue.declare", queue=f"{name}\r\n")
    connection.channel(2).call("exchange.declare", exchange=f"{name}\n", type="direct")
    connection.channel(3).call("queue.declare", queue="amq.mine")
    connection.channel(4).call("exchange.declare", exchange="amq.mine", type="direct")
    connection.channel(5).call("queue.declare", queue="amq.mine", passive=True)
    connection.channel(6).call("exchange.declare", exchange="amq.mine", passive=True)
    connection.channel(7).call("exchange.declare", exchange="amq.topic", type="topic", durable=True)
    connection.channel(8).call("exchange.declare", exchange="amq.topic", type="topic")


@script
def a_missing_queue_or_exchange_is_not_found(stage):
    connection = stage.connect()
    calls = [
        ("queue.declare", {"queue": "none", "passive": True}),
        ("exchange.declare", {"exchange": "none", "passive": True}),
        ("queue.purge", {"queue": "none"}), ("basic.get", {"queue": "none"}),
        ("basic.consume", {"queue": "none"}),
        ("queue.bind", {"queue": "none", "exchange": "amq.direct"}),
        ("queue.bind", {"queue": "none", "exchange": "neither"}),
        ("queue.unbind", {"queue": "none", "exchange": "amq.direct"}),
        ("exchange.bind", {"destination": "none", "source": "amq.direct"}),
        ("exchange.bind", {"destination": "amq.direct", "source": "none"}),
        ("exchange.unbind", {"destination": "none", "source": "amq.direct"}),
        ("queue.delete", {"queue": "none"}), ("exchange.delete", {"exchange": "none"}),
        ("queue.delete", {"queue": "none", "if_empty": True, "if_unused": True}),
        ("exchange.delete", {"exchange": "none", "if_unused": True}),
    ]
    for number, (method, arguments) in enumerate(calls, 1):
        connection.channel(number).call(method, **arguments)


@script
def an_exclusive_queue_is_its_connections_and_goes_with_it(stage):
    owner, other = stage.connect(), stage.connect()
    channel = owner.channel(1)
    queue = stage.queue(channel, exclusive=True)
    channel.call("queue.declare", queue=queue, exclusive=True)
    owner.channel(2).call("queue.declare", queue=queue)
    calls = [
        ("queue.declare", {"passive": True}), ("queue.declare", {"exclusive": True}),
        ("queue.declare", {}), ("queue.purge", {}), ("queue.delete", {}), ("basic.get", {}),
        ("basic.consume", {}), ("queue.bind", {"exchange": "amq.direct"}),
        ("queue.unbind", {"exchange": "amq.direct"}),
    ]
    for number, (method, arguments) in enumerate(calls, 1):
        other.channel(number).call(method, queue=queue, **arguments)
    other.channel(20).publish("", queue, "publishing is free")
    other.channels[20].sync()
    channel.get(queue)
    owner.close()
    other.channel(21).depth(queue)


@script
def a_queue_once_declared_is_not_made_exclusive(stage):
    connection = stage.connect()
    queue = stage.queue(connection.channel(1))
    connection.channel(2).call("queue.declare", queue=queue, exclusive=True)


@script
def an_auto_delete_queue_goes_with_its_last_consumer(stage):
    connection = stage.connect()
    channel, second = connection.channel(1), connection.channel(2)
    queue = stage.queue(channel, auto_delete=True)
    channel.call("basic.consume", queue=queue, consumer_tag="one")
    second.call("basic.consume", queue=queue, consumer_tag="two")
    channel.depth(queue)
    channel.call("basic.cancel", consumer_tag="one")
    channel.depth(queue)
    second.call("channel.close")
    stage.until_gone(queue)
    channel.depth(queue)


@script
def deleting_a_queue_counts_and_minds_its_conditions(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel)
    for body in ["one", "two"]:
        channel.publish("", queue, body)
    connection.channel(2).call("queue.delete", queue=queue, if_empty=True)
    channel.call("basic.consume", queue=queue, consumer_tag="c", no_ack=True)
    channel.deliveries(2)
    connection.channel(3).call("queue.delete", queue=queue, if_unused=True)
    channel.call("queue.delete", queue=queue, if_empty=True)
    channel.expect("basic.cancel")
    full = stage.queue(channel, "full")
    for body in ["one", "two"]:
        channel.publish("", full, body)
    channel.get(full)
    channel.call("queue.delete", queue=full)


@script
def nothing_answers_a_nowait(stage):
    channel = stage.channel()
    queue, exchange = stage.name("q"), stage.name("x")
    channel.cast("queue.declare", queue=queue, nowait=True)
    channel.cast("exchange.declare", exchange=exchange, type="fanout", nowait=True)
    channel.cast("queue.bind", queue=queue, exchange=exchange, nowait=True)
    channel.cast("exchange.bind", destination=exchange, source="amq.direct", routing_key=exchange,
                 nowait=True)
    channel.cast("confirm.select", nowait=True)
    channel.cast("basic.consume", queue=queue, consumer_tag="c", nowait=True, no_ack=True)
    channel.confirming = True
    channel.publish("amq.direct", exchange, "through")
    channel.deliveries(1)
    channel.cast("basic.cancel", consumer_tag="c", nowait=True)
    channel.publish(exchange, "", "waits")
    channel.cast("queue.purge", queue=queue, nowait=True)
    channel.depth(queue)
    channel.cast("exchange.unbind", destination=exchange, source="amq.direct",
                 routing_key=exchange, nowait=True)
    channel.cast("exchange.delete", exchange=exchange, nowait=True)
    channel.cast("queue.delete", queue=queue, nowait=True)
    channel.depth(queue)


@script
def an_error_of_a_nowait_closes_the_channel(stage):
    connection = stage.connect()
    connection.channel(1).cast("queue.declare", queue="none", passive=True, nowait=True)
    connection.channels[1].sync()
    connection.channel(2).cast("queue.bind", queue="none", exchange="none", nowait=True)
    connection.channels[2].sync()


@script
def an_exchange_declared_again_is_the_same_or_refused(stage):
    again(stage, "exchange.declare", {"exchange": stage.name("x"), "type": "direct"},
          {}, {"type": "fanout"}, {"durable": True}, {"auto_delete": True}, {"internal": True},
          {"arguments": {"alternate-exchange": "a"}}, {"arguments": {"x-unknown": 1}},
          {"passive": True, "type": "topic"})


@script
def exchanges_that_cannot_be_are_refused(stage):
    connection = stage.connect()
    connection.channel(1).call("exchange.declare", exchange="", type="direct")
    connection.channel(2).call("exchange.declare", exchange="", passive=True)
    connection.channel(3).call("exchange.delete", exchange="")
    connection.channel(4).call("exchange.delete", exchange="amq.topic")
    connection.channel(5).call("exchange.delete", exchange="amq.topic", if_unused=True)
    connection.channel(6).call("exchange.declare", exchange=stage.name("x"), type="direct",
                               arguments={"alternate-exchange": 1})
    connection.channel(7).call("exchange.declare", exchange=stage.name("x"), type="headers")


@script
def an_exchange_of_no_known_type_is_refused(stage):
    for name in ["x-nowhere", ""]:
        with stage.differs("unknown-exchange-type", "connection.close reply-code=503",
                           "channel.close reply-code=406"):
            connection = stage.connect()
            connection.channel(1).call("exchange.declare", exchange=stage.name("x"), type=name)
            connection.close()


@script
def deleting_an_exchange_minds_its_bindings(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    source, target = stage.exchange(channel, "direct", "s"), stage.exchange(channel, "fanout", "t")
    channel.call("exchange.bind", destination=target, source=source, routing_key="k")
    connection.channel(2).call("exchange.delete", exchange=source, if_unused=True)
    channel.call("exchange.delete", exchange=target, if_unused=True)
    channel.call("exchange.delete", exchange=source, if_unused=True)
    connection.channel(3).call("exchange.declare", exchange=source, passive=True)


@script
def an_auto_delete_exchange_goes_with_its_last_binding(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel)
    source = stage.exchange(channel, "direct", "s", auto_delete=True)
    middle = stage.exchange(channel, "direct", "m", auto_delete=True)
    channel.call("exchange.declare", exchange=source, passive=True)
    channel.call("exchange.bind", destination=middle, source=source, routing_key="k")
    channel.call("queue.bind", queue=queue, exchange=middle, routing_key="k")
    channel.call("queue.bind", queue=queue, exchange=middle, routing_key="l")
    channel.call("queue.unbind", queue=queue, exchange=middle, routing_key="l")
    channel.call("exchange.declare", exchange=middle, passive=True)
    channel.call("queue.delete", queue=queue)
    connection.channel(2).call("exchange.declare", exchange=middle, passive=True)
    connection.channel(3).call("exchange.declare", exchange=source, passive=True)
