"""The native half; `tubepost` and its modules are what is to be used."""

from typing import final

__all__ = ["Draft", "Handlers", "Handover", "Receiver", "flush", "hand_over", "log_fileno", "take_log"]

@final
class Draft:
    """An event that is not published yet."""

    def __new__(
        cls,
        topic: str,
        body: str,
        *,
        headers: str | None = None,
        id: str | None = None,
        severity: int | None = None,
        priority: int | None = None,
        source: str | None = None,
        object: str | None = None,
        schema: str | None = None,
        trace: tuple[str, str] | None = None,
        prefixed: bool = False,
    ) -> Draft: ...
    @property
    def id(self) -> str: ...
    def json(self) -> str: ...
    def completed(self) -> Draft: ...
    def describe(self) -> str: ...

@final
class Handover:
    """Hands events over for an event loop."""

    def __new__(cls) -> Handover: ...
    def fileno(self) -> int: ...
    def submit(self, ticket: int, draft: Draft) -> None: ...
    def answers(self) -> list[tuple[int, Exception | None]]: ...

@final
class Receiver:
    """Events as they come."""

    def __new__(
        cls, patterns: list[str], queue: str | None, prefetch: int, bus: str | None
    ) -> Receiver: ...
    def fileno(self) -> int: ...
    def next(self, seconds: float) -> tuple[int, str] | None: ...
    def judge(self, tag: int, verdict: str) -> None: ...
    def stop(self) -> None: ...

@final
class Handlers:
    """Events that are handled."""

    def __new__(
        cls,
        patterns: list[str],
        *,
        queue: str | None = None,
        parallel: int = 1,
        retry: int = 0,
        delay: float = 1.0,
        dead_letters: str | None = None,
        deduplicate: int = 0,
        in_order_of: str | None = None,
        patience: float = 30.0,
        bus: str | None = None,
    ) -> Handlers: ...
    def fileno(self) -> int: ...
    def next(self, seconds: float) -> tuple[int, str] | None: ...
    def finish(self, ticket: int, reason: str | None = None) -> None: ...
    def stop(self) -> None: ...
    def handled(self) -> tuple[int, int, int] | None: ...

def hand_over(draft: Draft) -> None: ...
def flush(seconds: float) -> bool: ...
def log_fileno() -> int | None: ...
def take_log() -> list[tuple[int, str]]: ...
