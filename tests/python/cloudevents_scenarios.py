"""The CloudEvents SDK on both AMQPs and on HTTP: what Tubepost's commands publish it reads, and what
it writes they show. The program under test is named by TUBEPOST_PROGRAM, its pages by PAGES."""

import json
import os
import subprocess
import tempfile
import threading
from datetime import datetime, timezone

import pika
import requests
from cloudevents.core.bindings import amqp, http, rabbitmq
from cloudevents.core.v1.event import CloudEvent
from proton import Message, symbol, timestamp

from proton_peer import APPLICATION, Peer, accept, value_of
from scenario import expect, expect_equal, main, scenario

TOPIC = "org.example.door.open"
FORMATS = ("cloudevents", "cloudevents-structured")
TIME = datetime(2026, 11, 24, 13, 56, 22, tzinfo=timezone.utc)


def environment(bus):
    """Only the bus is configured."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TUBEPOST_")}
    return {**kept, "TUBEPOST_BUS": bus.url, "NO_COLOR": "1"}


def tubepost(bus, *words, given=None, code=0):
    """Runs a command to its end; what it printed."""
    done = subprocess.run([os.environ["TUBEPOST_PROGRAM"], *words], input=given, text=True,
                          env=environment(bus), capture_output=True, timeout=20, check=False)
    expect_equal(done.returncode, code, f"exit code of {words}: {done.stderr}")
    return done.stdout


class Tail:
    """`tubepost tail --json`, which listens when this is made."""

    def __init__(self, bus, count, *words):
        command = [os.environ["TUBEPOST_PROGRAM"], "tail", "--json", "-n", str(count), *words]
        self.process = subprocess.Popen(command, env=environment(bus), text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # Only when it ends do reads return, so it is ended when it takes too long.
        self.deadline = threading.Timer(20, self.process.kill)
        self.deadline.start()
        begun = self.process.stderr.readline()
        expect("listening to" in begun, f"tail said {begun!r}")

    def events(self):
        """All of them, and what it complained of."""
        printed, said = self.process.communicate()
        self.deadline.cancel()
        expect_equal(self.process.returncode, 0, f"exit code of tail: {said}")
        return [json.loads(line) for line in printed.splitlines()], said


def publish(bus, **more):
    """An event by Tubepost's command; its id."""
    words = [word for name, value in more.items() for word in (f"--{name}", value)]
    return tubepost(bus, "publish", TOPIC, '{"door": "north"}', *words).strip()


