"""$management, as Qpid's tools ask for it: proton's own request and response."""

from proton import Message
from proton.utils import BlockingConnection, SyncRequestResponse

from proton_peer import Peer, text
from scenario import expect, expect_equal, main, scenario


class Node:
    """The node, by a connection of its own."""

    def __init__(self, bus, address="$management"):
        self.connection = BlockingConnection(
            f"amqp://{bus.host}:{bus.port}", user=bus.user, password=bus.password, timeout=10)
        bus.connections.append(self.connection)
        self.client = SyncRequestResponse(self.connection, address)
        self.is_anonymous = address is None

    def request(self, body=None, **asked):
        """An answer's status, description and body."""
        message = Message(properties=asked, body={} if body is None else body)
        if self.is_anonymous:
            message.address = "$management"
        answer = self.client.call(message)
        said = answer.properties
        return said["statusCode"], said["statusDescription"], answer.body

    def query(self, kind, *names, **more):
        """The rows, as dictionaries."""
        status, _, body = self.request(
            {"attributeNames": list(names)}, operation="QUERY", type="org.amqp.management",
            name="self", entityType=kind, **more)
        expect_equal(status, 200, "status")
        return [dict(zip(body["attributeNames"], row)) for row in body["results"]]


@scenario
def queues_are_listed_with_what_is_in_them(bus):
    peer, channel = Peer(bus), bus.channel()
    queue = bus.queue(channel, arguments={"x-max-length": 5})
    peer.publish(f"/queues/{queue}", "one", "two")
    node = Node(bus)
    for kind in ["org.apache.qpid.Queue", "queue"]:
        rows = node.query(kind, "name", "queueDepthMessages", "consumerCount", "arguments")
        [row] = [row for row in rows if row["name"] == queue]
        expect_equal((row["queueDepthMessages"], row["consumerCount"]), (2, 0), "counts")
        expect_equal(row["arguments"], {"x-max-length": 5}, "arguments")
    names = [row["name"] for row in rows]
    page = node.query("queue", "name", offset=1, count=1)
    expect_equal([row["name"] for row in page], names[1:2], "a page")


@scenario
def entities_are_read_over_an_anonymous_link(bus):
    node = Node(bus, None)
    status, _, body = node.request(operation="READ", type="org.apache.qpid.Exchange",
                                   name="amq.topic")
    expect_equal((status, body["qpid-type"], body["durable"]), (200, "topic", True), "an exchange")
    status, _, again = node.request(operation="READ", identity=body["identity"])
    expect_equal((status, again), (200, body), "by identity")
    status, words, _ = node.request(operation="READ", type="queue", name="none")
    expect_equal(status, 404, words)


@scenario
def types_attributes_and_operations_are_known(bus):
    node = Node(bus)
    status, _, types = node.request(operation="GET-TYPES")
    expect_equal((status, types["org.apache.qpid.Queue"]), (200, ["queue"]), "types")
    for kind in types:
        status, _, attributes = node.request(operation="GET-ATTRIBUTES", entityType=kind)
        expect_equal(status, 200, "status")
        for row in node.query(kind, *attributes[kind]):
            expect_equal(row["type"], kind, "type")
            expect(row["name"], "a name")
    status, _, operations = node.request(operation="GET-OPERATIONS", entityType="queue")
    expect_equal((status, operations), (200, {"org.apache.qpid.Queue": ["READ"]}), "operations")


@scenario
def nothing_is_changed(bus):
    node = Node(bus)
    for operation in ["CREATE", "UPDATE", "DELETE"]:
        status, words, _ = node.request(operation=operation, type="queue", name="mine")
        expect_equal(status, 501, "status")
        expect("/management" in words, f"what to do instead: {words}")


@scenario
def a_queue_of_that_name_is_found_by_its_address(bus):
    channel = bus.channel()
    channel.queue_declare("$management")
    bus.queues.append("$management")
    peer = Peer(bus)
    link = peer.sender("/queues/%24management")
    peer.send(link, text("to the queue"))


if __name__ == "__main__":
    main()
