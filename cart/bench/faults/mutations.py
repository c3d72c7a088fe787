"""Bugs put in on purpose, to show that the simulation would find them. Each is a promise of the design, broken."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Final, Literal, get_args

from cart.core.chain import LedgerRow
from cart.core.effects import Effect, Record
from cart.core.payment import Attempt, Payments
from cart.core.session import desk
from cart.daemon import composition
from cart.daemon.core_loop import CoreLoop
from cart.till import service
from cart.till.ledger_desk import LedgerDesk

Mutation = Literal["effect_before_commit", "ack_before_commit", "new_attempt_after_timeout", "cleared_on_puback"]
MUTATIONS: Final[tuple[Mutation, ...]] = get_args(Mutation)
"""`cleared_on_puback` is made in world.py, where PUBACKs are seen."""


class HastyLoop(CoreLoop):
    """Carries effects out first and commits then."""

    async def _commit_and_carry_out(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if not isinstance(effect, Record):
                self._carry_out(effect)
        await self._commit_until_done([effect for effect in effects if isinstance(effect, Record)])


class HastyDesk(LedgerDesk):
    """Acknowledges rows when they come, and commits them half a second later."""

    def flush(self) -> None:
        fresh, self._fresh = self._fresh, {}
        super().flush()
        if fresh:
            asyncio.get_running_loop().call_later(0.5, self._keep, fresh)

    def _keep(self, fresh: dict[tuple[str, str], list[LedgerRow]]) -> None:
        for (cart_id, chain), rows in fresh.items():
            with contextlib.suppress(sqlite3.Error):
                self._ledger.keep_rows(cart_id, chain, rows)


class ImpatientPayments(Payments):
    """Takes silence for a refusal, so that the shopper can try again."""

    def _overdue(self, t_ns: int, attempt: Attempt) -> list[Effect]:
        if attempt.state in {"opened", "pending"}:
            return self._change(t_ns, attempt, "cancelled", reason="no_answer")
        return super()._overdue(t_ns, attempt)


def mutated(mutation: Mutation | None) -> list[tuple[ModuleType, str, Any]]:
    """Module, name and faulty stand-in."""
    if mutation == "effect_before_commit":
        return [(composition, "CoreLoop", HastyLoop)]
    if mutation == "ack_before_commit":
        return [(service, "LedgerDesk", HastyDesk)]
    if mutation == "new_attempt_after_timeout":
        return [(desk, "Payments", ImpatientPayments)]
    return []
