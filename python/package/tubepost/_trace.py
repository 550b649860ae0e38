"""The W3C trace context of the event that is being handled: what is published there carries it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tubepost._event import Event

_current: ContextVar[tuple[str, str] | None] = ContextVar("tubepost_trace", default=None)


def current() -> tuple[str, str] | None:
    """`traceparent` and `tracestate` of here."""
    return _current.get()


@contextmanager
def scope(event: Event) -> Iterator[None]:
    """What is done for this event."""
    parent = event.headers.get("traceparent")
    state = event.headers.get("tracestate")
    said = (parent, state if isinstance(state, str) else "") if isinstance(parent, str) else None
    token = _current.set(said)
    try:
        yield
    finally:
        _current.reset(token)
