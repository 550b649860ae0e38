"""The order of frames and the reach of errors, where no client library lets one look."""

import struct
import time

import wire
from scenario import expect, expect_equal, main, scenario


def connection_refuses(peer, code, text, failing=None):
    """The next method closes the connection, for this reason; then the socket is closed."""
    reply = peer.expect(wire.CONNECTION_CLOSE)
    found_code, found_text = reply.code_and_text()
    expect_equal(found_code, code, f"reply code (text {found_text!r})")
    expect(found_text.startswith(text), f"a text that begins with {text!r}, found {found_text!r}")
    if failing is not None:
        expect_equal(reply.failing_method(), failing, "failing method")
    peer.send(wire.method(0, wire.CONNECTION_CLOSE_OK))
    peer.wait_closed()


@scenario
def a_returned_message_comes_before_its_ack(bus):
    with wire.connected(bus) as peer:
        peer.send(wire.method(1, wire.CONFIRM_SELECT, b"\0"))
        peer.expect(wire.CONFIRM_SELECT_OK, 1)
        peer.send(wire.publish(1, "amq.direct", bus.name("key"), b"back", flags=1))
        returned = peer.expect(wire.BASIC_RETURN, 1)
        expect_equal(returned.code_and_text(), (312, "NO_ROUTE"), "basic.return")
        kind, _, payload = peer.read_frame()
        expect_equal((kind, struct.unpack(">HHQ", payload[:12])), (wire.HEADER, (60, 0, 4)),
                     "content header")
        expect_equal(peer.read_frame(), (wire.BODY, 1, b"back"), "content body")
        ack = peer.expect(wire.BASIC_ACK, 1)
        expect_equal(struct.unpack(">QB", ack.arguments), (1, 0), "delivery tag, multiple")


@scenario
def confirms_count_from_one_and_cover_all(bus):
    with wire.connected(bus) as peer:
        peer.send(wire.method(1, wire.CONFIRM_SELECT, b"\0"))
        peer.expect(wire.CONFIRM_SELECT_OK, 1)
        count = 500
        peer.send(b"".join(wire.publish(1, "amq.fanout", "", b"x") for _ in range(count)))
        confirmed = set()
        while len(confirmed) < count:
            tag, multiple = struct.unpack(">QB", peer.expect(wire.BASIC_ACK, 1).arguments)
            tags = range(1, tag + 1) if multiple else [tag]
            expect(tag <= count, f"a confirm of message {tag} of {count}")
            confirmed.update(tags)


@scenario
def immediate_is_not_implemented(bus):
    with wire.connected(bus) as peer:
        peer.send(wire.publish(1, "amq.direct", "key", b"now", flags=2))
        connection_refuses(peer, 540, "NOT_IMPLEMENTED - immediate=true", (60, 40))


@scenario
def a_prefetch_in_bytes_is_not_implemented(bus):
    with wire.connected(bus) as peer:
        peer.send(wire.method(1, wire.BASIC_QOS, struct.pack(">IHB", 1000, 0, 0)))
        connection_refuses(peer, 540, "NOT_IMPLEMENTED - prefetch_size!=0 (1000)", (60, 10))


@scenario
def recover_without_requeue_is_not_implemented(bus):
    with wire.connected(bus) as peer:
        peer.send(wire.method(1, wire.BASIC_RECOVER, b"\0"))
        connection_refuses(peer, 540, "NOT_IMPLEMENTED - requeue=false", (60, 110))


@scenario
def a_second_open_of_a_channel_is_a_channel_error_of_the_connection(bus):
    with wire.connected(bus) as peer:
        peer.send(wire.method(1, wire.CHANNEL_OPEN, wire.short("")))
        connection_refuses(peer, 504, "CHANNEL_ERROR - ", (20, 10))


@scenario
def a_method_on_a_channel_never_opened_is_a_channel_error_of_the_connection(bus):
    with wire.connected(bus) as peer:
        peer.send(wire.method(9, wire.BASIC_QOS, struct.pack(">IHB", 0, 1, 0)))
        connection_refuses(peer, 504, "CHANNEL_ERROR - ", (60, 10))


