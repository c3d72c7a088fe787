"""An asyncio loop whose clock jumps to the next timer, and stand-ins for `time` and `secrets` that follow it.

Nothing waits: an hour of a store takes as long as its work. Equal seeds give equal runs, because timers of equal times
fire in the order in which they were set, and no thread, socket or wall clock is involved.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from types import ModuleType
from typing import Any, Final, Protocol
from unittest.mock import patch

EPOCH_MS: Final = 1_790_000_000_000
"""Wall time at the start of every run: 21 September 2026."""


class _NothingToDo(Exception):
    """Everybody waits for somebody else."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """`loop.time()` is virtual, in seconds from 0. No file is ever ready; waiting moves the clock.

    asyncio's own rounds look at the selector each time and compare timers in Python, which was a quarter of a run.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_set = 0
        self._due: deque[asyncio.Handle] = deque()

    def time(self) -> float:
        return self._now_s

    def call_soon(  # type: ignore[override]  # asyncio's own annotation has a type variable tuple
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._due.append(handle)
        return handle

    def call_at(  # type: ignore[override]  # likewise
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers_set += 1
        heapq.heappush(self._timers, (when, self._timers_set, timer))
        return timer

    def _run_once(self) -> None:
        """One round of `run_forever`: what is due, in order; where nothing is, time goes on to the next timer."""
        due, timers = self._due, self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not due:
            if not timers:
                raise _NothingToDo("no timer is set and nothing is ready: the simulated store has come to a standstill")
            self._now_s = max(self._now_s, timers[0][0])
        while timers and timers[0][0] <= self._now_s:
            due.append(heapq.heappop(timers)[2])
        for _ in range(len(due)):
            handle = due.popleft()
            if not handle.cancelled():
                handle._run()  # noqa: SLF001  # what asyncio's own rounds call


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

    def randbits(self, count: int) -> int:
        return self._rng.getrandbits(count)


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
