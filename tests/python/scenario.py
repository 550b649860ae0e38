"""Runs scenarios against one AMQP bus and says which did not hold.

A scenario is a function whose name is a sentence; it gets a Bus, on which it makes connections and
names, and raises when the broker behaves otherwise. All that it made is closed and deleted after.
"""

import argparse
import contextlib
import signal
import sys
import time
import traceback
import urllib.parse
import uuid

import pika

SECONDS_MAX = 30
SCENARIOS = []


def scenario(function):
    """Registers a scenario, in the order of the file."""
    SCENARIOS.append(function)
    return function


class Unexpected(AssertionError):
    """The broker did something else than the scenario says."""


def expect(holds, what):
    """Fails with `what` unless it holds."""
    if not holds:
        raise Unexpected(what)


def expect_equal(found, expected, what):
    """Fails unless both are equal, and shows both; of dictionaries only what differs."""
    if found == expected:
        return
    if isinstance(found, dict) and isinstance(expected, dict):
        keys = [key for key in {**found, **expected}
                if key not in found or key not in expected or found[key] != expected[key]]
        expected = {key: expected.get(key, "absent") for key in keys}
        found = {key: found.get(key, "absent") for key in keys}
    raise Unexpected(f"{what}: expected {repr(expected)[:1000]}, found {repr(found)[:1000]}")


class Bus:
    """Where the broker is, and what one scenario made there."""

    def __init__(self, options):
        self.url = options.url
        self.broker = options.broker
        self.handshake_timeout = options.handshake_timeout
        parts = urllib.parse.urlsplit(options.url)
        self.host = parts.hostname
        self.port = parts.port or 5672
        self.user = urllib.parse.unquote(parts.username or "guest")
        self.password = urllib.parse.unquote(parts.password or "guest")
        self.vhost = urllib.parse.unquote(parts.path[1:]) or "/"
        self.connections = []
        self.queues = []
        self.exchanges = []

    @property
    def is_rabbitmq_3(self):
        """RabbitMQ before 4.0 answers a few mistakes otherwise; Tubepost follows the newest."""
        return self.broker == "rabbitmq-3"

    def name(self, noun):
        """A name nobody else has."""
        return f"{noun}-{uuid.uuid4().hex[:12]}"

    def connect(self, **parameters):
        """A new connection with pika, closed when the scenario ends."""
        settings = pika.URLParameters(self.url)
        settings.socket_timeout = 10
        settings.blocked_connection_timeout = 10
        for key, value in parameters.items():
            setattr(settings, key, value)
        connection = pika.BlockingConnection(settings)
        self.connections.append(connection)
        return connection

    def channel(self, **parameters):
        """A channel on a connection of its own."""
        return self.connect(**parameters).channel()

    def queue(self, channel, **arguments):
        """Declares a queue with a name of its own, deleted when the scenario ends."""
        name = self.name("queue")
        arguments.setdefault("auto_delete", False)
        channel.queue_declare(name, **arguments)
        self.queues.append(name)
        return name

    def exchange(self, channel, kind, **arguments):
        """Declares an exchange with a name of its own, deleted when the scenario ends."""
        name = self.name("exchange")
        channel.exchange_declare(name, kind, **arguments)
        self.exchanges.append(name)
        return name

    def close(self):
        """Closes and deletes what the scenario made, whatever state it is in."""
        for connection in self.connections:
            with contextlib.suppress(Exception):
                connection.close()
        if not self.queues and not self.exchanges:
            return
        with contextlib.suppress(Exception):
            channel = pika.BlockingConnection(pika.URLParameters(self.url)).channel()
            for queue in self.queues:
                channel.queue_delete(queue)
            for exchange in self.exchanges:
                channel.exchange_delete(exchange)
            channel.connection.close()


def get_all(channel, queue):
    """Every body that waits in the queue, acknowledged."""
    bodies = []
    while True:
        method, _, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return bodies
        bodies.append(body.decode())


