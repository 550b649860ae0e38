"""The broker as kombu sees it, over py-amqp."""

import time

from amqp.exceptions import AccessRefused, MessageNacked, NotFound, PreconditionFailed
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.mixins import ConsumerMixin

from scenario import expect, expect_equal, main, scenario


class Client:
    """A connection, its channel, and what its consumers received."""

    def __init__(self, bus, **options):
        self.bus = bus
        self.connection = Connection(bus.url, heartbeat=0, transport_options=options)
        self.received = []
        self.returned = []

    def __enter__(self):
        self.connection.connect()
        return self

    def __exit__(self, *_):
        self.connection.release()

    def queue(self, channel, **options):
        """A queue of its own, declared, deleted when the scenario ends."""
        name = self.bus.name("queue")
        self.bus.queues.append(name)
        options.setdefault("durable", False)
        queue = Queue(name, channel=channel, **options)
        queue.declare()
        return queue

    def consume(self, queues, **options):
        consumer = Consumer(self.connection, queues, callbacks=[self.take], **options)
        consumer.consume()
        return consumer

    def take(self, body, message):
        self.received.append((body, message))

    def until(self, count, seconds=10):
        """Lets events in until so many messages were received."""
        deadline = time.monotonic() + seconds
        while len(self.received) < count and time.monotonic() < deadline:
            try:
                self.connection.drain_events(timeout=0.2)
            except TimeoutError:
                pass
        expect_equal(len(self.received), count, "messages received")
        return [body for body, _ in self.received]


@scenario
def bodies_of_every_kind_arrive(bus):
    with Client(bus) as client:
        channel = client.connection.channel()
        queue = client.queue(channel)
        producer = Producer(channel, routing_key=queue.name)
        bodies = [{"text": "grüße", "list": [1, None, True]}, "x" * 3_000_000, b"\x00\xff"]
        producer.publish(bodies[0], headers={"mine": 1, "deep": {"a": [1]}}, priority=3)
        producer.publish(bodies[1], compression="zlib")
        producer.publish(bodies[2], content_type="application/octet-stream",
                         content_encoding="binary")
        client.consume([queue], accept=["json", "application/octet-stream", "text/plain"])
        expect(client.until(3) == bodies, "the bodies that were sent")
        headers = client.received[0][1].headers
        expect_equal((headers["mine"], headers["deep"]), (1, {"a": [1]}), "headers")


@scenario
def confirmed_publishing_and_a_full_queue(bus):
    with Client(bus, confirm_publish=True) as client:
        channel = client.connection.channel()
        queue = client.queue(channel, durable=True, max_length=2,
                             queue_arguments={"x-overflow": "reject-publish"})
        producer = Producer(channel, routing_key=queue.name)
        for number in range(2):
            producer.publish(number, delivery_mode=2)
        try:
            producer.publish("one too many")
            expect(False, "a refused message was confirmed")
        except MessageNacked:
            pass
        expect_equal(queue.queue_declare(passive=True).message_count, 2, "messages")


@scenario
def a_mandatory_message_comes_back(bus):
    with Client(bus, confirm_publish=True) as client:
        channel = client.connection.channel()
        producer = Producer(channel, on_return=lambda *words: client.returned.append(words))
        producer.publish("back", exchange="amq.direct", routing_key=bus.name("key"), mandatory=True)
        exception, exchange, _, _ = client.returned[0]
        expect_equal((exception.reply_code, exception.reply_text, exchange),
                     (312, "NO_ROUTE", "amq.direct"), "basic.return")


@scenario
def exchanges_of_each_type_and_their_bindings(bus):
    for kind, key, arguments, routed in [
            ("direct", "a", None, ["a"]), ("topic", "a.#", None, ["a", "a.b"]),
            ("fanout", "", None, ["a", "a.b", "b"]),
            ("headers", "", {"x-match": "all", "key": "b"}, ["b"])]:
        with Client(bus) as client:
            channel = client.connection.channel()
            exchange = Exchange(bus.name("exchange"), type=kind, durable=False, auto_delete=True)
            queue = client.queue(channel, exchange=exchange, routing_key=key,
                                 binding_arguments=arguments)
            producer = Producer(channel, exchange)
            for word in ["a", "a.b", "b"]:
                producer.publish(word, routing_key=word, headers={"key": word})
            client.consume([queue], no_ack=True)
            expect_equal(client.until(len(routed)), routed, f"through {kind}")


@scenario
def exchanges_bind_to_exchanges(bus):
    with Client(bus) as client:
        channel = client.connection.channel()
        source = Exchange(bus.name("source"), type="topic", durable=False, auto_delete=True)
        target = Exchange(bus.name("target"), type="fanout", durable=False, auto_delete=True)
        for exchange in [source, target]:
            exchange(channel).declare()
        queue = client.queue(channel, exchange=target)
        target(channel).bind_to(source, routing_key="yes.#")
        producer = Producer(channel, source)
        for key in ["no", "yes.indeed"]:
            producer.publish(key, routing_key=key)
        client.consume([queue], no_ack=True)
        expect_equal(client.until(1), ["yes.indeed"], "bodies")
        target(channel).unbind_from(source, routing_key="yes.#")
        producer.publish("yes.no more", routing_key="yes.no more")
        expect_equal(queue.get(), None, "after the unbind")


