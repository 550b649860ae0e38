"""AMQP 1.0 with python-qpid-proton: links that choose, browse, and subscriptions that stay."""

import uuid

from proton import (UNDESCRIBED, Array, Data, Delivery, Described, Endpoint, Link, Terminus,
                    symbol)

from proton_peer import Peer, accept, bodies, expect_condition, settle, text
from scenario import depth, expect, expect_equal, get_all, main, scenario

SELECTOR = symbol("apache.org:selector-filter:string")
NO_LOCAL = symbol("apache.org:no-local-filter:list")


def queue_of(bus, **arguments):
    """A queue, and the address of it."""
    queue = bus.queue(bus.channel(), **arguments)
    return queue, f"/queues/{queue}"


def waiting(bus, queue):
    """How many messages are ready."""
    return depth(bus.channel(), queue)


def colored(body, color, **more):
    """A message with a property to choose it by."""
    return text(body, properties={"color": color}, **more)


def asking(peer, address, *, selector=None, copy=False, filters=None, capabilities=(),
           durability=None, expiry=None, name=None, credit=0, session=None):
    """Asks for a link that receives, with all that a source can say."""
    link = (session or peer.session).receiver(name or uuid.uuid4().hex)
    link.received = []
    link.source.type = Terminus.SOURCE
    link.source.address = address
    chosen = dict(filters or {})
    if selector is not None:
        chosen[symbol("selector")] = Described(SELECTOR, selector)
    if chosen:
        link.source.filter.put_dict(chosen)
    if copy:
        link.source.distribution_mode = Terminus.DIST_MODE_COPY
    if capabilities:
        symbols = [symbol(it) for it in capabilities]
        link.source.capabilities.put_object(Array(UNDESCRIBED, Data.SYMBOL, *symbols))
    if durability is not None:
        link.source.durability = durability
    if expiry is not None:
        link.source.expiry_policy = expiry
    link.open()
    if credit:
        link.flow(credit)
    return link


def taken(peer, address, **more):
    """The same; it must be taken."""
    return peer.attached(asking(peer, address, **more))


def filters_of(link):
    """The names of the filters that the broker says are in force."""
    data = link.remote_source.filter
    data.rewind()
    found = data.get_dict() if data.next() is not None else {}
    return sorted(found)


def detach(peer, link):
    """Detaches a link, which may be attached again."""
    link.detach()
    peer.until(lambda: getattr(link, "is_detached", False) or
               link.state & Endpoint.REMOTE_CLOSED, "answer to a detach")


@scenario
def a_selector_on_a_queue_takes_what_it_wants_and_leaves_the_rest(bus):
    queue, address = queue_of(bus)
    peer = Peer(bus)
    link = peer.sender(address)
    for number in range(10):
        peer.send(link, colored(f"{number}", "red" if number % 3 == 0 else "blue"))
    red = taken(peer, address, selector="color = 'red'", credit=10)
    expect_equal(filters_of(red), ["selector"], "filters in force")
    received = peer.take(red, 4)
    expect_equal(bodies(received), ["0", "3", "6", "9"], "what was chosen")
    accept(*received)
    peer.round_trip()
    expect_equal(waiting(bus, queue), 6, "messages left for others")
    peer.send(link, colored("10", "blue"))
    peer.send(link, colored("11", "red"))
    expect_equal(bodies(peer.take(red, 1)), ["11"], "one that came later")
    rest = ["1", "2", "4", "5", "7", "8", "10"]
    peer.detach(red)
    expect_equal(get_all(bus.channel(), queue), rest + ["11"], "all that is left, in order")


@scenario
def links_with_selectors_share_a_queue(bus):
    queue, address = queue_of(bus)
    peer = Peer(bus)
    links = {color: taken(peer, address, selector=f"color = '{color}'", credit=100)
             for color in ("red", "green", "blue")}
    sender = peer.sender(address)
    for number in range(30):
        peer.send(sender, colored(f"{number}", ("red", "green", "blue")[number % 3]))
    for place, link in enumerate(links.values()):
        received = peer.take(link, 10)
        expect_equal(bodies(received), [f"{it}" for it in range(place, 30, 3)], "of one color")
        accept(*received)
    peer.round_trip()
    expect_equal(waiting(bus, queue), 0, "messages left")