def depth(channel, queue):
    """How many messages are ready in the queue."""
    return channel.queue_declare(queue, passive=True).method.message_count


def deliveries(channel, count, seconds=10):
    """Lets pika run until a consumer's list on this channel has `count` entries.

    Yields nothing; returns when `channel.received` is long enough, fails at the deadline."""
    deadline = time.monotonic() + seconds
    while len(channel.received) < count:
        left = deadline - time.monotonic()
        expect(left > 0, f"{count} deliveries within {seconds} s, got {len(channel.received)}")
        channel.connection.process_data_events(time_limit=min(left, 0.2))
    return channel.received


def consume(channel, queue, **arguments):
    """Starts a consumer that appends (tag of consumer, method, properties, body)."""
    if not hasattr(channel, "received"):
        channel.received = []

    def on_message(_, method, properties, body):
        channel.received.append((method.consumer_tag, method, properties, body.decode()))

    return channel.basic_consume(queue, on_message, **arguments)


def round_trip(channel):
    """When this returns, the broker has done all that was sent on this channel before."""
    channel.exchange_declare("amq.direct", passive=True)


def expect_channel_closed(code, text, action):
    """Runs the action, which the broker must answer by closing the channel."""
    try:
        action()
    except pika.exceptions.ChannelClosedByBroker as closed:
        expect_equal(closed.reply_code, code, f"reply code (text {closed.reply_text!r})")
        expect_equal(closed.reply_text[:255], text[:255], "reply text")
        return
    except pika.exceptions.ConnectionClosedByBroker as closed:
        raise Unexpected(f"the whole connection was closed: {closed}") from closed
    raise Unexpected(f"nothing was refused; expected {code} {text}")


def expect_connection_closed(code, text, action):
    """Runs the action, which the broker must answer by closing the connection."""
    try:
        action()
    except pika.exceptions.ConnectionClosedByBroker as closed:
        expect_equal(closed.reply_code, code, f"reply code (text {closed.reply_text!r})")
        expect_equal(closed.reply_text[:255], text[:255], "reply text")
        return
    except pika.exceptions.ChannelClosedByBroker as closed:
        raise Unexpected(f"only the channel was closed: {closed}") from closed
    raise Unexpected(f"nothing was refused; expected {code} {text}")


def too_long(_signal, _frame):
    raise Unexpected(f"the scenario took longer than {SECONDS_MAX} s")


def run_one(function, options):
    """Runs one scenario; returns whether it held."""
    bus = Bus(options)
    begun = time.monotonic()
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS_MAX)
    try:
        function(bus)
    except Exception as error:  # pylint: disable=broad-except
        print(f"FAIL {function.__name__}: {type(error).__name__}: {error}")
        frames = traceback.format_exception(error)[-4:]
        print("     " + "".join(frames).replace("\n", "\n     "))
        return False
    else:
        print(f"ok   {function.__name__} ({time.monotonic() - begun:.2f} s)", flush=True)
        return True
    finally:
        signal.alarm(SECONDS_MAX)
        bus.close()
        signal.alarm(0)


def main():
    """Runs all scenarios of the file, or those whose name contains a word given by --only."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("url", help="amqp://user:password@host:port/vhost")
    parser.add_argument("--only", default="", help="part of the names of scenarios to run")
    parser.add_argument("--broker", default="tubepost", choices=["tubepost", "rabbitmq-3"])
    parser.add_argument("--handshake-timeout", type=float, default=0.0,
                        help="seconds after which the broker drops a silent client, as configured")
    options = parser.parse_args()
    chosen = [function for function in SCENARIOS if options.only in function.__name__]
    if not chosen:
        sys.exit(f"no scenario's name contains {options.only!r}")
    failed = [function.__name__ for function in chosen if not run_one(function, options)]
    print(f"scenarios: {len(chosen) - len(failed)} held, {len(failed)} failed")
    sys.exit(1 if failed else 0)
