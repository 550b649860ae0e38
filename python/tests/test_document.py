"""Every example of docs/python.md, as it stands there."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Program, wait_for
from test_subscribing import declared

import tubepost

DOCUMENT = Path(__file__).parents[2] / "docs/python.md"


def examples(heading: str) -> list[str]:
    """The indented blocks under a heading."""
    section = DOCUMENT.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE).strip("\n") for block in blocks]


def publish(topic: str, door: str) -> str:
    return tubepost.publish(topic, {"agent": "eve", "door": door})


def until(program: Program, expected: str, topic: str, door: str) -> None:
    def is_there() -> bool:
        assert program.process.poll() is None, program.output
        publish(topic, door)
        return expected in program.output

    wait_for(is_there, 30, lambda: program.output)


def test_publish(start: Callable[[str], Program]) -> None:
    declared("org.example.door.open")
    declared("org.example.door.jammed")
    simple, more = examples("Publish")
    start(simple).end()
    start(more).end()
    with tubepost.subscribe(queue="org.example.door.open") as events:
        assert next(events).body == {"agent": "ada", "door": "north"}
    with tubepost.subscribe(queue="org.example.door.jammed") as events:
        event = next(events)
    assert (event.severity, event.object) == (tubepost.Severity.ERROR, "door/north")


def test_subscribe(start: Callable[[str], Program]) -> None:
    loop, handlers = examples("Subscribe")
    program = start(loop)
    until(program, "org.example.door.open south ", "org.example.door.open", "south")
    program.process.send_signal(signal.SIGINT)
    assert program.process.wait(20) == -signal.SIGINT and "KeyboardInterrupt" in program.output
    program = start(handlers)
    until(program, "open: west", "org.example.door.open", "west")
    until(program, "jammed: east", "org.example.door.jammed", "east")
    assert "Handled(done=" in program.end(signal.SIGTERM)


def test_asyncio(start: Callable[[str], Program]) -> None:
    [example] = examples("asyncio")
    program = start(example)
    until(program, "org.example.door.open down", "org.example.door.open", "down")
    program.process.send_signal(signal.SIGINT)
    program.process.wait(20)


def test_tests_of_a_service(pytester: pytest.Pytester) -> None:
    example, failure = examples("Tests of a service")
    pytester.makepyfile(example + '\n    tubepost_events.assert_published("door.open", {"door": "south"})')
    result = pytester.runpytest_subprocess("-p", "no:pytest_twisted", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E*{line.strip()}" for line in failure.splitlines()])


def test_from_fedora_messaging(start: Callable[[str], Program]) -> None:
    queue = "org.example.door.open"
    declared(queue)
    [example] = examples("From fedora-messaging")
    start(example).end()
    with tubepost.subscribe(queue=queue) as events:
        assert next(events).body == {"agent": "ada", "door": "north"}
