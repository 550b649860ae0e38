"""What the tests stand on. With TUBEPOST_BUS there is a bus and, in XDG_RUNTIME_DIR, an agent;
`cargo xtask test` starts both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def topic() -> str:
    """A topic of this test alone."""
    return f"org.example.test.{uuid4().hex}"


@pytest.fixture
def no_agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """For processes started in the test: no agent, and a spool of its own, which is returned."""
    monkeypatch.setenv("TUBEPOST_AGENT_SOCKET", str(tmp_path / "nobody.sock"))
    monkeypatch.setenv("TUBEPOST_SPOOL", str(tmp_path / "spool"))
    return tmp_path / "spool"


class Program:
    """A Python program beside the test, its output by line."""

    def __init__(self, text: str, folder: Path) -> None:
        self._output = folder / f"{uuid4().hex}.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-c", text],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                cwd=folder,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_for(self, condition: Callable[[str], object], seconds: float = 30) -> str:
        """Until its output satisfies the condition."""
        wait_for(lambda: condition(self.output) or self.process.poll() is not None, seconds,
                 lambda: self.output)
        assert condition(self.output), f"ended with {self.process.poll()}:\n{self.output}"
        return self.output

    def end(self, number: int | None = None, seconds: float = 60) -> str:
        """Waits for its end, after a signal; it must succeed."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(seconds)
        assert code == 0, f"{code}:\n{self.output}"
        return self.output


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    """Starts a Python program; what still runs at the end is killed."""
    programs: list[Program] = []

    def begin(text: str) -> Program:
        programs.append(Program(text, tmp_path))
        return programs[-1]

    yield begin
    for program in programs:
        if program.process.poll() is None:
            program.process.send_signal(signal.SIGKILL)
            program.process.wait()


def wait_for(
    condition: Callable[[], object],
    seconds: float = 30,
    seen: Callable[[], object] = lambda: "",
) -> None:
    """Looks until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s; seen: {seen()}"
        # tidy: the pause between two looks; no test depends on its length.
        time.sleep(0.01)
