"""AMQP 1.0 transactions with python-qpid-proton: messages posted, deliveries retired."""

from proton import Delivery, Described, Endpoint, Message, Terminus, symbol, ulong
from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import Container

from proton_peer import Peer, accept, bodies, expect_condition, text
from scenario import depth, expect, expect_equal, get_all, main, scenario

DECLARED, TRANSACTIONAL = 0x33, 0x34


def queue_of(bus, **arguments):
    """A queue, and the address of it."""
    queue = bus.queue(bus.channel(), **arguments)
    return queue, f"/queues/{queue}"


def waiting(bus, *queues):
    """How many messages are ready in each queue."""
    channel = bus.channel()
    return [depth(channel, queue) for queue in queues]


def left(bus, queue):
    """Takes out all that waits in a queue."""
    return get_all(bus.channel(), queue)


class Coordinator:
    """A link that controls transactions."""

    def __init__(self, peer):
        self.peer = peer
        self.link = peer.session.sender("coordinator")
        self.link.target.type = Terminus.COORDINATOR
        self.link.target.capabilities.put_object(symbol("amqp:local-transactions"))
        self.link.open()
        taken = Endpoint.REMOTE_ACTIVE | Endpoint.REMOTE_CLOSED
        peer.until(lambda: self.link.state & taken, "answer to the coordinator's attach")
        expect_equal(self.link.remote_target.type, Terminus.COORDINATOR, "the answer's target")

    def ask(self, name, fields):
        """Sends a request and returns the delivery, settled by the broker."""
        request = self.peer.put(self.link, Message(body=Described(symbol(name), fields)))
        self.peer.until(lambda: request.settled, f"answer to {name}")
        return request

    def declare(self):
        """A new transaction."""
        declared = self.ask("amqp:declare:list", [None])
        expect_equal(declared.remote_state, DECLARED, "state of a declare")
        return Transaction(self, declared.remote.data[0])

    def discharge(self, txn_id, fail):
        """Ends one; the delivery."""
        return self.ask("amqp:discharge:list", [txn_id, fail])


class Transaction:
    """A transaction that was declared."""

    def __init__(self, coordinator, txn_id):
        self.coordinator = coordinator
        self.id = txn_id

    def post(self, link, message):
        """Sends a message as a part of it; returns the outcome it is to have."""
        peer = self.coordinator.peer
        peer.until(lambda: link.credit > 0, "credit")
        delivery = link.delivery(link.delivery_tag())
        delivery.local.data = [self.id]
        delivery.update(TRANSACTIONAL)
        link.stream(message.encode())
        link.advance()
        peer.until(lambda: delivery.remote_state or link.state & Endpoint.REMOTE_CLOSED, "outcome")
        if not delivery.remote_state:
            return None
        expect_equal(delivery.remote_state, TRANSACTIONAL, "state of a message posted")
        txn_id, outcome = delivery.remote.data
        expect_equal(bytes(txn_id), bytes(self.id), "the transaction of the answer")
        delivery.settle()
        return outcome.descriptor

    def retire(self, *received, state=Delivery.ACCEPTED, settled=True):
        """Says what is to become of deliveries when it is committed."""
        for it in received:
            it.delivery.local.data = [self.id, Described(ulong(state), [])]
            it.delivery.update(TRANSACTIONAL)
            if settled:
                it.delivery.settle()

    def commit(self):
        """Commits, which must be accepted."""
        done = self.coordinator.discharge(self.id, False)
        expect_equal(done.remote_state, Delivery.ACCEPTED, f"a commit: {done.remote.condition}")

    def roll_back(self):
        """Rolls back."""
        done = self.coordinator.discharge(self.id, True)
        expect_equal(done.remote_state, Delivery.ACCEPTED, "a rollback")

    def expect_refused(self, condition, words):
        """Its commit must be refused."""
        done = self.coordinator.discharge(self.id, False)
        expect_equal(done.remote_state, Delivery.REJECTED, "a commit")
        expect_condition(done.remote.condition, condition, words)


@scenario
def what_is_posted_comes_at_commit_and_not_before(bus):
    (one, to_one), (two, to_two) = queue_of(bus, durable=True), queue_of(bus, durable=True)
    peer = Peer(bus)
    transaction = Coordinator(peer).declare()
    first, second = peer.sender(to_one), peer.sender(to_two)
    for number in range(3):
        message = text(f"{number}", durable=True)
        expect_equal(transaction.post(first, message), Delivery.ACCEPTED, "presumed outcome")
    transaction.post(second, text("other", durable=True))
    expect_equal(waiting(bus, one, two), [0, 0], "messages before the commit")
    peer.send(first, text("without"))
    expect_equal(waiting(bus, one), [1], "a message without a transaction")
    transaction.commit()
    expect_equal(left(bus, one), ["without", "0", "1", "2"], "messages of one")
    expect_equal(left(bus, two), ["other"], "messages of two")


