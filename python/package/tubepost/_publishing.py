"""Publishing, for code that may wait for a disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tubepost import _log, _native, _trace
from tubepost._event import Severity, draft

recorder: Callable[[_native.Draft], None] | None = None
"""Takes what is published, in tests."""


def publish(
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
) -> str:
    """Publishes an event and returns its id.

    >>> id = publish("door.open", {"agent": "ada", "door": "north"})
    >>> id = publish("door.jammed", {"door": "north"}, severity="error", object="door/north")

    On return the event is on disk: with the agent of this machine or, where there is none, in the
    spool of this process. From there it is delivered, however long the bus is away. `topic` gets
    the configured prefix before it; `body` becomes a JSON object. What its schema knows (severity,
    object, whom it concerns) is filled in unless it is given.

    Raises `InvalidEvent` if it is none, `NotKept` if agent or spool are full, `ConfigurationError`.
    """
    said = draft(
        topic,
        body,
        severity=severity,
        headers=headers,
        id=id,
        priority=priority,
        source=source,
        object=object,
        schema=schema,
        trace=_trace.current(),
        prefixed=recorder is None,
    )
    hand_over(said)
    return said.id


def hand_over(said: _native.Draft) -> None:
    """To the agent or the spool; in tests, to who records."""
    if recorder is not None:
        recorder(said.completed())
        return
    _log.start()
    _native.hand_over(said)


def flush(seconds: float = 30.0) -> bool:
    """Waits until the spool of this process is delivered, at most so long; returns whether it is.

    Only for programs that end at once, on machines without an agent: what is not delivered by then
    is delivered by the next process that publishes there, or by an agent.
    """
    return True if recorder is not None else _native.flush(seconds)
