"""What must not hurt: broken frames, silence, other protocols. Each harms its own socket only.

Every scenario ends with a look at the broker through a connection opened before and one opened
after: both must be served.
"""

import struct
import time

import pika

import wire
from scenario import expect, expect_equal, main, scenario


class Others:
    """Clients that behave: one that is there already, one that comes after."""

    def __init__(self, bus):
        self.bus = bus

    def __enter__(self):
        self.channel = self.bus.channel()
        self.channel.confirm_delivery()
        self.queue = self.bus.queue(self.channel)
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            return
        for channel in [self.channel, self.bus.channel()]:
            channel.basic_publish("", self.queue, b"well", pika.BasicProperties())
            _, _, body = channel.basic_get(self.queue, auto_ack=True)
            expect_equal(body, b"well", "what another client published and got")


def connection_closed_with(peer, codes, seconds=8):
    """The broker says connection.close with one of the codes and hangs up, or just hangs up."""
    try:
        reply = peer.read_method(seconds)
    except wire.Closed:
        return
    expect_equal(reply.name, wire.CONNECTION_CLOSE, "method")
    code, text = reply.code_and_text()
    expect(code in codes, f"a reply code among {codes}, found {code} {text}")
    peer.send(wire.method(0, wire.CONNECTION_CLOSE_OK))
    peer.wait_closed(seconds)


@scenario
def a_frame_with_a_wrong_end_is_a_frame_error(bus):
    with Others(bus), wire.connected(bus) as peer:
        qos = struct.pack(">HHIHB", *wire.BASIC_QOS, 0, 1, 0)
        peer.send(wire.frame(wire.METHOD, 1, qos, end=b"\x00"))
        connection_closed_with(peer, [501])


@scenario
def a_frame_larger_than_negotiated_is_a_frame_error(bus):
    with Others(bus), wire.connected(bus, frame_max=8192) as peer:
        peer.send(wire.method(1, wire.BASIC_PUBLISH, b"\0\0" + wire.short("") + wire.short("k")
                              + b"\0"))
        peer.send(wire.frame(wire.HEADER, 1, struct.pack(">HHQH", 60, 0, 100_000, 0)))
        peer.send(wire.frame(wire.BODY, 1, b"x" * 100_000))
        connection_closed_with(peer, [501])


@scenario
def a_frame_that_claims_four_gigabytes_is_refused_before_it_comes(bus):
    with Others(bus), wire.connected(bus) as peer:
        peer.send(struct.pack(">BHI", wire.METHOD, 1, 0xFFFFFFF0))
        connection_closed_with(peer, [501])


@scenario
def a_frame_that_claims_four_gigabytes_before_login_is_refused(bus):
    with Others(bus), wire.Peer(bus) as peer:
        peer.send(wire.PROTOCOL_HEADER)
        peer.expect(wire.CONNECTION_START)
        peer.send(struct.pack(">BHI", wire.METHOD, 0, 0xFFFFFFF0))
        connection_closed_with(peer, [501])


@scenario
def an_unknown_frame_type_is_refused(bus):
    with Others(bus), wire.connected(bus) as peer:
        peer.send(wire.frame(77, 1, b"what"))
        connection_closed_with(peer, [501, 505])


@scenario
def an_unknown_method_is_refused(bus):
    for name in [(999, 1), (60, 999)]:
        with Others(bus), wire.connected(bus) as peer:
            peer.send(wire.method(1, name))
            connection_closed_with(peer, [501, 502, 503, 540, 541])


@scenario
def a_method_cut_short_is_a_syntax_error(bus):
    for arguments in [b"", b"\0", b"\0\0\xff", b"\0\0\x05abc"]:
        with Others(bus), wire.connected(bus) as peer:
            peer.send(wire.method(1, wire.QUEUE_DECLARE, arguments))
            connection_closed_with(peer, [501, 502, 541])


@scenario
def a_table_that_lies_about_its_length_is_refused(bus):
    tables = [
        struct.pack(">I", 1000) + b"\x01aS",
        wire.long(b"\x01aS" + struct.pack(">I", 0x7FFFFFFF) + b"x"),
        wire.long(b"\x01a?nothing"),
        wire.long(b"\xffa"),
    ]
    for table in tables:
        with Others(bus), wire.connected(bus) as peer:
            peer.send(wire.method(1, wire.QUEUE_DECLARE,
                                  b"\0\0" + wire.short(bus.name("queue")) + b"\x08" + table))
            connection_closed_with(peer, [501, 502, 503, 541])


