"""Publishes with the Python package until a line is said to it, on a thread and on an event loop;
prints the id of each event whose publish returned."""

import asyncio
import sys
import threading

import tubepost
from tubepost import aio

enough = threading.Event()
printing = threading.Lock()
TOPIC = "org.example.python"


def tell(ids: list[str]) -> None:
    with printing:
        print("\n".join(ids))


def listen() -> None:
    sys.stdin.readline()
    enough.set()


def on_a_thread() -> None:
    number = 0
    while not enough.wait(0.002):
        number += 1
        tell([tubepost.publish(TOPIC, {"thread": number})])


async def on_an_event_loop() -> None:
    number = 0
    while not enough.is_set():
        number += 1
        ids = await asyncio.gather(*(aio.publish(TOPIC, {"loop": number}) for _ in range(3)))
        tell(ids)


for work in (listen, on_a_thread):
    threading.Thread(target=work).start()
asyncio.run(on_an_event_loop())
