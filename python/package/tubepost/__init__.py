"""Events of an infrastructure: say what happened, learn of what others said.

>>> from tubepost import publish
>>> id = publish("door.open", {"agent": "ada", "door": "north"})

Nothing is set up before, and no call waits for the bus. `subscribe` receives; `tubepost.aio` has
both for asyncio; `tubepost.testing` and the pytest fixture `tubepost_events` are for tests.
"""

from tubepost._event import Event, Severity
from tubepost._exceptions import (
    BusError,
    ConfigurationError,
    Error,
    InvalidEvent,
    NotKept,
)
from tubepost._publishing import flush, publish
from tubepost._subscribing import Handled, Subscription, on, run, subscribe

__all__ = [
    "BusError",
    "ConfigurationError",
    "Error",
    "Event",
    "Handled",
    "InvalidEvent",
    "NotKept",
    "Severity",
    "Subscription",
    "flush",
    "on",
    "publish",
    "run",
    "subscribe",
]
