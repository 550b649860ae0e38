"""One import replaces `fedora_messaging.api.publish`: with the real package, and without it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fedora_messaging.api
import fedora_messaging.config
import fedora_messaging.exceptions
import fedora_messaging.message
import fedora_messaging.signals
import pytest
from conftest import Program
from test_publishing import id_of
from test_subscribing import declared, rest

import tubepost
from tubepost.fedora_messaging import api
from tubepost.testing import Published


class DoorOpened(fedora_messaging.message.Message):
    """A message class as packages of schemas have them."""

    topic = "door.open"
    severity = fedora_messaging.message.WARNING
    body_schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "properties": {"agent": {"type": "string"}, "door": {"type": "string"}},
        "required": ["agent"],
    }

    @property
    def usernames(self) -> list[str]:
        return [self.body["agent"]]


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an entry point of its package would."""
    monkeypatch.setitem(fedora_messaging.message._class_to_schema_name, DoorOpened, "door.open.v1")


@pytest.fixture
def conf() -> Iterator[dict[str, Any]]:
    """fedora-messaging's own configuration."""
    conf = fedora_messaging.config.conf
    conf.load_config()
    before = dict(conf)
    yield conf
    conf.update(before)


def test_a_message_arrives_as_its_own_library_reads_it(topic: str) -> None:
    declared(topic)
    sent = fedora_messaging.message.Message(
        topic=topic,
        body={"number": 1, "ö": "ß"},
        headers={"mine": "kept"},
        severity=fedora_messaging.message.ERROR,
    )
    assert api.publish(sent) is None
    [event] = rest(topic, 1)
    assert (event.id, event.body) == (sent.id, sent.body)
    assert event.severity is tubepost.Severity.ERROR
    assert event.headers["mine"] == "kept"


def test_a_subclass_keeps_schema_severity_and_whom_it_concerns(
    tubepost_events: Published,
) -> None:
    sent = DoorOpened(body={"agent": "ada", "door": "north"})
    api.publish(sent)
    event = tubepost_events.assert_published("door.open", {"agent": "ada"})
    assert (event.id, event.schema) == (sent.id, "door.open.v1")
    assert event.severity is tubepost.Severity.WARNING
    assert event.headers["fedora_messaging_user_ada"] is True
    assert event.sent_at is not None


def test_its_prefix_goes_before_the_topic(
    conf: dict[str, Any], tubepost_events: Published
) -> None:
    conf["topic_prefix"] = "org.example.prod"
    api.publish(DoorOpened(body={"agent": "ada"}))
    assert tubepost_events[0].topic == "org.example.prod.door.open"


def test_what_does_not_fit_raises_what_callers_catch(tubepost_events: Published) -> None:
    with pytest.raises(fedora_messaging.exceptions.ValidationError, match="agent") as caught:
        api.publish(DoorOpened(body={"door": "north"}))
    assert isinstance(caught.value, tubepost.InvalidEvent)
    assert not tubepost_events


def test_its_signals_are_sent(tubepost_events: Published) -> None:
    seen: list[str] = []

    def before(sender: Any, message: Any) -> None:
        seen.append(f"before {message.body['agent']}")

    def after(sender: Any, message: Any) -> None:
        seen.append("after")

    def failed(sender: Any, message: Any, reason: Exception) -> None:
        seen.append(type(reason).__name__)

    signals = fedora_messaging.signals
    with (
        signals.pre_publish_signal.connected_to(before),
        signals.publish_signal.connected_to(after),
        signals.publish_failed_signal.connected_to(failed),
    ):
        api.publish(DoorOpened(body={"agent": "ada"}))
        with pytest.raises(tubepost.InvalidEvent):
            api.publish(DoorOpened(body={"agent": 3}))
    assert seen == ["before ada", "after", "before 3", "ValidationError"]


def test_whatever_looks_like_a_message_is_taken(tubepost_events: Published) -> None:
    api.publish(SimpleNamespace(topic="door.open", body={"agent": "eve"}))
    api.publish(
        SimpleNamespace(
            topic="door.shut", body={}, severity=30, id="one", headers={"mine": "kept"}
        )
    )
    assert [event.topic for event in tubepost_events] == ["door.open", "door.shut"]
    assert (tubepost_events[1].id, tubepost_events[1].severity) == ("one", 30)


AWAY = """
import time
from fedora_messaging import message
from tubepost.fedora_messaging import api
begun = time.monotonic()
sent = message.Message(topic="door.open", body={"agent": "ada"})
api.publish(sent, timeout=1)
assert time.monotonic() - begun < 20
print(f"id {sent.id}\\n", end="")
"""


def test_a_bus_that_is_away_is_nothing_to_raise(
    no_agent: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[[str], Program]
) -> None:
    monkeypatch.setenv("TUBEPOST_BUS", "amqp://127.0.0.1:1")
    id = id_of(start(AWAY).end())
    assert any(id in file.read_text() for file in no_agent.glob("*.events"))


def test_a_spool_that_takes_nothing_raises_what_callers_catch(
    no_agent: Path, start: Callable[[str], Program]
) -> None:
    no_agent.write_text("a file in its place")
    start(
        "from fedora_messaging import message, exceptions\n"
        "from tubepost.fedora_messaging import api\n"
        "try: api.publish(message.Message(topic='door.open', body={}))\n"
        "except exceptions.PublishException as error: assert 'spool' in str(error), error\n"
        "else: raise SystemExit('it was kept')"
    ).end()


def test_every_other_name_is_the_originals() -> None:
    assert api.consume is fedora_messaging.api.consume
    with pytest.raises(AttributeError):
        api.nothing  # noqa: B018


def test_it_needs_no_fedora_messaging() -> None:
    text = (
        "import sys; sys.modules['pika'] = sys.modules['twisted'] = None\n"
        "from types import SimpleNamespace\n"
        "from tubepost.fedora_messaging import api\n"
        "from tubepost.testing import recording\n"
        "with recording() as published:\n"
        "    api.publish(SimpleNamespace(topic='a', body={}))\n"
        "published.assert_published('a')\n"
        "assert 'fedora_messaging' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", text], check=True)
