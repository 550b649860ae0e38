"""The pytest plugin: `tubepost_events` and `assert_published`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Callable

import pytest

if TYPE_CHECKING:
    from tubepost import Event
    from tubepost.testing import Published


@pytest.fixture
def tubepost_events() -> Iterator[Published]:
    """The events that are published in the test. They go to no agent, spool or bus."""
    # Not before it is asked for: pytest imports this in every run.
    from tubepost.testing import recording

    with recording() as published:
        yield published


@pytest.fixture
def assert_published(tubepost_events: Published) -> Callable[..., Event]:
    """`tubepost_events.assert_published`: topic or pattern, part of the body, `times`."""
    return tubepost_events.assert_published
