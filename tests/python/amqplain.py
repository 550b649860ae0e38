"""The mechanism AMQPLAIN, with py-amqp, the client under kombu and Celery."""

import amqp
from amqp.sasl import AMQPLAIN, PLAIN

from scenario import expect, expect_equal, main, scenario


def connect(bus, mechanism, password):
    """A connection that offers one mechanism only."""
    return amqp.Connection(
        host=f"{bus.host}:{bus.port}", virtual_host=bus.vhost, connect_timeout=10,
        read_timeout=10, authentication=[mechanism(bus.user, password)])


@scenario
def a_login_by_amqplain_works_and_carries_messages(bus):
    connection = connect(bus, AMQPLAIN, bus.password)
    connection.connect()
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).queue
    channel.confirm_select()
    channel.basic_publish(amqp.Message("by AMQPLAIN", content_type="text/plain"), "", queue)
    message = channel.basic_get(queue, no_ack=True)
    expect_equal(message.body, "by AMQPLAIN", "body")
    connection.close()


@scenario
def the_server_offers_both_mechanisms(bus):
    connection = connect(bus, PLAIN, bus.password)
    connection.connect()
    offered = set(connection.mechanisms)
    offered = {name.decode() if isinstance(name, bytes) else name for name in offered}
    expect({"PLAIN", "AMQPLAIN"} <= offered, f"PLAIN and AMQPLAIN among {sorted(offered)}")
    expect("ANONYMOUS" not in offered, "no login without a name")
    connection.close()


@scenario
def a_wrong_password_by_amqplain_is_refused_in_words(bus):
    try:
        connect(bus, AMQPLAIN, "wrong").connect()
    except amqp.exceptions.AccessRefused as refused:
        text = "ACCESS_REFUSED - Login was refused using authentication mechanism AMQPLAIN"
        expect_equal(refused.reply_text[:len(text)], text, "reply text")
        return
    expect(False, "a wrong password was accepted")


if __name__ == "__main__":
    main()
