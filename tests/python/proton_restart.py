"""AMQP 1.0 with python-qpid-proton across an end of the server. Each scenario is one part of a
story, run by --only: the test kills and starts the server in between, or below.
"""

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Backoff, Container

from proton_peer import Peer, accept, bodies
from scenario import expect_equal, main, scenario

QUEUE = "queue-that-outlives-the-server"


@scenario
def before_the_kill(bus):
    bus.channel().queue_declare(QUEUE, durable=True)
    peer = Peer(bus)
    link = peer.sender(f"/queues/{QUEUE}")
    sent = [peer.put(link, Message(body=str(it), durable=it % 2 == 0)) for it in range(200)]
    sent.append(peer.put(link, Message(body=b"x" * 1_000_000, durable=True)))
    expect_equal({peer.outcome(it) for it in sent}, {"accepted"}, "outcomes")
    received = peer.take(peer.receiver(f"/queues/{QUEUE}", credit=100), 100)
    accept(*received[:50])
    peer.round_trip()
    # Acknowledgements need not be on disk yet; a confirmed message behind them makes them so.
    peer.send(link, Message(body="last", durable=True))


#= amqp-1.0 §3.2.1 durable-kept
@scenario
def after_the_kill(bus):
    peer = Peer(bus)
    link = peer.receiver(f"/queues/{QUEUE}")
    received = peer.drain(link, 1000)
    expected = [str(it) for it in range(50, 200, 2)]
    expect_equal([it for it in bodies(received) if len(it) < 1000], [*expected, "last"], "bodies")
    expect_equal(len(received[-2].message.body), 1_000_000, "octets of the large one")
    accept(*received)
    peer.round_trip()


class Reconnecting(MessagingHandler):
    """Sends, receives, waits for the end of the server and the next, and does the same again."""

    def __init__(self, bus):
        super().__init__()
        self.bus = bus
        self.opened = 0
        self.sent = 0
        self.received = []

    def on_start(self, event):
        connection = event.container.connect(
            f"amqp://{self.bus.host}:{self.bus.port}", user=self.bus.user,
            password=self.bus.password, reconnect=Backoff(initial=0.1, max_delay=0.2))
        event.container.create_sender(connection, f"/queues/{QUEUE}")
        event.container.create_receiver(connection, f"/queues/{QUEUE}")

    def on_connection_opened(self, event):
        self.opened += 1

    def on_sendable(self, event):
        if self.sent < self.opened:
            self.sent = self.opened
            event.sender.send(Message(body=self.opened, durable=True))

    def on_message(self, event):
        self.received.append(event.message.body)
        if event.message.body == 2:
            event.connection.close()
        else:
            print("ready for the end of the server", flush=True)

    def on_transport_error(self, event):
        pass  # It is expected; proton connects again.


@scenario
def a_client_reconnects(bus):
    bus.channel().queue_declare(QUEUE, durable=True)
    bus.close()
    client = Reconnecting(bus)
    Container(client).run()
    expect_equal(client.opened, 2, "times that the connection was opened")
    # The first may come again: whether it was accepted is not known at the end of the server.
    expect_equal(sorted(set(client.received)), [1, 2], "received")


if __name__ == "__main__":
    main()
