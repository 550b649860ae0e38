"""From the first octet to connection.open-ok, and what goes wrong on the way."""

import wire
from differential.script import script


def silent(stage, tubepost):
    """RabbitMQ hangs up without a word before the connection is open."""
    return stage.differs("errors-before-open", "END", tubepost)


@script
def the_greeting(stage):
    connection = stage.connect_raw().greet()
    connection.log_in().tune().open()
    connection.channel(1).sync()


@script
def a_wrong_password_is_refused_with_words_for_who_understands_them(stage):
    connection = stage.connect_raw(password="wrong").greet()
    connection.log_in()
    connection.expect_end()


@script
def an_unknown_user_is_refused_alike(stage):
    connection = stage.connect_raw(user="nobody").greet()
    connection.log_in()
    connection.expect_end()


@script
def amqplain_logs_in(stage):
    login = (b"\x05LOGINS\0\0\0\x05guest" + b"\x08PASSWORDS\0\0\0\x05guest")
    connection = stage.connect_raw().greet().log_in(mechanism="AMQPLAIN", response=login)
    connection.tune().open().channel(1).sync()


@script
def a_login_of_no_form_is_refused(stage):
    connection = stage.connect_raw().greet()
    with silent(stage, "reply-code=403"):
        connection.log_in(response="no separators")
        connection.expect_end()


@script
def an_unknown_mechanism_is_refused(stage):
    connection = stage.connect_raw().greet()
    with silent(stage, "reply-code=403"):
        connection.log_in(mechanism="SCRAM-NEVER")
        connection.expect_end()


@script
def an_unknown_virtual_host_is_refused(stage):
    connection = stage.connect_raw().greet().log_in().tune().open("nowhere")
    connection.expect_end()


@script
def channels_are_as_many_as_negotiated(stage):
    connection = stage.connect_raw().greet().log_in().tune(channel_max=3).open()
    for number in [3, 4, 1, 2]:
        connection.channel(number)
    connection.expect_end()


@script
def tuning_takes_no_bound_above_the_servers(stage):
    for tuning in [{"channel_max": 2048}, {"channel_max": 0}, {"frame_max": 131073},
                   {"frame_max": 4095}]:
        connection = stage.connect_raw().greet().log_in().tune(**tuning)
        with silent(stage, "reply-code=530"):
            connection.open()
            connection.expect_end()


@script
def a_protocol_that_is_not_spoken_is_answered_with_the_one_that_is(stage):
    for header in [b"AMQP\x00\x00\x09\x00", b"AMQP\x00\x00\x0a\x00", b"HTTP/1.1"]:
        connection = stage.connect_raw()
        connection.send_raw(header)
        answer = connection.peer.read_bytes(8)
        stage.transcript.write("answers", f"{header} {answer}")
        connection.expect_end()


@script
def amqp_0_8_is_not_spoken(stage):
    connection = stage.connect_raw()
    connection.send_raw(b"AMQP\x01\x01\x08\x00")
    with stage.differs("amqp-0-8", r"b'\x01\x00", "b'AMQP\\x00\\x00\\t\\x01'"):
        stage.transcript.write("answers", repr(connection.peer.read_bytes(8)))
    connection.cut()


@script
def the_older_form_of_the_header_is_taken(stage):
    connection = stage.connect_raw()
    connection.send_raw(b"AMQP\x01\x01\x00\x09")
    connection.pump(lambda: "connection.start" in connection.seen)
    connection.log_in().tune().open()
    connection.channel(1).sync()


@script
def a_new_secret_is_taken(stage):
    connection = stage.connect()
    connection.call("connection.update-secret", "connection.update-secret-ok",
                    new_secret="guest", reason="rotated")
    connection.channel(1).sync()


@script
def methods_before_the_login_are_refused(stage):
    connection = stage.connect_raw().greet()
    with silent(stage, "reply-code=505"):
        connection.send_raw(wire.method(1, wire.CHANNEL_OPEN, wire.short("")))
        connection.expect_end()