@scenario
def what_is_rolled_back_never_comes(bus):
    queue, address = queue_of(bus)
    peer = Peer(bus)
    coordinator, link = Coordinator(peer), peer.sender(address)
    transaction = coordinator.declare()
    transaction.post(link, text("never"))
    transaction.roll_back()
    transaction.expect_refused("amqp:transaction:unknown-id", "no such transaction")
    again = coordinator.declare()
    again.post(link, text("this one"))
    again.commit()
    expect_equal(left(bus, queue), ["this one"], "messages")


@scenario
def retired_deliveries_are_gone_after_a_commit_and_back_after_a_rollback(bus):
    queue, address = queue_of(bus, durable=True)
    peer = Peer(bus)
    peer.publish(address, "a", "b", "c")
    coordinator, link = Coordinator(peer), peer.receiver(address, credit=3)
    received = peer.take(link, 3)
    first = coordinator.declare()
    first.retire(received[0])
    first.commit()
    second = coordinator.declare()
    second.retire(received[1], received[2])
    second.roll_back()
    link.flow(2)
    again = peer.take(link, 2)
    expect_equal(bodies(again), ["b", "c"], "what came back")
    expect(all(it.message.delivery_count == 1 for it in again), "they count as delivered before")
    accept(*again)
    peer.detach(link)
    expect_equal(waiting(bus, queue), [0], "messages left")


@scenario
def what_the_peer_has_not_settled_stays_with_it_after_a_rollback(bus):
    queue, address = queue_of(bus)
    peer = Peer(bus)
    peer.publish(address, "a", "b", "c")
    coordinator, link = Coordinator(peer), peer.receiver(address, credit=10)
    received = peer.take(link, 3)
    transaction = coordinator.declare()
    transaction.retire(*received[:2], settled=False)
    transaction.roll_back()
    expect(not any(it.delivery.settled for it in received), "the broker has settled nothing")
    expect_equal(link.received, [], "nothing was sent again")
    accept(*received[:2])
    again = coordinator.declare()
    again.retire(received[2], settled=False)
    again.commit()
    peer.until(lambda: received[2].delivery.settled, "settlement by the broker")
    expect_equal(received[2].delivery.remote_state, Delivery.ACCEPTED, "outcome")
    received[2].delivery.settle()
    peer.detach(link)
    expect_equal(waiting(bus, queue), [0], "messages left")


@scenario
def a_move_from_queue_to_queue_is_one_transaction(bus):
    (source, of_source), (target, of_target) = queue_of(bus, durable=True), queue_of(bus)
    peer = Peer(bus)
    peer.publish(of_source, *(f"{number}" for number in range(20)))
    coordinator = Coordinator(peer)
    taking, giving = peer.receiver(of_source, credit=20), peer.sender(of_target)
    for number, received in enumerate(peer.take(taking, 20)):
        transaction = coordinator.declare()
        transaction.post(giving, text(received.body))
        transaction.retire(received)
        transaction.roll_back() if number % 2 else transaction.commit()
    peer.detach(taking)
    moved = [f"{number}" for number in range(0, 20, 2)]
    stayed = [f"{number}" for number in range(1, 20, 2)]
    expect_equal(left(bus, target), moved, "what was moved")
    expect_equal(left(bus, source), stayed, "what stayed")


@scenario
def transactions_stand_beside_each_other_and_reach_over_sessions(bus):
    queue, address = queue_of(bus)
    peer = Peer(bus)
    coordinator = Coordinator(peer)
    other = peer.connection.session()
    other.open()
    here, there = peer.sender(address), peer.sender(address, session=other)
    one, two = coordinator.declare(), coordinator.declare()
    expect(bytes(one.id) != bytes(two.id), "each has a name of its own")
    one.post(here, text("one here"))
    two.post(here, text("two here"))
    one.post(there, text("one there"))
    two.post(there, text("two there"))
    two.commit()
    expect_equal(left(bus, queue), ["two here", "two there"], "of the first commit")
    one.commit()
    expect_equal(left(bus, queue), ["one here", "one there"], "of the second")


@scenario
def a_coordinator_that_goes_takes_its_transactions_with_it(bus):
    queue, address = queue_of(bus)
    peer = Peer(bus)
    peer.publish(address, "old")
    coordinator, link = Coordinator(peer), peer.receiver(address, credit=1)
    transaction = coordinator.declare()
    transaction.post(peer.sender(address), text("new"))
    transaction.retire(*peer.take(link, 1))
    peer.detach(coordinator.link)
    link.flow(1)
    expect_equal(bodies(peer.take(link, 1)), ["old"], "what was retired is back")
    peer.detach(link)
    expect_equal(left(bus, queue), ["old"], "messages")
    lost = Peer(bus)
    Coordinator(lost).declare().post(lost.sender(address), text("lost"))
    lost.close()
    expect_equal(left(bus, queue), [], "messages of a connection that was closed")


