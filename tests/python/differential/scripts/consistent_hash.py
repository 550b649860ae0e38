"""The consistent hash exchange, RabbitMQ's plugin: which queue a key falls to is each broker's own,
that it always is the same one is not."""

from differential.script import script
from differential.table import Typed

KIND = "x-consistent-hash"


def ring(stage, channel, count, weight="1", **arguments):
    """An exchange and its queues."""
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    exchange = stage.exchange(channel, KIND, arguments=named)
    queues = [stage.queue(channel, f"q{number}") for number in range(count)]
    for queue in queues:
        channel.call("queue.bind", queue=queue, exchange=exchange, routing_key=weight)
    return exchange, queues


def depths(stage, queues):
    """How many messages each has, asked aside: which of them has them is nobody's business."""
    return [stage.aside("queue.declare", queue=queue, passive=True)["message-count"]
            for queue in queues]


def publish(channel, exchange, count, key="key", **properties):
    """Messages, confirmed."""
    if not channel.confirming:
        channel.confirm()
    for number in range(count):
        channel.publish(exchange, key, str(number), **properties)


@script
def what_is_hashed_is_said_when_it_is_declared(stage):
    connection = stage.connect()
    arguments = [
        {}, {"hash-header": "h"}, {"hash-property": "correlation_id"},
        {"hash-property": "message_id"}, {"hash-property": "timestamp"},
        {"hash-property": "app_id"}, {"hash-property": ""}, {"hash-header": ""},
        {"hash-header": "h", "hash-property": "message_id"}, {"unknown": 1},
    ]
    for number, more in enumerate(arguments, 1):
        connection.channel(number).call("exchange.declare", exchange=stage.name(f"x{number}"),
                                        type=KIND, arguments=more)


@script
def a_hash_exchange_declared_again(stage):
    name = stage.name("x")
    connection = stage.connect()
    for number, more in enumerate([{"hash-header": "h"}, {"hash-header": "h"},
                                   {"hash-header": "other"}, {}], 1):
        connection.channel(number).call("exchange.declare", exchange=name, type=KIND,
                                        arguments=more)
    connection.channel(9).call("exchange.declare", exchange=name, type="direct")


@script
def a_weight_is_a_number_from_1_on(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    exchange, (queue,) = ring(stage, channel, 1)
    for number, key in enumerate(["10", "01", "+2", "0", "-1", "x", "", "1.5", " 1", "1 "], 2):
        connection.channel(number).call("queue.bind", queue=queue, exchange=exchange,
                                        routing_key=key)


@script
def one_queue_gets_all(stage):
    channel = stage.channel()
    exchange, (queue,) = ring(stage, channel, 1, weight="3")
    for key in ["a", "b", ""]:
        channel.publish(exchange, key, key)
    stage.until(queue, 3)
    stage.drain(channel, queue)


@script
def without_a_queue_it_comes_back(stage):
    channel = stage.channel()
    exchange, (queue,) = ring(stage, channel, 1)
    channel.call("queue.unbind", queue=queue, exchange=exchange, routing_key="1")
    channel.confirm()
    channel.publish(exchange, "key", "nowhere", mandatory=True)
    channel.call("queue.bind", queue=queue, exchange=exchange, routing_key="1")
    channel.publish(exchange, "key", "somewhere", mandatory=True)
    stage.until(queue, 1)


@script
def a_key_falls_to_one_queue_always(stage):
    channel = stage.channel()
    exchange, queues = ring(stage, channel, 4, weight="5")
    for round_number in range(1, 4):
        publish(channel, exchange, 5, key="always")
        channel.remark(f"{sorted(depths(stage, queues))} after {round_number}")


@script
def keys_fall_to_all_queues_and_each_message_to_one(stage):
    channel = stage.channel()
    exchange, queues = ring(stage, channel, 2, weight="50")
    for number in range(200):
        publish(channel, exchange, 1, key=f"key {number}")
    found = depths(stage, queues)
    channel.remark(f"{sum(found)} in all, a fair share in each: {min(found) > 50}")


@script
def which_queue_that_is_is_the_brokers_own(stage):
    channel = stage.channel()
    exchange, queues = ring(stage, channel, 2, weight="20")
    with stage.differs("hash-ring", "fell as [1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0]", "fell as"):
        fell = []
        for number in range(12):
            publish(channel, exchange, 1, key=f"key {number}")
            fell.append(depths(stage, queues)[1] - sum(fell))
        channel.remark(f"fell as {fell}")


@script
def a_header_is_hashed(stage):
    channel = stage.channel()
    exchange, queues = ring(stage, channel, 3, weight="10", hash_header="who")
    for number in range(20):
        publish(channel, exchange, 1, key=str(number), headers={"who": "ada"})
    channel.remark(f"by the header: {sorted(depths(stage, queues))}")
    for properties in [{}, {"headers": {}}, {"headers": {"other": "x"}}]:
        publish(channel, exchange, 1, mandatory=True, **properties)
    channel.remark(f"without it: {sum(depths(stage, queues))}")
    for value in [5, Typed("l", 5), True, None, ["x"], {"a": 1}, 1.5]:
        publish(channel, exchange, 1, headers={"who": value})
    channel.remark(f"whatever it is: {sum(depths(stage, queues))}")


@script
def a_property_is_hashed(stage):
    for name, value in [("message_id", "m"), ("correlation_id", "c"),
                        ("timestamp", 1_700_000_000)]:
        channel = stage.channel()
        exchange = stage.exchange(channel, KIND, name, arguments={"hash-property": name})
        queues = [stage.queue(channel, f"{name}-{number}") for number in range(3)]
        for queue in queues:
            channel.call("queue.bind", queue=queue, exchange=exchange, routing_key="10")
        for number in range(10):
            publish(channel, exchange, 1, key=str(number), **{name: value})
        channel.remark(f"by the property: {sorted(depths(stage, queues))}")
        publish(channel, exchange, 1)
        channel.remark(f"without it: {sum(depths(stage, queues))}")


@script
def a_queue_stands_on_the_ring_once(stage):
    channel = stage.channel()
    exchange, (queue,) = ring(stage, channel, 1)
    channel.call("queue.bind", queue=queue, exchange=exchange, routing_key="2")
    publish(channel, exchange, 2)
    channel.remark(f"{depths(stage, [queue])} with two bindings")
    channel.call("queue.unbind", queue=queue, exchange=exchange, routing_key="2")
    with stage.differs("hash-bindings", "[2] when the second went", "[3] when the second went"):
        publish(channel, exchange, 1)
        channel.remark(f"{depths(stage, [queue])} when the second went")
    channel.call("queue.unbind", queue=queue, exchange=exchange, routing_key="1")
    publish(channel, exchange, 1, mandatory=True)


@script
def exchanges_stand_on_the_ring_as_well(stage):
    channel = stage.channel()
    exchange, (queue,) = ring(stage, channel, 1)
    channel.call("queue.unbind", queue=queue, exchange=exchange, routing_key="1")
    behind = stage.exchange(channel, "fanout", "behind")
    channel.call("queue.bind", queue=queue, exchange=behind)
    channel.call("exchange.bind", source=exchange, destination=behind, routing_key="2")
    publish(channel, exchange, 3)
    stage.until(queue, 3)


@script
def a_hash_of_several_keys(stage):
    channel = stage.channel()
    exchange, queues = ring(stage, channel, 3, weight="10")
    publish(channel, exchange, 4, headers={"CC": ["one", "two", "three"]})
    found = sorted(depths(stage, queues))
    channel.remark(f"{found} for four messages with four keys")
