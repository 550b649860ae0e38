"""RabbitMQ's own client of AMQP 1.0 for Python: all its topology goes through /management."""

import asyncio
import urllib.parse

from rabbitmq_amqp_python_client import (
    AddressHelper, AMQPMessagingHandler, AsyncEnvironment, ClassicQueueSpecification,
    ConsumerOptions, ConsumerSettleStrategy, Environment, ExchangeCustomSpecification,
    ExchangeSpecification, ExchangeToExchangeBindingSpecification,
    ExchangeToQueueBindingSpecification, ExchangeType, Message, OffsetSpecification, OutcomeState,
    QueueType, QuorumQueueSpecification, RecoveryConfiguration, StreamConsumerOptions,
    StreamSpecification, ValidationCodeException,
)
from rabbitmq_amqp_python_client.qpid.proton.utils import SendException

from proton_peer import api
from scenario import Unexpected, depth, expect, expect_equal, get_all, main, scenario

NO_RECOVERY = RecoveryConfiguration(active_recovery=False)


def url_of(bus, vhost=""):
    """The broker's. The client takes a path of `%2F` as a name, and says it as it stands."""
    return urllib.parse.urlsplit(bus.url)._replace(path=f"/{vhost}").geturl()


def connect(bus, vhost=""):
    """A connection, closed when the scenario ends, and its management."""
    environment = Environment(url_of(bus, vhost), recovery_configuration=NO_RECOVERY)
    connection = environment.connection()
    connection.dial()
    bus.connections.append(connection)
    return connection, connection.management()


def expect_invalid(words, action):
    """Runs an action that the client has to refuse, by what the broker said."""
    try:
        action()
    except ValidationCodeException as refused:
        expect(words in refused.msg, f"expected {words!r} in {refused.msg!r}")
        return
    raise Unexpected(f"nothing was refused; expected {words}")


def text(body, **more):
    """A message as the client wants it."""
    return Message(body=body.encode(), inferred=True, **more)


class Enough(Exception):
    """So many messages came as were awaited."""


class Collector(AMQPMessagingHandler):
    """Keeps the bodies of messages, and says what becomes of each."""

    def __init__(self, count, say, **options):
        super().__init__(**options)
        self.bodies = []
        self.count = count
        self.say = say

    def on_amqp_message(self, event):
        """A message came."""
        self.bodies.append(bytes(event.message.body).decode())
        self.say(self.delivery_context, event)
        if len(self.bodies) == self.count:
            raise Enough()


def accept(context, event):
    """Says that a message is done."""
    context.accept(event)


def collect(connection, address, count, say=accept, **more):
    """Consumes so many messages."""
    handler = Collector(count, say)
    consumer = connection.consumer(address, message_handler=handler, **more)
    try:
        consumer.run()
    except Enough:
        pass
    consumer.close()
    return handler.bodies


@scenario
def a_queue_of_each_type_is_declared_described_and_deleted(bus):
    _, management = connect(bus)
    for specification, kind in [(ClassicQueueSpecification, QueueType.classic),
                                (QuorumQueueSpecification, QueueType.quorum),
                                (StreamSpecification, QueueType.stream)]:
        # Nothing beyond ASCII: the client does not encode it.
        name = bus.name("a queue/%")
        management.declare_queue(specification(name))
        management.declare_queue(specification(name))
        info = management.queue_info(name)
        expect_equal(info.name, name, "name")
        expect_equal(info.queue_type, kind, "type")
        expect_equal((info.is_durable, info.is_auto_delete, info.is_exclusive),
                     (True, False, False), "properties")
        expect_equal((info.message_count, info.consumer_count), (0, 0), "counts")
        expect_equal(info.arguments, {"x-queue-type": kind.value}, "arguments")
        expect_equal(list(info.members), [info.leader], "members")
        management.delete_queue(name)
        management.delete_queue(name)
        expect_invalid("404", lambda: management.queue_info(name))


