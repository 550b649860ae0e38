"""The same for asyncio: nothing here holds up the event loop, and no call takes a thread.

>>> import asyncio
>>> from tubepost import aio
>>> id = asyncio.run(aio.publish("door.open", {"agent": "ada", "door": "north"}))
"""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any

from tubepost import _log, _native, _publishing, _trace
from tubepost._event import Event, Severity, draft, parse
from tubepost._subscribing import Handled, Verdicts, failure, patterns_of

__all__ = ["Subscription", "publish", "subscribe"]

Handler = Callable[[Event], Awaitable[object]]


async def publish(
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
    """As `tubepost.publish`. What is published at the same time is handed over together.

    Cancelled, the event may be published or not.
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
        prefixed=_publishing.recorder is None,
    )
    if _publishing.recorder is not None:
        _publishing.hand_over(said)
        return said.id
    _log.start()
    loop = asyncio.get_running_loop()
    desk = _desks.get(loop)
    if desk is None:
        desk = _desks[loop] = _Desk(loop)
    await desk.hand_over(said)
    return said.id


class _Desk:
    """What an event loop has under way."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._handover = _native.Handover()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._tickets = 0
        self._room = asyncio.Semaphore(_UNDER_WAY_MAX)
        loop.add_reader(self._handover.fileno(), self._answered)

    async def hand_over(self, said: _native.Draft) -> None:
        await self._room.acquire()
        self._tickets += 1
        done = asyncio.get_running_loop().create_future()
        self._waiting[self._tickets] = done
        self._handover.submit(self._tickets, said)
        await done

    def _answered(self) -> None:
        for ticket, error in self._handover.answers():
            self._room.release()
            done = self._waiting.pop(ticket)
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)


_UNDER_WAY_MAX = 512
_desks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Desk] = weakref.WeakKeyDictionary()


def subscribe(
    *patterns: str, queue: str | None = None, prefetch: int = 10, bus: str | None = None
) -> Subscription:
    """As `tubepost.subscribe`, for `async for`::

        async for event in aio.subscribe("org.example.door.#", queue="doors"):
            print(event.summary)
    """
    return Subscription(patterns, queue=queue, prefetch=prefetch, bus=bus)


class Subscription(AsyncIterator[Event]):
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
        self._handlers: _native.Handlers | None = None

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        if self._receiver is None:
            _log.start()
            self._receiver = _native.Receiver(
                self._patterns, self._queue, self._prefetch, self._bus
            )
        if self._last is not None:
            self._last.finish()
            self._last = None
        found = await _next(self._receiver)
        if found is None:
            raise StopAsyncIteration
        tag, text = found
        self._last = Verdicts(self._receiver, tag)
        return parse(text, self._last.say)

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the subscription, after the verdicts that were given. The rest goes back."""
        receiver = self._receiver
        if receiver is not None:
            receiver.stop()

            async def drain() -> None:
                while await _next(receiver) is not None:
                    pass

            try:
                await asyncio.wait_for(drain(), _CLOSE)
            except asyncio.TimeoutError:
                pass

    def stop(self) -> None:
        """Ends `run` in order, from anywhere in the event loop."""
        if self._handlers is not None:
            self._handlers.stop()

    async def run(
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
        """Handles events with a coroutine function, until `stop`; the words are those of
        `tubepost.Subscription.run`. Cancelled, it cancels its handlers, and their events come
        again.
        """
        _log.start()
        handlers = self._handlers = _native.Handlers(
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
        )
        tasks: set[asyncio.Task[None]] = set()
        try:
            while (job := await _next(handlers)) is not None:
                task = asyncio.create_task(_handle(handlers, handler, *job))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        finally:
            # After a stop all is done, and there is nothing to abort.
            handlers.abort()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return Handled(*(handlers.handled() or (0, 0, 0)))


async def _handle(handlers: _native.Handlers, handler: Handler, ticket: int, text: str) -> None:
    reason: str | None = "its handler was cancelled"
    try:
        event = parse(text)
        try:
            with _trace.scope(event):
                handling = handler(event)
                # One that is no coroutine function has done its work already.
                if inspect.isawaitable(handling):
                    await handling
            reason = None
        except Exception as error:
            reason = failure(event, error)
    finally:
        handlers.finish(ticket, reason)


async def _next(source: _native.Receiver | _native.Handlers) -> tuple[int, str] | None:
    """The next of it; nothing after its end."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            found = source.next(0)
        except EOFError:
            return None
        if found is not None:
            return found
        readable = loop.create_future()
        loop.add_reader(source.fileno(), _readable, readable)
        try:
            await readable
        finally:
            loop.remove_reader(source.fileno())


def _readable(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


_CLOSE = 5.0
"""Seconds that the last verdicts may take."""