@scenario
def a_table_nested_ten_thousand_deep_does_not_hurt(bus):
    table = b""
    for _ in range(10_000):
        table = b"\x01tF" + wire.long(table)
        if len(table) > 100_000:
            break
    with Others(bus), wire.connected(bus) as peer:
        header = struct.pack(">HHQH", 60, 0, 1, 0x2000) + wire.long(table)
        peer.send(wire.method(1, wire.BASIC_PUBLISH,
                              b"\0\0" + wire.short("") + wire.short("nobody") + b"\0"))
        peer.send(wire.frame(wire.HEADER, 1, header) + wire.frame(wire.BODY, 1, b"x"))
        peer.send(wire.method(1, wire.EXCHANGE_DECLARE,
                              b"\0\0" + wire.short("amq.topic") + wire.short("topic") + b"\x01"
                              + wire.long(b"")))
        # Taken or refused, but answered.
        try:
            reply = peer.read_method(10)
        except wire.Closed:
            return
        expect(reply.name in (wire.EXCHANGE_DECLARE_OK, wire.CONNECTION_CLOSE),
               f"an answer, found {reply.name}")


@scenario
def a_frame_on_a_channel_never_opened_is_a_channel_error(bus):
    with Others(bus), wire.connected(bus) as peer:
        peer.send(wire.method(200, wire.CONFIRM_SELECT, b"\0"))
        connection_closed_with(peer, [504])


@scenario
def a_body_without_its_method_is_unexpected(bus):
    for data in [wire.frame(wire.BODY, 1, b"out of nowhere"),
                 wire.frame(wire.HEADER, 1, struct.pack(">HHQH", 60, 0, 4, 0))]:
        with Others(bus), wire.connected(bus) as peer:
            peer.send(data)
            connection_closed_with(peer, [505])


@scenario
def a_method_in_the_middle_of_a_body_is_unexpected(bus):
    with Others(bus), wire.connected(bus) as peer:
        whole = wire.publish(1, "amq.fanout", "", b"abcd")
        peer.send(whole[:-12] + wire.method(1, wire.CONFIRM_SELECT, b"\0"))
        connection_closed_with(peer, [505])


@scenario
def a_body_longer_than_its_header_says_is_refused(bus):
    with Others(bus), wire.connected(bus) as peer:
        peer.send(wire.method(1, wire.BASIC_PUBLISH, b"\0\0" + wire.short("amq.fanout")
                              + wire.short("") + b"\0")
                  + wire.frame(wire.HEADER, 1, struct.pack(">HHQH", 60, 0, 2, 0))
                  + wire.frame(wire.BODY, 1, b"far too long"))
        if bus.is_rabbitmq_3:
            return  # It takes the whole frame.
        connection_closed_with(peer, [501, 502, 505])


@scenario
def a_body_announced_larger_than_any_limit_is_refused(bus):
    with Others(bus), wire.connected(bus) as peer:
        peer.send(wire.method(1, wire.BASIC_PUBLISH, b"\0\0" + wire.short("amq.fanout")
                              + wire.short("") + b"\0")
                  + wire.frame(wire.HEADER, 1, struct.pack(">HHQH", 60, 0, 1 << 62, 0)))
        if bus.is_rabbitmq_3:
            return  # It waits for the body.
        reply = peer.read_method(5)
        expect(reply.name in (wire.CONNECTION_CLOSE, wire.CHANNEL_CLOSE), f"found {reply.name}")
        code, text = reply.code_and_text()
        expect(code in (406, 311, 501, 502), f"{code} {text}")


@scenario
def another_version_of_the_protocol_is_told_ours(bus):
    for header in [b"AMQP\x00\x00\x08\x00", b"AMQP\x00\x00\x0a\x00"]:
        with Others(bus), wire.Peer(bus) as peer:
            peer.send(header)
            expect_equal(peer.read_bytes(8), wire.PROTOCOL_HEADER, f"answer to {header!r}")
            peer.wait_closed()


@scenario
def a_browser_on_the_amqp_port_is_sent_away(bus):
    with Others(bus), wire.Peer(bus) as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        peer.wait_closed()
        expect(peer.buffer[:4] in (b"AMQP", b"HTTP"), f"a header of a protocol, got {peer.buffer!r}")


