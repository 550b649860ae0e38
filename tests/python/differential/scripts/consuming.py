"""Consumers: deliveries and their order, prefetch, cancelling, priorities, exclusiveness."""

from differential.script import script


def fill(stage, channel, queue, count):
    """The messages 0, 1, 2 …, and waits until they are there."""
    for number in range(count):
        channel.publish("", queue, str(number))
    stage.until(queue, count)


@script
def messages_are_delivered_in_order_with_their_counts(stage):
    channel = stage.channel()
    queue = stage.queue(channel)
    fill(stage, channel, queue, 5)
    for _ in range(2):
        channel.get(queue)
    channel.depth(queue)
    channel.call("basic.consume", queue=queue, consumer_tag="c")
    channel.deliveries(3)
    channel.depth(queue)
    channel.publish("", queue, "fresh")
    channel.deliveries(4)
    channel.get(queue)


@script
def a_consumers_tag_is_the_clients_or_the_servers(stage):
    connection = stage.connect()
    channel, other = connection.channel(1), connection.channel(2)
    queue = stage.queue(channel)
    channel.call("basic.consume", queue=queue)
    channel.call("basic.consume", queue=queue, consumer_tag="mine")
    other.call("basic.consume", queue=queue, consumer_tag="mine")
    channel.depth(queue)
    channel.call("basic.cancel", consumer_tag="mine")
    channel.call("basic.cancel", consumer_tag="mine")
    channel.call("basic.cancel", consumer_tag="never")
    channel.depth(queue)
    other.call("basic.consume", queue=queue, consumer_tag="mine")


@script
def a_cancelled_consumer_keeps_what_it_holds(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel)
    fill(stage, channel, queue, 2)
    channel.call("basic.consume", queue=queue, consumer_tag="c")
    channel.deliveries(2)
    channel.call("basic.cancel", consumer_tag="c")
    channel.publish("", queue, "later")
    stage.until(queue, 1)
    channel.ack(channel.tag(0))
    channel.nack(channel.tag(1), requeue=True)
    stage.until(queue, 2)
    stage.drain(channel, queue)


@script
def a_consumer_hears_of_the_end_of_its_queue_if_it_wants(stage):
    wants, deaf, other = stage.connect(), stage.connect(capabilities={}), stage.connect()
    queue = stage.queue(other.channel(1))
    for connection in [wants, deaf]:
        connection.channel(1).call("basic.consume", queue=queue, consumer_tag="c")
    other.channels[1].call("queue.delete", queue=queue)
    wants.channels[1].expect("basic.cancel")
    for connection in [wants, deaf]:
        connection.channels[1].call("basic.cancel", consumer_tag="c")
        connection.channels[1].sync()


