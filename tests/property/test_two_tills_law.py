"""Two tills on one record, whatever order carts, provider, staff and death speak in: approved is money held, once."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cart.sync.messages import PaymentCancelMessage, PaymentQueryMessage, PaymentRequestMessage
from cart.till.ledger import TillLedger
from cart.till.members import Members
from cart.till.payment_desk import PaymentDesk
from tests.property.test_till_laws import TERMS, Store, Wire

ACTS = st.sampled_from(
    ["card", "card", "till", "query", "cancel", "complete", "release", "dies", "pass", "pass", "pass", "pass", "lose"]
)


class TwoTills(Store):
    """What a message is told to is drawn for each; one till may die, and another one come."""

    def _start(self) -> None:
        self.ledger = TillLedger(self._folder)
        self.wire = Wire(self.acquirer)
        self.desks: list[tuple[PaymentDesk, Members]] = []
        for _ in range(2):
            self.comes()

    def comes(self) -> None:
        members = Members(self.ledger.database)
        desk = PaymentDesk(self.ledger, self.wire, lambda _: None, currency="EUR", members=members)
        self.desks.append((desk, members))
        for _, one in self.desks:
            one.alive = frozenset(each.me for _, each in self.desks)

    async def _act(self, what: str, which: int) -> None:
        self.desk = self.desks[which % 2][0]
        if what == "dies":
            desk, _ = self.desks.pop(which % 2)
            await desk.close()
            self.comes()
            self.desks[0][0].take_over()
        else:
            await super()._act(what, which)

    async def close(self) -> None:
        for desk, _ in self.desks:
            await desk.close()
        self.ledger.close()
        await self.acquirer.close()


@settings(max_examples=120, deadline=None)
@example([("card", 0), ("pass", 0), ("pass", 0), ("cancel", 0), ("lose", 0)])
@given(st.lists(st.tuples(ACTS, st.integers(0, 3)), max_size=30))
def test_approved_is_money_held_once_whichever_till_hears_what(acts: list[tuple[str, int]]) -> None:
    async def play(folder: Path) -> None:
        store = TwoTills(folder)
        try:
            for what, which in acts:
                await store.act(what, which)
            await store.end()
        finally:
            await store.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder)))


def test_a_second_till_neither_charges_nor_gives_up_what_the_first_has_in_hand(tmp_path: Path) -> None:
    async def scene() -> None:
        store = TwoTills(tmp_path)
        first, second = (desk for desk, _ in store.desks)
        first.request(PaymentRequestMessage(attempt_id="T.1", trip_id="T", method="card", **TERMS))
        await asyncio.sleep(0)
        second.request(PaymentRequestMessage(attempt_id="T.1", trip_id="T", method="card", **TERMS))
        second.query(PaymentQueryMessage(attempt_id="T.1", **TERMS))
        await asyncio.sleep(0)
        assert len(store.wire.waiting) == 2
        for _ in range(2):
            store.wire.move(-1, arrives=True)
            for _ in range(8):
                await asyncio.sleep(0)
        row = store.ledger.attempt("T.1")
        assert row is not None
        assert (row.status, row.withdrawn, store.acquirer.captures()) == ("pending", False, {})
        second.cancel(PaymentCancelMessage(attempt_id="T.1", **TERMS))
        for _ in range(12):
            store.wire.move(0, arrives=True)
            await asyncio.sleep(0.001)
        row = store.ledger.attempt("T.1")
        assert row is not None
        assert row.status in {"cancelled", "voided"}
        assert store.acquirer.captures() == {}
        await store.close()

    asyncio.run(scene())
