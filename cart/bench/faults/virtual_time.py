"""An asyncio loop whose clock jumps to the next timer, and stand-ins for `time` and `secrets` that follow it.

Nothing waits: an hour of a store takes as long as its work. Equal seeds give equal runs, because timers of equal times
fire in the order in which they were set, and no thread, socket or wall clock is involved.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Final, Protocol
from unittest.mock import patch

EPOCH_MS: Final = 1_790_000_000_000
"""Wall time at the start of every run: 21 September 2026."""


class _NothingToDo(Exception):
    """Everybody waits for somebody else."""


class _Selector(selectors.SelectSelector):
    """Knows no file that is ever ready; waiting moves the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise _NothingToDo("no timer is set and nothing is ready: the simulated store has come to a standstill")
        self.now_s += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`loop.time()` is virtual, in seconds from 0."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now_s


class Clocks(Protocol):
    """One simulated machine's clocks."""

    def monotonic_ns(self) -> int: ...
    def wall_ms(self) -> int: ...


MACHINE: ContextVar[Clocks] = ContextVar("MACHINE")
"""Whose code is running. Tasks and timers inherit it from whoever began them."""


class _Time(ModuleType):
    """What cart and till use of the module `time`."""

    def monotonic_ns(self) -> int:
        return MACHINE.get().monotonic_ns()

    def monotonic(self) -> float:
        return MACHINE.get().monotonic_ns() / 1e9

    def time_ns(self) -> int:
        return MACHINE.get().wall_ms() * 1_000_000


class _Secrets(ModuleType):
    """Ids drawn from the seed. No secret is made in a simulation."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__("secrets")
        self._rng = rng

    def token_hex(self, size: int) -> str:
        return self._rng.randbytes(size).hex()


@contextmanager
def virtual_modules(modules: list[ModuleType], rng: random.Random) -> Iterator[ModuleType]:
    """Within, these modules' `time` and `secrets` are virtual, where they have them. Answers the virtual `time`."""
    time, secrets = _Time("time"), _Secrets(rng)
    patches = [
        patch.object(module, name, stand_in)
        for module in modules
        for name, stand_in in (("time", time), ("secrets", secrets))
        if isinstance(getattr(module, name, None), ModuleType)
    ]
    for one in patches:
        one.start()
    try:
        yield time
    finally:
        for one in reversed(patches):
            one.stop()