@scenario
def a_queue_that_is_declared_otherwise_is_a_conflict(bus):
    _, management = connect(bus)
    name = bus.name("queue")
    bus.queues.append(name)
    management.declare_queue(ClassicQueueSpecification(name, max_len=5, is_auto_delete=True))
    expect_equal(management.queue_info(name).arguments["x-max-length"], 5, "max_len")
    expect(management.queue_info(name).is_auto_delete, "auto_delete")
    expect_invalid("ErrPreconditionFailed", lambda: management.declare_queue(
        ClassicQueueSpecification(name, max_len=6, is_auto_delete=True)))
    expect_invalid("ErrPreconditionFailed", lambda: management.declare_queue(
        QuorumQueueSpecification(name)))
    expect_invalid("403", lambda: management.declare_queue(ClassicQueueSpecification("amq.mine")))
    expect_invalid("400", lambda: management.declare_queue(ClassicQueueSpecification("")))


@scenario
def an_exchange_of_each_type_is_declared_and_deleted(bus):
    _, management = connect(bus)
    for kind in ExchangeType:
        name = bus.name("exchange")
        management.declare_exchange(ExchangeSpecification(name, exchange_type=kind))
        management.declare_exchange(ExchangeSpecification(name, exchange_type=kind))
        bus.channel().exchange_declare(name, kind.value, durable=True)
        other = next(it for it in ExchangeType if it != kind)
        expect_invalid("ErrPreconditionFailed", lambda: management.declare_exchange(
            ExchangeSpecification(name, exchange_type=other)))
        management.delete_exchange(name)
        management.delete_exchange(name)
    expect_invalid("400", lambda: management.declare_exchange(
        ExchangeCustomSpecification(bus.name("exchange"), exchange_type="x-none")))
    expect_invalid("403", lambda: management.delete_exchange("amq.topic"))


@scenario
def what_is_published_by_a_binding_is_consumed(bus):
    connection, management = connect(bus)
    exchange, queue = bus.name("exchange"), bus.name("queue")
    bus.exchanges.append(exchange)
    management.declare_exchange(ExchangeSpecification(exchange, exchange_type=ExchangeType.topic))
    management.declare_queue(QuorumQueueSpecification(queue))
    bus.queues.append(queue)
    binding = ExchangeToQueueBindingSpecification(exchange, queue, "org.#")
    place = management.bind(binding)
    publisher = connection.publisher(AddressHelper.exchange_address(exchange, "org.example"))
    for body in ["one", "two", "three"]:
        status = publisher.publish(text(body))
        expect_equal(status.remote_state, OutcomeState.ACCEPTED, "outcome")
    address = AddressHelper.queue_address(queue)
    expect_equal(collect(connection, address, 3), ["one", "two", "three"], "bodies")
    management.unbind(place)
    management.unbind(binding)
    try:
        publisher.publish(text("nobody takes it"))
    except SendException:
        pass
    else:
        raise Unexpected("it was taken")
    publisher.close()


@scenario
def exchanges_are_bound_to_exchanges(bus):
    connection, management = connect(bus)
    queue, source, target = bus.name("queue"), bus.name("source"), bus.name("target")
    bus.exchanges += [source, target]
    for name in [source, target]:
        management.declare_exchange(ExchangeSpecification(name, exchange_type=ExchangeType.fanout))
    management.declare_queue(ClassicQueueSpecification(queue))
    bus.queues.append(queue)
    management.bind(ExchangeToExchangeBindingSpecification(source, target, "k"))
    management.bind(ExchangeToQueueBindingSpecification(target, queue))
    connection.publisher(AddressHelper.exchange_address(source)).publish(text("through both"))
    expect_equal(get_all(bus.channel(), queue), ["through both"], "bodies")


@scenario
def a_purge_says_how_many_messages_went(bus):
    connection, management = connect(bus)
    queue = bus.name("queue")
    management.declare_queue(ClassicQueueSpecification(queue))
    bus.queues.append(queue)
    publisher = connection.publisher(AddressHelper.queue_address(queue))
    for body in ["one", "two"]:
        publisher.publish(text(body))
    expect_equal(management.queue_info(queue).message_count, 2, "messages before")
    expect_equal(management.purge_queue(queue), 2, "purged")
    expect_equal(management.queue_info(queue).message_count, 0, "messages after")
    expect_invalid("404", lambda: management.purge_queue(bus.name("none")))


@scenario
def each_message_says_where_it_goes(bus):
    connection, management = connect(bus)
    queues = [bus.name("queue") for _ in range(2)]
    for queue in queues:
        management.declare_queue(ClassicQueueSpecification(queue))
        bus.queues.append(queue)
    publisher = connection.publisher()
    for queue in queues:
        message = AddressHelper.message_to_address_helper(
            text(queue), AddressHelper.queue_address(queue))
        publisher.publish(message)
    for queue in queues:
        expect_equal(get_all(bus.channel(), queue), [queue], "bodies")


