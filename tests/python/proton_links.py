"""AMQP 1.0 with python-qpid-proton: connections, sessions, links, and where they lead."""

import urllib.parse

from proton import Delivery, Endpoint, Link, Message, Terminus

from proton_peer import Peer, accept, api, bodies, expect_condition, text
from scenario import depth, expect, expect_equal, get_all, main, scenario


def queue_of(bus, **arguments):
    """A queue, and the address of it."""
    queue = bus.queue(bus.channel(), **arguments)
    return queue, f"/queues/{queue}"


@scenario
def a_login_by_plain_is_answered_with_who_this_is(bus):
    peer = Peer(bus, allowed_mechs="PLAIN")
    connection, transport = peer.connection, peer.connection.transport
    expect_equal(transport.sasl().mech, "PLAIN", "mechanism")
    offered = connection.remote_offered_capabilities
    expect("ANONYMOUS-RELAY" in offered, "ANONYMOUS-RELAY is offered")
    expect("LINK_PAIR_V1_0" in offered, "LINK_PAIR_V1_0 is offered")
    properties = connection.remote_properties
    # RabbitMQ's own clients go on with nothing else.
    expect_equal(properties["product"], "RabbitMQ", "product")
    expect(properties["platform"].startswith("Tubepost "), "what it is")
    expect(connection.remote_container, "a container's name")
    expect(transport.remote_max_frame_size >= 512, "a frame size")


@scenario
def a_wrong_password_is_refused(bus):
    for user, password in [(bus.user, "wrong"), ("nobody", bus.password)]:
        peer = Peer(bus, user=user, password=password, expects_open=False)
        sasl = []
        peer.on_transport_error = lambda event: sasl.append(event.transport.condition)
        peer.until(lambda: peer.is_gone or sasl, "refusal")
        condition = sasl[0] if sasl else peer.connection.transport.condition
        expect_condition(condition, "amqp:unauthorized-access", "Authentication failed")
        expect(not peer.connection.state & Endpoint.REMOTE_ACTIVE, "the connection was opened")


@scenario
def anonymous_is_not_offered(bus):
    peer = Peer(bus, user=None, password=None, allowed_mechs="ANONYMOUS", expects_open=False)
    peer.until(lambda: peer.is_gone, "refusal")
    expect(not peer.connection.state & Endpoint.REMOTE_ACTIVE, "anybody was let in")


@scenario
def a_virtual_host_is_named_by_the_hostname(bus):
    vhost = bus.name("vhost")
    api("PUT", f"vhosts/{vhost}")
    api("PUT", f"permissions/{vhost}/guest", configure=".*", write=".*", read=".*")
    for hostname in [f"vhost:{vhost}", vhost]:
        peer = Peer(bus, virtual_host=hostname)
        peer.expect_refused(peer.begin_receiver("/queues/none"), "amqp:not-found",
                            f"no queue 'none' in vhost '{vhost}'")
    peer = Peer(bus, virtual_host="some.host.example")
    peer.expect_refused(peer.begin_receiver("/queues/none"), "amqp:not-found",
                        "no queue 'none' in vhost '/'")
    peer = Peer(bus, virtual_host="vhost:not-there")
    peer.expect_closed("amqp:unauthorized-access", "not-there")
    peer = Peer(bus, virtual_host=f"vhost:{vhost}")
    api("DELETE", f"vhosts/{vhost}")
    peer.expect_closed("amqp:connection:forced", f"vhost '{vhost}' is deleted")


@scenario
def the_address_of_a_queue_is_percent_encoded(bus):
    channel, peer = bus.channel(), Peer(bus)
    queue = bus.name("a/b %ü")
    channel.queue_declare(queue)
    bus.queues.append(queue)
    address = f"/queues/{urllib.parse.quote(queue, safe='')}"
    peer.publish(address, "hello")
    expect_equal(bodies(peer.take(peer.receiver(address, credit=1), 1)), ["hello"], "bodies")


@scenario
def every_form_of_an_address_leads_to_a_queue(bus):
    peer = Peer(bus)
    queue, address = queue_of(bus)
    for form in [address, f"/queue/{queue}", f"/amq/queue/{queue}", f"queue://{queue}", queue]:
        peer.publish(form, form)
        link = peer.receiver(form, credit=1)
        expect_equal(link.remote_source.address, form, "address in the answer")
        received = peer.take(link, 1)
        expect_equal(bodies(received), [form], "bodies")
        accept(*received)
        peer.detach(link)


