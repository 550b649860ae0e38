"""Prints the id of each event that the Python package receives."""

import tubepost

for event in tubepost.subscribe("org.example.#", queue="python-subscriber"):
    print(event.id)
