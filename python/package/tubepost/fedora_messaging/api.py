"""`publish` of `fedora_messaging.api`. Every other name here is the original's."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from tubepost import _exceptions, _publishing
from tubepost._event import draft


def publish(message: Any, exchange: str | None = None, timeout: float = 30) -> None:
    """Publishes a message: a `fedora_messaging.message.Message`, one of its subclasses, or
    whatever has `topic` and `body` (and `severity`, `id`, `headers`).

    On return it is on disk, and will be delivered, however long the bus is away: nothing is raised
    for that. `exchange` and `timeout` are taken and not needed; the bus is Tubepost's.

    fedora-messaging's `topic_prefix`, validation and signals work as before. Raises its
    `ValidationError` for a message that does not fit its schema, its `PublishException` when
    neither agent nor spool can keep one; both are `tubepost.Error`s too.
    """
    signals = _loaded("signals")
    if signals is not None:
        signals.pre_publish_signal.send(publish, message=message)
    try:
        _hand_over(message)
    except Exception as error:
        if signals is not None:
            signals.publish_failed_signal.send(publish, message=message, reason=error)
        raise
    if signals is not None:
        signals.publish_signal.send(publish, message=message)


def _hand_over(message: Any) -> None:
    _validate(message)
    properties = getattr(message, "_properties", None)
    headers = getattr(properties, "headers", None) or getattr(message, "headers", None) or {}
    # With fedora-messaging's prefix, if that is set; else ours goes before it.
    topic = getattr(message, "_encoded_routing_key", message.topic)
    is_full = topic != message.topic
    try:
        said = draft(
            topic,
            message.body,
            severity=getattr(message, "severity", None),
            headers=headers,
            id=getattr(message, "id", None),
            priority=getattr(message, "priority", None),
            prefixed=not is_full and _publishing.recorder is None,
        )
        _publishing.hand_over(said)
    except _exceptions.InvalidEvent as error:
        raise _both(_exceptions.InvalidEvent, "ValidationError", error) from error
    except _exceptions.NotKept as error:
        raise _both(_exceptions.NotKept, "PublishException", error) from error


def _validate(message: Any) -> None:
    if not hasattr(message, "validate"):
        return
    try:
        message.validate()
    except Exception as error:
        # As the original's api does: the words of whichever validator it was.
        raise _both(_exceptions.InvalidEvent, "ValidationError", error) from error


def _both(ours: type[Exception], theirs: str, error: Exception) -> Exception:
    """An exception that those who catch fedora-messaging's catch, too."""
    exceptions = _loaded("exceptions")
    if exceptions is None:
        return ours(str(error))
    both = type(theirs, (ours, getattr(exceptions, theirs)), {})
    made: Exception = both(str(error))
    return made


def _loaded(name: str) -> ModuleType | None:
    """A module of fedora-messaging, where it is in use."""
    if "fedora_messaging" not in sys.modules:
        return None
    return importlib.import_module(f"fedora_messaging.{name}")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(importlib.import_module("fedora_messaging.api"), name)