@scenario
def requeue_reject_and_redelivery(bus):
    with Client(bus) as client:
        channel = client.connection.channel()
        queue = client.queue(channel)
        Producer(channel, routing_key=queue.name).publish("again")
        client.consume([queue], prefetch_count=1)
        client.until(1)
        client.received[0][1].requeue()
        client.until(2)
        info = [message.delivery_info["redelivered"] for _, message in client.received]
        expect_equal(info, [False, True], "redelivered")
        client.received[1][1].reject()
        expect_equal(queue.queue_declare(passive=True).message_count, 0, "messages")


@scenario
def a_prefetch_bounds_what_is_in_hand(bus):
    with Client(bus) as client:
        channel = client.connection.channel()
        queue = client.queue(channel)
        producer = Producer(channel, routing_key=queue.name)
        for number in range(5):
            producer.publish(number)
        consumer = client.consume([queue], prefetch_count=2)
        client.until(2)
        expect_equal(queue.queue_declare(passive=True).message_count, 3, "messages that wait")
        consumer.qos(prefetch_count=3, apply_global=True)
        client.received[0][1].ack()
        client.received[1][1].ack(multiple=True)
        client.until(4)
        consumer.recover(requeue=True)
        client.until(6)


@scenario
def queues_with_arguments_of_rabbitmqs(bus):
    with Client(bus) as client:
        channel = client.connection.channel()
        dead = client.queue(channel)
        queue = client.queue(channel, message_ttl=0.05, queue_arguments={
            "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead.name})
        Producer(channel, routing_key=queue.name).publish("gone", expiration=100)
        client.consume([dead], no_ack=True)
        client.until(1)
        death = client.received[0][1].headers["x-death"][0]
        expect_equal((death["reason"], death["queue"], death["original-expiration"]),
                     ("expired", queue.name, "100000"), "x-death")
        sorted_queue = client.queue(channel, max_priority=5)
        producer = Producer(channel, routing_key=sorted_queue.name)
        for priority in [1, 5, 3]:
            producer.publish(priority, priority=priority)
        found = [sorted_queue.get(no_ack=True).payload for _ in range(3)]
        expect_equal(found, [5, 3, 1], "by priority")


@scenario
def a_simple_queue_is_filled_and_emptied(bus):
    with Client(bus) as client:
        name = bus.name("queue")
        bus.queues.append(name)
        queue = client.connection.SimpleQueue(name)
        for number in range(3):
            queue.put(number)
        for number in range(2):
            message = queue.get(timeout=5)
            message.ack()
            expect_equal(message.payload, number, "the next")
        # What it has in hand and did not acknowledge comes back.
        queue.consumer.cancel()
        queue.consumer.recover(requeue=True)
        expect_equal(queue.clear(), 1, "cleared")


@scenario
def errors_have_their_class_and_the_connection_lives_on(bus):
    with Client(bus) as client:
        queue = client.queue(client.connection.channel())
        for error, action in [
                (NotFound, lambda channel: Queue("none", channel=channel).queue_declare(passive=True)),
                (PreconditionFailed, lambda channel: Queue(queue.name, durable=True,
                                                           channel=channel).queue_declare()),
                (AccessRefused, lambda channel: channel.exchange_declare("amq.mine", "direct"))]:
            try:
                action(client.connection.channel())
                expect(False, f"nothing was refused; expected {error}")
            except error:
                pass
        client.connection.channel().close()


@scenario
def a_question_is_answered_over_an_exclusive_queue(bus):
    class Server(ConsumerMixin):
        """Answers one question."""

        def __init__(self, connection, queue):
            self.connection, self.queue = connection, queue

        def get_consumers(self, consumer, channel):
            return [consumer([self.queue], on_message=self.answer, prefetch_count=1)]

        def answer(self, message):
            with Producer(self.connection) as producer:
                producer.publish(message.payload * 2, exchange="",
                                 routing_key=message.properties["reply_to"],
                                 correlation_id=message.properties["correlation_id"])
            message.ack()
            self.should_stop = True

    with Client(bus) as client, Client(bus) as server:
        channel = client.connection.channel()
        questions = client.queue(channel)
        answers = client.queue(channel, exclusive=True, auto_delete=True)
        Producer(channel, routing_key=questions.name).publish(
            21, reply_to=answers.name, correlation_id="q")
        Server(server.connection, questions(server.connection.channel())).run()
        client.consume([answers], no_ack=True)
        client.until(1)
        body, message = client.received[0]
        expect_equal((body, message.properties["correlation_id"]), (42, "q"), "the answer")


@scenario
def a_publisher_finds_its_way_back_after_a_cut(bus):
    with Client(bus, confirm_publish=True) as client:
        queue = client.queue(client.connection.channel(), durable=True)
        producer = Producer(client.connection, routing_key=queue.name)
        producer.publish("before")
        client.connection.connection.transport.sock.close()
        producer.publish("after", retry=True, retry_policy={"max_retries": 5, "interval_start": 0})
        with Client(bus) as other:
            bound = queue(other.connection.channel())
            expect_equal([bound.get(no_ack=True).payload for _ in range(2)], ["before", "after"],
                         "messages")


if __name__ == "__main__":
    main()
