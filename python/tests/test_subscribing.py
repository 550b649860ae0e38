"""Subscribing: verdicts, signals, handlers on threads."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from itertools import islice

import pytest
from conftest import Program, wait_for
from test_publishing import next_of

import tubepost


def declared(topic: str) -> None:
    """Makes the queue of this topic's name, and leaves it empty."""
    with tubepost.subscribe(topic, queue=topic) as events:
        next_of(events, lambda: tubepost.publish(topic, {"number": 0, "door": "probe"})).ack()
        tubepost.publish(topic, {"number": -1, "door": "probe"})
        for event in events:
            if event.body.get("number") == -1:
                event.ack()
                break


def publish(topic: str, count: int) -> list[str]:
    return [tubepost.publish(topic, {"number": number}) for number in range(1, count + 1)]


def numbers(events: list[tubepost.Event]) -> list[int]:
    return [event.body["number"] for event in events]


def rest(topic: str, count: int) -> list[tubepost.Event]:
    """The next so many events of a queue."""
    with tubepost.subscribe(topic, queue=topic) as events:
        return list(islice(events, count))


def test_an_error_in_the_loop_leaves_its_event_to_the_next(topic: str) -> None:
    declared(topic)
    publish(topic, 3)
    with pytest.raises(ZeroDivisionError), tubepost.subscribe(topic, queue=topic) as events:
        for event in events:
            if event.body["number"] == 2:
                raise ZeroDivisionError
    assert numbers(rest(topic, 2)) == [2, 3]


def test_each_verdict_does_what_it_says_and_the_first_counts(topic: str) -> None:
    declared(topic)
    publish(topic, 3)
    seen: list[int] = []
    with tubepost.subscribe(topic, queue=topic, prefetch=1) as events:
        for event in events:
            seen.append(event.body["number"])
            if seen == [1]:
                event.requeue()
                event.ack()
            elif len(seen) == 2:
                event.reject()
            elif len(seen) == 4:
                event.ack()
                break
    assert sorted(seen) == [1, 1, 2, 3]
    tubepost.publish(topic, {"number": 9})
    assert numbers(rest(topic, 1)) == [9]


def test_an_event_that_nobody_can_judge_says_so() -> None:
    with pytest.raises(tubepost.Error, match="cannot be judged"):
        tubepost.Event("a", {}).ack()


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(tubepost.InvalidEvent, match="pattern"):
        next(tubepost.subscribe("a." * 200))


def test_ctrl_c_ends_a_loop_that_waits(topic: str, start: Callable[[str], Program]) -> None:
    program = start(
        f"import tubepost\n"
        f"try:\n"
        f"    for event in tubepost.subscribe('{topic}', queue='{topic}'): print('one')\n"
        f"except KeyboardInterrupt: print('interrupted')"
    )
    wait_for(lambda: tubepost.publish(topic, {}) and "one" in program.output)
    program.end(signal.SIGINT)
    assert "interrupted" in program.output.splitlines()


