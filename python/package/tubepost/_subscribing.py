"""Subscribing, for code that waits: a loop over events, or handlers on threads."""

from __future__ import annotations

import atexit
import inspect
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, TypeVar

from tubepost import _log, _native, _trace
from tubepost._event import Event, parse

Handler = Callable[[Event], object]
H = TypeVar("H", bound=Handler)

_SLICE = 0.1
"""Seconds that a signal may wait: it can come to a thread that is not Python's."""
_CLOSE = 5.0
"""Seconds that the last verdicts may take."""


@dataclass(frozen=True)
class Handled:
    """What became of the events of a subscription."""

    done: int
    """Their handler succeeded."""
    failed: int
    """Their handler failed for good, or they were no events."""
    duplicates: int
    """They had been handled before."""


def subscribe(
    *patterns: str, queue: str | None = None, prefetch: int = 10, bus: str | None = None
) -> Subscription:
    """Events of these patterns: `*` is one word of the topic, `#` any number.

    A loop over it has the events one by one. Each is acknowledged when the loop comes back for the
    next, unless `event.ack()`, `event.reject()` or `event.requeue()` said something before::

        for event in subscribe("org.example.door.#", queue="doors"):
            print(event.summary)

    An error in the loop leaves its event unacknowledged, so that it comes again; so does `break`.
    `run` handles them instead, many at once, with retries.

    `queue` is a durable queue: what comes while nobody is there waits in it, and several processes
    share its events. Without one only what happens from now on comes. Without a pattern it is what
    is in the queue anyway, such as the dead letters in `"doors.dead"`; without both, everything. `prefetch` events may be on
    their way at once. `bus` is another than the configured one. Connections are made, and made
    again, for as long as it takes.

    The first event raises `InvalidEvent` for what is no pattern, and `ConfigurationError`.
    """
    return Subscription(patterns, queue=queue, prefetch=prefetch, bus=bus)


