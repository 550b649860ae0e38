"""Queues: their flags, their lives, their refusals, with pika."""

import pika

from scenario import (consume, deliveries, depth, expect, expect_channel_closed, expect_equal,
                      get_all, main, round_trip, scenario)

VHOST = "in vhost '/'"


def missing(bus, queue):
    """Fails unless the queue is gone."""
    expect_channel_closed(404, f"NOT_FOUND - no queue '{queue}' {VHOST}",
                          lambda: bus.channel().queue_declare(queue, passive=True))


def locked(queue):
    return (f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' {VHOST}."
            " It could be originally declared on another connection or the exclusive property value"
            " does not match that of the original declaration.")


@scenario
def a_queue_without_a_name_gets_one_from_the_server(bus):
    channel = bus.channel()
    names = [channel.queue_declare("", exclusive=True).method.queue for _ in range(2)]
    for name in names:
        expect(name.startswith("amq.gen-"), f"a name that begins with amq.gen-, found {name!r}")
    expect(names[0] != names[1], "two different names")


@scenario
def an_empty_name_means_the_queue_declared_last_on_the_channel(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    channel.queue_bind("", "amq.direct", queue)
    channel.basic_publish("amq.direct", queue, b"one")
    expect_equal(channel.queue_purge("").method.message_count, 1, "purged")
    expect_channel_closed(404, "NOT_FOUND - no previously declared queue",
                          lambda: bus.channel().queue_bind("", "amq.direct", "a"))


@scenario
def declare_counts_ready_messages_and_consumers(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    for number in range(3):
        channel.basic_publish("", queue, str(number).encode())
    channel.basic_get(queue)  # Unacknowledged is not ready.
    answer = channel.queue_declare(queue, passive=True).method
    expect_equal((answer.message_count, answer.consumer_count), (2, 0), "messages, consumers")
    other = bus.channel()
    consume(other, queue)
    deliveries(other, 2)
    answer = channel.queue_declare(queue).method
    expect_equal((answer.queue, answer.message_count, answer.consumer_count), (queue, 0, 1),
                 "queue, messages, consumers")


@scenario
def a_passive_declare_ignores_flags_and_never_creates(bus):
    channel = bus.channel()
    queue = bus.queue(channel, durable=True)
    channel.queue_declare(queue, passive=True, durable=False, auto_delete=True)
    missing(bus, bus.name("queue"))


@scenario
def a_queue_is_not_declared_again_otherwise(bus):
    queue = bus.queue(bus.channel())
    inequivalent = "PRECONDITION_FAILED - inequivalent arg '{}' for queue '" + queue + "' " + VHOST
    for field, arguments in [("durable", {"durable": True}), ("auto_delete", {"auto_delete": True})]:
        expect_channel_closed(
            406, inequivalent.format(field) + ": received 'true' but current is 'false'",
            lambda arguments=arguments: bus.channel().queue_declare(queue, **arguments))
    durable = bus.queue(bus.channel(), durable=True)
    expect_channel_closed(
        406, f"PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{durable}' {VHOST}:"
        " received 'false' but current is 'true'", lambda: bus.channel().queue_declare(durable))
    try:
        bus.channel().queue_declare(queue, arguments={"x-message-ttl": 5})
    except pika.exceptions.ChannelClosedByBroker as closed:
        text = inequivalent.format("x-message-ttl") + ": received the value '5' of type '"
        expect_equal(closed.reply_code, 406, "reply code")
        expect_equal(closed.reply_text[:len(text)], text, "reply text begins")
        expect(closed.reply_text.endswith("' but current is none"), closed.reply_text)
        return
    expect(False, "another x-message-ttl was accepted")


@scenario
def an_exclusive_queue_is_its_connections_alone(bus):
    owner = bus.connect()
    queue = bus.name("queue")
    owner.channel().queue_declare(queue, exclusive=True)
    owner.channel().queue_declare(queue, exclusive=True)  # Another channel, the same connection.
    other = bus.connect()
    for action in [
        lambda channel: channel.queue_declare(queue, passive=True),
        lambda channel: channel.queue_declare(queue, exclusive=True),
        lambda channel: channel.queue_declare(queue),
        lambda channel: channel.basic_get(queue),
        lambda channel: channel.basic_consume(queue, print),
        lambda channel: channel.queue_purge(queue),
        lambda channel: channel.queue_bind(queue, "amq.direct", "a"),
        lambda channel: channel.queue_delete(queue),
    ]:
        expect_channel_closed(405, locked(queue), lambda action=action: action(other.channel()))
    # Anybody may publish to it.
    channel = other.channel()
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"from outside", mandatory=True)
    expect_equal(depth(owner.channel(), queue), 1, "depth")


@scenario
def an_exclusive_queue_goes_with_its_connection(bus):
    connection = bus.connect()
    channel = connection.channel()
    queue = bus.name("queue")
    channel.queue_declare(queue, exclusive=True)
    channel.close()
    connection.channel().queue_declare(queue, passive=True)
    connection.close()
    missing(bus, queue)
    # The name is free again, for any flags.
    bus.channel().queue_declare(queue, auto_delete=True)
    bus.queues.append(queue)


@scenario
def an_auto_delete_queue_goes_with_its_last_consumer(bus):
    connection = bus.connect()
    first, second = connection.channel(), connection.channel()
    queue = bus.queue(first, auto_delete=True)
    first.basic_publish("", queue, b"")
    first.basic_get(queue, auto_ack=True)  # Not a consumer: the queue stays.
    tag = consume(first, queue)
    consume(second, queue)
    first.basic_cancel(tag)
    second.queue_declare(queue, passive=True)
    second.close()
    missing(bus, queue)


@scenario
def an_auto_delete_queue_goes_when_its_consumers_connection_ends(bus):
    connection = bus.connect()
    queue = bus.queue(connection.channel(), auto_delete=True)
    consume(connection.channel(), queue)
    connection.close()
    missing(bus, queue)


@scenario
def delete_counts_and_deleting_nothing_is_no_error(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    channel.basic_publish("", queue, b"1")
    channel.basic_publish("", queue, b"2")
    expect_equal(channel.queue_delete(queue).method.message_count, 2, "messages deleted")
    expect_equal(channel.queue_delete(queue).method.message_count, 0, "messages of no queue")


@scenario
def delete_if_unused_and_if_empty_refuse(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    channel.basic_publish("", queue, b"1")
    round_trip(channel)
    expect_channel_closed(406, f"PRECONDITION_FAILED - queue '{queue}' {VHOST} not empty",
                          lambda: bus.channel().queue_delete(queue, if_empty=True))
    consume(channel, queue)
    deliveries(channel, 1)
    expect_channel_closed(406, f"PRECONDITION_FAILED - queue '{queue}' {VHOST} in use",
                          lambda: bus.channel().queue_delete(queue, if_unused=True))
    channel.close()
    bus.channel().queue_purge(queue)
    bus.channel().queue_delete(queue, if_unused=True, if_empty=True)
    missing(bus, queue)


@scenario
def purge_drops_and_counts_ready_messages_only(bus):
    connection = bus.connect()
    channel = connection.channel()
    queue = bus.queue(channel)
    for number in range(5):
        channel.basic_publish("", queue, str(number).encode())
    channel.basic_get(queue)
    expect_equal(channel.queue_purge(queue).method.message_count, 4, "purged")
    channel.close()
    expect_equal(get_all(connection.channel(), queue), ["0"], "left")


@scenario
def a_deleted_queue_drops_its_bindings(bus):
    channel = bus.channel()
    exchange, queue = bus.exchange(channel, "fanout"), bus.queue(channel)
    channel.queue_bind(queue, exchange)
    channel.queue_delete(queue)
    channel.queue_declare(queue)
    channel.basic_publish(exchange, "", b"lost")
    expect_equal(get_all(channel, queue), [], "a new queue of the same name")
    channel.exchange_delete(exchange, if_unused=True)


@scenario
def a_missing_queue_is_named_whatever_is_asked_of_it(bus):
    queue, connection = bus.name("queue"), bus.connect()
    for action in [
        lambda channel: channel.basic_get(queue),
        lambda channel: channel.basic_consume(queue, print),
        lambda channel: channel.queue_purge(queue),
        lambda channel: channel.queue_bind(queue, "amq.direct", "a"),
    ]:
        expect_channel_closed(404, f"NOT_FOUND - no queue '{queue}' {VHOST}",
                              lambda action=action: action(connection.channel()))
    expect(connection.is_open, "the connection lives on after channel errors")


@scenario
def a_channel_number_serves_again_after_an_error(bus):
    connection = bus.connect()
    for _ in range(3):
        channel = connection.channel(7)
        queue = bus.name("queue")
        expect_channel_closed(404, f"NOT_FOUND - no queue '{queue}' {VHOST}",
                              lambda: channel.queue_purge(queue))
    channel = connection.channel(7)
    queue = bus.queue(channel)
    channel.basic_publish("", queue, b"well")
    expect_equal(get_all(channel, queue), ["well"], "bodies")


@scenario
def a_channel_error_requeues_what_was_not_acknowledged(bus):
    connection = bus.connect()
    channel = connection.channel()
    queue = bus.queue(channel)
    channel.basic_publish("", queue, b"keep me")
    channel.basic_get(queue)
    expect_channel_closed(404, f"NOT_FOUND - no queue 'nope' {VHOST}",
                          lambda: channel.queue_purge("nope"))
    method, _, body = connection.channel().basic_get(queue)
    expect_equal((method.redelivered, body), (True, b"keep me"), "redelivered, body")


@scenario
def many_queues_and_bindings_on_one_channel(bus):
    channel = bus.channel()
    exchange = bus.exchange(channel, "direct")
    queues = [bus.queue(channel, exclusive=True) for _ in range(200)]
    for queue in queues:
        channel.queue_bind(queue, exchange, queue)
        channel.queue_bind(queue, exchange, "all")
    channel.confirm_delivery()
    channel.basic_publish(exchange, "all", b"1", mandatory=True)
    channel.basic_publish(exchange, queues[77], b"2", mandatory=True)
    depths = [depth(channel, queue) for queue in queues]
    expect_equal((sum(depths), depths[77]), (201, 2), "messages in all, in one")


if __name__ == "__main__":
    main()
