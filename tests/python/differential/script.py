"""A script: what is said to a broker. It has connections, names of its own, and is cleared up
after."""

import time

from differential.session import SECONDS_MAX, Address, Connection

SCRIPTS = []


def script(function):
    """Registers a script, in the order of the file."""
    SCRIPTS.append(function)
    return function


class Stage:
    """What a script gets: one broker, one transcript."""

    def __init__(self, transcript, host, port, number):
        self.transcript = transcript
        self.host, self.port, self.number = host, port, number
        self.connections = []
        self.names = []
        self.observer = None

    def name(self, noun):
        """A name that no other script has; a queue or exchange of that name is deleted after."""
        name = f"{noun}-{self.number}"
        if name not in self.names:
            self.names.append(name)
        return name

    def connect_raw(self, **who):
        """A socket on which nothing was said yet."""
        label = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[len(self.connections)]
        connection = Connection(self.transcript, label, Address(self.host, self.port, **who))
        self.connections.append(connection)
        return connection

    def connect(self, capabilities=None, **who):
        """A connection, open. Its greeting is compared where that is the story."""
        connection = self.connect_raw(**who)
        connection.greeting_shown = False
        return connection.greet().log_in(capabilities=capabilities).tune().open()

    def channel(self, **who):
        """Channel 1 of a connection of its own."""
        return self.connect(**who).channel(1)

    def queue(self, channel, noun="queue", **arguments):
        """Declares a queue with a name of this script's."""
        name = self.name(noun)
        channel.call("queue.declare", queue=name, **arguments)
        return name

    def exchange(self, channel, kind, noun="exchange", **arguments):
        """Declares an exchange with a name of this script's."""
        name = self.name(noun)
        channel.call("exchange.declare", exchange=name, type=kind, **arguments)
        return name

    def differs(self, name, rabbitmq, tubepost):
        """A part in which the brokers differ, by its name in docs/differences.md, with words that
        only the one and only the other answers."""
        return self.transcript.differs(name, rabbitmq, tubepost)

    def adds(self, name, pattern):
        """From here on Tubepost says more, by the difference's name in docs/differences.md: what
        the pattern finds is taken out before replies are compared."""
        self.transcript.adds(name, pattern)

    def until(self, queue, messages):
        """Waits until a queue holds so many ready messages; looks aside, on its own connection."""
        deadline, depth = time.monotonic() + SECONDS_MAX, None
        while depth != messages and time.monotonic() < deadline:
            answer = self.aside("queue.declare", queue=queue, passive=True)
            depth = answer and answer["message-count"]
        if depth != messages:
            self.transcript.write("script", f"{queue} has {depth} messages, not {messages}")

    def until_gone(self, queue):
        """Waits until there is no such queue."""
        deadline = time.monotonic() + SECONDS_MAX
        while self.aside("queue.declare", queue=queue, passive=True) is not None:
            if time.monotonic() > deadline:
                self.transcript.write("script", f"{queue} is still there")
                return

    def until_no_exchange(self, exchange):
        """Waits until there is no such exchange."""
        deadline = time.monotonic() + SECONDS_MAX
        while self.aside("exchange.declare", exchange=exchange, passive=True) is not None:
            if time.monotonic() > deadline:
                self.transcript.write("script", f"{exchange} is still there")
                return

    def drain(self, channel, queue):
        """Gets all that is in a queue, without acknowledgement, up to get-empty."""
        for _ in range(100):
            channel.get(queue, no_ack=True)
            if channel.is_closed or channel.events[-1][0] == "basic.get-empty":
                return

    def aside(self, method, **arguments):
        """A method whose answer is in no transcript; None when it is refused."""
        if self.observer is None:
            silent = Silence()
            self.observer = Connection(silent, "aside", Address(self.host, self.port))
            self.observer.greet().log_in().tune().open()
        number = max(self.observer.channels, default=0) % 100 + 1
        channel = self.observer.channel(number)
        answer = channel.call(method, **arguments)
        if channel.is_closed:
            answer = None
        else:
            channel.call("channel.close")
        self.observer.channels.pop(number)
        return answer

    def clear_up(self):
        """Closes in order, so that the transcript has what nobody asked for; deletes the rest."""
        for connection in self.connections:
            connection.close()
        for name in self.names:
            self.aside("queue.delete", queue=name)
            self.aside("exchange.delete", exchange=name)
        if self.observer:
            self.observer.close()


class Silence:
    """A transcript of what is not compared."""

    def write(self, lane, line):
        """Forgets it."""