@scenario
def what_is_discarded_is_dead_lettered_and_what_is_requeued_comes_again(bus):
    connection, management = connect(bus)
    queue, dead = bus.name("queue"), bus.name("dead")
    management.declare_queue(ClassicQueueSpecification(dead))
    management.declare_queue(QuorumQueueSpecification(
        queue, dead_letter_exchange="", dead_letter_routing_key=dead))
    bus.queues += [queue, dead]
    address = AddressHelper.queue_address(queue)
    connection.publisher(address).publish(text("unwanted"))
    requeued = collect(connection, address, 1, lambda context, event: context.requeue(event))
    discarded = collect(connection, address, 1, lambda context, event: context.discard(event))
    expect_equal(requeued + discarded, ["unwanted"] * 2, "bodies")
    expect_equal(collect(connection, AddressHelper.queue_address(dead), 1), ["unwanted"], "dead")


@scenario
def deliveries_may_come_settled(bus):
    connection, management = connect(bus)
    queue = bus.name("queue")
    management.declare_queue(ClassicQueueSpecification(queue))
    bus.queues.append(queue)
    address = AddressHelper.queue_address(queue)
    connection.publisher(address).publish(text("once"))
    options = ConsumerOptions(settle_strategy=ConsumerSettleStrategy.PreSettled)
    bodies = collect(connection, address, 1, lambda *_: None, consumer_options=options)
    expect_equal(bodies, ["once"], "bodies")
    expect_equal(depth(bus.channel(), queue), 0, "messages left")


@scenario
def a_stream_is_read_from_its_begin(bus):
    connection, management = connect(bus)
    stream = bus.name("stream")
    management.declare_queue(StreamSpecification(stream))
    bus.queues.append(stream)
    address = AddressHelper.queue_address(stream)
    publisher = connection.publisher(address)
    for body in ["one", "two"]:
        publisher.publish(text(body))
    for _ in range(2):
        options = StreamConsumerOptions(offset_specification=OffsetSpecification.first)
        bodies = collect(connection, address, 2, consumer_options=options)
        expect_equal(bodies, ["one", "two"], "bodies")


@scenario
def a_reply_goes_to_a_queue_of_the_consumers_own(bus):
    connection, _ = connect(bus)
    handler = Collector(1, lambda *_: None)
    options = ConsumerOptions(settle_strategy=ConsumerSettleStrategy.DirectReplyTo)
    consumer = connection.consumer(message_handler=handler, consumer_options=options)
    expect(consumer.address.startswith("/queues/"), f"an address of a queue: {consumer.address}")
    other, _ = connect(bus)
    other.publisher(consumer.address).publish(text("the answer"))
    try:
        consumer.run()
    except Enough:
        pass
    expect_equal(handler.bodies, ["the answer"], "bodies")


@scenario
def a_virtual_host_is_named_by_the_path(bus):
    vhost, queue = bus.name("vhost"), bus.name("queue")
    api("PUT", f"vhosts/{vhost}")
    api("PUT", f"permissions/{vhost}/guest", configure=".*", write=".*", read=".*")
    _, management = connect(bus, vhost)
    management.declare_queue(ClassicQueueSpecification(queue))
    expect(queue in api("GET", f"queues/{vhost}").decode(), "it is there")
    _, management = connect(bus)
    expect_invalid("404", lambda: management.queue_info(queue))
    api("DELETE", f"vhosts/{vhost}")


@scenario
def the_client_works_without_blocking_as_well(bus):
    queue = bus.name("queue")
    bus.queues.append(queue)

    async def declare_and_publish():
        environment = AsyncEnvironment(url_of(bus), recovery_configuration=NO_RECOVERY)
        async with environment, await environment.connection() as connection:
            management = await connection.management()
            await management.declare_queue(QuorumQueueSpecification(queue))
            publisher = await connection.publisher(AddressHelper.queue_address(queue))
            await publisher.publish(text("awaited"))
            info = await management.queue_info(queue)
            expect_equal(info.message_count, 1, "messages")
            await publisher.close()
            await management.close()

    asyncio.run(declare_and_publish())
    expect_equal(get_all(bus.channel(), queue), ["awaited"], "bodies")


if __name__ == "__main__":
    main()