@script
def a_prefetch_bounds_each_consumer_that_comes_after_it(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    first, second = stage.queue(channel, "first"), stage.queue(channel, "second")
    for queue in [first, second]:
        fill(stage, channel, queue, 5)
    channel.call("basic.qos", prefetch_count=2)
    channel.call("basic.consume", queue=first, consumer_tag="f")
    channel.deliveries(2)
    channel.call("basic.qos", prefetch_count=1)
    channel.call("basic.consume", queue=second, consumer_tag="s")
    channel.deliveries(3)
    for queue in [first, second]:
        channel.depth(queue)
    channel.ack(channel.tag(0))
    channel.deliveries(4)
    channel.ack(channel.tag(2))
    channel.deliveries(5)
    channel.ack(channel.tag(), multiple=True)
    channel.deliveries(8)
    for queue in [first, second]:
        channel.depth(queue)


@script
def a_global_prefetch_bounds_the_channel(stage):
    channel = stage.channel()
    first, second = stage.queue(channel, "first"), stage.queue(channel, "second")
    fill(stage, channel, first, 2)
    fill(stage, channel, second, 4)
    channel.call("basic.qos", prefetch_count=2, **{"global": True})
    channel.call("basic.consume", queue=first, consumer_tag="f")
    channel.deliveries(2)
    channel.call("basic.consume", queue=second, consumer_tag="s")
    channel.depth(second)
    # basic.get is not bound by it.
    channel.get(second)
    channel.ack(channel.tag(0))
    channel.ack(channel.tag(1))
    channel.deliveries(4)
    channel.call("basic.qos", prefetch_count=3, **{"global": True})
    channel.deliveries(5)


@script
def a_prefetch_of_nothing_is_no_bound(stage):
    channel = stage.channel()
    queue = stage.queue(channel)
    fill(stage, channel, queue, 3)
    channel.call("basic.qos", prefetch_count=1)
    channel.call("basic.qos", prefetch_count=0)
    channel.call("basic.consume", queue=queue, consumer_tag="c")
    channel.deliveries(3)


@script
def without_acknowledgement_a_prefetch_is_no_bound(stage):
    channel = stage.channel()
    queue = stage.queue(channel)
    fill(stage, channel, queue, 3)
    channel.call("basic.qos", prefetch_count=1)
    channel.call("basic.consume", queue=queue, consumer_tag="c", no_ack=True)
    channel.deliveries(3)
    channel.ack(1)
    channel.sync()


@script
def consumers_of_one_queue_take_turns(stage):
    connection = stage.connect()
    channels = [connection.channel(number) for number in (1, 2, 3)]
    publisher = connection.channel(4)
    queue = stage.queue(publisher)
    for number, channel in enumerate(channels):
        channel.call("basic.consume", queue=queue, consumer_tag=f"c{number}")
    for number in range(6):
        publisher.publish("", queue, str(number))
        channels[number % 3].deliveries(number // 3 + 1)


@script
def the_consumer_of_the_highest_priority_is_served_while_it_has_room(stage):
    connection = stage.connect()
    low, high, publisher = [connection.channel(number) for number in (1, 2, 3)]
    queue = stage.queue(publisher)
    low.call("basic.consume", queue=queue, consumer_tag="low")
    high.call("basic.qos", prefetch_count=2)
    high.call("basic.consume", queue=queue, consumer_tag="high", arguments={"x-priority": 10})
    for number in range(4):
        publisher.publish("", queue, str(number))
        (high if number < 2 else low).deliveries(number % 2 + 1)
    high.ack(high.tag())
    high.sync()
    publisher.publish("", queue, "high again")
    high.deliveries(3)


@script
def an_exclusive_consumer_is_alone(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel)
    channel.call("basic.consume", queue=queue, consumer_tag="c", exclusive=True)
    connection.channel(2).call("basic.consume", queue=queue)
    connection.channel(3).call("basic.consume", queue=queue, exclusive=True)
    connection.channel(4).get(queue)
    channel.call("basic.cancel", consumer_tag="c")
    channel.call("basic.consume", queue=queue, consumer_tag="d")
    connection.channel(5).call("basic.consume", queue=queue, exclusive=True)


@script
def a_single_active_consumer_hands_over_when_it_goes(stage):
    connection = stage.connect()
    first, second, publisher = [connection.channel(number) for number in (1, 2, 3)]
    queue = stage.queue(publisher, arguments={"x-single-active-consumer": True})
    first.call("basic.consume", queue=queue, consumer_tag="f")
    second.call("basic.consume", queue=queue, consumer_tag="s", arguments={"x-priority": 5})
    for number in range(2):
        publisher.publish("", queue, str(number))
    first.deliveries(2)
    publisher.depth(queue)
    first.call("basic.cancel", consumer_tag="f")
    publisher.publish("", queue, "to the next")
    second.deliveries(1)
    first.nack(first.tag(0), requeue=True)
    second.deliveries(2)
    first.call("channel.close")
    second.deliveries(3)
    connection.channel(4).call("basic.consume", queue=queue, exclusive=True)
    connection.channel(5).get(queue)


@script
def no_local_is_not_minded_and_arguments_are_looked_at(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel)
    channel.call("basic.consume", queue=queue, consumer_tag="c", no_local=True, no_ack=True)
    channel.publish("", queue, "my own")
    channel.deliveries(1)
    for number, value in enumerate(["high", 1.5, True, None, -5, 2**40], 2):
        connection.channel(number).call("basic.consume", queue=queue, consumer_tag="c",
                                        arguments={"x-priority": value})


@script
def what_a_channel_or_a_connection_held_comes_again(stage):
    connection, other = stage.connect(), stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel)
    fill(stage, channel, queue, 4)
    connection.channel(2).get(queue)
    channel.call("basic.consume", queue=queue, consumer_tag="c")
    channel.deliveries(3)
    connection.channels[2].call("channel.close")
    channel.deliveries(4)
    connection.cut()
    stage.until(queue, 4)
    stage.drain(other.channel(1), queue)


@script
def flow_is_answered(stage):
    channel = stage.channel()
    channel.call("channel.flow", active=True)
    channel.call("channel.flow", active=False)
