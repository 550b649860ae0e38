"""Celery, with the workers that the test has started: on the queues celery (results over the bus),
chords, quorum, and two on late.

usage: CELERY_BUS=URL CELERY_RESULTS_FOLDER=FOLDER python celery_scenarios.py URL
"""

import os
import time

from celery import Celery, chain, chord, group
from celery.exceptions import NotRegistered, TaskRevokedError

import celery_app as tasks
from scenario import expect, expect_equal, main, scenario

SECONDS = 20


def get(result):
    return result.get(timeout=SECONDS)


def elsewhere(queue, backend="rpc://"):
    """The application as the workers of another queue have it, to send tasks to them."""
    app = Celery("celery_app", broker=tasks.BUS, backend=backend)
    app.conf.update(task_default_queue=queue, task_default_exchange=queue,
                    task_default_routing_key=queue, task_create_missing_queues=False,
                    task_queues=[tasks.Queue(queue, tasks.Exchange(
                        queue, type="topic" if queue == "quorum" else "direct"),
                        routing_key=queue, queue_arguments={
                            "x-queue-type": "quorum" if queue == "quorum" else "classic"})])
    return app


@scenario
def a_task_is_done_and_answered(_):
    expect_equal(get(tasks.add.delay(2, 3)), 5, "2 + 3")
    results = group(tasks.add.s(number, number) for number in range(50))()
    expect_equal(get(results), [2 * number for number in range(50)], "fifty sums")


@scenario
def arguments_and_results_may_be_large(_):
    text = "grüße " * 200_000
    expect(get(tasks.echo.delay(text)) == text, "a result of a megabyte is what was sent")


@scenario
def a_chain_goes_on_with_what_came_before(_):
    expect_equal(get(chain(tasks.add.s(1, 2), tasks.add.s(10), tasks.add.s(100))()), 113, "sum")


@scenario
def a_countdown_is_waited_for(_):
    begun = time.time()
    at = get(tasks.started_at.apply_async(countdown=1.5))
    expect(1.4 <= at - begun < 10, f"done after {at - begun:.2f} s of a countdown of 1.5 s")


@scenario
def tasks_with_an_eta_do_not_keep_others_out(_):
    # Eight wait in the hands of workers that take two: each raises the prefetch by one.
    begun = time.time()
    waiting = [tasks.started_at.apply_async(countdown=3) for _ in range(8)]
    expect_equal(get(tasks.add.delay(1, 1)), 2, "a task that need not wait")
    expect(time.time() - begun < 2.5, "it was done before those that wait")
    late = [get(result) - begun for result in waiting]
    expect(min(late) >= 2.9, f"none was too early: {late}")
    expect(max(late) < 10, f"none waited for another: {late}")


@scenario
def a_task_retries_until_it_succeeds_or_may_not(_):
    expect_equal(get(tasks.fails_twice.delay()), 2, "retries")
    try:
        get(tasks.fails_always.delay())
        expect(False, "a task that always fails succeeded")
    except ValueError as error:
        expect_equal(str(error), "never", "the error")


@scenario
def a_revoked_task_is_not_done(_):
    result = tasks.started_at.apply_async(countdown=2)
    tasks.app.control.revoke(result.id, reply=True, timeout=5, limit=2)
    try:
        get(result)
        expect(False, "a revoked task was done")
    except TaskRevokedError:
        pass


@scenario
def a_task_that_nobody_knows_is_answered(_):
    try:
        get(tasks.app.send_task("celery_app.no_such_task"))
        expect(False, "an unknown task was done")
    except NotRegistered:
        pass


@scenario
def a_chord_ends_when_its_header_has(_):
    folder = os.environ["CELERY_RESULTS_FOLDER"]
    app = elsewhere("chords", f"file://{folder}")
    header = [app.signature("celery_app.add", (number, number)) for number in range(10)]
    result = chord(header, app.signature("celery_app.total"), app=app)()
    expect_equal(get(result), 90, "the sum of sums")


@scenario
def celery_itself_refuses_chords_without_a_store_of_results(_):
    try:
        chord([tasks.add.s(1, 1)] * 2)(tasks.total.s())
        expect(False, "a chord over rpc:// was taken")
    except NotImplementedError as error:
        expect("does not support chords" in str(error), f"Celery's own refusal, found {error}")


@scenario
def a_group_over_rpc_is_joined_by_who_asked(_):
    results = group(tasks.add.s(number, 1) for number in range(10))()
    expect_equal(sum(results.join(timeout=SECONDS)), 55, "the sum of sums")


@scenario
def a_worker_that_dies_leaves_its_task_to_another(_):
    app = elsewhere("late")
    name = get(app.send_task("celery_app.kills_its_first_worker"))
    expect(name.startswith("late"), f"done by {name}")


@scenario
def a_rejected_task_comes_again_marked(_):
    expect(get(tasks.reject_once.delay()), "it was redelivered")


@scenario
def quorum_queues_and_their_delayed_delivery(_):
    # Celery counts down with 28 queues whose dead letters go from one to the next.
    app = elsewhere("quorum")
    expect_equal(get(app.send_task("celery_app.add", (20, 22))), 42, "20 + 22")
    begun = time.time()
    at = get(app.send_task("celery_app.started_at", countdown=3))
    expect(1.9 <= at - begun < 12, f"done after {at - begun:.2f} s of a countdown of 3 s")


@scenario
def workers_answer_what_they_are_asked(_):
    answers = tasks.app.control.ping(timeout=5, limit=3)
    expect(len(answers) >= 3, f"three workers at least answer: {answers}")
    expect(all(list(answer.values()) == [{"ok": "pong"}] for answer in answers), f"{answers}")
    registered = tasks.app.control.inspect(timeout=5, limit=1).registered()
    expect("celery_app.add" in next(iter(registered.values())), f"{registered}")


@scenario
def what_workers_do_is_told_as_events(_):
    seen = []
    with tasks.app.connection() as connection:
        receiver = tasks.app.events.Receiver(connection, handlers={
            "task-succeeded": lambda event: seen.append(event["uuid"])})
        with receiver.consumer_context() as (consuming, _channel, _consumers):
            result = tasks.add.delay(1, 2)
            deadline = time.monotonic() + SECONDS
            while result.id not in seen and time.monotonic() < deadline:
                try:
                    consuming.drain_events(timeout=0.2)
                except TimeoutError:
                    pass
    expect(result.id in seen, f"task-succeeded of {result.id} among {len(seen)}")


if __name__ == "__main__":
    main()
