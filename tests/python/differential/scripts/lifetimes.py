"""What bounds a queue: time to live, length, expiry; and what orders it: priorities."""

from differential.script import script


@script
def a_message_goes_after_its_queues_time_or_its_own(stage):
    channel = stage.channel()
    queue = stage.queue(channel, arguments={"x-message-ttl": 60})
    channel.publish("", queue, "by the queue")
    channel.publish("", queue, "by itself", expiration="20")
    channel.publish("", queue, "by the shorter", expiration="100000")
    stage.until(queue, 0)
    channel.get(queue)
    none = stage.queue(channel, "none")
    channel.publish("", none, "stays")
    channel.publish("", none, "hidden behind", expiration="1")
    channel.get(none)
    stage.until(none, 0)
    channel.get(none)


@script
def without_time_a_message_is_delivered_or_gone(stage):
    channel = stage.channel()
    queue = stage.queue(channel, arguments={"x-message-ttl": 0})
    channel.confirm()
    channel.publish("", queue, "gone", mandatory=True)
    stage.until(queue, 0)
    channel.call("basic.consume", queue=queue, consumer_tag="c")
    channel.publish("", queue, "delivered")
    channel.deliveries(1)
    channel.publish("", queue, "delivered, too", expiration="0")
    channel.deliveries(2)


@script
def a_delivered_message_keeps_its_expiration(stage):
    channel = stage.channel()
    queue = stage.queue(channel)
    channel.publish("", queue, "shown", expiration="60000")
    channel.get(queue)
    channel.nack(1, requeue=True)
    channel.get(queue)


@script
def a_queue_of_nobody_expires(stage):
    channel = stage.channel()
    queue = stage.queue(channel, arguments={"x-expires": 120})
    channel.publish("", queue, "is no use")
    channel.call("basic.consume", queue=queue, consumer_tag="c", no_ack=True)
    channel.deliveries(1)
    channel.call("basic.cancel", consumer_tag="c")
    gone_when_it_should(stage, channel, queue)


def gone_when_it_should(stage, channel, queue):
    """To look for the queue would be use of it: an exchange bound to it says when it is gone."""
    exchange = stage.exchange(channel, "fanout", auto_delete=True)
    channel.call("queue.bind", queue=queue, exchange=exchange)
    stage.until_no_exchange(exchange)
    channel.depth(queue)


@script
def the_oldest_make_room_for_the_newest(stage):
    channel = stage.channel()
    for noun, arguments in [("count", {"x-max-length": 2}), ("bytes", {"x-max-length-bytes": 10}),
                            ("both", {"x-max-length": 3, "x-max-length-bytes": 8}),
                            ("named", {"x-max-length": 1, "x-overflow": "drop-head"})]:
        queue = stage.queue(channel, noun, arguments=arguments)
        for number in range(5):
            channel.publish("", queue, f"{number:04}")
        stage.drain(channel, queue)


@script
def what_was_delivered_does_not_count_as_length(stage):
    channel = stage.channel()
    queue = stage.queue(channel, arguments={"x-max-length": 2})
    for body in ["a", "b"]:
        channel.publish("", queue, body)
    channel.get(queue)
    channel.publish("", queue, "c")
    stage.until(queue, 2)
    channel.nack(1, requeue=True)
    stage.until(queue, 2)
    stage.drain(channel, queue)


@script
def a_full_queue_refuses_and_the_publisher_hears(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    for noun, bound in [("count", {"x-max-length": 1}), ("bytes", {"x-max-length-bytes": 5})]:
        queue = stage.queue(channel, noun, arguments={**bound, "x-overflow": "reject-publish"})
        for number in range(3):
            channel.publish("", queue, f"{number:05}")
            channel.sync()
        stage.drain(channel, queue)
        channel.publish("", queue, "first")
        confirming = connection.channel(2 if noun == "count" else 3)
        confirming.confirm()
        confirming.publish("", queue, "refused", mandatory=True)
        channel.get(queue, no_ack=True)
        confirming.publish("", queue, "taken", mandatory=True)
        channel.depth(queue)


@script
def a_refusal_of_one_of_two_queues_is_a_refusal(stage):
    channel = stage.channel()
    full = stage.queue(channel, "full", arguments={"x-max-length": 0,
                                                   "x-overflow": "reject-publish"})
    free, exchange = stage.queue(channel, "free"), stage.exchange(channel, "fanout")
    for queue in [full, free]:
        channel.call("queue.bind", queue=queue, exchange=exchange)
    channel.confirm()
    channel.publish(exchange, "", "half")
    stage.drain(channel, free)


@script
def the_highest_priority_comes_first(stage):
    channel = stage.channel()
    queue = stage.queue(channel, arguments={"x-max-priority": 5})
    for number, priority in enumerate([0, 5, None, 3, 9, 5, 1]):
        channel.publish("", queue, f"{number} of {priority}", priority=priority)
    channel.get(queue)
    channel.nack(1, requeue=True)
    stage.until(queue, 7)
    stage.drain(channel, queue)
    plain = stage.queue(channel, "plain")
    for priority in [0, 9]:
        channel.publish("", plain, f"{priority}", priority=priority)
    stage.drain(channel, plain)


@script
def a_full_queue_of_priorities_drops_the_lowest(stage):
    channel = stage.channel()
    queue = stage.queue(channel, arguments={"x-max-priority": 5, "x-max-length": 2})
    for number, priority in enumerate([3, 1, 2, 5]):
        channel.publish("", queue, f"{number} of {priority}", priority=priority)
    stage.until(queue, 2)
    stage.drain(channel, queue)


@script
def a_purge_takes_what_is_ready(stage):
    channel = stage.channel()
    queue = stage.queue(channel)
    for body in ["a", "b", "c"]:
        channel.publish("", queue, body)
    channel.get(queue)
    channel.call("queue.purge", queue=queue)
    channel.call("queue.purge", queue=queue)
    channel.nack(1, requeue=True)
    stage.until(queue, 1)
    stage.drain(channel, queue)
