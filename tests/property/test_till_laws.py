"""Laws of the till's payment desk, whatever order cart, provider, person and power speak in."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from cart.core.frozen_basket import till_code
from cart.sync.messages import PaymentCancelMessage, PaymentQueryMessage, PaymentRequestMessage
from cart.till.ledger import TillLedger, TillProblem
from cart.till.payment_desk import PaymentDesk
from cart.till.provider import Charge, Outcome
from cart.till.simulated import SimulatedAcquirer

HASH: Final = "ab" * 32
TERMS: Final[dict[str, Any]] = {"cart_id": "cart-1", "amount_minor": 500, "currency": "EUR", "basket_hash": HASH}
CODE: Final = till_code("T.1", 500, "EUR")

ACTS: Final = st.sampled_from(
    ["card", "till", "query", "cancel", "complete", "release", "restart", "pass", "pass", "pass", "lose"]
)

BEGINNINGS: Final[tuple[list[tuple[str, int]], ...]] = (
    [],
    [("card", 0), ("till", 0), ("pass", 1), ("pass", 1)],
    [("card", 0), ("cancel", 0)],
    [("card", 0), ("pass", 0), ("pass", 0), ("cancel", 0), ("lose", 0)],
)
"""Nothing yet; a charge on its way and the withdrawal for a handing over behind it; a charge and its withdrawal; an
approval, and its withdrawal lost.
"""


class Wire:
    """Every question and every answer waits until it is passed on, in any order, or lost."""

    def __init__(self, acquirer: SimulatedAcquirer) -> None:
        self._acquirer = acquirer
        self.waiting: list[asyncio.Future[bool]] = []

    async def charge(self, charge: Charge) -> Outcome:
        return await self._call(lambda: self._acquirer.charge(charge))

    async def lookup(self, key: str) -> Outcome:
        return await self._call(lambda: self._acquirer.lookup(key))

    async def withdraw(self, key: str) -> Outcome:
        return await self._call(lambda: self._acquirer.withdraw(key))

    async def refund(self, key: str, refund_id: str, amount_minor: int) -> Outcome:
        return await self._call(lambda: self._acquirer.refund(key, refund_id, amount_minor))

    async def close(self) -> None:
        """The acquirer outlives the till."""

    async def _call(self, act: Callable[[], Awaitable[Outcome]]) -> Outcome:
        await self._turn()
        outcome = await act()
        await self._turn()
        return outcome

    async def _turn(self) -> None:
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        if not await turn:
            raise TimeoutError

    def move(self, which: int, *, arrives: bool) -> None:
        self.waiting = [turn for turn in self.waiting if not turn.done()]
        if self.waiting:
            self.waiting.pop(which % len(self.waiting)).set_result(arrives)


class Store:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.acquirer = SimulatedAcquirer(folder)
        self.by_hand = 0
        self._start()

    def _start(self) -> None:
        self.ledger = TillLedger(self._folder)
        self.wire = Wire(self.acquirer)
        self.desk = PaymentDesk(self.ledger, self.wire, lambda _: None, currency="EUR")

    async def act(self, what: str, which: int) -> None:
        with contextlib.suppress(TillProblem):
            await self._act(what, which)
        for _ in range(8):
            await asyncio.sleep(0)
        self.check()

    async def _act(self, what: str, which: int) -> None:
        match what:
            case "card" | "till":
                self.desk.request(PaymentRequestMessage(attempt_id="T.1", trip_id="T", method=what, **TERMS))
            case "query":
                self.desk.query(PaymentQueryMessage(attempt_id="T.1", **TERMS))
            case "cancel":
                self.desk.cancel(PaymentCancelMessage(attempt_id="T.1", **TERMS))
            case "complete":
                self.desk.codes.complete(CODE, 500)
                self.by_hand += 1
            case "release":
                self.desk.codes.release(CODE)
            case "restart":
                await self.desk.close()
                self.ledger.close()
                self._start()
                self.desk.recover()
            case _:
                self.wire.move(which, arrives=what == "pass")

    def check(self) -> None:
        """An approval is money that is held, once; money by hand is approved for good."""
        row = self.ledger.attempt("T.1")
        captured = self.acquirer.captures()
        assert self.by_hand <= 1
        if row is None:
            assert captured == {}
        elif self.by_hand:
            assert (row.status, row.reference, captured) == ("approved", f"TILL-{CODE}", {})
        elif row.status == "approved":
            assert row.withdrawn or captured == {"T.1": 500}
        elif row.status != "pending":
            assert captured == {}

    async def end(self) -> None:
        """Nothing is lost any more, and the cart asks until it is told: then it is paid, or it is not."""
        for turn in range(30):
            await self.act("query", turn)
            await self.act("pass", 0)
        row = self.ledger.attempt("T.1")
        assert row is not None
        assert row.status != "pending"
        assert not row.goes_back

    async def close(self) -> None:
        await self.desk.close()
        self.ledger.close()
        await self.acquirer.close()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(BEGINNINGS), st.lists(st.tuples(ACTS, st.integers(0, 3)), max_size=25))
def test_approved_is_money_held_once_in_whatever_order_they_speak(
    beginning: list[tuple[str, int]], acts: list[tuple[str, int]]
) -> None:
    async def play(folder: Path) -> None:
        store = Store(folder)
        try:
            for what, which in [*beginning, *acts]:
                await store.act(what, which)
            await store.end()
        finally:
            await store.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder)))
