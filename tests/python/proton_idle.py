"""AMQP 1.0 with python-qpid-proton: idle times, on a server whose heartbeat is 1 s."""

import select
import time

from proton_peer import Peer
from scenario import expect, expect_equal, main, scenario


@scenario
def an_idle_peer_is_sent_signs_of_life(bus):
    # proton itself ends the connection when it hears nothing for 2 s, and says half of that.
    peer = Peer(bus, heartbeat=2)
    end = time.monotonic() + 4
    peer.until(lambda: time.monotonic() > end, "end of the wait")
    peer.round_trip()


@scenario
def an_idle_peer_sends_signs_of_life(bus):
    peer = Peer(bus)
    expect_equal(peer.connection.transport.remote_idle_timeout, 0.5, "half of what it bears")
    end = time.monotonic() + 4
    peer.until(lambda: time.monotonic() > end, "end of the wait")
    peer.round_trip()


@scenario
def a_silent_peer_is_told_and_dropped(bus):
    peer = Peer(bus)
    socket = peer.connection.transport._selectable._delegate  # pylint: disable=protected-access
    begun = time.monotonic()
    # proton is not let run: it is silent. It asked for no signs of life, so the first is the end.
    readable, _, _ = select.select([socket], [], [], 10)
    expect(readable, "the broker waits for a silent peer")
    expect(time.monotonic() - begun > 0.5, "it was dropped at once")
    peer.expect_closed("amqp:resource-limit-exceeded", "no frame for")


@scenario
def an_idle_time_of_no_time_is_refused(bus):
    peer = Peer(bus, heartbeat=0.2)
    peer.expect_closed("amqp:not-allowed", "idle-time-out")


if __name__ == "__main__":
    main()