@scenario
def the_sdk_reads_what_tubepost_publishes_by_0_9_1(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    channel.queue_bind(queue, "amq.topic", TOPIC)
    for form in FORMATS:
        sent = publish(bus, format=form, source="//hall/doors", object="door/north",
                       severity="error", schema="door.open")
        _, properties, body = channel.basic_get(queue, auto_ack=True)
        event = amqp.from_amqp_event(amqp.AMQPMessage(
            properties={"content-type": properties.content_type},
            application_properties=properties.headers or {}, application_data=body))
        expect_equal(
            [event.get_id(), event.get_type(), event.get_source(), event.get_subject(),
             event.get_data(), event.get_dataschema(), event.get_extension("severitynumber")],
            [sent, TOPIC, "//hall/doors", "door/north", {"door": "north"},
             "urn:tubepost:schema:door.open", 17], form)
        expect_equal(properties.message_id, sent, "message-id")


@scenario
def the_sdk_reads_what_tubepost_publishes_by_1_0_with_the_bindings_types(bus):
    channel = bus.channel()
    queue = bus.queue(channel)
    channel.queue_bind(queue, "amq.topic", TOPIC)
    peer = Peer(bus)
    link = peer.receiver(f"/queues/{queue}", credit=10)
    for form in FORMATS:
        sent = publish(bus, format=form, source="//hall/doors")
        [received] = peer.take(link, 1)
        message = received.message
        application = message.properties or {}
        if form == "cloudevents":
            # Proton's long is Python's int; any other integer is a class of its own.
            typed = value_of(received.sections[APPLICATION])
            expect_equal(type(typed["cloudEvents_severitynumber"]), int, "a long")
            expect_equal(type(typed["cloudEvents_type"]), str, "a string")
        event = amqp.from_amqp_event(amqp.AMQPMessage(
            properties={"content-type": str(message.content_type)},
            application_properties=dict(application), application_data=bytes(message.body)))
        expect_equal([event.get_id(), event.get_type(), event.get_data()],
                     [sent, TOPIC, {"door": "north"}], form)
        accept(received)


def sdk_event(ident):
    """An event as the SDK makes it."""
    return CloudEvent({"id": ident, "source": "/sdk", "type": TOPIC, "time": TIME,
                       "subject": "door/north", "severitynumber": 13, "traceparent": "00-1-2-00"},
                      {"door": "north"})


@scenario
def tail_shows_what_the_sdk_publishes_in_every_clothing_by_either_amqp(bus):
    tail = Tail(bus, 6)
    channel = bus.channel()

    def by_pika(content_type, headers, body):
        channel.basic_publish("amq.topic", TOPIC, body, pika.BasicProperties(
            content_type=content_type, headers=headers))

    binary = amqp.to_binary_event(sdk_event("underscore"))
    by_pika("application/json", binary.application_properties, binary.application_data)
    binary = amqp.to_binary_event(sdk_event("colon"))
    colons = {name.replace("cloudEvents_", "cloudEvents:"): value
              for name, value in binary.application_properties.items()}
    by_pika("application/json", colons, binary.application_data)
    knative = rabbitmq.to_binary_event(sdk_event("knative"))
    by_pika(knative.content_type, knative.headers, knative.body)
    structured = amqp.to_structured_event(sdk_event("structured"))
    by_pika("application/cloudevents+json", {}, structured.application_data)
    # Said, and not the end of it.
    by_pika("application/cloudevents+json; charset=utf-8", {}, b'{"specversion": "1.0"}')

    peer = Peer(bus)
    link = peer.sender(f"/exchanges/amq.topic/{TOPIC}")
    binary = amqp.to_binary_event(sdk_event("by 1.0"))
    properties = {**binary.application_properties,
                  "cloudEvents_time": timestamp(int(TIME.timestamp() * 1000))}
    peer.send(link, Message(body=binary.application_data, inferred=True, properties=properties,
                            content_type=symbol("application/json")))
    structured = amqp.to_structured_event(sdk_event("structured by 1.0"))
    peer.send(link, Message(body=structured.application_data, inferred=True,
                            content_type=symbol("application/cloudevents+json")))

    events, said = tail.events()
    expect_equal([event["id"] for event in events],
                 ["underscore", "colon", "knative", "structured", "by 1.0", "structured by 1.0"],
                 "ids")
    for event in events:
        headers = event["headers"]
        expect_equal(
            [event["topic"], event["body"], headers["sent-at"], headers["traceparent"],
             headers["fedora_messaging_severity"], headers["tubepost_source"],
             headers["tubepost_object"]],
            [TOPIC, {"door": "north"}, "2026-11-24T13:56:22+00:00", "00-1-2-00", 30, "/sdk",
             "door/north"], event["id"])
    expect("is not an event: message attribute id: is missing" in said, f"tail said {said!r}")


def batch_of(*events):
    """Several in one request; the SDK makes their documents, and has no batches."""
    documents = [http.to_structured_event(event).body.decode() for event in events]
    return http.HTTPMessage({"content-type": "application/cloudevents-batch+json"},
                            f"[{','.join(documents)}]".encode())


def post(headers, body, login=("guest", "guest")):
    """Status and JSON of `POST /events`."""
    answer = requests.post(f"{os.environ['PAGES']}/events", headers=dict(headers), data=body,
                           auth=login, timeout=20)
    said = answer.headers.get("content-type", "").startswith("application/json")
    return answer.status_code, answer.json() if said else answer.text


@scenario
def http_takes_what_the_sdk_sends_in_every_mode(bus):
    tail = Tail(bus, 5)
    messages = [http.to_binary_event(sdk_event("binary")),
                http.to_structured_event(sdk_event("structured")),
                batch_of(sdk_event("batch 1"), sdk_event("batch 2"))]
    routed = []
    for message in messages:
        status, said = post(message.headers, message.body)
        expect_equal(status, 200, f"status; it said {said}")
        routed += said["events"]
    plain = {"topic": TOPIC, "id": "plain", "body": {"door": "north"}}
    status, said = post({"content-type": "application/json"}, json.dumps(plain))
    expect_equal(status, 200, f"status; it said {said}")
    routed += said["events"]
    ids = ["binary", "structured", "batch 1", "batch 2", "plain"]
    expect_equal(routed, [{"id": ident, "routed": True} for ident in ids], "outcomes")
    events, _ = tail.events()
    expect_equal([event["id"] for event in events], ids, "ids")
    for event in events:
        expect_equal([event["topic"], event["body"]], [TOPIC, {"door": "north"}], event["id"])
    for event in events[:4]:
        headers = event["headers"]
        expect_equal([headers["sent-at"], headers["traceparent"], headers["tubepost_source"],
                      headers["fedora_messaging_severity"]],
                     ["2026-11-24T13:56:22+00:00", "00-1-2-00", "/sdk", 30], event["id"])


@scenario
def http_refuses_with_the_reason_and_publishes_nothing_of_it(bus):
    tail = Tail(bus, 1)
    json_type = {"content-type": "application/json"}
    good = json.dumps({"topic": TOPIC, "id": "good", "body": {}})
    # A topic with a schema that ships, and a body that is not of it.
    unfit = sdk_event("unfit")
    unfit._attributes["type"] = "org.example.git.branch.create"
    batch = batch_of(sdk_event("fits"), unfit)
    for login, headers, body, status, wanted in [
            (None, json_type, good, 401, "Log in"),
            (("guest", "wrong"), json_type, good, 401, "refused the login"),
            (("guest", "guest"), {"content-type": "text/plain"}, good, 415, "application/json"),
            (("guest", "guest"), json_type, "{", 400, "is not JSON"),
            (("guest", "guest"), json_type, b'{"topic": "a", "body": {"x": "\xff"}}', 400, "UTF-8"),
            (("guest", "guest"), json_type, '{"topic": "a b", "body": {}}', 400, "white space"),
            (("guest", "guest"), json_type, "x" * (5 << 20), 413, "more than 4194304 bytes"),
            (("guest", "guest"), {**json_type, "ce-id": "1"}, "{}", 400, "specversion"),
            (("guest", "guest"), {**json_type, "origin": "http://evil.example"}, good, 403, "sites"),
            (("guest", "guest"), batch.headers, batch.body, 422, "$: ")]:
        found, said = post(headers, body, login)
        expect_equal(found, status, f"status; it said {said}")
        expect(wanted in str(said), f"{status} said {said}")
    expect_equal([said["index"], said["schema"], len(said["reasons"]) > 0],
                 [1, "git.branch.create", True], "what does not fit")
    expect_equal(post(json_type, good)[0], 200, "status")
    events, _ = tail.events()
    expect_equal([event["id"] for event in events], ["good"], "ids")


@scenario
def a_signature_holds_in_every_clothing_encoding_and_archive(bus):
    with tempfile.TemporaryDirectory() as keys:
        tubepost(bus, "key", "generate", "hall", "--directory", keys)
        forms = [(form, encoding) for form in ("fedora", *FORMATS)
                 for encoding in ("json", "cbor", "protobuf")]
        tail = Tail(bus, len(forms) + 1, "--keys", keys)
        for form, encoding in forms:
            publish(bus, format=form, encoding=encoding, sign=f"{keys}/hall.key")
        publish(bus)
        events, _ = tail.events()
        verdicts = [event["signature"]["verdict"] for event in events]
        expect_equal(verdicts, ["valid"] * len(forms) + ["unsigned"], f"verdicts: {events}")
        expect_equal([event["body"] for event in events],
                     [{"door": "north"}] * (len(forms) + 1), "bodies")
        archive = "\n".join(json.dumps(event) for event in events[:-1])
        tubepost(bus, "verify", "--keys", keys, given=archive)
        # Sent again from the archive, in other clothes, it is as valid.
        tail = Tail(bus, len(forms), "--keys", keys)
        tubepost(bus, "publish", "--dump", "--format", "cloudevents", given=archive)
        again, _ = tail.events()
        expect_equal({event["signature"]["key"] for event in again}, {"hall"}, "keys")
        expect_equal([event["id"] for event in again], [event["id"] for event in events[:-1]],
                     "ids")
        tubepost(bus, "verify", "--keys", keys, given=archive.replace("north", "south"), code=1)


if __name__ == "__main__":
    main()
