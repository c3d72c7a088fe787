"""The way from till to provider: slow, and it can lose the question or the answer. The provider itself goes on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from cart.bench.faults.machine import Boot
from cart.till.provider import Charge, Outcome
from cart.till.simulated import SimulatedAcquirer

TIMEOUT_S = 8.0
"""After which a till's HTTP client gives up; a lost question and a lost answer look the same to it."""


Work = Callable[[], Coroutine[Any, Any, Outcome]]


class ProviderChances(msgspec.Struct):
    """Chances a call, 0…1; changed while a run goes on."""

    lose_question: float = 0.0
    lose_answer: float = 0.0
    slow: float = 0.0


class Captures:
    """Counts what the provider holds of each trip after everything it does. `doubled`: trips of which it ever held two
    that were not parts of one basket.
    """

    def __init__(self, acquirer: SimulatedAcquirer, basket_of: Callable[[str], int]) -> None:
        """`basket_of`: attempt → what its request said that the whole basket costs, 0 where it asked for all of it."""
        self._acquirer = acquirer
        self._basket_of = basket_of
        self.doubled: list[str] = []

    def look(self) -> None:
        """An attempt id is its trip's id and a number."""
        held: dict[str, dict[str, int]] = {}
        for key, amount_minor in self._acquirer.captures().items():
            held.setdefault(key.rpartition(".")[0], {})[key] = amount_minor
        for trip, parts in sorted(held.items()):
            baskets = {self._basket_of(key) for key in parts} if len(parts) > 1 else set()
            fit = len(baskets) == 1 and sum(parts.values()) <= max(baskets)
            if len(parts) > 1 and not fit and trip not in self.doubled:
                self.doubled.append(trip)


class ProviderWire:
    """A provider as one boot of the till sees it."""

    def __init__(
        self, acquirer: SimulatedAcquirer, captures: Captures, boot: Boot, rng: random.Random, chances: ProviderChances
    ) -> None:
        self._acquirer = acquirer
        self._captures = captures
        self._boot = boot
        self._rng = rng
        self._chances = chances

    async def charge(self, charge: Charge) -> Outcome:
        return await self._call(lambda: self._acquirer.charge(charge), "charge")

    async def lookup(self, key: str) -> Outcome:
        return await self._call(lambda: self._acquirer.lookup(key), "lookup")

    async def withdraw(self, key: str) -> Outcome:
        return await self._call(lambda: self._acquirer.withdraw(key), "withdraw")

    async def refund(self, key: str, refund_id: str, amount_minor: int) -> Outcome:
        return await self._call(lambda: self._acquirer.refund(key, refund_id, amount_minor), "refund")

    async def close(self) -> None:
        """The provider stays."""

    async def _call(self, work: Work, what: str) -> Outcome:
        if self._boot.step(f"before {what}"):
            await self._boot.stop_here()
        await self._boot.pause(self._delay_s())
        if self._rng.random() < self._chances.lose_question:
            await self._boot.pause(TIMEOUT_S)
            raise TimeoutError(f"{what}: no answer")
        at_provider = asyncio.get_running_loop().create_task(self._at_provider(work))
        lost = self._rng.random() < self._chances.lose_answer
        outcome = await asyncio.shield(at_provider)
        await self._boot.pause(TIMEOUT_S if lost else self._delay_s())
        if lost:
            raise TimeoutError(f"{what}: no answer")
        if self._boot.step(f"after {what}"):
            await self._boot.stop_here()
        return outcome

    async def _at_provider(self, work: Work) -> Outcome:
        try:
            return await work()
        finally:
            self._captures.look()

    def _delay_s(self) -> float:
        if self._rng.random() < self._chances.slow:
            return self._rng.uniform(1.0, 40.0)
        return self._rng.uniform(0.01, 0.3)