@scenario
def an_address_of_version_1_makes_its_queue(bus):
    peer = Peer(bus)
    queue = bus.name("queue")
    bus.queues.append(queue)
    peer.publish(f"/queue/{queue}", "hello")
    channel = bus.channel()
    channel.queue_declare(queue, durable=True)
    expect_equal(get_all(channel, queue), ["hello"], "bodies")


@scenario
def every_form_of_an_address_leads_to_an_exchange(bus):
    peer, channel = Peer(bus), bus.channel()
    exchange = bus.exchange(channel, "direct")
    queue = bus.queue(channel)
    channel.queue_bind(queue, exchange, "a key")
    for address in [f"/exchanges/{exchange}/a%20key", f"/exchange/{exchange}/a key",
                    f"{exchange}/a key"]:
        peer.publish(address, address)
        expect_equal(get_all(channel, queue), [address], f"published to {address}")
    for address in [f"/exchange/{exchange}", exchange]:
        link = peer.sender(address)
        peer.send(link, text(address, subject="a key"))
        expect_equal(get_all(channel, queue), [address], "published by subject")
        expect_equal(peer.outcome(peer.put(link, Message(body="x"))), "released", "no subject")


@scenario
def a_source_that_is_an_exchange_is_bound_by_a_queue_of_its_own(bus):
    peer, channel = Peer(bus), bus.channel()
    exchange = bus.exchange(channel, "topic")
    for address, gets in [
        (f"/exchanges/{exchange}/a.%23", ["a.b"]),
        (f"/exchange/{exchange}/*.b", ["a.b", "b.b"]),
        (f"{exchange}/b.b", ["b.b"]),
        (exchange, ["a.b", "b.b", "c"]),
    ]:
        link = peer.receiver(address, credit=9)
        for key in ["a.b", "b.b", "c"]:
            channel.basic_publish(exchange, key, key.encode())
        received = peer.take(link, len(gets))
        expect_equal(bodies(received), gets, f"received from {address}")
        accept(*received)
        expect_equal(peer.drain(link, 5), [], "more than that")
        peer.detach(link)
    for form in ["/topic/x.*", "topic://x.*", "amq.topic/x.*"]:
        link = peer.receiver(form, credit=9)
        peer.publish("/exchanges/amq.topic/x.y", form)
        expect_equal(bodies(peer.take(link, 1)), [form], f"received from {form}")


@scenario
def a_link_to_what_is_not_there_is_refused(bus):
    peer = Peer(bus)
    for begin in [peer.begin_sender, peer.begin_receiver]:
        for address, condition, words in [
            ("/queues/none", "amqp:not-found", "no queue 'none' in vhost '/'"),
            ("none", "amqp:not-found", "no queue or exchange 'none' in vhost '/'"),
            ("/exchanges/none/key", "amqp:not-found", "no exchange 'none' in vhost '/'"),
            ("none/key", "amqp:not-found", "no queue or exchange 'none/key' in vhost '/'"),
            ("/queues/a/b", "amqp:invalid-field", "expected /queues/QUEUE"),
            ("/nowhere", "amqp:invalid-field", "expected /queues/QUEUE"),
        ]:
            link = begin(address)
            peer.expect_refused(link, condition, words)
            terminus = link.remote_source if link.is_receiver else link.remote_target
            expect_equal(terminus.type, Terminus.UNSPECIFIED, "the terminus in the answer")
    peer.round_trip()  # The session lives on.
    expect(not peer.session.state & Endpoint.REMOTE_CLOSED, "the session was ended")


@scenario
def a_link_to_a_queue_of_another_connection_is_refused(bus):
    channel, peer = bus.channel(), Peer(bus)
    queue = channel.queue_declare("", exclusive=True).method.queue
    peer.expect_refused(peer.begin_receiver(f"/queues/{queue}"), "amqp:resource-locked", queue)


@scenario
def a_link_is_refused_while_a_consumer_is_alone(bus):
    channel, peer = bus.channel(), Peer(bus)
    queue = bus.queue(channel)
    channel.basic_consume(queue, lambda *_: None, exclusive=True)
    words = f"queue '{queue}' in vhost '/' in exclusive use"
    peer.expect_refused(peer.begin_receiver(f"/queues/{queue}"), "amqp:resource-locked", words)
    peer.round_trip()  # The session lives on.


@scenario
def a_consumer_hears_that_its_queue_was_deleted(bus):
    peer, channel = Peer(bus), bus.channel()
    queue = bus.queue(channel)
    link = peer.receiver(f"/queues/{queue}", credit=1)
    channel.queue_delete(queue)
    peer.until(lambda: link.state & Endpoint.REMOTE_CLOSED, "detach")
    expect_condition(link.remote_condition, "amqp:resource-deleted", f"queue '{queue}'")
    peer.round_trip()


