"""A peer of AMQP 1.0: the client inside azure-servicebus (`_pyamqp`), without TLS."""

import time
import urllib.parse

from azure.servicebus._pyamqp import ReceiveClient, SendClient
from azure.servicebus._pyamqp.authentication import SASLPlainAuth
from azure.servicebus._pyamqp.constants import ReceiverSettleMode
from azure.servicebus._pyamqp.error import RetryMode, RetryPolicy

from scenario import Unexpected


def options(url):
    """How a client connects: once, by PLAIN."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.hostname}:{parts.port}", {
        "auth": SASLPlainAuth(parts.username, parts.password),
        "use_tls": False,
        "retry_policy": RetryPolicy(retry_total=0, mode=RetryMode.FIXED),
    }


def sender(url, address, **more):
    """A link to publish on, with its connection. It asks for rcv-settle-mode second if nobody says
    otherwise, and does not know what to do then: it would wait for the broker to settle first."""
    host, given = options(url)
    mode = ReceiverSettleMode.First
    return ready(SendClient(host, address, receive_settle_mode=mode, **given, **more))


def receiver(url, address, **more):
    """A link to consume from, with its connection. Credit is granted when it is used up."""
    host, given = options(url)
    return ready(ReceiveClient(host, address, **given, **more, max_message_size=1 << 30))


def ready(client, seconds=10):
    """Waits for the answer to attach."""
    client.open()
    until(client, client.client_ready, "answer to attach", seconds)
    return client


def until(client, condition, what, seconds=10):
    """Lets the client read and write until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Unexpected(f"no {what} within {seconds} s")
        if client.client_ready():
            client.do_work()


def take(client, count, seconds=10):
    """Waits for so many deliveries, and takes them: each a frame and a message."""
    came = client._received_messages  # pylint: disable=protected-access
    until(client, lambda: came.qsize() >= count, f"{count} deliveries", seconds)
    return [came.get_nowait() for _ in range(count)]


def settle(client, delivery, outcome, **more):
    """Says what becomes of a delivery."""
    frame, _message = delivery
    client.settle_messages(frame[1], frame[2], outcome, **more)
