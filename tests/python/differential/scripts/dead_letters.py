"""Dead letters: why, where to, and what is written on them."""

from differential.script import script


LAST_DEATH = r", x-last-death-(exchange|queue|reason): '[^']*'"


def mourner(stage):
    """A channel. RabbitMQ tells of the last death from 3.13 on."""
    stage.adds("last-death-headers", LAST_DEATH)
    return stage.channel()


def graveyard(stage, channel, **more):
    """An exchange for the dead, its queue, and the arguments of a queue whose dead go there."""
    exchange, queue = stage.exchange(channel, "fanout", "dlx"), stage.queue(channel, "dead")
    channel.call("queue.bind", queue=queue, exchange=exchange)
    return queue, {"x-dead-letter-exchange": exchange, **more}


@script
def a_rejected_message_is_written_on_and_sent(stage):
    channel = mourner(stage)
    dead, arguments = graveyard(stage, channel)
    queue = stage.queue(channel, arguments=arguments)
    for settle in [channel.reject, channel.nack]:
        channel.publish("", queue, "rejected", headers={"mine": 1}, expiration="60000",
                        message_id="m", delivery_mode=2, timestamp=1_700_000_000)
        channel.get(queue)
        settle(channel.tag())
        stage.until(dead, 1)
        stage.drain(channel, dead)


@script
def an_expired_message_loses_its_expiration(stage):
    channel = mourner(stage)
    dead, arguments = graveyard(stage, channel)
    queue = stage.queue(channel, arguments=arguments)
    channel.publish("", queue, "its own time", expiration="10")
    stage.until(dead, 1)
    stage.drain(channel, dead)
    queue = stage.queue(channel, "ttl", arguments={**arguments, "x-message-ttl": 10})
    channel.publish("", queue, "the queue's time")
    stage.until(dead, 1)
    stage.drain(channel, dead)


@script
def what_is_too_much_is_dead_for_its_length(stage):
    channel = mourner(stage)
    dead, arguments = graveyard(stage, channel)
    for noun, bound in [("count", {"x-max-length": 1}), ("bytes", {"x-max-length-bytes": 6}),
                        ("refused", {"x-max-length": 1, "x-overflow": "reject-publish-dlx"})]:
        queue = stage.queue(channel, noun, arguments={**arguments, **bound})
        for body in ["first", "second"]:
            channel.publish("", queue, body)
        stage.until(dead, 1)
        stage.drain(channel, dead)
        stage.drain(channel, queue)


@script
def a_publisher_hears_of_a_refusal_that_is_a_dead_letter(stage):
    channel = mourner(stage)
    dead, arguments = graveyard(stage, channel)
    bound = {"x-max-length": 1, "x-overflow": "reject-publish-dlx"}
    queue = stage.queue(channel, arguments={**arguments, **bound})
    channel.confirm()
    channel.publish("", queue, "kept")
    channel.publish("", queue, "refused", mandatory=True)
    stage.until(dead, 1)
    stage.drain(channel, dead)


@script
def a_key_for_the_dead_takes_the_place_of_the_first_one(stage):
    channel = mourner(stage)
    exchange, queue = stage.exchange(channel, "direct", "dlx"), stage.name("q")
    dead, arguments = stage.queue(channel, "dead"), {"x-dead-letter-exchange": exchange}
    for key in ["k", "other"]:
        channel.call("queue.bind", queue=dead, exchange=exchange, routing_key=key)
    channel.call("queue.declare", queue=queue, arguments={
        **arguments, "x-dead-letter-routing-key": "other"})
    plain = stage.queue(channel, "plain", arguments=arguments)
    source = stage.exchange(channel, "fanout", "source")
    for target in [queue, plain]:
        channel.call("queue.bind", queue=target, exchange=source)
    channel.publish(source, "k", "by its key, and by another")
    for target in [queue, plain]:
        channel.get(target)
        channel.reject(channel.tag())
        stage.until(dead, 1)
        stage.drain(channel, dead)


@script
def a_message_that_dies_again_has_a_history(stage):
    channel = mourner(stage)
    first, second = stage.name("first"), stage.name("second")
    for queue, after in [(first, second), (second, first)]:
        channel.call("queue.declare", queue=queue, arguments={
            "x-dead-letter-exchange": "", "x-dead-letter-routing-key": after})
    channel.publish("", first, "to and fro", headers={"mine": "x"})
    for queue, after in [(first, second), (second, first), (first, second), (second, first)]:
        channel.get(queue)
        channel.reject(channel.tag())
        stage.until(after, 1)
    stage.drain(channel, first)


