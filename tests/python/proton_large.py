"""AMQP 1.0 with python-qpid-proton: a message of many octets (TUBEPOST_OCTETS), streamed both ways.

Neither side has it in memory as a whole; what comes has to be what went, by length and digest.
"""

import hashlib
import os

from proton import Delivery

from proton_peer import Peer, section
from scenario import expect, expect_equal, main, scenario

OCTETS = int(os.environ["TUBEPOST_OCTETS"])
BLOCK = bytes(range(256)) * 4096
PENDING_MAX = 4 << 20
SECONDS = 240

HEADER = section(0x70, [True])
DATA = b"\x00\x53\x75\xb0"


class Streaming(Peer):
    """Takes deliveries as they come."""

    digest = None
    received = 0
    delivery = None

    def on_delivery(self, event):
        """Takes what is there, and keeps none of it."""
        delivery, link = event.delivery, event.link
        if not (link.is_receiver and delivery.readable):
            return
        octets = link.recv(delivery.pending) or b""
        if self.digest is None:
            # The sections before the body are the broker's.
            begin = octets.index(DATA)
            octets = octets[begin:]
            self.digest = hashlib.sha256()
        self.digest.update(octets)
        self.received += len(octets)
        if not delivery.partial:
            self.delivery = delivery
            link.advance()


def stream(peer, link):
    """Sends one message; its digest from the body on."""
    peer.until(lambda: link.credit > 0, "credit")
    delivery = link.delivery(link.delivery_tag())
    begin = DATA + OCTETS.to_bytes(4, "big")
    digest = hashlib.sha256(begin)
    link.stream(HEADER + begin)
    left = OCTETS

    def is_sent():
        nonlocal left
        while left and delivery.pending < PENDING_MAX:
            block = BLOCK[:min(left, len(BLOCK))]
            link.stream(block)
            digest.update(block)
            left -= len(block)
        return not left

    peer.until(is_sent, "end of the message", SECONDS)
    link.advance()
    peer.until(lambda: delivery.remote_state, "outcome", SECONDS)
    expect_equal(delivery.remote_state, Delivery.ACCEPTED, "outcome")
    delivery.settle()
    return digest


@scenario
def a_message_that_fits_into_no_memory_goes_there_and_back(bus):
    sender = Peer(bus)
    sent = stream(sender, sender.sender("/queue/large"))
    receiver = Streaming(bus)
    link = receiver.receiver("/queues/large")
    link.flow(1)
    receiver.until(lambda: receiver.delivery, "whole message", SECONDS)
    expect_equal(receiver.received, OCTETS + len(DATA) + 4, "octets")
    expect(receiver.digest.digest() == sent.digest(), "the message is another than was sent")
    receiver.delivery.update(Delivery.ACCEPTED)
    receiver.delivery.settle()
    receiver.round_trip()


if __name__ == "__main__":
    main()