def test_a_bus_that_is_away_is_waited_for_and_said(
    start: Callable[[str], Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUBEPOST_BUS", "amqp://127.0.0.1:1")
    program = start(
        "import tubepost\n"
        "try: next(tubepost.subscribe('#'))\n"
        "except KeyboardInterrupt: print('interrupted')"
    )
    program.wait_for(lambda output: "127.0.0.1:1" in output)
    program.end(signal.SIGINT)


def test_handlers_run_side_by_side_and_each_event_once(topic: str) -> None:
    declared(topic)
    together = threading.Barrier(3)
    done: list[int] = []
    subscription = tubepost.subscribe(topic, queue=topic)

    def handle(event: tubepost.Event) -> None:
        together.wait(20)
        done.append(event.body["number"])
        if len(done) == 6:
            subscription.stop()

    publish(topic, 6)
    assert subscription.run(handle, parallel=3) == tubepost.Handled(6, 0, 0)
    assert sorted(done) == [1, 2, 3, 4, 5, 6]


def test_what_fails_is_tried_again_and_then_kept_with_the_reason(
    topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    declared(topic)
    publish(topic, 3)
    tries: list[int] = []
    subscription = tubepost.subscribe(topic, queue=topic)

    def handle(event: tubepost.Event) -> None:
        tries.append(event.body["number"])
        if event.body["number"] == 3:
            subscription.stop()
        elif event.body["number"] == 1 or len(tries) == 4:
            raise RuntimeError("no door")

    assert subscription.run(handle, retry=2, delay=0.01) == tubepost.Handled(2, 1, 0)
    assert tries == [1, 1, 1, 2, 2, 3]
    assert "no door" in caplog.text and "Traceback" in caplog.text
    tubepost.publish(topic, {"number": 7})
    # Reading it binds it to nothing.
    with tubepost.subscribe(queue=f"{topic}.dead") as events:
        dead = next(events)
        dead.requeue()
    tubepost.publish(topic, {"number": 8})
    assert numbers(rest(topic, 2)) == [7, 8]
    with tubepost.subscribe(queue=f"{topic}.dead") as events:
        assert next(events).id == dead.id
        tubepost.publish(f"{topic}.dead", {"number": 9})
        assert next(events).body["number"] == 9
    assert dead.body["number"] == 1 and dead.topic == topic
    assert dead.headers["x-tubepost-reason"] == "RuntimeError: no door"


def test_events_with_one_key_are_handled_in_order_and_ids_once(topic: str) -> None:
    declared(topic)
    for number in range(1, 21):
        body = {"number": number, "door": {"id": number % 2}}
        id = tubepost.publish(topic, body)
    tubepost.publish(topic, body, id=id)
    tubepost.publish(topic, {"number": 99, "door": {"id": 0}})
    order: dict[int, list[int]] = {0: [], 1: []}
    subscription = tubepost.subscribe(topic, queue=topic)

    def handle(event: tubepost.Event) -> None:
        order[event.body["door"]["id"]].append(event.body["number"])
        # The last of either door may be the last of all.
        if (len(order[0]), len(order[1])) == (11, 10):
            subscription.stop()

    words = {"parallel": 4, "in_order_of": "door.id", "deduplicate": 100}
    handled = subscription.run(handle, **words)  # type: ignore[arg-type]
    assert (handled.failed, handled.duplicates) == (0, 1)
    assert order == {0: [*range(2, 21, 2), 99], 1: list(range(1, 21, 2))}


def test_what_is_published_in_a_handler_belongs_to_its_trace(topic: str) -> None:
    declared(topic)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    tubepost.publish(topic, {"number": 1}, headers={"traceparent": parent})
    subscription = tubepost.subscribe(topic, queue=topic)

    def handle(event: tubepost.Event) -> None:
        if event.body["number"] == 1:
            tubepost.publish(topic, {"number": 2})
        else:
            seen.append(event.headers["traceparent"])
            subscription.stop()

    seen: list[str] = []
    subscription.run(handle)
    assert seen[0].split("-")[1] == parent.split("-")[1]


DECLARED = """
import tubepost

@tubepost.on("{topic}.one", queue="{topic}.one", parallel=2)
def one(event):
    print("one", event.body["number"])

@tubepost.on("{topic}.two", queue="{topic}.two", retry=0)
def two(event):
    print("two", event.body["number"])

print("ended", tubepost.run()[1])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_declared_handlers_run_until_a_signal(
    number: int, topic: str, start: Callable[[str], Program]
) -> None:
    program = start(DECLARED.format(topic=topic))

    def both() -> bool:
        for name in ("one", "two"):
            tubepost.publish(f"{topic}.{name}", {"number": 1})
        return "one 1" in program.output and "two 1" in program.output

    wait_for(both)
    assert "ended Handled(done=" in program.end(number)


def test_a_handler_that_runs_at_the_stop_ends_first(
    topic: str, start: Callable[[str], Program]
) -> None:
    declared(topic)
    program = start(
        f"import threading, tubepost\n"
        f"def slow(event):\n"
        f"    print('begun')\n"
        f"    for _ in range(20): threading.Event().wait(0.05)\n"
        f"    print('done')\n"
        f"print(tubepost.subscribe('{topic}', queue='{topic}').run(slow))"
    )
    publish(topic, 1)
    program.wait_for(lambda output: "begun" in output)
    lines = program.end(signal.SIGTERM).splitlines()
    assert "done" in lines and "Handled(done=1, failed=0, duplicates=0)" in lines


def test_a_coroutine_function_is_no_handler_here(topic: str) -> None:
    async def handle(event: tubepost.Event) -> None: ...

    with pytest.raises(TypeError, match="tubepost.aio"):
        tubepost.subscribe(topic).run(handle)