class Subscription(Iterator[Event]):
    """What `subscribe` returns. It connects when the first event is asked for."""

    def __init__(
        self,
        patterns: tuple[str, ...],
        *,
        queue: str | None = None,
        prefetch: int = 10,
        bus: str | None = None,
    ) -> None:
        """As `subscribe`."""
        self._patterns = patterns_of(patterns, queue)
        self._queue = queue
        self._prefetch = prefetch
        self._bus = bus
        self._receiver: _native.Receiver | None = None
        self._last: Verdicts | None = None
        self._running: Running | None = None

    def __iter__(self) -> Subscription:
        return self

    def __next__(self) -> Event:
        receiver = self._connected()
        if self._last is not None:
            self._last.finish()
            self._last = None
        while True:
            try:
                found = receiver.next(_SLICE)
            except EOFError:
                raise StopIteration from None
            if found is not None:
                tag, text = found
                self._last = Verdicts(receiver, tag)
                return parse(text, self._last.say)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the subscription, after the verdicts that were given. The rest goes back."""
        if self._receiver is not None:
            self._receiver.stop()
            deadline = time.monotonic() + _CLOSE
            try:
                while time.monotonic() < deadline:
                    self._receiver.next(_SLICE)
            except EOFError:
                pass

    def stop(self) -> None:
        """Ends `run` in order, from anywhere: a handler, another thread."""
        if self._running is not None:
            self._running.stop()

    def run(
        self,
        handler: Handler,
        *,
        parallel: int = 1,
        retry: int = 3,
        delay: float = 1.0,
        dead_letters: str | None = None,
        deduplicate: int = 0,
        in_order_of: str | None = None,
        patience: float = 30.0,
    ) -> Handled:
        """Handles events, `parallel` at once, each on a thread, until a stop.

        An event is acknowledged when its handler returned. When it raised, it is tried again
        `retry` times, after `delay` seconds, then twice as many and so on; after that it is kept in
        the queue `dead_letters`, which is `NAME.dead` beside queue `NAME` unless said.
        `deduplicate` ids of what was handled are remembered, and not handled again.
        `in_order_of` is the path of a key in the body, such as `"door.id"`: events with the same
        key are handled one after the other.

        SIGTERM and Ctrl-C stop it in order: it takes no more, waits for the handlers that run, at
        most `patience` seconds, and leaves the rest to others. A second Ctrl-C ends it at once.
        """
        self._running = Running(
            handler,
            _native.Handlers(
                self._patterns,
                queue=self._queue,
                parallel=parallel,
                retry=retry,
                delay=delay,
                dead_letters=dead_letters,
                deduplicate=deduplicate,
                in_order_of=in_order_of,
                patience=patience,
                bus=self._bus,
            ),
            parallel,
        )
        return _run([self._running])[0]

    def _connected(self) -> _native.Receiver:
        if self._receiver is None:
            _log.start()
            self._receiver = _native.Receiver(
                self._patterns, self._queue, self._prefetch, self._bus
            )
            _open.add(self)
        return self._receiver


def patterns_of(patterns: tuple[str, ...], queue: str | None) -> list[str]:
    """What a queue is bound by."""
    if patterns or queue is None:
        return list(patterns)
    # To the library none are all. So it is what nobody says: the queue's own name.
    return [queue.replace("*", "_").replace("#", "_")]


class Verdicts:
    """The one verdict on one event."""

    def __init__(self, receiver: _native.Receiver, tag: int) -> None:
        self._receiver = receiver
        self._tag = tag
        self._is_said = False

    def say(self, verdict: str) -> None:
        """The first one counts."""
        if not self._is_said:
            self._is_said = True
            self._receiver.judge(self._tag, verdict)

    def finish(self) -> None:
        """Nothing was said, and it is done."""
        self.say("ack")


_open: weakref.WeakSet[Subscription] = weakref.WeakSet()


@atexit.register
def _close() -> None:
    """A verdict that was given is not lost because the program ends right after it."""
    for subscription in list(_open):
        subscription.close()


class Running:
    """Handlers on threads."""

    def __init__(self, handler: Handler, handlers: _native.Handlers, parallel: int) -> None:
        if inspect.iscoroutinefunction(handler):
            handlers.stop()
            raise TypeError(f"{handler!r} is a coroutine function: use tubepost.aio.subscribe")
        self._handler = handler
        self._handlers = handlers
        self._threads = [
            threading.Thread(target=self._work, name=f"tubepost handler {it}", daemon=True)
            for it in range(max(parallel, 1))
        ]

    def start(self) -> None:
        """Begins to handle."""
        _log.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """In order."""
        self._handlers.stop()

    def handled(self) -> Handled | None:
        """After the end."""
        counts = self._handlers.handled()
        return None if counts is None else Handled(*counts)

    def _work(self) -> None:
        while True:
            try:
                job = self._handlers.next(60.0)
            except EOFError:
                return
            if job is not None:
                self._handle(*job)

    def _handle(self, ticket: int, text: str) -> None:
        reason: str | None = "its handler ended its thread"
        try:
            event = parse(text)
            try:
                with _trace.scope(event):
                    self._handler(event)
                reason = None
            except BaseException as error:
                reason = failure(event, error)
        finally:
            self._handlers.finish(ticket, reason)


def failure(event: Event, error: BaseException) -> str:
    """Reports that a handler failed; the reason as it is kept."""
    _log.logger.warning("a handler failed on event %s (%s)", event.id, event.topic, exc_info=error)
    return f"{type(error).__name__}: {error}"


def _run(running: list[Running]) -> list[Handled]:
    # Not before they can be stopped: the first handler may do that, or a signal.
    with _signals(running):
        for it in running:
            it.start()
        while True:
            handled = [it.handled() for it in running]
            done = [it for it in handled if it is not None]
            if len(done) == len(running):
                return done
            # Not for ever: a signal can come to a thread that is not Python's.
            threading.Event().wait(_SLICE)


@contextmanager
def _signals(running: list[Running]) -> Iterator[None]:
    """SIGTERM and the first Ctrl-C stop in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for it in running:
            it.stop()

    before: list[tuple[signal.Signals, Any]] = [
        (number, signal.signal(number, stop)) for number in (signal.SIGINT, signal.SIGTERM)
    ]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


_declared: list[tuple[Handler, tuple[str, ...], str | None, str | None, dict[str, Any]]] = []


def on(
    *patterns: str,
    queue: str | None = None,
    parallel: int = 1,
    retry: int = 3,
    delay: float = 1.0,
    dead_letters: str | None = None,
    deduplicate: int = 0,
    in_order_of: str | None = None,
    patience: float = 30.0,
    bus: str | None = None,
) -> Callable[[H], H]:
    """Declares a function as the handler of events; `run` starts all that were declared.

    The words are those of `subscribe` and `Subscription.run`::

        @on("org.example.door.#", queue="doors", parallel=4)
        def opened(event):
            print(event.summary)

        run()
    """
    words: dict[str, Any] = {
        "parallel": parallel,
        "retry": retry,
        "delay": delay,
        "dead_letters": dead_letters,
        "deduplicate": deduplicate,
        "in_order_of": in_order_of,
        "patience": patience,
    }

    def declare(handler: H) -> H:
        _declared.append((handler, patterns, queue, bus, words))
        return handler

    return declare


def run() -> list[Handled]:
    """Runs every handler that `on` declared, until SIGTERM or Ctrl-C, as `Subscription.run` does.

    Returns what became of the events of each, in the order they were declared.
    """
    running: list[Running] = []
    try:
        for handler, patterns, queue, bus, words in _declared:
            handlers = _native.Handlers(
                patterns_of(patterns, queue), queue=queue, bus=bus, **words
            )
            running.append(Running(handler, handlers, words["parallel"]))
    except BaseException:
        for it in running:
            it.stop()
        raise
    return _run(running)
