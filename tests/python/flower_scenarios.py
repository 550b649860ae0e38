"""Celery Flower, with the worker that the test has started: it learns of workers and tasks on the
bus, and of queues from the HTTP API.

usage: CELERY_BUS=URL FLOWER_URL=URL python flower_scenarios.py URL
"""

import os
import time

import requests

import celery_app as tasks
from scenario import expect, expect_equal, main, scenario

FLOWER = os.environ["FLOWER_URL"]
SECONDS = 20


def page(path, **parameters):
    """What Flower answers to a GET."""
    answer = requests.get(f"{FLOWER}/{path}", params=parameters, timeout=SECONDS)
    expect_equal(answer.status_code, 200, f"{path}: {answer.text[:500]}")
    return answer


def until(what, found):
    """Waits until `found` returns something, and returns it."""
    deadline = time.monotonic() + SECONDS
    while True:
        got = found()
        if got:
            return got
        expect(time.monotonic() < deadline, f"{what} within {SECONDS} s")
        time.sleep(0.2)  # tidy: it is asked again and again until the deadline


def queue(name="celery"):
    """The row of a queue."""
    rows = page("api/queues/length").json()["active_queues"]
    return next((row for row in rows if row["name"] == name), None)


@scenario
def it_knows_the_worker_and_what_it_can_do(_):
    def named():
        workers = page("api/workers", refresh=True).json()
        return next(((name, worker) for name, worker in workers.items()
                     if "celery_app.add" in worker.get("registered", [])), None)
    name, worker = until("the worker", named)
    expect(name.startswith("watched@"), name)
    expect("celery" in [row["name"] for row in worker["active_queues"]], f"{worker}")


@scenario
def it_shows_the_queue_as_the_broker_has_it(_):
    # RabbitMQ counts now and then.
    row = until("its consumer", lambda: (queue() or {}).get("consumers") == 1 and queue())
    for field in ["messages", "messages_ready", "messages_unacknowledged", "consumers"]:
        expect(isinstance(row[field], int), f"{field}: {row}")
    text = page("broker").text
    expect('<tr id="celery">' in text, f"a row for the queue: {text}")


@scenario
def what_waits_is_counted(_):
    # For longer than RabbitMQ takes to count again.
    for number in range(3):
        tasks.started_at.apply_async(countdown=12)
    until("three messages", lambda: (queue() or {}).get("messages", 0) >= 3)
    until("their end", lambda: queue()["messages"] == 0)


@scenario
def a_task_that_it_sends_is_done_and_shown(_):
    sent = requests.post(f"{FLOWER}/api/task/async-apply/celery_app.add", timeout=SECONDS,
                         json={"args": [20, 22]})
    expect_equal(sent.status_code, 200, sent.text)
    name = sent.json()["task-id"]

    def done():
        info = requests.get(f"{FLOWER}/api/task/info/{name}", timeout=SECONDS)
        return info.status_code == 200 and info.json().get("state") == "SUCCESS" and info.json()
    info = until("its end", done)
    expect_equal((info["name"], info["result"]), ("celery_app.add", "42"), "name and result")


@scenario
def a_worker_is_told_what_to_do(_):
    name = next(iter(page("api/workers").json()))
    grown = requests.post(f"{FLOWER}/api/worker/pool/grow/{name}", timeout=SECONDS, data={"n": 1})
    expect_equal(grown.status_code, 200, grown.text)


if __name__ == "__main__":
    main()
