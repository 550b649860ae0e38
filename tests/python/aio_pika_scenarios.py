"""aio-pika, the client of asyncio: confirms, consuming, redelivery, large bodies, errors, and its
connections that come back by themselves."""

import asyncio
import logging
import os

import aio_pika
import aiormq
from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.patterns import RPC

from scenario import expect, expect_equal, main, scenario

SECONDS = 15
# That a connection was cut is no news here.
logging.disable(logging.CRITICAL)


def with_channel(function):
    """A scenario with a channel of a connection of its own, which ends with it."""
    async def run(bus):
        async with asyncio.timeout(4 * SECONDS):
            connection = await aio_pika.connect(bus.url)
            async with connection:
                await function(bus, await connection.channel())

    def synchronous(bus):
        asyncio.run(run(bus))
    synchronous.__name__ = function.__name__
    return scenario(synchronous)


async def queue_of(bus, channel, noun="q", **arguments):
    """A queue that goes with its last consumer, or with the test."""
    return await channel.declare_queue(bus.name(noun), auto_delete=True, **arguments)


async def received(queue, count):
    """So many messages, as they come; not acknowledged."""
    messages = []
    async with asyncio.timeout(SECONDS):
        async with queue.iterator() as iterator:
            async for message in iterator:
                messages.append(message)
                if len(messages) == count:
                    return messages
    return messages


@with_channel
async def what_is_published_is_confirmed_and_comes(bus, channel):
    queue = await queue_of(bus, channel)
    message = Message(b"hello", headers={"mine": 1, "list": [1, "a"]}, message_id="m",
                      priority=3, delivery_mode=DeliveryMode.PERSISTENT, app_id="tests")
    confirmed = await channel.default_exchange.publish(message, routing_key=queue.name)
    expect(isinstance(confirmed, aiormq.spec.Basic.Ack), f"an ack, found {confirmed!r}")
    (got,) = await received(queue, 1)
    expect_equal((got.body, got.message_id, got.priority, got.app_id),
                 (b"hello", "m", 3, "tests"), "the message")
    expect_equal((got.headers["mine"], got.headers["list"]), (1, [1, "a"]), "headers")
    await got.ack()


@with_channel
async def thousand_at_once_are_confirmed(bus, channel):
    queue = await queue_of(bus, channel)
    publishes = [channel.default_exchange.publish(Message(str(number).encode()), queue.name)
                 for number in range(1000)]
    await asyncio.gather(*publishes)
    declared = await channel.declare_queue(queue.name, passive=True)
    expect_equal(declared.declaration_result.message_count, 1000, "messages")


@with_channel
async def bodies_of_every_size_come_whole(bus, channel):
    queue = await queue_of(bus, channel)
    sizes = [0, 1, 131_064, 131_065, 262_144, 8_000_000]
    for size in sizes:
        await channel.default_exchange.publish(Message(os.urandom(1) * size), queue.name)
    for size, message in zip(sizes, await received(queue, len(sizes)), strict=True):
        expect_equal(len(message.body), size, "octets")
        await message.ack()


@with_channel
async def what_is_not_acknowledged_comes_again_marked(bus, channel):
    queue = await queue_of(bus, channel, durable=True)
    await channel.default_exchange.publish(Message(b"again"), queue.name)
    first = await queue.get(timeout=SECONDS)
    expect(not first.redelivered, "the first time")
    await first.reject(requeue=True)
    second = await queue.get(timeout=SECONDS)
    expect(second.redelivered, "the second time")
    await second.nack(requeue=True)
    third = await queue.get(timeout=SECONDS)
    await third.ack()
    expect(await queue.get(fail=False) is None, "nothing is left")


@with_channel
async def the_prefetch_is_kept(bus, channel):
    await channel.set_qos(prefetch_count=3)
    queue = await queue_of(bus, channel)
    for number in range(10):
        await channel.default_exchange.publish(Message(str(number).encode()), queue.name)
    came = []
    await queue.consume(came.append)
    await asyncio.sleep(0.5)  # tidy: that nothing more comes is seen by waiting
    expect_equal(len(came), 3, "deliveries")
    await came[2].ack(multiple=True)
    async with asyncio.timeout(SECONDS):
        while len(came) < 6:
            await asyncio.sleep(0.01)  # tidy: until the deadline


@with_channel
async def exchanges_route_and_are_bound_to_each_other(bus, channel):
    topic = await channel.declare_exchange(bus.name("t"), ExchangeType.TOPIC, auto_delete=True)
    headers = await channel.declare_exchange(bus.name("h"), ExchangeType.HEADERS, auto_delete=True)
    queue = await queue_of(bus, channel)
    await queue.bind(headers, arguments={"x-match": "all", "kind": "news"})
    await headers.bind(topic, routing_key="org.#")
    await topic.publish(Message(b"yes", headers={"kind": "news"}), "org.example")
    await topic.publish(Message(b"no", headers={"kind": "gossip"}), "org.example")
    await topic.publish(Message(b"no", headers={"kind": "news"}), "com.example")
    (got,) = await received(queue, 1)
    expect_equal(got.body, b"yes", "body")
    await got.ack()


