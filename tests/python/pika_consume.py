"""Consuming: get, consume, settle, prefetch, order, with pika."""

import socket

import pika

from scenario import (consume, deliveries, depth, expect, expect_channel_closed,
                      expect_connection_closed, expect_equal, get_all, main, round_trip, scenario)

VHOST = "in vhost '/'"


def filled(bus, channel, count, **arguments):
    """A queue that holds the messages "0" to "count - 1"."""
    queue = bus.queue(channel, **arguments)
    for number in range(count):
        channel.basic_publish("", queue, str(number).encode())
    round_trip(channel)
    return queue


def quiet(channel, queue):
    """Lets arrive what the broker may still send: two round trips that ask the queue itself."""
    for _ in range(2):
        depth(channel, queue)
        channel.connection.process_data_events(time_limit=0)


def bodies(channel):
    return [body for _, _, _, body in channel.received]


@scenario
def get_answers_what_waits_and_how_much_is_left(bus):
    channel = bus.channel()
    queue = filled(bus, channel, 2)
    method, _, body = channel.basic_get(queue)
    found = (method.delivery_tag, method.redelivered, method.exchange, method.routing_key,
             method.message_count, body)
    expect_equal(found, (1, False, "", queue, 1, b"0"), "get-ok")
    method, _, body = channel.basic_get(queue)
    expect_equal((method.delivery_tag, method.message_count, body), (2, 0, b"1"), "get-ok")
    expect_equal(channel.basic_get(queue), (None, None, None), "get of an empty queue")


@scenario
def an_acknowledged_message_is_gone_and_others_come_again(bus):
    connection = bus.connect()
    channel = connection.channel()
    queue = filled(bus, channel, 3)
    tags = [channel.basic_get(queue)[0].delivery_tag for _ in range(3)]
    channel.basic_ack(tags[1])
    channel.close()
    channel = connection.channel()
    found = [channel.basic_get(queue) for _ in range(2)]
    expect_equal([(method.redelivered, body) for method, _, body in found],
                 [(True, b"0"), (True, b"2")], "redelivered in the old order")
    expect_equal([method.delivery_tag for method, _, _ in found], [1, 2],
                 "delivery tags begin again on a new channel")


@scenario
def ack_multiple_takes_all_up_to_the_tag_and_zero_takes_all(bus):
    connection = bus.connect()
    channel = connection.channel()
    queue = filled(bus, channel, 6)
    tags = [channel.basic_get(queue)[0].delivery_tag for _ in range(6)]
    channel.basic_ack(tags[1])
    channel.basic_ack(tags[2], multiple=True)
    channel.close()
    channel = connection.channel()
    expect_equal(depth(channel, queue), 3, "messages left")
    for _ in range(2):
        channel.basic_get(queue)
    channel.basic_ack(0, multiple=True)
    channel.close()
    expect_equal(get_all(connection.channel(), queue), ["5"], "messages left")


@scenario
def nack_and_reject_put_back_at_the_old_place_or_drop(bus):
    channel = bus.channel()
    queue = filled(bus, channel, 5)
    tags = [channel.basic_get(queue)[0].delivery_tag for _ in range(4)]
    channel.basic_nack(tags[2], requeue=False)
    channel.basic_reject(tags[3], requeue=True)
    channel.basic_nack(tags[1], multiple=True, requeue=True)
    found = [channel.basic_get(queue, auto_ack=True) for _ in range(4)]
    expect_equal([(body, method.redelivered) for method, _, body in found],
                 [(b"0", True), (b"1", True), (b"3", True), (b"4", False)], "after requeue")
    expect_equal(depth(channel, queue), 0, "messages left")


@scenario
def reject_without_requeue_drops(bus):
    channel = bus.channel()
    queue = filled(bus, channel, 2)
    channel.basic_reject(channel.basic_get(queue)[0].delivery_tag, requeue=False)
    expect_equal(get_all(channel, queue), ["1"], "messages left")


@scenario
def an_unknown_delivery_tag_is_refused(bus):
    connection = bus.connect()
    for action in [lambda channel: channel.basic_ack(7), lambda channel: channel.basic_reject(7),
                   lambda channel: channel.basic_nack(7)]:
        channel = connection.channel()

        def settle(channel=channel, action=action):
            action(channel)
            round_trip(channel)

        expect_channel_closed(406, "PRECONDITION_FAILED - unknown delivery tag 7", settle)
    expect(connection.is_open, "the connection lives on after channel errors")