@scenario
def a_full_queue_refuses_all_of_a_transaction(bus):
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    full, to_full = queue_of(bus, arguments=arguments)
    free, to_free = queue_of(bus)
    peer = Peer(bus)
    peer.publish(to_full, "first")
    transaction = Coordinator(peer).declare()
    transaction.post(peer.sender(to_free), text("with it"))
    transaction.post(peer.sender(to_full), text("second"))
    transaction.expect_refused("amqp:transaction:rollback", "reject-publish")
    expect_equal(waiting(bus, free, full), [0, 1], "messages")


@scenario
def what_leads_nowhere_is_presumed_released(bus):
    peer = Peer(bus)
    transaction = Coordinator(peer).declare()
    link = peer.sender("/exchanges/amq.direct/nobody")
    expect_equal(transaction.post(link, text("x")), Delivery.RELEASED, "presumed outcome")
    transaction.commit()


@scenario
def a_transaction_that_nobody_declared_is_refused(bus):
    queue, address = queue_of(bus)
    peer = Peer(bus)
    coordinator, link = Coordinator(peer), peer.sender(address)
    unknown = Transaction(coordinator, b"\0\0\0\x09")
    unknown.expect_refused("amqp:transaction:unknown-id", "no such transaction")
    expect_equal(unknown.post(link, text("x")), None, "an outcome")
    expect_condition(link.remote_condition, "amqp:transaction:unknown-id", "no such transaction")
    expect_equal(waiting(bus, queue), [0], "messages")


@scenario
def a_distributed_transaction_is_refused(bus):
    declared = Coordinator(Peer(bus)).ask("amqp:declare:list", [b"global"])
    expect_equal(declared.remote_state, Delivery.REJECTED, "state of a declare")
    expect_condition(declared.remote.condition, "amqp:not-implemented", "global-id")


@scenario
def what_is_no_request_ends_the_coordinators_link(bus):
    peer = Peer(bus)
    coordinator = Coordinator(peer)
    peer.put(coordinator.link, text("commit, please"))
    peer.until(lambda: coordinator.link.state & Endpoint.REMOTE_CLOSED, "end of the link")
    expect_condition(coordinator.link.remote_condition, "amqp:decode-error", "discharge")


class Batches(MessagingHandler, TransactionHandler):
    """Proton's own way: so many messages, a few for each transaction."""

    def __init__(self, url, address, total, size):
        super().__init__()
        self.url, self.address = url, address
        self.total, self.size = total, size
        self.sent = self.committed = self.current = 0
        self.transaction = self.sender = self.container = None

    def on_start(self, event):
        self.container = event.container
        connection = self.container.connect(self.url, reconnect=False)
        self.sender = self.container.create_sender(connection, self.address)
        self.container.declare_transaction(connection, handler=self)

    def on_transaction_declared(self, event):
        self.transaction = event.transaction
        self.send()

    def on_sendable(self, _event):
        if self.transaction:
            self.send()

    def send(self):
        while self.transaction and self.sender.credit and self.sent < self.total:
            self.transaction.send(self.sender, Message(body=f"{self.sent}"))
            self.sent += 1
            self.current += 1
            if self.current == self.size:
                self.current = 0
                self.transaction.commit()
                self.transaction = None

    def on_transaction_committed(self, event):
        self.committed += self.size
        if self.committed < self.total:
            self.container.declare_transaction(event.connection, handler=self)
        else:
            event.connection.close()


@scenario
def protons_own_transactions_send_in_batches(bus):
    queue, address = queue_of(bus)
    url = f"amqp://{bus.user}:{bus.password}@{bus.host}:{bus.port}"
    batches = Batches(url, address, total=40, size=10)
    Container(batches).run()
    expect_equal(batches.committed, 40, "messages committed")
    expect_equal(waiting(bus, queue), [40], "messages")


@scenario
def what_is_settled_without_an_outcome_goes_back_at_commit(bus):
    #= amqp-1.0 §4.4.4.2 default-outcome
    queue, address = queue_of(bus)
    peer = Peer(bus)
    peer.publish(address, "a")
    link = peer.receiver(address, credit=1)
    [received] = peer.take(link, 1)
    transaction = Coordinator(peer).declare()
    received.delivery.local.data = [transaction.id]
    received.delivery.update(TRANSACTIONAL)
    received.delivery.settle()
    peer.round_trip()
    expect_equal(waiting(bus, queue), [0], "messages before the commit")
    transaction.commit()
    expect_equal(waiting(bus, queue), [1], "released: the default of the source")


if __name__ == "__main__":
    main()