@with_channel
async def a_message_that_goes_nowhere_is_told(bus, channel):
    returned = await channel.default_exchange.publish(Message(b"x"), bus.name("nowhere"))
    expect(isinstance(returned.delivery, aiormq.spec.Basic.Return), f"returned: {returned!r}")


@with_channel
async def a_message_that_goes_nowhere_is_an_error_if_so_wished(bus, _):
    connection = await aio_pika.connect(bus.url)
    async with connection:
        channel = await connection.channel(on_return_raises=True)
        try:
            await channel.default_exchange.publish(Message(b"x"), bus.name("nowhere"))
        except aio_pika.exceptions.DeliveryError as error:
            expect_equal(error.message.delivery.reply_text, "NO_ROUTE", "the reason")
        else:
            expect(False, "it was confirmed")


@with_channel
async def a_full_queue_refuses(bus, channel):
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    queue = await queue_of(bus, channel, arguments=arguments)
    await channel.default_exchange.publish(Message(b"first"), queue.name)
    try:
        await channel.default_exchange.publish(Message(b"second"), queue.name)
    except aio_pika.exceptions.DeliveryError as error:
        expect(isinstance(error.frame, aiormq.spec.Basic.Nack), repr(error.frame))
    else:
        expect(False, "it was confirmed")


@with_channel
async def a_transaction_is_whole_or_not_at_all(bus, _):
    connection = await aio_pika.connect(bus.url)
    async with connection:
        channel = await connection.channel(publisher_confirms=False)
        queue = await queue_of(bus, channel)
        async with channel.transaction():
            await channel.default_exchange.publish(Message(b"committed"), queue.name)
        transaction = channel.transaction()
        await transaction.select()
        await channel.default_exchange.publish(Message(b"rolled back"), queue.name)
        await transaction.rollback()
        got = await queue.get(timeout=SECONDS, no_ack=True)
        expect_equal(got.body, b"committed", "body")
        expect(await queue.get(fail=False) is None, "the other one")


@with_channel
async def errors_close_the_channel_with_the_right_exception(bus, channel):
    name = bus.name("missing")
    for action, kind in [
            (lambda it: it.declare_queue(name, passive=True),
             aio_pika.exceptions.ChannelNotFoundEntity),
            (lambda it: it.declare_exchange("amq.mine"), aiormq.exceptions.ChannelAccessRefused),
            (lambda it: it.declare_exchange("amq.topic", ExchangeType.DIRECT, durable=True),
             aio_pika.exceptions.ChannelPreconditionFailed)]:
        connection = await aio_pika.connect(bus.url)
        async with connection:
            try:
                await action(await connection.channel())
            except kind:
                continue
            except Exception as error:  # pylint: disable=broad-except
                expect(False, f"{kind.__name__}, found {error!r}")
            expect(False, f"{kind.__name__}, found nothing")
    expect(not channel.is_closed, "other channels stay")


@with_channel
async def a_call_is_answered(bus, channel):
    rpc = await RPC.create(channel)

    async def multiply(*, left, right):
        return left * right

    async def fail():
        raise ValueError("no")

    product, failure = bus.name("multiply"), bus.name("fail")
    await rpc.register(product, multiply, auto_delete=True)
    await rpc.register(failure, fail, auto_delete=True)
    answers = [rpc.call(product, {"left": number, "right": 2}) for number in range(20)]
    expect_equal(await asyncio.gather(*answers), list(range(0, 40, 2)), "answers")
    try:
        await rpc.call(failure)
    except ValueError as error:
        expect_equal(error.args, ("no",), "the error")
    else:
        expect(False, "it failed")


class Wire:
    """A network between client and broker that can be cut."""

    def __init__(self, bus):
        self.bus, self.writers = bus, []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.join, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.url = self.bus.url.replace(f":{self.bus.port}/", f":{port}/")
        return self

    async def __aexit__(self, *_):
        self.server.close()
        self.cut()

    async def join(self, reader, writer):
        """A client came."""
        far_reader, far_writer = await asyncio.open_connection(self.bus.host, self.bus.port)
        self.writers += [writer, far_writer]
        await asyncio.gather(self.carry(reader, far_writer), self.carry(far_reader, writer))

    @staticmethod
    async def carry(reader, writer):
        """Octets, one way, until it is cut."""
        try:
            while octets := await reader.read(65536):
                writer.write(octets)
        except OSError:
            pass
        writer.transport.abort()

    def cut(self):
        """Without a word to either side."""
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()


@with_channel
async def a_robust_connection_comes_back_and_consumes_on(bus, channel):
    name = bus.name("robust")
    async with Wire(bus) as wire:
        robust = await aio_pika.connect_robust(wire.url, reconnect_interval=0.1)
        its = await robust.channel()
        queue = await its.declare_queue(name, durable=True)
        came = asyncio.Queue()

        async def take(message):
            await message.ack()
            await came.put(message.body)

        await queue.consume(take)
        for body in [b"one", b"two", b"three"]:
            await channel.default_exchange.publish(Message(body), name)
            # What was on its way when it was cut comes again.
            while await asyncio.wait_for(came.get(), SECONDS) != body:
                pass
            wire.cut()
        await robust.close()
    await channel.queue_delete(name)


if __name__ == "__main__":
    main()