@scenario
def a_group_goes_to_one_consumer_in_order_and_to_another_when_that_is_gone(bus):
    queue, address = queue_of(bus)
    peer = Peer(bus)
    links = [taken(peer, address, credit=100) for _ in range(2)]
    sender = peer.sender(address)
    for number in range(20):
        for group in ("ada", "grace", "joan", "mary"):
            peer.send(sender, text(f"{group} {number:02}", group_id=group))
    peer.until(lambda: sum(len(it.received) for it in links) == 80, "all of it")
    came = [bodies(link.received) for link in links]
    for group in ("ada", "grace", "joan", "mary"):
        of_group = [[it for it in of_link if it.startswith(group)] for of_link in came]
        expect_equal(sorted(map(len, of_group)), [0, 20], f"who got {group}")
        expect_equal(max(of_group), sorted(max(of_group)), f"in order: {group}")
    expect(all(came), "each has some of the groups")
    first = came[0][0].split()[0]
    accept(*links[0].received[1:])
    peer.round_trip()
    peer.detach(links[0])
    more = peer.take(links[1], len(came[1]) + 1)
    expect_equal(bodies(more)[-1], f"{first} 00", "what the other had not settled")


@scenario
def a_consumer_without_credit_holds_up_its_own_groups_only(bus):
    queue, address = queue_of(bus)
    peer = Peer(bus)
    busy = taken(peer, address, credit=1)
    sender = peer.sender(address)
    for number in range(3):
        peer.send(sender, text(f"ada {number}", group_id="ada"))
    free = taken(peer, address, credit=100)
    peer.send(sender, text("alone"))
    peer.send(sender, text("grace 0", group_id="grace"))
    expect_equal(bodies(peer.take(free, 2)), ["alone", "grace 0"], "what is nobody's yet")
    expect_equal(bodies(peer.take(busy, 1)), ["ada 0"], "of its own group")
    expect_equal(waiting(bus, queue), 2, "messages held for who has no credit")
    busy.flow(2)
    expect_equal(bodies(peer.take(busy, 2)), ["ada 1", "ada 2"], "in order")


@scenario
def what_one_selector_gives_back_another_gets(bus):
    _, address = queue_of(bus)
    peer = Peer(bus)
    peer.send(peer.sender(address), colored("a", "red"))
    first = taken(peer, address, selector="color = 'red'", credit=1)
    received = peer.take(first, 1)
    second = taken(peer, address, selector="color LIKE 'r%'", credit=1)
    peer.round_trip()
    expect_equal(second.received, [], "it is taken")
    settle(received[0], Delivery.RELEASED)
    expect_equal(bodies(peer.take(second, 1)), ["a"], "what came back")


@scenario
def a_selector_drains_when_nothing_more_matches(bus):
    queue, address = queue_of(bus)
    peer = Peer(bus)
    sender = peer.sender(address)
    for number in range(200):
        peer.send(sender, colored(f"{number}", "red" if number == 150 else "blue"))
    link = taken(peer, address, selector="color = 'red'")
    expect_equal(bodies(peer.drain(link, 10)), ["150"], "what was there")
    expect_equal(waiting(bus, queue), 199, "messages left")


@scenario
def a_message_of_pika_is_chosen_by_its_headers(bus):
    import pika
    queue, address = queue_of(bus)
    for number in range(4):
        properties = pika.BasicProperties(headers={"n": number})
        bus.channel().basic_publish("", queue, f"{number}".encode(), properties)
    peer = Peer(bus)
    link = taken(peer, address, selector="n >= 2", credit=10)
    expect_equal(bodies(peer.take(link, 2)), ["2", "3"], "what was chosen")


@scenario
def a_browser_sees_all_and_takes_nothing(bus):
    queue, address = queue_of(bus)
    peer = Peer(bus)
    peer.publish(address, *(f"{number}" for number in range(50)))
    for again in range(2):
        link = taken(peer, address, copy=True)
        expect_equal(link.remote_source.distribution_mode, Terminus.DIST_MODE_COPY, "the answer")
        seen = peer.drain(link, 100)
        expect_equal(bodies(seen), [f"{number}" for number in range(50)], f"round {again}")
        accept(*seen)
        peer.detach(link)
    expect_equal(waiting(bus, queue), 50, "messages left")


