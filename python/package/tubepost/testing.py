"""For tests of services: what they publish is kept here, and goes to no agent, spool or bus.

>>> import tubepost
>>> with recording() as published:
...     id = tubepost.publish("door.open", {"agent": "ada", "door": "north"})
>>> published.assert_published("door.open", {"agent": "ada"}).body["door"]
'north'

With pytest the fixture `tubepost_events` is such a recording.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, overload

from tubepost import _native, _publishing
from tubepost._event import Event, parse

__all__ = ["Published", "recording"]


class Published(Sequence[Event]):
    """The events that were published, first one first."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        return self._events[index]

    def __len__(self) -> int:
        return len(self._events)

    def __repr__(self) -> str:
        return f"Published({self._events!r})"

    def clear(self) -> None:
        """Forgets them."""
        self._events.clear()

    def assert_published(
        self, topic: str, body: Mapping[str, Any] | None = None, *, times: int | None = None
    ) -> Event:
        """Asserts that an event was published, and returns the first that fits.

        `topic` may be a pattern, without the configured prefix. Of its body only what is in `body`
        is compared, at every depth. `times` is how many have to fit, one or more unless said.
        """
        __tracebackhide__ = True
        fitting = [
            it
            for it in self._events
            if _is_of(it.topic, topic) and not _differences(body or {}, it.body)
        ]
        if fitting and times in (None, len(fitting)):
            return fitting[0]
        wanted = topic if body is None else f"{topic} {_shown(body)}"
        if fitting or times == 0:
            head = f"published {len(fitting)} times and not {times}: {wanted}"
        else:
            head = f"not published: {wanted}"
        if times == 0 and not fitting:
            raise ValueError("times=0: use assert_not_published")
        raise AssertionError(head + self._instead(topic, body))

    def assert_not_published(self, topic: str = "#", body: Mapping[str, Any] | None = None) -> None:
        """Asserts that no such event was published; without a topic, none at all."""
        __tracebackhide__ = True
        for it in self._events:
            if _is_of(it.topic, topic) and not _differences(body or {}, it.body):
                raise AssertionError(f"published: {it.topic} {_shown(it.body)}")

    def _instead(self, topic: str, body: Mapping[str, Any] | None) -> str:
        if not self._events:
            return "\nNothing was published."
        lines = ["\nPublished was:"]
        for number, event in enumerate(self._events, 1):
            lines.append(f"  {number}. {event.topic} {_shown(event.body)}")
            if _is_of(event.topic, topic):
                lines += [f"       {it}" for it in _differences(body or {}, event.body)]
        return "\n".join(lines)

    def _record(self, draft: _native.Draft) -> None:
        self._events.append(parse(draft.json()))


@contextmanager
def recording() -> Iterator[Published]:
    """What this process publishes meanwhile is kept, and goes nowhere else.

    It is checked as ever: what is no event, or does not fit its schema, raises.
    """
    published = Published()
    before, _publishing.recorder = _publishing.recorder, published._record
    try:
        yield published
    finally:
        _publishing.recorder = before


def _is_of(topic: str, pattern: str) -> bool:
    # Every word brings the dot before it, so that # may stand for none.
    words = {"*": r"\.[^.]*", "#": r"(\..*)?"}
    expression = "".join(
        words.get(word, rf"\.{re.escape(word)}") for word in pattern.split(".")
    )
    return re.fullmatch(expression, f".{topic}", re.DOTALL) is not None


def _differences(wanted: Any, found: Any, path: str = "body") -> list[str]:
    """What of `wanted` is not in `found`, a line each."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        lines: list[str] = []
        for key, value in wanted.items():
            if key in found:
                lines += _differences(value, found[key], f"{path}.{key}")
            else:
                lines.append(f"{path}.{key} is missing")
        return lines
    both_lists = isinstance(wanted, (list, tuple)) and isinstance(found, list)
    if both_lists and len(wanted) == len(found):
        return [
            line
            for at, (one, other) in enumerate(zip(wanted, found))
            for line in _differences(one, other, f"{path}[{at}]")
        ]
    return [] if wanted == found else [f"{path} is {_shown(found)}, not {_shown(wanted)}"]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"


_SHOWN_MAX = 300
