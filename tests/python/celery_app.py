"""The Celery application of the tests: its workers import it, and so does celery_scenarios.py."""

import os
import signal
import time

from celery import Celery, Task
from kombu import Exchange, Queue

BUS = os.environ["CELERY_BUS"]
# rpc:// answers on the bus itself; file:// is the one that can wait for the header of a chord.
RESULTS = os.environ.get("CELERY_RESULTS", "rpc://")
QUEUE = os.environ.get("CELERY_QUEUE", "celery")
QUEUE_TYPE = os.environ.get("CELERY_QUEUE_TYPE", "classic")

app = Celery("celery_app", broker=BUS, backend=RESULTS)
app.conf.update(
    task_default_queue=QUEUE,
    task_default_queue_type=QUEUE_TYPE,
    task_queues=[Queue(QUEUE, Exchange(QUEUE, type="topic" if QUEUE_TYPE == "quorum" else "direct"),
                       routing_key=QUEUE, queue_arguments={"x-queue-type": QUEUE_TYPE})],
    task_default_exchange=QUEUE,
    task_default_exchange_type="topic" if QUEUE_TYPE == "quorum" else "direct",
    task_default_routing_key=QUEUE,
    broker_connection_retry_on_startup=True,
    # Two tasks at a time, and two in hand: tasks with an ETA have to raise it.
    worker_prefetch_multiplier=1,
    broker_transport_options={"confirm_publish": True},
    task_send_sent_event=True,
    worker_send_task_events=True,
    result_expires=60,
)


@app.task
def add(left, right):
    return left + right


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def started_at():
    return time.time()


@app.task
def echo(value):
    return value


@app.task(bind=True, max_retries=3)
def fails_twice(self: Task):
    """Succeeds at the third attempt; returns the number of retries."""
    if self.request.retries < 2:
        raise self.retry(countdown=0.1, exc=ValueError("not yet"))
    return self.request.retries


@app.task(bind=True, max_retries=1)
def fails_always(self: Task):
    raise self.retry(countdown=0.05, exc=ValueError("never"))


@app.task(bind=True, acks_late=True)
def kills_its_first_worker(self: Task):
    """As a machine that dies: the task is not acknowledged, and another worker has to do it."""
    if not self.request.delivery_info["redelivered"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return self.request.hostname


@app.task(bind=True, acks_late=True)
def reject_once(self: Task):
    """Puts itself back at the broker; returns whether it came back marked."""
    from celery.exceptions import Reject  # pylint: disable=import-outside-toplevel
    if not self.request.delivery_info["redelivered"]:
        raise Reject("not now", requeue=True)
    return True