@scenario
def a_browser_goes_on_with_what_comes_and_chooses_by_its_selector(bus):
    queue, address = queue_of(bus)
    peer = Peer(bus)
    sender = peer.sender(address)
    link = taken(peer, address, copy=True, selector="color = 'red'", credit=100)
    for number in range(6):
        peer.send(sender, colored(f"{number}", ("red", "blue")[number % 2]))
    expect_equal(bodies(peer.take(link, 3)), ["0", "2", "4"], "copies")
    taking = peer.receiver(address, credit=6)
    expect_equal(len(peer.take(taking, 6)), 6, "messages for who takes them")
    expect_equal(link.received, [], "more copies")


@scenario
def browsing_and_choosing_reach_what_is_on_disk(bus):
    queue, address = queue_of(bus, durable=True)
    peer = Peer(bus)
    sender = peer.sender(address)
    sent = []
    for number in range(3000):
        color = "red" if number % 1000 == 999 else "blue"
        sent.append(peer.put(sender, colored(f"{number}", color, durable=True)))
    for delivery in sent:
        expect_equal(peer.outcome(delivery), "accepted", "outcome")
    red = taken(peer, address, selector="color = 'red'", credit=10)
    received = peer.take(red, 3)
    expect_equal(bodies(received), ["999", "1999", "2999"], "what was chosen")
    accept(*received)
    peer.detach(red)
    expect_equal(len(peer.drain(taken(peer, address, copy=True), 5000)), 2997, "copies")
    expect_equal(waiting(bus, queue), 2997, "messages left")


@scenario
def a_selector_that_is_none_is_refused(bus):
    _, address = queue_of(bus)
    peer = Peer(bus)
    peer.expect_refused(asking(peer, address, selector="color = "), "amqp:invalid-field",
                        "selector")


@scenario
def a_link_that_wants_nothing_of_its_own_gets_what_others_publish(bus):
    mine, other = Peer(bus), Peer(bus)
    exchange = bus.exchange(bus.channel(), "topic")
    nothing_local = {symbol("no-local"): Described(NO_LOCAL, [])}
    link = taken(mine, f"/exchanges/{exchange}/%23", filters=nothing_local, credit=10)
    expect_equal(filters_of(link), ["no-local"], "filters in force")
    mine.publish(f"/exchanges/{exchange}/a", "mine")
    other.publish(f"/exchanges/{exchange}/a", "theirs")
    expect_equal(bodies(mine.take(link, 1)), ["theirs"], "messages")


@scenario
def qpids_filters_of_old_bind_a_subscription(bus):
    exchange = bus.exchange(bus.channel(), "topic")
    headers = bus.exchange(bus.channel(), "headers")
    peer = Peer(bus)
    by_key = {symbol("key"): Described(
        symbol("apache.org:legacy-amqp-topic-binding:string"), "news.#")}
    link = taken(peer, exchange, filters=by_key, credit=10)
    peer.publish(f"/exchanges/{exchange}/news.today", "news")
    expect_equal(peer.outcome(peer.put(peer.sender(f"/exchanges/{exchange}/other"), text("x"))),
                 "released", "outcome of what nobody wants")
    expect_equal(bodies(peer.take(link, 1)), ["news"], "messages by key")
    by_headers = {symbol("headers"): Described(
        symbol("apache.org:legacy-amqp-headers-binding:map"),
        {"x-match": "all", "color": "red"})}
    link = taken(peer, headers, filters=by_headers, credit=10)
    sender = peer.sender(headers)
    expect_equal(peer.outcome(peer.put(sender, colored("no", "blue"))), "released", "outcome")
    peer.send(sender, colored("yes", "red"))
    expect_equal(bodies(peer.take(link, 1)), ["yes"], "messages by headers")


