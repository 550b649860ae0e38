"""Connections: login, virtual hosts, limits, heartbeats, with pika."""

import time

import pika

from scenario import expect, expect_equal, get_all, main, scenario


def refused(bus, **parameters):
    """The error that a connection attempt ends with."""
    try:
        bus.connect(**parameters)
    except pika.exceptions.AMQPConnectionError as error:
        return error
    return expect(False, f"a connection with {parameters} was accepted")


@scenario
def the_server_says_what_it_can(bus):
    properties = bus.connect()._impl.server_properties  # pylint: disable=protected-access
    for key in ["product", "version", "platform", "capabilities"]:
        expect(key in properties, f"server property {key}")
    for capability in ["publisher_confirms", "exchange_exchange_bindings", "basic.nack",
                       "consumer_cancel_notify", "authentication_failure_close",
                       "per_consumer_qos"]:
        expect_equal(properties["capabilities"].get(capability), True, f"capability {capability}")


@scenario
def a_wrong_password_is_refused_in_words(bus):
    error = refused(bus, credentials=pika.PlainCredentials(bus.user, "wrong"))
    expect(isinstance(error, pika.exceptions.ProbableAuthenticationError), repr(error))
    text = "Login was refused using authentication mechanism PLAIN"
    expect("ACCESS_REFUSED" in str(error) and text in str(error), repr(error))


@scenario
def an_unknown_user_is_refused_as_a_wrong_password_is(bus):
    error = refused(bus, credentials=pika.PlainCredentials("nobody", "wrong"))
    expect(isinstance(error, pika.exceptions.ProbableAuthenticationError), repr(error))


@scenario
def an_unknown_virtual_host_is_named(bus):
    error = refused(bus, virtual_host="nowhere")
    text = "NOT_ALLOWED - vhost nowhere not found"
    expect("530" in str(error) and text in str(error), repr(error))


@scenario
def a_connection_closes_in_order(bus):
    connection = bus.connect()
    connection.channel()
    connection.close(reply_code=200, reply_text="Goodbye")
    expect(connection.is_closed, "closed")


@scenario
def two_hundred_channels_of_one_connection_work(bus):
    connection = bus.connect()
    channels = [connection.channel() for _ in range(200)]
    queue = bus.queue(channels[0])
    for channel in channels:
        channel.basic_publish("", queue, str(channel.channel_number).encode())
        channel.exchange_declare("amq.direct", passive=True)
    expect_equal(len(get_all(channels[1], queue)), 200, "messages")
    for channel in channels[1:]:
        channel.close()
    expect_equal(connection.channel(150).channel_number, 150, "a number used before")


@scenario
def fifty_connections_at_once_work(bus):
    connections = [bus.connect() for _ in range(50)]
    queue = bus.queue(connections[0].channel())
    for connection in connections:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", queue, b"here", mandatory=True)
    expect_equal(len(get_all(connections[-1].channel(), queue)), 50, "messages")


@scenario
def heartbeats_keep_an_idle_connection_alive(bus):
    connection = bus.connect(heartbeat=1)
    channel = connection.channel()
    # pika answers the server's heartbeats and drops a server that sends none for 2 s.
    end = time.monotonic() + 4
    while time.monotonic() < end:
        connection.process_data_events(time_limit=0.5)
    channel.exchange_declare("amq.topic", passive=True)


if __name__ == "__main__":
    main()
