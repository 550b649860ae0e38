"""AMQP 1.0 with the client inside azure-servicebus: links, outcomes, settle modes, large bodies."""

from azure.servicebus._pyamqp.constants import ReceiverSettleMode, SenderSettleMode
from azure.servicebus._pyamqp.error import AMQPException
from azure.servicebus._pyamqp.message import Header, Message, Properties

from azure_peer import receiver, sender, settle, take
from scenario import Unexpected, depth, expect, expect_equal, main, scenario


def filled(bus, *bodies, **arguments):
    """A queue that holds these messages: its name and address."""
    queue = bus.queue(bus.channel(), **arguments)
    link = sender(bus.url, f"/queues/{queue}")
    for body in bodies:
        link.send_message(Message(data=[body]), timeout=10)
    link.close()
    return queue, f"/queues/{queue}"


def text(delivery):
    """The octets of a delivery's body."""
    return b"".join(delivery[1].data)


def refused(function, words):
    """What the function does has to end with an error that says so."""
    try:
        function()
    except (AMQPException, ValueError) as error:
        said = repr(error) + repr(getattr(error, "description", ""))
        expect(words in said, f"expected {words!r}, found {said}")
        return
    raise Unexpected(f"nothing was refused; expected {words!r}")


@scenario
def messages_are_accepted_and_come_in_order(bus):
    bodies = [str(number).encode() for number in range(200)]
    queue, address = filled(bus, *bodies)
    expect_equal(depth(bus.channel(), queue), 200, "messages in the queue")
    link = receiver(bus.url, address, link_credit=200)
    received = take(link, 200)
    expect_equal([text(it) for it in received], bodies, "bodies")
    for delivery in received:
        settle(link, delivery, "accepted", await_outcome=True)
    link.close()
    expect_equal(depth(bus.channel(), queue), 0, "left")


@scenario
def a_message_comes_as_it_was(bus):
    _, address = filled(bus)
    properties = Properties(
        message_id="m", user_id=b"guest", to="t", subject="s", reply_to="r", correlation_id="c",
        content_type="text/plain", content_encoding="gzip", creation_time=1_764_063_000_000,
        absolute_expiry_time=4_102_444_800_123, group_id="g", group_sequence=5,
        reply_to_group_id="rg")
    link = sender(bus.url, address)
    link.send_message(Message(
        header=Header(durable=True, priority=7, ttl=60_000), properties=properties,
        message_annotations={b"x-own": "a"}, application_properties={"text": "grüße", "n": 2},
        data=[b"one", b"two"], footer={b"x-sum": 1}), timeout=10)
    link.close()
    link = receiver(bus.url, address, link_credit=1)
    [(_, message)] = take(link, 1)
    header = message.header
    expect_equal((header.durable, header.priority, header.ttl), (True, 7, 60_000), "header")
    for name, value in properties._asdict().items():
        value = value.encode() if isinstance(value, str) else value
        expect_equal(getattr(message.properties, name), value, name)
    expect_equal(message.message_annotations[b"x-own"], b"a", "annotation")
    expect_equal(message.message_annotations[b"x-exchange"], b"", "where it came from")
    expected = {b"text": "grüße".encode(), b"n": 2}
    expect_equal(message.application_properties, expected, "application properties")
    expect_equal(list(message.data), [b"one", b"two"], "body")
    expect_equal(message.footer, {b"x-sum": 1}, "footer")
    link.close()


@scenario
def every_outcome_has_its_effect(bus):
    channel = bus.channel()
    dead = bus.queue(channel)
    queue, address = filled(bus, b"a", arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    link = receiver(bus.url, address, link_credit=1)
    seen = []
    for outcome, more in [("released", {}), ("modified", {"delivery_failed": True}),
                          ("rejected", {})]:
        [delivery] = take(link, 1)
        header = delivery[1].header
        seen.append((header.first_acquirer, header.delivery_count))
        settle(link, delivery, outcome, await_outcome=True, **more)
    expect_equal(seen, [(True, 0), (False, 0), (False, 1)], "first-acquirer, delivery-count")
    link.close()
    expect_equal((depth(channel, queue), depth(channel, dead)), (0, 1), "left, and dead")


@scenario
def both_ends_may_settle_first(bus):
    queue, address = filled(bus)
    link = sender(bus.url, address, send_settle_mode=SenderSettleMode.Settled)
    # `send_message` would wait for an answer all the same.
    link._link.send_transfer(Message(data=[b"at most once"]))  # pylint: disable=protected-access
    link.close()
    link = receiver(bus.url, address, link_credit=1, send_settle_mode=SenderSettleMode.Settled)
    [delivery] = take(link, 1)
    expect_equal((text(delivery), delivery[0][4]), (b"at most once", True), "body, settled")
    link.close()
    _, address = filled(bus, b"at least once")
    link = receiver(bus.url, address, link_credit=1,
                    receive_settle_mode=ReceiverSettleMode.First)
    [delivery] = take(link, 1)
    expect_equal(bool(delivery[0][4]), False, "settled by the sender")
    settle(link, delivery, "accepted")
    link.close()
    expect_equal(depth(bus.channel(), queue), 0, "left")


@scenario
def credit_of_one_brings_one_message(bus):
    _, address = filled(bus, b"a", b"b", b"c")
    link = receiver(bus.url, address, link_credit=1)
    for body in [b"a", b"b", b"c"]:
        [delivery] = take(link, 1)
        more = link._received_messages.qsize()  # pylint: disable=protected-access
        expect_equal((text(delivery), more), (body, 0), "for a credit of one")
        settle(link, delivery, "accepted", await_outcome=True)
    link.close()


@scenario
def a_large_body_goes_there_and_back_in_many_frames(bus):
    body = bytes(range(256)) * (5 << 12)
    _, address = filled(bus, body, b"after")
    link = receiver(bus.url, address, link_credit=2)
    large, after = take(link, 2, 20)
    expect(text(large) == body, "the body is another")
    expect_equal(text(after), b"after", "the next message")
    link.close()


@scenario
def what_is_not_there_is_refused_in_words(bus):
    refused(lambda: sender(bus.url, "/queues/none"), "no queue 'none' in vhost '/'")
    refused(lambda: receiver(bus.url, "/queues/none"), "no queue 'none' in vhost '/'")


@scenario
def a_wrong_password_is_refused(bus):
    wrong = bus.url.replace("guest:guest", "guest:wrong")
    refused(lambda: sender(wrong, "/queues/none"), "SASL negotiation failed")


if __name__ == "__main__":
    main()
