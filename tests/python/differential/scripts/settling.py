"""Acknowledging, rejecting, recovering."""

from differential.script import script


def holding(stage, count, **arguments):
    """A channel that got so many messages of a queue and settled none."""
    channel = stage.channel()
    queue = stage.queue(channel, **arguments)
    for number in range(count):
        channel.publish("", queue, str(number))
    for _ in range(count):
        channel.get(queue)
    return channel, queue


def left(stage, channel, queue, count):
    """What is in the queue, when it has become so many."""
    stage.until(queue, count)
    stage.drain(channel, queue)


@script
def an_ack_takes_one_or_all_up_to_it(stage):
    channel, queue = holding(stage, 6)
    channel.ack(2)
    channel.ack(4, multiple=True)
    channel.call("basic.recover", requeue=True)
    left(stage, channel, queue, 2)


@script
def the_tag_zero_means_all(stage):
    channel, queue = holding(stage, 3)
    channel.ack(0, multiple=True)
    channel.ack(0, multiple=True)
    channel.nack(0, multiple=True)
    channel.sync()
    channel.call("basic.recover", requeue=True)
    left(stage, channel, queue, 0)


@script
def a_nack_of_many_puts_back_in_order(stage):
    channel, queue = holding(stage, 5)
    channel.publish("", queue, "last")
    channel.nack(3, multiple=True, requeue=True)
    channel.reject(5, requeue=True)
    left(stage, channel, queue, 5)
    channel.nack(0, multiple=True)
    left(stage, channel, queue, 0)


@script
def rejected_without_requeue_is_gone(stage):
    channel, queue = holding(stage, 3)
    channel.reject(1)
    channel.nack(2)
    channel.call("basic.recover", requeue=True)
    left(stage, channel, queue, 1)


@script
def recovering_delivers_again_to_who_is_there(stage):
    channel = stage.channel()
    queue = stage.queue(channel)
    for number in range(3):
        channel.publish("", queue, str(number))
    channel.call("basic.consume", queue=queue, consumer_tag="c")
    channel.deliveries(3)
    channel.ack(channel.tag(1))
    channel.call("basic.recover", requeue=True)
    channel.deliveries(5)
    channel.cast("basic.recover-async", requeue=True)
    channel.deliveries(7)
    channel.call("basic.cancel", consumer_tag="c")
    channel.call("basic.recover", requeue=True)
    left(stage, channel, queue, 2)


@script
def a_tag_that_is_not_known_closes_the_channel(stage):
    connection = stage.connect()
    settle = [
        lambda channel: channel.ack(7), lambda channel: channel.ack(7, multiple=True),
        lambda channel: channel.nack(7), lambda channel: channel.nack(7, multiple=True),
        lambda channel: channel.reject(7), lambda channel: channel.ack(0),
        lambda channel: channel.reject(0, requeue=True), lambda channel: channel.nack(0),
    ]
    for number, action in enumerate(settle, 1):
        channel = connection.channel(number)
        queue = stage.queue(channel, f"q{number}")
        channel.publish("", queue, "one")
        channel.get(queue)
        action(channel)
        channel.sync()


@script
def a_message_is_settled_once(stage):
    connection = stage.connect()
    for number, (first, second) in enumerate([
            ("basic.ack", "basic.ack"), ("basic.ack", "basic.reject"), ("basic.nack", "basic.ack"),
            ("basic.reject", "basic.nack")], 1):
        channel = connection.channel(number)
        queue = stage.queue(channel, f"q{number}")
        channel.publish("", queue, "one")
        channel.get(queue)
        channel.cast(first, delivery_tag=1)
        channel.cast(second, delivery_tag=1)
        channel.sync()


@script
def a_tag_of_another_channel_is_not_known(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel)
    channel.publish("", queue, "one")
    channel.get(queue)
    other = connection.channel(2)
    other.ack(1)
    other.sync()
    channel.ack(1)
    channel.depth(queue)


@script
def tags_are_shared_by_get_and_deliver_and_count_what_needs_no_ack(stage):
    channel = stage.channel()
    queue = stage.queue(channel)
    for number in range(4):
        channel.publish("", queue, str(number))
    channel.get(queue, no_ack=True)
    channel.get(queue)
    channel.call("basic.consume", queue=queue, consumer_tag="c", no_ack=True)
    channel.deliveries(2)
    channel.ack(2)
    channel.sync()
    channel.ack(3)
    channel.sync()


@script
def a_quorum_queue_counts_what_comes_back(stage):
    channel = stage.channel()
    queue = stage.queue(channel, durable=True,
                        arguments={"x-queue-type": "quorum", "x-delivery-limit": 2})
    channel.confirm()
    channel.publish("", queue, "poison", headers={"mine": 1})
    channel.call("basic.consume", queue=queue, consumer_tag="c")
    for count in [1, 2, 3]:
        channel.deliveries(count)
        channel.reject(channel.tag(), requeue=True)
    stage.until(queue, 0)
    channel.call("basic.cancel", consumer_tag="c")
    channel.get(queue)