@scenario
def a_publisher_is_told_that_its_queue_was_deleted(bus):
    peer, channel = Peer(bus), bus.channel()
    queue = bus.queue(channel)
    link = peer.sender(f"/queues/{queue}")
    peer.send(link, Message(body="x"))
    channel.queue_delete(queue)
    expect_equal(peer.outcome(peer.put(link, Message(body="y"))), "released", "outcome")


@scenario
def a_dynamic_source_is_a_queue_that_goes_with_its_link(bus):
    peer = Peer(bus)
    link = peer.receiver(dynamic=True, credit=2)
    address = link.remote_source.address
    expect(address.startswith("/queues/amq.gen-"), f"the address is {address}")
    expect(link.remote_source.dynamic, "the answer says that it is dynamic")
    peer.publish(address, "a", "b")
    expect_equal(bodies(peer.take(link, 2)), ["a", "b"], "bodies")
    other = Peer(bus)
    other.publish(address, "c")
    other.expect_refused(other.begin_receiver(address), "amqp:resource-locked", "amq.gen-")
    peer.detach(link)
    peer.expect_refused(peer.begin_sender(address), "amqp:not-found", "no queue 'amq.gen-")


@scenario
def a_dynamic_target_is_a_queue_to_be_read_by_its_address(bus):
    peer = Peer(bus)
    link = peer.sender(dynamic=True)
    address = link.remote_target.address
    peer.send(link, Message(body="hello"))
    expect_equal(bodies(peer.take(peer.receiver(address, credit=1), 1)), ["hello"], "bodies")


@scenario
def a_request_is_answered_by_reply_to(bus):
    client, server = Peer(bus), Peer(bus)
    _, address = queue_of(bus)
    replies = client.receiver(dynamic=True, credit=1)
    request = Message(body="ping", correlation_id="c-1", reply_to=replies.remote_source.address)
    client.send(client.sender(address), request)
    [asked] = server.take(server.receiver(address, credit=1), 1)
    anonymous = server.sender(None)
    reply = Message(body="pong", address=asked.message.reply_to,
                    correlation_id=asked.message.correlation_id)
    server.send(anonymous, reply)
    accept(asked)
    [answer] = client.take(replies, 1)
    expect_equal((answer.body, answer.message.correlation_id), ("pong", "c-1"), "answer")


@scenario
def a_message_on_an_anonymous_link_says_where_it_goes(bus):
    peer, channel = Peer(bus), bus.channel()
    queue = bus.queue(channel)
    channel.queue_bind(queue, "amq.direct", queue)
    link = peer.sender(None)
    expect_equal(link.remote_target.address, None, "address in the answer")
    for address in [f"/queues/{queue}", f"/exchanges/amq.direct/{queue}", queue]:
        peer.send(link, text(address, address=address))
        expect_equal(get_all(channel, queue), [address], "arrived")
    for address, condition, words in [
        ("/queues/none", "amqp:not-found", "no queue 'none'"),
        ("/exchanges/none/x", "amqp:not-found", "no exchange 'none'"),
        ("/nowhere", "amqp:invalid-field", "expected /queues/QUEUE"),
        (None, "amqp:invalid-field", "'to'"),
    ]:
        delivery = peer.put(link, Message(body="x", address=address))
        peer.until(lambda it=delivery: it.settled, "outcome")
        expect_equal(delivery.remote_state, Delivery.REJECTED, f"outcome for {address}")
        expect_condition(delivery.remote.condition, condition, words)
    delivery = peer.put(link, Message(body="x", address="/exchanges/amq.direct/nobody"))
    expect_equal(peer.outcome(delivery), "released", "outcome for a key without a queue")


def without_permission(bus, read="", write=""):
    """A user who may do only so much."""
    user = bus.name("user")
    api("PUT", f"users/{user}", password="secret", tags="")
    api("PUT", f"permissions/%2f/{user}", configure="", write=write, read=read)
    return user


@scenario
def who_may_not_read_or_write_loses_the_session(bus):
    _, address = queue_of(bus)
    user = without_permission(bus)
    peer = Peer(bus, user=user, password="secret")
    for begin in [peer.begin_receiver, peer.begin_sender]:
        session = peer.connection.session()
        session.open()
        begin(address, session=session)
        peer.expect_session_ended(session, "amqp:unauthorized-access", f"user '{user}'")
    peer.round_trip()  # The connection lives on.
    stranger = bus.name("user")
    api("PUT", f"users/{stranger}", password="secret", tags="")
    peer = Peer(bus, user=stranger, password="secret")
    peer.expect_closed("amqp:unauthorized-access", stranger)


