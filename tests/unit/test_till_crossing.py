"""Words of cart, provider and person that cross each other at the till, and a till that dies between two of them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cart.sync.messages import (
    PaymentCancelMessage,
    PaymentQueryMessage,
    PaymentRequestMessage,
    PaymentResultMessage,
)
from cart.till.database import SqliteDatabase
from cart.till.ledger import AttemptRow, TillLedger, TillProblem
from cart.till.payment_desk import PaymentDesk
from cart.till.provider import Charge, Outcome
from cart.till.simulated import SimulatedAcquirer
from tests.unit.till_counter import CODE, TERMS, settle


class HeldWire:
    """An acquirer whose questions and answers wait, by name (`charge?`, `charge!`), until they are let through."""

    def __init__(self, acquirer: SimulatedAcquirer) -> None:
        self._acquirer = acquirer
        self._held: dict[str, asyncio.Event] = {}
        self.lost: set[str] = set()
        self.asked: list[str] = []

    def hold(self, *names: str) -> None:
        self._held |= {name: asyncio.Event() for name in names}

    async def let(self, name: str) -> None:
        self._held.pop(name).set()
        await settle()

    async def charge(self, charge: Charge) -> Outcome:
        return await self._call("charge", lambda: self._acquirer.charge(charge))

    async def lookup(self, key: str) -> Outcome:
        return await self._call("lookup", lambda: self._acquirer.lookup(key))

    async def withdraw(self, key: str) -> Outcome:
        return await self._call("withdraw", lambda: self._acquirer.withdraw(key))

    async def refund(self, key: str, refund_id: str, amount_minor: int) -> Outcome:
        return await self._call("refund", lambda: self._acquirer.refund(key, refund_id, amount_minor))

    async def close(self) -> None:
        await self._acquirer.close()

    async def _call(self, what: str, act: Callable[[], Awaitable[Outcome]]) -> Outcome:
        self.asked.append(what)
        await self._pass(f"{what}?")
        outcome = await act()
        await self._pass(f"{what}!")
        return outcome

    async def _pass(self, name: str) -> None:
        if name in self.lost:
            raise TimeoutError(name)
        if name in self._held:
            await self._held[name].wait()


class Counter:
    """One run of the till on `folder`."""

    def __init__(self, folder: Path) -> None:
        self.said: list[PaymentResultMessage] = []
        self.acquirer = SimulatedAcquirer(folder)
        self.wire = HeldWire(self.acquirer)
        self.ledger = TillLedger(folder)
        self.desk = PaymentDesk(self.ledger, self.wire, self.said.append, currency="EUR")

    async def request(self, method: str = "wallet") -> None:
        self.desk.request(PaymentRequestMessage(attempt_id="T.1", trip_id="T", method=method, **TERMS))
        await settle()

    async def query(self) -> None:
        self.desk.query(PaymentQueryMessage(attempt_id="T.1", **TERMS))
        await settle()

    async def cancel(self) -> None:
        self.desk.cancel(PaymentCancelMessage(attempt_id="T.1", **TERMS))
        await settle()

    @property
    def row(self) -> AttemptRow:
        row = self.ledger.attempt("T.1")
        assert row is not None
        return row

    def statuses(self) -> list[str]:
        return [result.status for result in self.said]

    @contextmanager
    def refusing(self, table: str, action: int = sqlite3.SQLITE_UPDATE) -> Iterator[None]:
        """The disk refuses to change one table."""

        def judge(asked: int, name: str | None, *_: str | None) -> int:
            return sqlite3.SQLITE_DENY if (asked, name) == (action, table) else sqlite3.SQLITE_OK

        assert isinstance(self.ledger.database, SqliteDatabase)
        self.ledger.database._connection.set_authorizer(judge)
        yield
        self.ledger.database._connection.set_authorizer(None)

    async def close(self) -> None:
        await self.desk.close()
        await self.wire.close()
        self.ledger.close()


def at_counter(folder: Path, scene: Callable[[Counter], Awaitable[None]]) -> None:
    async def run() -> None:
        counter = Counter(folder)
        try:
            await scene(counter)
        finally:
            await counter.close()

    asyncio.run(run())


@pytest.mark.parametrize("last", [["charge!", "withdraw!"], ["withdraw!", "charge!"]])
def test_an_approval_that_crosses_the_handing_over_is_given_back_and_not_called_approved(
    tmp_path: Path, last: list[str]
) -> None:
    async def scene(counter: Counter) -> None:
        counter.wire.hold("charge?", "charge!", "withdraw?", "withdraw!")
        await counter.request()
        await counter.request("till")
        await counter.wire.let("charge?")
        assert counter.acquirer.captures() == {"T.1": 500}
        await counter.wire.let("withdraw?")
        assert counter.acquirer.captures() == {}
        for name in last:
            await counter.wire.let(name)
        assert "approved" not in counter.statuses()
        assert (counter.row.status, counter.row.method) == ("at_till", "till")
        assert counter.desk.codes.complete(CODE, 500) is not None
        assert (counter.row.status, counter.acquirer.captures()) == ("approved", {})

    at_counter(tmp_path, scene)


def test_an_approval_while_the_withdrawal_is_still_on_its_way_is_not_believed(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.wire.hold("charge?", "withdraw?")
        await counter.request()
        await counter.request("till")
        await counter.wire.let("charge?")
        assert counter.acquirer.captures() == {"T.1": 500}
        assert counter.row.status == "pending"
        with pytest.raises(TillProblem, match="is pending; take no money"):
            counter.desk.codes.complete(CODE, 500)
        await counter.wire.let("withdraw?")
        assert (counter.row.status, counter.acquirer.captures()) == ("at_till", {})

    at_counter(tmp_path, scene)


def test_what_was_captured_before_the_handing_over_stays_paid(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.wire.hold("charge!")
        await counter.request()
        await counter.request("till")
        await counter.wire.let("charge!")
        assert (counter.row.status, counter.acquirer.captures()) == ("approved", {"T.1": 500})
        assert "withdraw" not in counter.wire.asked

    at_counter(tmp_path, scene)


def test_a_till_that_dies_handing_over_goes_on_with_it_and_does_not_charge(tmp_path: Path) -> None:
    async def first(counter: Counter) -> None:
        counter.wire.lost = {"charge?", "withdraw?"}
        await counter.request()
        await counter.request("till")
        assert counter.row.status == "pending"

    async def second(counter: Counter) -> None:
        counter.desk.recover()
        await settle()
        assert counter.wire.asked == ["withdraw"]
        assert (counter.row.status, counter.acquirer.captures()) == ("at_till", {})

    at_counter(tmp_path, first)
    at_counter(tmp_path, second)


def test_a_withdrawal_that_crosses_the_handing_over_wins(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.wire.hold("charge?", "lookup!")
        await counter.request()
        await counter.request("till")
        await counter.cancel()
        await counter.wire.let("lookup!")
        await counter.wire.let("charge?")
        await counter.request("till")
        assert (counter.row.status, counter.acquirer.captures()) == ("cancelled", {})

    at_counter(tmp_path, scene)


def test_a_charge_that_never_reached_the_provider_ends_at_the_carts_query(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.wire.lost = {"charge?"}
        await counter.request()
        counter.wire.lost = set()
        await counter.query()
        assert counter.statuses() == ["pending", "cancelled"]
        assert counter.said[-1].reason == "never_arrived"
        late = await counter.acquirer.charge(Charge(key="T.1", amount_minor=500, currency="EUR", method="wallet"))
        assert (late.status, counter.acquirer.captures()) == ("cancelled", {})

    at_counter(tmp_path, scene)


def test_a_charge_that_is_still_on_its_way_is_waited_for(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.wire.hold("charge?")
        await counter.request()
        await counter.query()
        assert counter.statuses() == ["pending", "pending"]
        await counter.wire.let("charge?")
        assert (counter.row.status, counter.acquirer.captures()) == ("approved", {"T.1": 500})

    at_counter(tmp_path, scene)


def test_money_taken_by_hand_and_its_approval_are_one_commit(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        await counter.request("till")
        with counter.refusing("attempt"), pytest.raises(sqlite3.DatabaseError):
            counter.desk.codes.complete(CODE, 500)
        assert (counter.ledger.paid_code(CODE), counter.row.status) == (None, "at_till")
        counter.desk.codes.complete(CODE, 500)
        paid = counter.ledger.paid_code(CODE)
        assert paid is not None
        assert (paid.attempt_id, counter.row.status, counter.row.reference) == ("T.1", "approved", f"TILL-{CODE}")

    at_counter(tmp_path, scene)


def test_a_code_paid_before_its_attempt_came_is_booked_in_one_step(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.codes.complete(CODE, 500)
        with counter.refusing("attempt"):
            await counter.query()
        await counter.cancel()
        assert (counter.row.status, counter.row.method) == ("approved", "till")
        assert counter.wire.asked == []

    at_counter(tmp_path, scene)


@pytest.mark.parametrize("how", ["restart", "request", "query"])
def test_a_code_that_was_paid_and_not_booked_is_booked_later(tmp_path: Path, how: str) -> None:
    async def first(counter: Counter) -> None:
        await counter.request("till")
        counter.ledger.pay_code(CODE, 500)  # and there the till died
        assert counter.row.status == "at_till"

    async def second(counter: Counter) -> None:
        if how == "restart":
            counter.desk.recover()
        elif how == "request":
            await counter.request("till")
        else:
            await counter.query()
        assert counter.statuses() == ["approved"]
        assert (counter.row.status, counter.row.reference) == ("approved", f"TILL-{CODE}")
        assert counter.ledger.book_paid_codes() == []

    at_counter(tmp_path, first)
    at_counter(tmp_path, second)
