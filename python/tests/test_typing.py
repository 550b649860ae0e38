"""Types and examples: mypy on the package, its stubs against the real module, docstrings."""

from __future__ import annotations

import doctest
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tubepost
from tubepost.testing import recording

SOURCE = Path(__file__).parent.parent / "package/tubepost"
MODULES = ["", "._event", "._publishing", "._subscribing", ".aio", ".testing"]


@pytest.fixture
def cache(tmp_path: Path) -> str:
    """mypy's cache, from one run to the next where there is a place for it."""
    return os.environ.get("TUBEPOST_MYPY_CACHE", str(tmp_path))


def run(*words: str, cache: str) -> None:
    variables = {**os.environ, "MYPY_CACHE_DIR": cache}
    done = subprocess.run(
        [sys.executable, "-m", *words], env=variables, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_is_typed_and_its_stubs_are_those_of_the_module(cache: str) -> None:
    assert Path(tubepost.__file__).with_name("py.typed").exists()
    run("mypy", "--strict", "--no-error-summary", str(SOURCE), cache=cache)
    run("mypy.stubtest", "tubepost._native", cache=cache)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name: str) -> None:
    module = importlib.import_module(f"tubepost{name}")
    with recording():
        assert doctest.testmod(module).failed == 0


def test_what_is_public_has_words() -> None:
    for name in tubepost.__all__:
        assert getattr(tubepost, name).__doc__, name