@scenario
def random_bytes_are_sent_away(bus):
    for data in [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40, b"\0" * 64,
                 b"\xff" * 64, b"amqp\x00\x00\x09\x01"]:
        with Others(bus), wire.Peer(bus) as peer:
            peer.send(data)
            peer.wait_closed()


@scenario
def a_client_that_sends_one_byte_at_a_time_is_served(bus):
    class Slow(wire.Peer):
        """Each byte a packet of its own."""

        def send(self, data):
            for index in range(len(data)):
                super().send(data[index:index + 1])

    with Others(bus), Slow(bus) as peer:
        peer.handshake().open_channel(1)
        peer.send(wire.method(1, wire.CONFIRM_SELECT, b"\0"))
        peer.expect(wire.CONFIRM_SELECT_OK, 1)
        peer.send(wire.publish(1, "amq.fanout", "", b"slowly" * 20))
        peer.expect(wire.BASIC_ACK, 1)


@scenario
def everything_in_one_packet_is_served(bus):
    with Others(bus), wire.Peer(bus) as peer:
        peer.send(wire.PROTOCOL_HEADER + wire.start_ok(bus)
                  + wire.method(0, wire.CONNECTION_TUNE_OK, struct.pack(">HIH", 2047, 131072, 0))
                  + wire.method(0, wire.CONNECTION_OPEN, wire.short(bus.vhost) + b"\0\0")
                  + wire.method(1, wire.CHANNEL_OPEN, wire.short(""))
                  + wire.method(1, wire.CONFIRM_SELECT, b"\0")
                  + wire.publish(1, "amq.fanout", "", b"all at once"))
        for name, channel in [(wire.CONNECTION_START, 0), (wire.CONNECTION_TUNE, 0),
                              (wire.CONNECTION_OPEN_OK, 0), (wire.CHANNEL_OPEN_OK, 1),
                              (wire.CONFIRM_SELECT_OK, 1), (wire.BASIC_ACK, 1)]:
            peer.expect(name, channel)


@scenario
def a_method_before_login_is_refused(bus):
    with Others(bus), wire.Peer(bus) as peer:
        peer.send(wire.PROTOCOL_HEADER)
        peer.expect(wire.CONNECTION_START)
        peer.send(wire.method(1, wire.CHANNEL_OPEN, wire.short("")))
        connection_closed_with(peer, [501, 503, 504, 505])


@scenario
def a_client_that_hangs_up_in_the_middle_leaves_nothing(bus):
    whole = wire.publish(1, "amq.fanout", "", b"x" * 50_000)
    for cut in [0, 1, 7, 30, 1000, len(whole) - 1]:
        with Others(bus), wire.connected(bus) as peer:
            peer.send(whole[:cut])


@scenario
def a_reader_that_does_not_read_slows_only_itself(bus):
    with Others(bus) as others, wire.connected(bus) as peer:
        consume = b"\0\0" + wire.short(others.queue) + wire.short("deaf") + b"\x02" + wire.long(b"")
        peer.send(wire.method(1, (60, 20), consume))
        peer.expect((60, 21), 1)
        body = b"x" * 100_000
        for _ in range(200):  # 20 MB for a consumer without acknowledgement that reads nothing.
            others.channel.basic_publish("", others.queue, body)
        peer.socket.close()
        while others.channel.queue_declare(others.queue, passive=True).method.consumer_count:
            others.channel.connection.process_data_events(time_limit=0.05)
        others.channel.queue_purge(others.queue)


@scenario
def a_silent_client_is_dropped_after_the_handshake_timeout(bus):
    if not bus.handshake_timeout:
        print("     (skipped: --handshake-timeout is not given)")
        return
    half = wire.start_ok(bus)
    for said in [b"", wire.PROTOCOL_HEADER[:5], wire.PROTOCOL_HEADER,
                 wire.PROTOCOL_HEADER + half[:20], wire.PROTOCOL_HEADER + half]:
        with Others(bus), wire.Peer(bus) as peer:
            begun = time.monotonic()
            peer.send(said)
            peer.wait_closed(bus.handshake_timeout + 8)
            took = time.monotonic() - begun
            expect(took >= bus.handshake_timeout * 0.8,
                   f"dropped after {took:.2f} s, before the {bus.handshake_timeout} s were over")


@scenario
def two_hundred_silent_clients_do_not_keep_others_out(bus):
    peers = [wire.Peer(bus) for _ in range(200)]
    with Others(bus):
        pass
    for peer in peers:
        peer.socket.close()


if __name__ == "__main__":
    main()
