"""tx: what waits for the commit, and what does not mix."""

from differential.script import script


@script
def what_is_published_waits_for_the_commit(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel)
    channel.call("tx.select")
    channel.call("tx.select")
    channel.publish("", queue, "one")
    channel.publish("amq.direct", "nobody", "back", mandatory=True)
    channel.depth(queue)
    channel.call("tx.commit")
    channel.depth(queue)
    channel.publish("", queue, "never")
    channel.call("tx.rollback")
    channel.call("tx.commit")
    channel.depth(queue)
    channel.publish("", queue, "nor this")
    channel.call("channel.close")
    stage.drain(connection.channel(2), queue)


@script
def what_is_settled_waits_for_the_commit(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel)
    for number in range(4):
        channel.publish("", queue, str(number))
    channel.call("tx.select")
    for _ in range(4):
        channel.get(queue)
    channel.ack(1)
    channel.reject(2, requeue=True)
    channel.nack(3)
    channel.depth(queue)
    channel.call("tx.rollback")
    channel.ack(1)
    channel.reject(2, requeue=True)
    channel.call("tx.commit")
    stage.until(queue, 1)
    stage.drain(channel, queue)
    channel.call("channel.close")
    stage.until(queue, 2)
    stage.drain(connection.channel(2), queue)


@script
def an_unknown_tag_in_a_transaction_closes_the_channel(stage):
    channel = stage.channel()
    channel.call("tx.select")
    channel.ack(9)
    channel.call("tx.commit")


@script
def an_error_in_a_transaction_undoes_it(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    queue = stage.queue(channel)
    channel.call("tx.select")
    channel.publish("", queue, "never")
    channel.publish("none", "k", "nowhere")
    channel.call("tx.commit")
    connection.channel(2).depth(queue)


@script
def transactions_and_confirms_do_not_mix(stage):
    connection = stage.connect()
    channel = connection.channel(1)
    channel.call("tx.select")
    channel.call("confirm.select")
    channel = connection.channel(2)
    channel.call("confirm.select")
    channel.call("tx.select")
    connection.channel(3).call("tx.commit")
    connection.channel(4).call("tx.rollback")
    connection.channel(5).cast("confirm.select", nowait=True)
    connection.channels[5].call("tx.select")