@script
def what_would_go_round_by_itself_is_dropped(stage):
    channel = mourner(stage)
    queue, last = stage.name("q"), stage.name("last")
    channel.call("queue.declare", queue=queue, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue, "x-message-ttl": 20})
    channel.publish("", queue, "round")
    stage.until(queue, 0)
    channel.call("queue.declare", queue=last, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": last})
    channel.publish("", last, "rejected to itself")
    channel.get(last)
    channel.reject(channel.tag())
    stage.until(last, 1)
    channel.get(last)


@script
def without_a_place_to_go_the_dead_are_gone(stage):
    channel = stage.channel()
    queue = stage.queue(channel, arguments={"x-dead-letter-exchange": "nowhere"})
    channel.publish("", queue, "gone")
    channel.get(queue)
    channel.reject(channel.tag())
    channel.sync()
    stage.until(queue, 0)


@script
def a_dead_letter_of_a_message_with_further_keys(stage):
    channel = mourner(stage)
    dead, arguments = graveyard(stage, channel)
    queue = stage.queue(channel, arguments=arguments)
    channel.publish("", queue, "copies", headers={"CC": ["cc"], "BCC": ["bcc"]})
    channel.get(queue)
    channel.reject(channel.tag())
    stage.until(dead, 1)
    stage.drain(channel, dead)


@script
def a_dead_letter_goes_by_the_keys_that_nobody_sees(stage):
    channel = mourner(stage)
    exchange = stage.exchange(channel, "direct", "dlx")
    dead = {}
    for key in ["key", "cc", "bcc", "other"]:
        dead[key] = stage.queue(channel, f"dead-{key}")
        channel.call("queue.bind", queue=dead[key], exchange=exchange, routing_key=key)
    source = stage.exchange(channel, "direct", "source")
    again = {"x-dead-letter-exchange": exchange}
    plain = stage.queue(channel, "plain", arguments=again)
    renamed = stage.queue(channel, "renamed", arguments={
        **again, "x-dead-letter-routing-key": "other"})
    for queue in [plain, renamed]:
        channel.call("queue.bind", queue=queue, exchange=source, routing_key="bcc")
    channel.publish(source, "key", "hidden", headers={"CC": ["cc"], "BCC": ["bcc", "nowhere"]})
    for queue, reached in [(plain, ["key", "cc", "bcc"]), (renamed, ["other"])]:
        channel.get(queue)
        channel.reject(channel.tag())
        for key in reached:
            stage.until(dead[key], 1)
        for name in dead.values():
            stage.drain(channel, name)


@script
def hidden_keys_are_for_every_further_death_until_a_queue_has_its_own(stage):
    channel = mourner(stage)
    exchange = stage.exchange(channel, "direct", "dlx")
    first, last = stage.name("first"), stage.name("last")
    arguments = {"x-dead-letter-exchange": exchange}
    channel.call("queue.declare", queue=first, arguments=arguments)
    second = stage.queue(channel, "second", arguments=arguments)
    third = stage.queue(channel, "third", arguments={
        **arguments, "x-dead-letter-routing-key": "own"})
    channel.call("queue.declare", queue=last, arguments=arguments)
    after = stage.queue(channel, "after")
    for queue, key in [(second, "bcc"), (third, "bcc"), (last, "own"), (after, "bcc")]:
        channel.call("queue.bind", queue=queue, exchange=exchange, routing_key=key)
    channel.publish("", first, "dies and dies", headers={"BCC": ["bcc"]})
    for queue, reached in [(first, {second: 1, third: 1, after: 1}),
                           (second, {second: 1, third: 2, after: 2}), (third, {last: 1})]:
        channel.get(queue)
        channel.reject(channel.tag())
        for name, messages in reached.items():
            stage.until(name, messages)
    channel.get(last)
    channel.reject(channel.tag())
    channel.sync()
    stage.until(last, 1)
    for queue in [second, third, after]:
        stage.drain(channel, queue)


@script
def a_history_that_a_client_made_up(stage):
    channel = mourner(stage)
    dead, arguments = graveyard(stage, channel)
    queue = stage.queue(channel, arguments=arguments)
    channel.publish("", queue, "forged", headers={"x-first-death-queue": "forged"})
    channel.get(queue)
    channel.reject(channel.tag())
    stage.until(dead, 1)
    stage.drain(channel, dead)
    channel.publish("", queue, "forged", headers={"x-death": "text"})
    channel.get(queue)
    channel.reject(channel.tag())
    stage.until(dead, 1)
    with stage.differs("forged-history", "time: T now}]} |", "x-first-death-queue"):
        stage.drain(channel, dead)


@script
def a_deleted_queues_messages_are_not_dead(stage):
    channel = stage.channel()
    dead, arguments = graveyard(stage, channel)
    queue = stage.queue(channel, arguments=arguments)
    for body in ["a", "b"]:
        channel.publish("", queue, body)
    channel.call("queue.purge", queue=queue)
    channel.publish("", queue, "c")
    channel.call("queue.delete", queue=queue)
    channel.depth(dead)


@script
def poison_is_dead_after_its_limit(stage):
    channel = mourner(stage)
    dead, arguments = graveyard(stage, channel)
    queue = stage.queue(channel, durable=True, arguments={
        **arguments, "x-queue-type": "quorum", "x-delivery-limit": 1})
    channel.publish("", queue, "poison", headers={"mine": 1})
    channel.call("basic.consume", queue=queue, consumer_tag="c")
    for count in [1, 2]:
        channel.deliveries(count)
        channel.reject(channel.tag(), requeue=True)
    stage.until(dead, 1)
    stage.drain(channel, dead)
