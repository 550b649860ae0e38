"""Messages that an exchange has no place for, and how headers compare, with pika."""

import datetime
import decimal

import pika

from scenario import (depth, expect, expect_channel_closed, expect_equal, get_all, main, round_trip,
                      scenario)

VHOST = "in vhost '/'"


def alternate(name):
    return {"arguments": {"alternate-exchange": name}}


@scenario
def what_is_not_routed_goes_on_along_the_chain(bus):
    channel = bus.channel()
    last = bus.exchange(channel, "fanout")
    middle = bus.exchange(channel, "direct", **alternate(last))
    first = bus.exchange(channel, "direct", **alternate(middle))
    queues = [bus.queue(channel) for _ in range(3)]
    for queue, exchange in zip(queues, [first, middle, last]):
        channel.queue_bind(queue, exchange, exchange)
    for key in [first, middle, "nobody's"]:
        channel.basic_publish(first, key, key.encode())
    expect_equal([get_all(channel, queue) for queue in queues], [[first], [middle], ["nobody's"]],
                 "bodies")


@scenario
def an_alternate_that_routes_keeps_a_mandatory_message_from_coming_back(bus):
    channel = bus.channel()
    rest, queue = bus.exchange(channel, "fanout"), bus.queue(channel)
    source = bus.exchange(channel, "direct", **alternate(rest))
    channel.confirm_delivery()

    def comes_back():
        try:
            channel.basic_publish(source, "k", b"m", mandatory=True)
            return False
        except pika.exceptions.UnroutableError as error:
            expect_equal(error.messages[0].method.exchange, source, "exchange of the return")
            return True

    expect(comes_back(), "unroutable to both")
    channel.queue_bind(queue, rest)
    expect(not comes_back(), "the alternate had a queue")
    expect_equal(depth(channel, queue), 1, "messages")


@scenario
def a_circle_of_alternates_and_a_missing_one_end(bus):
    channel = bus.channel()
    name = bus.name("exchange")
    bus.exchanges.append(name)
    other = bus.exchange(channel, "direct", **alternate(name))
    channel.exchange_declare(name, "direct", **alternate(other))
    lonely = bus.exchange(channel, "direct", **alternate(bus.name("missing")))
    for exchange in [name, other, lonely]:
        channel.basic_publish(exchange, "k", b"m")
    round_trip(channel)


@scenario
def a_message_that_went_on_to_an_exchange_is_routed_even_if_that_loses_it(bus):
    channel = bus.channel()
    rest, queue = bus.exchange(channel, "fanout"), bus.queue(channel)
    channel.queue_bind(queue, rest)
    empty = bus.exchange(channel, "fanout")
    source = bus.exchange(channel, "direct", **alternate(rest))
    channel.exchange_bind(empty, source, "k")
    channel.basic_publish(source, "k", b"lost")
    channel.basic_publish(source, "other", b"kept")
    expect_equal(get_all(channel, queue), ["kept"], "bodies")


@scenario
def an_internal_exchange_may_be_an_alternate(bus):
    channel = bus.channel()
    inside, queue = bus.exchange(channel, "fanout", internal=True), bus.queue(channel)
    channel.queue_bind(queue, inside)
    source = bus.exchange(channel, "direct", **alternate(inside))
    channel.basic_publish(source, "k", b"m")
    expect_equal(get_all(channel, queue), ["m"], "bodies")


@scenario
def the_default_exchange_is_no_alternate(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    source = bus.exchange(channel, "direct", **alternate(""))
    channel.basic_publish(source, queue, b"m")
    expect_equal(get_all(channel, queue), [], "bodies")


@scenario
def an_alternate_is_a_string_and_part_of_what_an_exchange_is(bus):
    channel, name = bus.channel(), bus.name("exchange")
    expect_channel_closed(
        406,
        f"PRECONDITION_FAILED - invalid type 'signedint' for arg 'alternate-exchange' in exchange "
        f"'{name}' {VHOST}",
        lambda: bus.channel().exchange_declare(name, "direct",
                                               arguments={"alternate-exchange": 5}))
    exchange = bus.exchange(channel, "direct", **alternate("a"))
    for arguments, difference in [
        ({}, "received none but current is the value 'a' of type 'longstr'"),
        ({"alternate-exchange": "b"}, "received 'b' but current is 'a'"),
    ]:
        expect_channel_closed(
            406,
            f"PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange "
            f"'{exchange}' {VHOST}: {difference}",
            lambda arguments=arguments: bus.channel().exchange_declare(exchange, "direct",
                                                                       arguments=arguments))


@scenario
def headers_compare_by_value(bus):
    channel = bus.channel()
    exchange, queue = bus.exchange(channel, "headers"), bus.queue(channel)
    moment = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)
    values = {
        "int": 1, "long": 2**40, "decimal": decimal.Decimal(1), "text": "1", "bytes": b"1",
        "true": True, "moment": moment, "seconds": int(moment.timestamp()), "list": [1],
        "other list": [2], "list of a long": [2**40], "table": {"a": 1}, "nothing": None,
    }
    same = [{"text", "bytes"}, {"moment", "seconds"}]
    for wanted, value in values.items():
        # No value in a binding asks only whether the header is there.
        expected = list(values) if value is None else [
            name for name in values
            if name == wanted or any({name, wanted} <= alike for alike in same)]
        channel.queue_bind(queue, exchange, "", {"h": value})
        for name, sent in values.items():
            channel.basic_publish(exchange, "", name.encode(),
                                  pika.BasicProperties(headers={"h": sent}))
        expect_equal(get_all(channel, queue), expected, f"messages equal to {wanted}")
        channel.queue_unbind(queue, exchange, "", {"h": value})


@scenario
def a_headers_match_that_is_none_is_named_in_the_refusal(bus):
    queue = bus.queue(bus.channel())
    for value, text in [
        ("some", 'Invalid x-match field value <<"some">>; expected all, any, all-with-x, or '
                 'any-with-x'),
        (True, "Invalid x-match field type bool (value true); expected longstr"),
    ]:
        expect_channel_closed(
            406, f"PRECONDITION_FAILED - {text}",
            lambda value=value: bus.channel().queue_bind(queue, "amq.headers", "",
                                                         {"x-match": value}))


@scenario
def the_exchange_for_tracing_is_there_and_takes_no_publish(bus):
    channel = bus.channel()
    channel.exchange_declare("amq.rabbitmq.trace", "topic", durable=True, internal=True)
    channel.confirm_delivery()
    expect_channel_closed(
        403,
        f"ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.trace' {VHOST}",
        lambda: channel.basic_publish("amq.rabbitmq.trace", "a", b""))


if __name__ == "__main__":
    main()
