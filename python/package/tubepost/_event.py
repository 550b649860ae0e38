"""The event, as Python has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any

from tubepost import _native
from tubepost._exceptions import Error, InvalidEvent


class Severity(IntEnum):
    """How much an event matters, with fedora-messaging's numbers."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


@dataclass(frozen=True)
class Event:
    """Something that happened.

    >>> event = Event("org.example.door.open", {"agent": "ada", "door": "north"})
    >>> event.body["door"]
    'north'
    >>> event.summary
    'door.open by ada'
    """

    topic: str
    """What it is called: `org.example.door.open`."""
    body: dict[str, Any]
    """What is known of it: a JSON object."""
    id: str = ""
    """Unique for all time. What comes twice has the same."""
    severity: Severity = Severity.INFO
    headers: Mapping[str, Any] = field(default_factory=dict)
    """What the other attributes do not hold; `fedora_messaging_user_ada` says whom it concerns."""
    sent_at: datetime | None = None
    """When it was sent, in UTC, to the second."""
    source: str | None = None
    """Which service said it."""
    object: str | None = None
    """What it is about; events with one object belong to one thread."""
    schema: str | None = None
    """The name of its schema."""
    schema_version: int | None = None
    priority: int | None = None
    """0 to 9."""
    _judge: Callable[[str], None] | None = field(default=None, repr=False, compare=False)

    def ack(self) -> None:
        """Done with it: it does not come again. A loop over a subscription does that by itself."""
        self._say("ack")

    def reject(self) -> None:
        """Not wanted: dropped, or dead-lettered where the queue says so."""
        self._say("reject")

    def requeue(self) -> None:
        """Back into the queue, at once."""
        self._say("requeue")

    def _say(self, verdict: str) -> None:
        if self._judge is None:
            raise Error(
                f"event {self.id} on {self.topic} cannot be judged: only a loop over a subscription"
                " gives events that can; a handler says by an exception that it failed"
            )
        self._judge(verdict)

    @property
    def summary(self) -> str:
        """One line for people, by the event's schema."""
        return str(self.description["summary"])

    @property
    def description(self) -> dict[str, Any]:
        """What a person is told: summary, link, people, packages, objects, text and more."""
        described: dict[str, Any] = json.loads(draft_of(self).describe())
        return described


def parse(text: str, judge: Callable[[str], None] | None = None) -> Event:
    """The event of the native half's JSON."""
    parts = json.loads(text)
    parts["severity"] = Severity(parts["severity"])
    if parts["sent_at"] is not None:
        parts["sent_at"] = datetime.fromisoformat(parts["sent_at"])
    return Event(**parts, _judge=judge)


def draft(
    topic: str,
    body: Mapping[str, Any],
    *,
    severity: Severity | int | str | None = None,
    headers: Mapping[str, Any] | None = None,
    id: str | None = None,
    priority: int | None = None,
    source: str | None = None,
    object: str | None = None,
    schema: str | None = None,
    trace: tuple[str, str] | None = None,
    prefixed: bool = False,
) -> _native.Draft:
    """What is to be published, checked."""
    try:
        return _native.Draft(
            topic,
            _json("body", body),
            headers=_json("headers", headers) if headers else None,
            id=id,
            severity=_number(severity),
            priority=_priority(priority),
            source=source,
            object=object,
            schema=schema,
            trace=trace if not headers or "traceparent" not in headers else None,
            prefixed=prefixed,
        )
    except UnicodeEncodeError as error:
        # Half of a surrogate pair: Python has such text, no encoding has.
        raise InvalidEvent(f"{error.object[error.start]!r} in it is no character: {error}") from error


def draft_of(event: Event) -> _native.Draft:
    """An event as the native half has it."""
    return draft(
        event.topic,
        event.body,
        severity=event.severity,
        headers=event.headers,
        id=event.id or None,
        priority=event.priority,
        source=event.source,
        object=event.object,
        schema=event.schema,
    )


def _json(what: str, value: Mapping[str, Any]) -> str:
    try:
        # Not ASCII only: the bytes are what subscribers get.
        return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)
    except TypeError as error:
        raise InvalidEvent(
            f"{what} cannot be written as JSON: {error}; give text or numbers, such as"
            " value.isoformat()"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"{what} cannot be written as JSON: {error}") from error


def _plain(value: Mapping[str, Any]) -> Any:
    return value if isinstance(value, dict) or not isinstance(value, Mapping) else dict(value)


def _number(severity: Severity | int | str | None) -> int | None:
    if severity is None:
        return None
    try:
        return int(Severity[severity.upper()] if isinstance(severity, str) else Severity(severity))
    except (KeyError, ValueError):
        raise InvalidEvent(
            f"{severity!r} is not a severity: debug, info, warning or error (10, 20, 30, 40)"
        ) from None


def _priority(priority: int | None) -> int | None:
    if priority is None or 0 <= priority <= 255:
        return priority
    raise InvalidEvent(f"priority is {priority}, not 0 to 9")
