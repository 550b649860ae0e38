"""What the native half reports, for the logger `tubepost`."""

from __future__ import annotations

import atexit
import logging
import os
import select
import threading

from tubepost import _native

logger = logging.getLogger("tubepost")
_forwarded_in = 0


def start() -> None:
    """Begins to forward, once for each process."""
    global _forwarded_in
    if _forwarded_in != os.getpid():
        _forwarded_in = os.getpid()
        # A thread of Python's, so that the interpreter may end at any moment.
        threading.Thread(target=_forward, name="tubepost log", daemon=True).start()


def forward() -> None:
    """Forwards what is there."""
    for level, text in _native.take_log():
        logger.log(level, "%s", text)


def _forward() -> None:
    fileno = _native.log_fileno()
    poll = select.poll()
    if fileno is not None:
        poll.register(fileno, select.POLLIN)
        while True:
            poll.poll()
            forward()


atexit.register(forward)