@scenario
def a_channel_opened_while_another_closes_is_served(bus):
    # fedora-messaging sends the next channel.open before the close-ok of the last one is back.
    with wire.connected(bus) as peer:
        goodbye = struct.pack(">H", 0) + wire.short("") + struct.pack(">HH", 0, 0)
        peer.send(wire.method(1, wire.CHANNEL_CLOSE, goodbye)
                  + wire.method(2, wire.CHANNEL_OPEN, wire.short("")))
        found = [peer.read_method() for _ in range(2)]
        expect_equal(sorted((reply.channel, reply.name) for reply in found),
                     [(1, wire.CHANNEL_CLOSE_OK), (2, wire.CHANNEL_OPEN_OK)], "answers")
        peer.open_channel(1)


@scenario
def after_a_channel_error_the_rest_is_ignored_until_close_ok(bus):
    with wire.connected(bus) as peer:
        missing = bus.name("queue")
        passive = struct.pack(">H", 0) + wire.short(missing) + b"\x01" + wire.long(b"")
        peer.send(wire.method(1, wire.QUEUE_DECLARE, passive) * 3
                  + wire.publish(1, "amq.fanout", "", b"ignored"))
        reply = peer.expect(wire.CHANNEL_CLOSE, 1)
        expect_equal(reply.code_and_text(),
                     (404, f"NOT_FOUND - no queue '{missing}' in vhost '/'"), "channel.close")
        expect_equal(reply.failing_method(), (50, 10), "failing method")
        peer.send(wire.method(1, wire.CHANNEL_CLOSE_OK))
        # Only one close; and the number serves again at once.
        peer.open_channel(1)


@scenario
def a_channel_beyond_the_negotiated_number_is_refused(bus):
    with wire.connected(bus, channel_max=2) as peer:
        peer.open_channel(2)
        peer.send(wire.method(3, wire.CHANNEL_OPEN, wire.short("")))
        reply = peer.expect(wire.CONNECTION_CLOSE)
        code, text = reply.code_and_text()
        expect(code in (504, 530), f"reply code 504 or 530, found {code} {text}")


@scenario
def a_silent_client_is_sent_heartbeats_and_then_dropped(bus):
    with wire.connected(bus, heartbeat=1) as peer:
        begun = time.monotonic()
        kind, channel, payload = peer.read_frame(3)
        expect_equal((kind, channel, payload), (wire.HEARTBEAT, 0, b""), "a heartbeat")
        peer.wait_closed(10)
        took = time.monotonic() - begun
        expect(1.0 <= took <= 8.0, f"dropped after {took:.1f} s, of a heartbeat of 1 s")


@scenario
def a_client_that_sends_heartbeats_stays(bus):
    with wire.connected(bus, heartbeat=1) as peer:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            peer.read_frame(3)  # The server's heartbeats set the pace.
            peer.send(wire.frame(wire.HEARTBEAT, 0, b""))
        peer.open_channel(2)


@scenario
def tuning_above_the_servers_limit_is_refused(bus):
    for frame_max in [131072 * 2, 0]:
        with wire.Peer(bus) as peer:
            peer.send(wire.PROTOCOL_HEADER)
            peer.expect(wire.CONNECTION_START)
            peer.send(wire.start_ok(bus))
            tune = peer.expect(wire.CONNECTION_TUNE)
            offered = struct.unpack(">HIH", tune.arguments)[1]
            expect_equal(offered, 131072, "frame_max offered")
            peer.send(wire.method(0, wire.CONNECTION_TUNE_OK,
                                  struct.pack(">HIH", 0, frame_max, 0)))
            peer.send(wire.method(0, wire.CONNECTION_OPEN,
                                  wire.short(bus.vhost) + wire.short("") + b"\0"))
            if bus.is_rabbitmq_3:
                peer.wait_closed()  # It hangs up without a word.
                continue
            connection_refuses(peer, 530, "NOT_ALLOWED - negotiated ")


if __name__ == "__main__":
    main()
