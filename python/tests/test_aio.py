"""The same on an event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest
from test_subscribing import declared, numbers, publish, rest

import tubepost
from tubepost import aio


def test_many_at_once_arrive_in_order_and_the_loop_goes_on(topic: str) -> None:
    declared(topic)
    threads = threading.active_count()

    async def publish_all() -> list[str]:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                beats += 1
                # tidy: only a turn of the loop.
                await asyncio.sleep(0)

        beating = asyncio.create_task(beat())
        # More than may be under way at once.
        all = [aio.publish(topic, {"number": number}) for number in range(1500)]
        ids = await asyncio.gather(*all)
        beating.cancel()
        assert beats > 3
        return ids

    ids = asyncio.run(publish_all())
    # One forwards the log.
    assert threading.active_count() <= threads + 1

    async def receive() -> list[tubepost.Event]:
        events: list[tubepost.Event] = []
        async with aio.subscribe(topic, queue=topic) as subscription:
            async for event in subscription:
                events.append(event)
                if len(events) == len(ids):
                    event.ack()
                    break
        return events

    # A second loop, in the same process.
    events = asyncio.run(receive())
    assert [event.id for event in events] == ids
    assert numbers(events) == list(range(1500))


def test_what_is_refused_is_raised_where_it_is_awaited() -> None:
    with pytest.raises(tubepost.InvalidEvent, match="white space"):
        asyncio.run(aio.publish("a b", {}))

    # The agent's word, by which the others are not touched.
    async def one_of_three() -> list[object]:
        long = {"x": "x" * (5 << 20)}
        all = (aio.publish("a", {}), aio.publish("a", long), aio.publish("a", {}))
        return list(await asyncio.gather(*all, return_exceptions=True))

    first, refused, last = asyncio.run(one_of_three())
    assert isinstance(first, str) and isinstance(last, str)
    assert isinstance(refused, (tubepost.NotKept, str))


def test_a_publish_that_is_cancelled_holds_nobody_up(topic: str) -> None:
    async def cancelled() -> None:
        for _ in range(1200):
            task = asyncio.create_task(aio.publish("org.example.cancelled", {}))
            # tidy: only a turn of the loop.
            await asyncio.sleep(0)
            task.cancel()
        await aio.publish(topic, {"number": 1})

    asyncio.run(asyncio.wait_for(cancelled(), 30))


def test_a_cancelled_loop_leaves_its_event_to_the_next(topic: str) -> None:
    declared(topic)
    publish(topic, 2)

    async def cancelled() -> None:
        begun = asyncio.Event()

        async def receive() -> None:
            async with aio.subscribe(topic, queue=topic) as subscription:
                async for _ in subscription:
                    begun.set()
                    await asyncio.Event().wait()

        task = asyncio.create_task(receive())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert sorted(numbers(rest(topic, 2))) == [1, 2]


def test_coroutines_handle_side_by_side_with_retry(topic: str) -> None:
    declared(topic)
    publish(topic, 6)

    async def handle_all() -> tuple[list[int], tubepost.Handled]:
        subscription = aio.subscribe(topic, queue=topic)
        together = asyncio.Barrier(3) if hasattr(asyncio, "Barrier") else None
        done: list[int] = []
        failed: set[int] = set()

        async def handle(event: tubepost.Event) -> None:
            number = event.body["number"]
            if number == 4 and number not in failed:
                failed.add(number)
                raise RuntimeError("once")
            if together is not None:
                await together.wait()
            done.append(number)
            if len(done) == 6:
                subscription.stop()

        handled = await subscription.run(handle, parallel=3, retry=1, delay=0.01)
        return done, handled

    done, handled = asyncio.run(asyncio.wait_for(handle_all(), 30))
    assert sorted(done) == [1, 2, 3, 4, 5, 6]
    assert handled == tubepost.Handled(6, 0, 0)


def test_cancelled_handlers_leave_their_events_to_the_next(topic: str) -> None:
    declared(topic)
    publish(topic, 2)

    async def cancelled() -> None:
        begun = asyncio.Event()

        async def handle(event: tubepost.Event) -> None:
            begun.set()
            await asyncio.Event().wait()

        # None of them has failed: without a retry that would be for good.
        subscription = aio.subscribe(topic, queue=topic)
        task = asyncio.create_task(subscription.run(handle, parallel=2, retry=0))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert sorted(numbers(rest(topic, 2))) == [1, 2]