@scenario
def a_message_is_not_acknowledged_twice_nor_on_another_channel(bus):
    connection = bus.connect()
    first, second = connection.channel(), connection.channel()
    queue = filled(bus, first, 1)
    tag = first.basic_get(queue)[0].delivery_tag

    def on_another_channel():
        second.basic_ack(tag)
        round_trip(second)

    def twice():
        first.basic_ack(tag)
        first.basic_ack(tag)
        round_trip(first)

    text = f"PRECONDITION_FAILED - unknown delivery tag {tag}"
    expect_channel_closed(406, text, on_another_channel)
    expect_channel_closed(406, text, twice)


@scenario
def without_acknowledgement_nothing_comes_again(bus):
    connection = bus.connect()
    channel = connection.channel()
    queue = filled(bus, channel, 3)
    consume(channel, queue, auto_ack=True)
    deliveries(channel, 3)
    channel.close()
    expect_equal(depth(connection.channel(), queue), 0, "messages left")


@scenario
def a_waiting_consumer_gets_a_message_at_once(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    tag = consume(channel, queue)
    bus.channel().basic_publish("", queue, b"hello")
    consumer, method, _, body = deliveries(channel, 1)[0]
    expect_equal((consumer, method.delivery_tag, method.redelivered, method.routing_key, body),
                 (tag, 1, False, queue, "hello"), "deliver")


@scenario
def the_server_names_consumers_and_a_tag_is_used_once(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    consume(channel, queue, consumer_tag="mine")
    # pika itself refuses a tag that it knows, so the second consumer goes around it.
    answer = channel._impl._send_method  # pylint: disable=protected-access

    def again():
        answer(pika.spec.Basic.Consume(queue=queue, consumer_tag="mine"))
        round_trip(channel)

    expect_connection_closed(530, "NOT_ALLOWED - attempt to reuse consumer tag 'mine'", again)


@scenario
def a_cancelled_consumer_gets_no_more_but_may_still_settle(bus):
    connection = bus.connect()
    channel = connection.channel()
    queue = filled(bus, channel, 1)
    tag = consume(channel, queue)
    delivered = deliveries(channel, 1)[0][1].delivery_tag
    channel.basic_cancel(tag)
    channel.basic_publish("", queue, b"later")
    quiet(channel, queue)
    expect_equal(bodies(channel), ["0"], "deliveries")
    channel.basic_ack(delivered)
    channel.close()
    expect_equal(get_all(connection.channel(), queue), ["later"], "messages left")


@scenario
def a_consumer_hears_that_its_queue_was_deleted(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    tag = consume(channel, queue)
    cancelled = []
    channel.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
    bus.channel().queue_delete(queue)
    while not cancelled:
        channel.connection.process_data_events(time_limit=0.2)
    expect_equal(cancelled, [tag], "basic.cancel from the server")
    round_trip(channel)  # The channel lives on.


@scenario
def an_exclusive_consumer_is_alone(bus):
    connection = bus.connect()
    channel = connection.channel()
    queue = bus.queue(channel)
    text = f"ACCESS_REFUSED - queue '{queue}' {VHOST} in exclusive use"
    tag = consume(channel, queue, exclusive=True)
    expect_channel_closed(403, text, lambda: consume(connection.channel(), queue))
    channel.basic_cancel(tag)
    consume(channel, queue)
    expect_channel_closed(403, text, lambda: consume(connection.channel(), queue, exclusive=True))


@scenario
def prefetch_bounds_what_a_consumer_holds(bus):
    channel = bus.channel()
    queue = filled(bus, channel, 10)
    channel.basic_qos(prefetch_count=3)
    consume(channel, queue)
    deliveries(channel, 3)
    quiet(channel, queue)
    expect_equal(bodies(channel), ["0", "1", "2"], "deliveries before an ack")
    channel.basic_ack(2, multiple=True)
    deliveries(channel, 5)
    quiet(channel, queue)
    expect_equal(bodies(channel), ["0", "1", "2", "3", "4"], "deliveries after two acks")


@scenario
def prefetch_counts_for_each_consumer_of_a_channel(bus):
    channel = bus.channel()
    first, second = filled(bus, channel, 5), filled(bus, channel, 5)
    channel.basic_qos(prefetch_count=1)
    consume(channel, first)
    channel.basic_qos(prefetch_count=2)
    consume(channel, second)
    deliveries(channel, 3)
    quiet(channel, second)
    found = sorted((method.routing_key == second, body)
                   for _, method, _, body in channel.received)
    expect(found in ([(False, "0"), (True, "0"), (True, "1")],
                     # A later limit may reach consumers that run already.
                     [(False, "0"), (False, "1"), (True, "0"), (True, "1")]),
           f"one delivery of the first queue and two of the second, found {found}")


@scenario
def a_global_prefetch_counts_for_the_whole_channel(bus):
    channel = bus.channel()
    first, second = filled(bus, channel, 5), filled(bus, channel, 5)
    channel.basic_qos(prefetch_count=3, global_qos=True)
    consume(channel, first)
    consume(channel, second)
    deliveries(channel, 3)
    quiet(channel, first)
    quiet(channel, second)
    expect_equal(len(channel.received), 3, "deliveries of both consumers")
    channel.basic_ack(channel.received[0][1].delivery_tag)
    deliveries(channel, 4)


@scenario
def get_is_not_bounded_by_prefetch(bus):
    channel = bus.channel()
    queue = filled(bus, channel, 3)
    channel.basic_qos(prefetch_count=1)
    for number in range(3):
        expect_equal(channel.basic_get(queue)[2], str(number).encode(), "body")


@scenario
def consumers_take_turns(bus):
    connections = [bus.connect() for _ in range(3)]
    channels = [connection.channel() for connection in connections]
    queue = bus.queue(channels[0])
    for channel in channels:
        consume(channel, queue, auto_ack=True)
    publisher = bus.channel()
    publisher.confirm_delivery()
    for number in range(9):
        publisher.basic_publish("", queue, str(number).encode())
    for channel in channels:
        deliveries(channel, 3)
    found = sorted(bodies(channel) for channel in channels)
    expect_equal(found, [["0", "3", "6"], ["1", "4", "7"], ["2", "5", "8"]], "deliveries")


@scenario
def a_full_consumer_is_passed_over(bus):
    slow, fast = bus.channel(), bus.channel()
    queue = bus.queue(slow)
    for channel in [slow, fast]:
        channel.basic_qos(prefetch_count=1)
    consume(slow, queue)
    consume(fast, queue)
    publisher = bus.channel()
    for number in range(6):
        publisher.basic_publish("", queue, str(number).encode())
    deliveries(slow, 1)
    for count in range(1, 6):
        tag = deliveries(fast, count)[-1][1].delivery_tag
        fast.basic_ack(tag)
    expect_equal(len(slow.received), 1, "deliveries of the slow one")
    expect_equal(sorted(bodies(slow) + bodies(fast)), list("012345"), "all deliveries")


@scenario
def a_lost_connection_gives_its_messages_to_the_next_consumer(bus):
    owner, next_one = bus.connect(), bus.channel()
    channel = owner.channel()
    queue = filled(bus, channel, 5)
    channel.basic_qos(prefetch_count=3)
    consume(channel, queue)
    deliveries(channel, 3)
    # No goodbye: the socket is cut.
    owner._impl._transport._sock.shutdown(socket.SHUT_RDWR)  # pylint: disable=protected-access
    consume(next_one, queue)
    deliveries(next_one, 5)
    found = sorted((body, method.redelivered) for _, method, _, body in next_one.received)
    expect_equal(found, [("0", True), ("1", True), ("2", True), ("3", False), ("4", False)],
                 "deliveries")


@scenario
def recover_brings_back_what_was_not_acknowledged(bus):
    channel = bus.channel()
    queue = filled(bus, channel, 3)
    for _ in range(2):
        channel.basic_get(queue)
    channel.basic_recover(requeue=True)
    found = [channel.basic_get(queue, auto_ack=True) for _ in range(3)]
    expect_equal([(body, method.redelivered) for method, _, body in found],
                 [(b"0", True), (b"1", True), (b"2", False)], "after recover")


if __name__ == "__main__":
    main()
