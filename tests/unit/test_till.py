"""The till's payment desk with no broker: one charge an attempt, whatever is repeated, withdrawn or interrupted."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cart.sync.connection import Broker
from cart.till import service
from cart.till.ledger import AttemptRow, TillLedger, TillProblem
from cart.till.service import Till
from cart.till.simulated import SimulatedAcquirer
from tests.unit.till_counter import Counter, at_counter, request, settle


def test_ten_requests_are_one_charge_and_the_same_reply(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        for _ in range(10):
            counter.desk.request(request())
            await settle()
        assert len(counter.charges) == 1
        assert counter.statuses() == ["pending"] + ["approved"] * 10
        assert counter.acquirer.captures() == {"T.1": 500}

    at_counter(tmp_path, scene)


@pytest.mark.parametrize("changes", [{"amount_minor": 1}, {"cart_id": "cart-2"}, {"basket_hash": "cd" * 32}])
def test_the_same_id_on_other_terms_is_refused_and_noted(tmp_path: Path, changes: dict[str, Any]) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        with pytest.raises(TillProblem, match="other terms"):
            counter.desk.request(request(**changes))
        assert [note.what for note in counter.ledger.notes()] == ["attempt_terms_differ"]
        assert counter.acquirer.captures() == {"T.1": 500}

    at_counter(tmp_path, scene)


@pytest.mark.parametrize(("first", "said"), [("query", "not_found"), ("cancel", "cancelled")])
def test_an_id_asked_after_or_withdrawn_before_it_arrives_is_never_charged(
    tmp_path: Path, first: str, said: str
) -> None:
    async def scene(counter: Counter) -> None:
        {"query": counter.query, "cancel": counter.cancel}[first]()
        counter.desk.request(request())
        await settle()
        assert counter.statuses() == [said, said]
        assert counter.charges == []

    at_counter(tmp_path, scene)


def test_a_restart_takes_up_what_was_captured_but_not_written_down(tmp_path: Path) -> None:
    async def first(counter: Counter) -> None:
        counter.acquirer.late_s = 60.0
        counter.desk.request(request())
        await settle()
        assert counter.statuses() == ["pending"]

    async def second(counter: Counter) -> None:
        counter.desk.recover()
        await settle()
        assert counter.statuses() == ["approved"]
        assert counter.charges == []
        assert counter.acquirer.captures() == {"T.1": 500}

    at_counter(tmp_path, first, "late")
    at_counter(tmp_path, second)


def test_a_disk_that_fails_while_a_till_starts_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BEAT_S", 0.01)
    failing = [sqlite3.OperationalError("disk I/O error")]
    take_over = TillLedger.take_over

    def fails_once(ledger: TillLedger, row: AttemptRow, worker: str) -> bool:
        if failing:
            raise failing.pop()
        return take_over(ledger, row, worker)

    monkeypatch.setattr(TillLedger, "take_over", fails_once)

    async def run() -> None:
        left = TillLedger(tmp_path)
        left.open_attempt(request(), "pending")
        left.close()
        till = Till(Broker(host="127.0.0.1", port=1), "store", tmp_path, SimulatedAcquirer(tmp_path))
        till.start()
        row = till.ledger.attempt("T.1")
        while row is not None and row.status == "pending":
            await asyncio.sleep(0.01)
            row = till.ledger.attempt("T.1")
        await till.stop()
        assert row is not None
        assert row.status == "approved"

    asyncio.run(asyncio.wait_for(run(), 20.0))
    assert failing == []


def test_a_withdrawal_during_a_late_approval_gives_the_money_back(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        counter.cancel()
        await asyncio.sleep(0.2)
        assert counter.statuses()[-1] == "voided"
        assert counter.acquirer.captures() == {}
        counter.desk.request(request())
        await settle()
        assert counter.acquirer.captures() == {}

    at_counter(tmp_path, scene, "late")


def test_a_withdrawal_of_what_was_approved_gives_it_back_once(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        for _ in range(3):
            counter.cancel()
            await settle()
        assert counter.statuses()[-3:] == ["voided", "voided", "voided"]
        assert counter.said[-1].reason == "late_approval"

    at_counter(tmp_path, scene)


def test_handing_over_stops_a_silent_provider_first(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        counter.desk.request(request(method="till"))
        await settle()
        row = counter.ledger.attempt("T.1")
        assert row is not None
        assert (row.status, row.method) == ("at_till", "till")
        counter.acquirer.set_mode("approve")
        await settle()
        assert counter.acquirer.captures() == {}

    at_counter(tmp_path, scene, "silent")


def test_a_second_till_on_the_same_folder_is_told_so(tmp_path: Path) -> None:
    first = TillLedger(tmp_path)
    with pytest.raises(TillProblem, match="no other till"):
        TillLedger(tmp_path)
    first.close()
