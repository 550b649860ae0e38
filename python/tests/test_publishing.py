"""Publishing: what goes out, what is refused, and that the bus may be away."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Program

import tubepost


def test_an_event_arrives_as_it_was_said(topic: str) -> None:
    with tubepost.subscribe(f"{topic}.#", queue=topic) as events:
        first = tubepost.publish(f"{topic}.probe", {})
        # The queue is there when its first event is asked for, so this is tried until it is.
        received = next_of(events, lambda: tubepost.publish(f"{topic}.probe", {}))
        body = {"agent": "ada", "ö": [1, 2.5, None, True, {"deep": "ß"}], "big": 2**63}
        id = tubepost.publish(
            f"{topic}.open",
            body,
            severity="warning",
            headers={"team": "hall", "fedora_messaging_user_ada": True},
            priority=3,
            source="//hall/door",
            object="door/north",
            schema="of.nobody",
        )
        while received.topic.endswith(".probe"):
            received = next(events)
    assert first != id
    assert (received.topic, received.id, received.body) == (f"{topic}.open", id, body)
    assert received.severity is tubepost.Severity.WARNING
    assert received.headers["team"] == "hall"
    assert received.headers["tubepost_publisher_pid"] == os.getpid()
    assert (received.priority, received.source) == (3, "//hall/door")
    assert (received.object, received.schema) == ("door/north", "of.nobody")
    assert received.sent_at is not None and received.sent_at.utcoffset() is not None


def next_of(events: tubepost.Subscription, probe: Callable[[], object]) -> tubepost.Event:
    """The first event of a subscription that begins now."""
    stop = threading.Event()

    def publish() -> None:
        while not stop.wait(0.05):
            probe()

    prober = threading.Thread(target=publish)
    prober.start()
    try:
        return next(events)
    finally:
        stop.set()
        prober.join()


@pytest.mark.parametrize(
    ("arguments", "words", "text"),
    [
        (("a b", {}), {}, "white space"),
        (("a", {"x": object()}), {}, "not JSON serializable"),
        (("a", {"x": float("inf")}), {}, "not JSON compliant"),
        (("a", ["x"]), {}, "an array"),
        (("a", {"x": "half \ud800"}), {}, "no character"),
        (("half \ud800", {}), {}, "no character"),
        (("a", {}), {"severity": "loud"}, "debug, info, warning or error"),
        (("a", {}), {"severity": 25}, "debug, info, warning or error"),
        (("a", {}), {"priority": 300}, "0 to 9"),
        (("a", {}), {"id": "x" * 300}, "id"),
        (("a", {}), {"headers": {"sent-at": 5}}, "sent-at"),
        (("a", {}), {"headers": {"x": object()}}, "headers"),
        (("git.receive", {"commit": 1}), {}, "git.receive"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(
    arguments: Any, words: Any, text: str, no_agent: Path, start: Callable[[str], Program]
) -> None:
    from tubepost.testing import recording

    with recording(), pytest.raises(tubepost.InvalidEvent) as caught:
        tubepost.publish(*arguments, **words)
    assert text in str(caught.value)
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, tubepost.Error)


def test_a_body_that_nests_without_end_is_refused() -> None:
    from tubepost.testing import recording

    endless: dict[str, Any] = {}
    endless["again"] = endless
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"deeper": deep}
    with recording():
        for body in (endless, deep):
            with pytest.raises(tubepost.InvalidEvent):
                tubepost.publish("a", body)


AWAY = """
import os, time, tubepost
os.environ["TUBEPOST_BUS"] = "amqp://127.0.0.1:1"
begun = time.monotonic()
id = tubepost.publish("{topic}", {{"n": 1}})
assert time.monotonic() - begun < 20
assert not tubepost.flush(0.05)
# One write: the library's log goes to the same pipe.
print(f"id {{id}}\\n", end="")
"""


def id_of(output: str) -> str:
    """What AWAY published; the library's log is there, too."""
    [id] = [line.removeprefix("id ") for line in output.splitlines() if line.startswith("id ")]
    return id


def test_without_agent_and_bus_an_event_waits_in_the_spool(
    topic: str, no_agent: Path, start: Callable[[str], Program]
) -> None:
    id = id_of(start(AWAY.format(topic=topic)).end())
    assert any(id in file.read_text() for file in no_agent.glob("*.events"))


def test_the_next_process_on_the_spool_delivers_it(
    topic: str, no_agent: Path, start: Callable[[str], Program]
) -> None:
    id = id_of(start(AWAY.format(topic=topic)).end())
    with tubepost.subscribe(topic, queue=topic) as events:
        again = "import tubepost\ntubepost.publish('{topic}', {{}})\nassert tubepost.flush()"
        # Its queue is there before the spool is delivered.
        next_of(events, lambda: tubepost.publish(topic, {}))
        start(again.format(topic=topic)).end()
        assert any(event.id == id for event in events)


def test_a_spool_that_may_not_be_written_is_said(
    topic: str, no_agent: Path, start: Callable[[str], Program]
) -> None:
    no_agent.write_text("a file in its place")
    start(
        "import tubepost\n"
        "try: tubepost.publish('a', {})\n"
        "except tubepost.NotKept as error: assert 'spool' in str(error), error\n"
        "else: raise SystemExit('it was kept')"
    ).end()


def test_wrong_configuration_is_said(
    monkeypatch: pytest.MonkeyPatch, start: Callable[[str], Program]
) -> None:
    monkeypatch.setenv("TUBEPOST_BUS", "http://nowhere")
    start(
        "import tubepost\n"
        "for use in (lambda: tubepost.publish('a', {}), lambda: next(tubepost.subscribe('#'))):\n"
        "    try: use()\n"
        "    except tubepost.ConfigurationError as error: assert 'http://nowhere' in str(error)\n"
        "    else: raise SystemExit('it was taken')"
    ).end()


def test_a_fork_publishes_while_a_thread_of_its_parent_does(
    topic: str, start: Callable[[str], Program]
) -> None:
    text = """
import os, threading, tubepost
tubepost.publish("{topic}", {{"who": "parent"}})
stop = threading.Event()
def publish():
    while not stop.is_set():
        tubepost.publish("{topic}", {{"who": "thread"}})
thread = threading.Thread(target=publish)
thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        tubepost.publish("{topic}", {{"who": "child"}})
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
thread.join()
"""
    start(text.format(topic=topic)).end()


def test_threads_publish_at_the_same_time() -> None:
    ids: list[str] = []

    def publish() -> None:
        for number in range(50):
            ids.append(tubepost.publish("org.example.threads", {"number": number}))

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 200