@scenario
def a_right_that_is_taken_away_ends_the_link(bus):
    queue, address = queue_of(bus)
    user = without_permission(bus, read=".*", write=".*")
    peer = Peer(bus, user=user, password="secret")
    link = peer.receiver(address, credit=1)
    api("PUT", f"permissions/%2f/{user}", configure="", write="", read="")
    peer.until(lambda: link.state & Endpoint.REMOTE_CLOSED, "detach")
    expect_condition(link.remote_condition, "amqp:unauthorized-access", queue)
    api("DELETE", f"users/{user}")
    peer.expect_closed("amqp:connection:forced", f"user '{user}' is deleted")


@scenario
def a_thousand_links_on_a_session(bus):
    peer = Peer(bus)
    _, address = queue_of(bus)
    links = [peer.begin_sender(address) for _ in range(500)]
    links += [peer.begin_receiver(address) for _ in range(500)]
    for link in links:
        peer.attached(link)
    peer.send(links[499], Message(body="x"))
    links[-1].flow(1)
    expect_equal(bodies(peer.take(links[-1], 1)), ["x"], "bodies")
    for link in links:
        link.close()
    peer.until(lambda: all(it.state & Endpoint.REMOTE_CLOSED for it in links), "detaches")


@scenario
def many_sessions_up_to_what_is_offered(bus):
    peer = Peer(bus)
    offered = peer.connection.transport.remote_channel_max
    expect(offered >= 63, f"channel-max {offered}")
    queue, address = queue_of(bus)
    # Channels are counted from 0, and one is open.
    sessions = [peer.connection.session() for _ in range(offered)]
    for session in sessions:
        session.open()
    links = [peer.begin_sender(address, session=session) for session in sessions]
    for number, link in enumerate(links):
        peer.send(peer.attached(link), Message(body=str(number)))
    sessions[-1].close()
    found = drained(peer, address, len(sessions))
    expect_equal(sorted(found, key=int), [str(it) for it in range(offered)], "bodies")
    expect_equal(depth(bus.channel(), queue), 0, "left")


def drained(peer, address, count):
    """The bodies of so many messages, accepted."""
    link = peer.receiver(address, credit=count)
    received = peer.take(link, count)
    accept(*received)
    peer.detach(link)
    return bodies(received)


@scenario
def a_link_is_taken_over_by_one_of_its_name(bus):
    _, address = queue_of(bus)
    peer = Peer(bus)
    first = peer.receiver(address, name="same")
    first.is_detached = False
    session = peer.connection.session()
    session.open()
    second = peer.receiver(address, name="same", session=session)
    peer.until(lambda: first.is_detached, "detach of the first")
    expect_condition(first.remote_condition, "amqp:link:stolen", "")
    peer.publish(address, "x")
    second.flow(1)
    expect_equal(bodies(peer.take(second, 1)), ["x"], "bodies")


@scenario
def a_lost_connection_gives_its_messages_to_the_next(bus):
    owner, peer = Peer(bus), Peer(bus)
    _, address = queue_of(bus)
    peer.publish(address, "a", "b")
    owner.take(owner.receiver(address, credit=2), 2)
    # No goodbye: the socket is cut.
    owner.connection.transport._selectable._delegate.close()  # pylint: disable=protected-access
    owner.is_gone = True
    received = peer.take(peer.receiver(address, credit=2), 2)
    expect_equal(bodies(received), ["a", "b"], "bodies")
    expect_equal([it.message.delivery_count for it in received], [1, 1], "delivery-count")


@scenario
def settle_modes_are_said_back(bus):
    peer = Peer(bus)
    _, address = queue_of(bus)
    for mode in [Link.SND_SETTLED, Link.SND_UNSETTLED, Link.SND_MIXED]:
        expect_equal(peer.sender(address, mode=mode).remote_snd_settle_mode, mode, "sender")
    for mode in [Link.SND_SETTLED, Link.SND_UNSETTLED]:
        link = peer.receiver(address, mode=mode)
        expect_equal(link.remote_snd_settle_mode, mode, "receiver")
        #= amqp-1.0 §3.5.3 mode-said
        move = Terminus.DIST_MODE_MOVE
        expect_equal(link.remote_source.distribution_mode, move, "what is taken is gone")


if __name__ == "__main__":
    main()
