"""What the store has acknowledged of the journal, what comes back from it, and what may then be deleted."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from cart.core.chain import LedgerRow, check_chain
from cart.core.effects import Record
from cart.core.ledger import (
    AttemptOpened,
    GrossNoted,
)
from cart.journal import Journal, JournalProblem
from tests.unit.journal_trips import end, trip, with_journal

DAY_MS = 86_400_000


def test_the_outbox_is_cleared_only_by_an_acknowledgement_of_this_very_chain(tmp_path: Path) -> None:
    async def shop(journal: Journal) -> None:
        await journal.append(trip("T"))
        rows = await journal.unacknowledged(0, 100)
        chain = journal.head.chain
        assert (await journal.acknowledge("another", 2, rows[1].hash)).foreign
        assert (await journal.acknowledge(chain, 2, "0" * 64)).foreign
        assert await journal.waiting() == 5
        assert (await journal.acknowledge(chain, 2, rows[1].hash)).cleared == 2
        assert [row.seq for row in await journal.unacknowledged(0, 100)] == [3, 4, 5]

    with_journal(tmp_path, shop)


def test_a_store_that_holds_more_than_the_cart_locks_payment(tmp_path: Path) -> None:
    async def shop(journal: Journal) -> None:
        await journal.append(trip("T"))
        assert (await journal.acknowledge(journal.head.chain, 9, "0" * 64)).cut_back
        assert "cut back" in journal.locked

    with_journal(tmp_path, shop)


def test_rows_come_back_whatever_was_acknowledged_since_the_store_was_asked(tmp_path: Path) -> None:
    async def begin(journal: Journal) -> None:
        await journal.append(trip("T"))

    async def goes_on(journal: Journal) -> list[LedgerRow]:
        await journal.append([Record(9, GrossNoted(gross_g=1.0, sigma_g=1.0))])
        return await journal.read_trip("T")

    async def asked_late(journal: Journal) -> None:
        await journal.append([Record(9, GrossNoted(gross_g=-1.0, sigma_g=1.0))])
        assert (await journal.acknowledge(journal.head.chain, 3, truth[2].hash)).cleared == 3
        assert await journal.take_back(truth) == 1
        assert [row.hash for row in await journal.read_trip("T")] == [row.hash for row in truth]
        assert (await journal.verify()).ok

    with_journal(tmp_path / "cart", begin)
    earlier = shutil.copytree(tmp_path / "cart", tmp_path / "earlier")
    truth = with_journal(tmp_path / "cart", goes_on)
    with_journal(earlier, asked_late)


@pytest.mark.parametrize(
    ("attempt_id", "amount_minor", "forgotten"),
    [("T.1", 500, False), ("T.1", 499, True), ("T.2", 500, True)],
    ids=["the same", "the same id for another sum", "another"],
)
def test_rows_do_not_come_back_over_a_payment_that_the_store_has_not_heard_of(
    tmp_path: Path, attempt_id: str, amount_minor: int, *, forgotten: bool
) -> None:
    """Found by the simulation: a code of the older copy was paid, and its id was that of another attempt in the store's
    rows.
    """

    def opened(attempt_id: str, amount_minor: int) -> list[Record]:
        event = AttemptOpened(
            attempt_id=attempt_id, amount_minor=amount_minor, currency="EUR", basket_hash="b", method="till"
        )
        return [Record(9, event)]

    async def begin(journal: Journal) -> None:
        await journal.append(trip("T"))

    async def goes_on(journal: Journal) -> list[LedgerRow]:
        await journal.append(opened("T.1", 500))
        return await journal.read_trip("T")

    async def takes_back(journal: Journal) -> str:
        await journal.append([Record(9, GrossNoted(gross_g=1.0, sigma_g=1.0)), *opened(attempt_id, amount_minor)])
        try:
            await journal.take_back(truth)
        except JournalProblem as problem:
            return str(problem)
        return ""

    with_journal(tmp_path / "cart", begin)
    earlier = shutil.copytree(tmp_path / "cart", tmp_path / "earlier")
    truth = with_journal(tmp_path / "cart", goes_on)
    assert ("a payment was begun since the ledger was cut back" in with_journal(earlier, takes_back)) is forgotten


def test_old_acknowledged_trips_go_and_leave_tombstones_that_the_chain_accepts(tmp_path: Path) -> None:
    async def shop(journal: Journal) -> None:
        await journal.append(trip("old") + end())
        last = (await journal.unacknowledged(0, 100))[-1]
        await journal.acknowledge(journal.head.chain, last.seq, last.hash)

    with_journal(tmp_path, shop)

    async def later(journal: Journal) -> None:
        await journal.append(trip("T"))
        pruned = await journal.prune(30)
        assert (pruned.rows, pruned.tombstones) == (6, 1)
        assert await journal.read_trip("old") == []
        report = await journal.verify()
        assert (report.ok, report.rows, report.deleted) == (True, 5, 6)
        stones = await journal.tombstones()
        assert [stone.trip_id for stone in stones] == ["old"]
        rows = await journal.unacknowledged(0, 100)
        forged = [msgspec.structs.replace(stones[0], last_hash="0" * 64)]
        assert not check_chain("cart-1", journal.head.chain, rows, forged).ok

    with_journal(tmp_path, later, wall_ms=31 * DAY_MS)


def test_the_open_trip_and_what_the_store_has_not_seen_are_never_deleted(tmp_path: Path) -> None:
    async def shop(journal: Journal) -> None:
        await journal.append(trip("old") + end())
        await journal.append(trip("T"))

    with_journal(tmp_path, shop)

    async def later(journal: Journal) -> int:
        await journal.append([Record(5, GrossNoted(gross_g=1.0, sigma_g=1.0))])
        return (await journal.prune(30)).rows

    assert with_journal(tmp_path, later, wall_ms=31 * DAY_MS) == 0


def test_a_clock_that_jumped_ahead_deletes_nothing(tmp_path: Path) -> None:
    async def shop(journal: Journal) -> None:
        await journal.append(trip("old") + end())
        last = (await journal.unacknowledged(0, 100))[-1]
        await journal.acknowledge(journal.head.chain, last.seq, last.hash)

    with_journal(tmp_path, shop)

    async def later(journal: Journal) -> str:
        return (await journal.prune(30)).why_not

    assert "clock" in with_journal(tmp_path, later, wall_ms=4_000_000_000_000)