@scenario
def a_durable_subscription_misses_nothing_while_its_link_is_detached(bus):
    exchange = bus.exchange(bus.channel(), "topic")
    address = f"/exchanges/{exchange}/%23"
    container = bus.name("container")
    more = {"name": "sub", "durability": Terminus.DELIVERIES,
            "expiry": Terminus.EXPIRE_NEVER, "credit": 10}
    peer = Peer(bus, container=container)
    first = taken(peer, address, **more)
    expect_equal(first.remote_source.expiry_policy, Terminus.EXPIRE_NEVER, "the answer's expiry")
    detach(peer, first)
    peer.publish(f"/exchanges/{exchange}/a", "while detached")
    again = taken(peer, address, **more)
    received = peer.take(again, 1)
    expect_equal(bodies(received), ["while detached"], "messages")
    accept(*received)
    peer.detach(again)
    link = peer.sender(f"/exchanges/{exchange}/a")
    expect_equal(peer.outcome(peer.put(link, text("x"))), "released", "after it was closed")


@scenario
def a_durable_subscription_is_found_again_by_a_link_without_a_source_and_closed(bus):
    exchange = bus.exchange(bus.channel(), "topic")
    peer = Peer(bus)
    link = taken(peer, f"/exchanges/{exchange}/a.b", name="sub",
                 durability=Terminus.CONFIGURATION, expiry=Terminus.EXPIRE_NEVER)
    detach(peer, link)

    def look_up():
        found = peer.session.receiver("sub")
        found.received = []
        found.source.type = Terminus.UNSPECIFIED
        found.open()
        return found

    found = peer.attached(look_up())
    expect_equal(found.remote_source.address, f"/exchanges/{exchange}/a.b", "what it leads to")
    peer.detach(found)
    gone = look_up()
    expect(not peer.answered(gone), "a subscription that was closed is found")
    expect_condition(gone.remote_condition, "amqp:not-found", "no subscription 'sub'")


@scenario
def a_durable_subscription_is_for_one_link_at_a_time(bus):
    exchange = bus.exchange(bus.channel(), "topic")
    container = bus.name("container")
    more = {"name": "sub", "durability": Terminus.CONFIGURATION, "expiry": Terminus.EXPIRE_NEVER}
    address = f"/exchanges/{exchange}/a"
    one, two = Peer(bus, container=container), Peer(bus, container=container)
    link = taken(one, address, **more)
    two.expect_refused(asking(two, address, **more), "amqp:resource-locked", "exclusive")
    one.detach(link)


@scenario
def a_shared_subscription_is_shared_out(bus):
    exchange = bus.exchange(bus.channel(), "topic")
    address = f"/exchanges/{exchange}/a"
    peers = [Peer(bus), Peer(bus)]
    name = bus.name("shared")
    links = [taken(peer, address, name=f"{name}|{at}", capabilities=["shared", "global"],
                   credit=100) for at, peer in enumerate(peers)]
    Peer(bus).publish(f"/exchanges/{exchange}/a", *(f"{number}" for number in range(20)))
    for peer, link in zip(peers, links):
        peer.until(lambda: len(link.received) >= 1, "a share")
    peers[0].until(lambda: [peer.container.process() for peer in peers] and
                   sum(len(link.received) for link in links) == 20, "all of it")
    both = sorted(int(it) for link in links for it in bodies(link.received))
    expect_equal(both, list(range(20)), "each message once")


@scenario
def a_topic_by_its_capability_is_a_key_of_the_exchange_for_topics(bus):
    peer = Peer(bus)
    name = bus.name("news")
    link = taken(peer, name, capabilities=["topic"], credit=1)
    peer.publish(f"/exchanges/amq.topic/{name}", "hello")
    expect_equal(bodies(peer.take(link, 1)), ["hello"], "messages")
    peer.expect_refused(asking(peer, name, capabilities=["queue"]), "amqp:not-found", name)


@scenario
def a_receiver_that_settles_second_is_answered_and_settled_after_it(bus):
    queue, address = queue_of(bus)
    peer = Peer(bus)
    link = peer.session.sender("second")
    link.target.type = Terminus.TARGET
    link.target.address = address
    link.rcv_settle_mode = Link.RCV_SECOND
    link.open()
    peer.attached(link)
    expect_equal(link.remote_rcv_settle_mode, Link.RCV_SECOND, "the answer's mode")
    delivery = peer.put(link, text("x"))
    peer.until(lambda: delivery.remote_state, "state")
    expect_equal((delivery.remote_state, delivery.settled), (Delivery.ACCEPTED, False),
                 "the broker waits for the sender")
    delivery.settle()
    peer.round_trip()
    expect_equal(waiting(bus, queue), 1, "messages")


if __name__ == "__main__":
    main()
