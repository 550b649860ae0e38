"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import pytest

from tubepost.testing import Published, recording

import tubepost
from tubepost import aio

SERVICE = """
import tubepost
from tubepost import aio

def open_door(door):
    tubepost.publish("door.open", {"agent": "ada", "door": door, "tags": [{"k": 1, "x": 2}]})

async def shut_door(door):
    await aio.publish("door.shut", {"door": door})
"""


def test_a_service_is_tested_without_bus_and_spool(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever touches either has a configuration that is none.
    monkeypatch.setenv("TUBEPOST_CONFIG", "/nowhere/at/all.toml")
    pytester.makepyfile(service=SERVICE)
    pytester.makepyfile("""
        import asyncio, pytest, tubepost, service

        def test_it_says_so(tubepost_events):
            service.open_door("north")
            event = tubepost_events.assert_published("door.open", {"door": "north"})
            assert event.body["agent"] == "ada"
            tubepost_events.assert_published("door.*", {"tags": [{"k": 1}]}, times=1)
            tubepost_events.assert_not_published("door.shut")
            asyncio.run(service.shut_door("north"))
            assert len(tubepost_events) == 2

        def test_each_test_begins_with_none(assert_published, tubepost_events):
            tubepost_events.assert_not_published()
            service.open_door("south")
            assert_published("#", {"door": "south"})

        def test_it_says_something_else(assert_published):
            service.open_door("north")
            assert_published("door.open", {"door": "south", "key": 7})

        def test_it_says_nothing(assert_published):
            assert_published("door.open")

        def test_it_says_it_twice(assert_published):
            service.open_door("north")
            service.open_door("north")
            assert_published("door.open", times=1)

        def test_it_is_no_event(tubepost_events):
            with pytest.raises(tubepost.InvalidEvent):
                tubepost.publish("git.receive", {})
        """)
    result = pytester.runpytest_subprocess("-p", "no:pytest_twisted", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, failed=3)
    result.stdout.fnmatch_lines(
        [
            'E*AssertionError: not published: door.open {"door": "south", "key": 7}',
            "E*Published was:",
            'E*1. door.open {"agent": "ada", "door": "north", *',
            'E*body.door is "north", not "south"',
            "E*body.key is missing",
            "E*not published: door.open",
            "E*Nothing was published.",
            "E*published 2 times and not 1: door.open",
        ]
    )


@pytest.mark.parametrize(
    ("pattern", "is_of"),
    [
        ("org.example.door.open", True),
        ("org.example.door", False),
        ("org.*.door.*", True),
        ("*.door.open", False),
        ("org.#", True),
        ("#", True),
        ("org.example.door.open.#", True),
        ("#.open", True),
        ("org.#.open", True),
        ("org.example.door.ope", False),
        ("org.example.door.op*", False),
    ],
)
def test_patterns_are_those_of_the_bus(pattern: str, is_of: bool) -> None:
    with recording() as published:
        tubepost.publish("org.example.door.open", {})
    if is_of:
        published.assert_published(pattern)
    else:
        published.assert_not_published(pattern)


def test_recordings_nest_and_end() -> None:
    with recording() as outer:
        with recording() as inner:
            tubepost.publish("a", {})
        tubepost.publish("b", {})
    assert isinstance(outer, Published)
    assert [event.topic for event in inner] == ["a"]
    assert [event.topic for event in outer[0:]] == ["b"]
    outer.clear()
    assert len(outer) == 0 and aio is not None
