"""The journal: what is acknowledged is on disk, in order, chained; a failure has a name and no retry doubles."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from cart.core.catalog import Catalog, Tax
from cart.core.chain import GENESIS, row_hash
from cart.core.effects import Record
from cart.core.ledger import (
    CouponEntered,
    GrossNoted,
    ItemAdded,
    StaffActed,
    WeightStepSeen,
)
from cart.journal import Journal, JournalProblem
from cart.journal.ledger_file import NAME
from cart.journal.quarantine import SnapshotProblem, snapshot
from cart.migrate import SchemaTooNew, migrate, scripts
from tests.unit.journal_trips import end, trip, with_journal


def tamper(folder: Path, sql: str) -> None:
    connection = sqlite3.connect(folder / NAME)
    for name in ("ledger_is_never_edited", "ledger_is_deleted_only_under_a_tombstone"):
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(sql)
    connection.commit()
    connection.close()


def test_what_was_appended_is_there_after_a_restart_with_the_open_trip(tmp_path: Path) -> None:
    async def shop(journal: Journal) -> None:
        await journal.append(trip("old") + end())
        await journal.append(trip("T"))

    with_journal(tmp_path, shop)

    async def again(journal: Journal) -> None:
        restored = await journal.read_open_trip()
        assert [event for _, event in restored] == [record.event for record in trip("T")]
        assert journal.head.seq == 11
        assert (await journal.verify()).ok

    with_journal(tmp_path, again)


def test_an_idle_cart_restores_what_came_since_its_last_return_to_idle(tmp_path: Path) -> None:
    locked = StaffActed(command_id="c1", action="lock", role="staff", reason="")

    async def shop(journal: Journal) -> list[object]:
        await journal.append(trip("T") + end())
        await journal.append([Record(100, locked)])
        return [event for _, event in await journal.read_open_trip()]

    assert with_journal(tmp_path, shop)[1:] == [locked]


def test_rows_outside_a_trip_carry_no_trip_id(tmp_path: Path) -> None:
    async def shop(journal: Journal) -> list[str]:
        await journal.append([*trip("T", 1), *end(), Record(100, GrossNoted(gross_g=0.0, sigma_g=1.0))])
        return [row.trip_id for row in await journal.unacknowledged(0, 100)]

    assert with_journal(tmp_path, shop) == ["T", "T", "T", "T", ""]


def test_a_row_is_chained_to_the_one_before_and_its_hash_is_reproducible(tmp_path: Path) -> None:
    async def shop(journal: Journal) -> None:
        await journal.append(trip("T"))
        first, second, *_ = await journal.read_trip("T")
        assert (first.prev, second.prev) == (GENESIS, first.hash)
        assert row_hash("cart-1", journal.head.chain, first) == first.hash
        assert row_hash("cart-2", journal.head.chain, first) != first.hash

    with_journal(tmp_path, shop)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("UPDATE ledger SET body = replace(body, '149', '1') WHERE seq = 3", "row 3 was changed"),
        ("DELETE FROM ledger WHERE seq = 4", "row 4 is missing"),
        ("UPDATE ledger SET prev = hash WHERE seq = 2", "row 2 doesn't follow"),
    ],
)
def test_tampering_is_found_at_boot_put_aside_and_locks_payment(tmp_path: Path, sql: str, why: str) -> None:
    async def shop(journal: Journal) -> None:
        await journal.append(trip("T"))

    with_journal(tmp_path, shop)
    tamper(tmp_path, sql)

    async def boot(journal: Journal) -> str:
        assert journal.head.seq == 0
        await journal.append(trip("U"))
        return journal.locked

    locked = with_journal(tmp_path, boot)
    assert why in locked
    assert "cart audit" in locked
    assert list((tmp_path / "quarantine").glob(f"*/{NAME}"))
    assert why in with_journal(tmp_path, boot_again)


async def boot_again(journal: Journal) -> str:
    return journal.locked


def test_a_file_that_is_no_database_is_put_aside_too(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"not a database at all" * 400)
    assert "cart audit" in with_journal(tmp_path, boot_again)


def test_the_database_itself_refuses_edits_and_deletions(tmp_path: Path) -> None:
    async def shop(journal: Journal) -> None:
        await journal.append(trip("T"))

    with_journal(tmp_path, shop)
    connection = sqlite3.connect(tmp_path / NAME)
    for sql in ("UPDATE ledger SET body = '{}'", "DELETE FROM ledger"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(sql)
    connection.close()


def test_a_full_disk_is_a_named_state_and_recovers_without_a_gap(tmp_path: Path) -> None:
    states: list[str] = []

    async def run() -> None:
        journal = Journal(tmp_path, cart_id="cart-1", on_state=lambda state, _: states.append(state))
        await journal.open()
        pages = journal._file.ask("PRAGMA page_count")[0][0]
        journal._file.ask(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalProblem, match="disk is full") as failed:
            await journal.append(trip("T", 2000))
        assert failed.value.state == "disk_full"
        assert await journal.append(trip("T", 5)) == journal.head
        assert journal.head.seq == 7
        assert (await journal.verify()).rows == 7
        await journal.close()

    asyncio.run(run())
    assert states == ["ok", "disk_full", "ok", "closed"]


@pytest.mark.parametrize("read_between", [False, True], ids=["at once", "after the outbox has looked"])
def test_a_commit_whose_answer_was_lost_is_not_doubled_by_a_retry(tmp_path: Path, read_between: bool) -> None:
    class LosesTheAnswer:
        """A connection whose COMMIT reaches the disk and then reports an I/O error."""

        def __init__(self, real: sqlite3.Connection) -> None:
            self._real = real

        def execute(self, sql: str, *rest: object) -> sqlite3.Cursor:
            cursor = self._real.execute(sql, *rest)  # type: ignore[arg-type]
            if sql == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return cursor

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

    async def shop(journal: Journal) -> None:
        await journal.append(trip("T"))
        real = journal._file._connection
        assert real is not None
        journal._file._connection = LosesTheAnswer(real)  # type: ignore[assignment]
        more = [Record(50, GrossNoted(gross_g=1.0, sigma_g=1.0))]
        with pytest.raises(JournalProblem):
            await journal.append(more)
        if read_between:
            await journal.waiting()
        await journal.append(more)
        assert journal.head.seq == 6
        assert await journal.waiting() == 6

    with_journal(tmp_path, shop)


@pytest.mark.parametrize("hidden", ["4111 1111 1111 1111", "378282246310005", "ann@example.org"])
def test_card_numbers_and_addresses_never_reach_the_disk(tmp_path: Path, hidden: str) -> None:
    async def shop(journal: Journal) -> None:
        await journal.append([Record(1, CouponEntered(code=f"my {hidden}", accepted=False))])
        event = (await journal.unacknowledged(0, 1))[0].event()
        assert isinstance(event, CouponEntered)
        assert event.code in {"my [card number]", "my [address]"}

    with_journal(tmp_path, shop)
    assert hidden.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_numbers_that_are_no_cards_stay_as_they_are(tmp_path: Path) -> None:
    step = WeightStepSeen(
        step_id=1, delta_g=1.0, sigma_g=1.0, began_ns=4111111111111111, rest_ns=4111111111111111, gross_g=1.0
    )
    item = ItemAdded(
        line_id=1, sku="4111111111111111", name="Milk", units=1, unit="each", unit_price_minor=1, gtin="05011001234566"
    )

    async def shop(journal: Journal) -> list[object]:
        await journal.append([Record(1, step), Record(1, item)])
        return [row.event() for row in await journal.unacknowledged(0, 9)]

    assert with_journal(tmp_path, shop) == [step, item]


def test_catalogues_are_kept_by_version_a_few_of_them(tmp_path: Path) -> None:
    def catalog(version: int) -> Catalog:
        return Catalog(version=version, currency="EUR", locale="en_IE", taxes={"A": Tax(rate_bp=1350)}, items=())

    async def store(journal: Journal) -> None:
        for version in (1, 2, 3, 4):
            await journal.store_catalog(catalog(version))
        assert await journal.read_catalog() == catalog(4)
        assert await journal.read_catalog(2) == catalog(2)
        assert await journal.read_catalog(1) is None

    with_journal(tmp_path, store)


def test_migrations_run_once_and_a_newer_schema_is_refused() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    latest = max(scripts("cart.journal"))
    assert migrate(connection, "cart.journal") == latest
    tables = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    assert migrate(connection, "cart.journal") == latest
    assert connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == tables
    connection.execute(f"PRAGMA user_version = {latest + 1}")
    with pytest.raises(SchemaTooNew, match="newer release"):
        migrate(connection, "cart.journal")
    connection.close()


def test_another_carts_journal_is_refused(tmp_path: Path) -> None:
    with_journal(tmp_path, boot_again)
    with pytest.raises(JournalProblem, match="journal of cart-1, not of cart-2"):
        with_journal(tmp_path, boot_again, cart_id="cart-2")


def test_a_second_process_cannot_open_it_but_can_read_a_copy(tmp_path: Path) -> None:
    async def shop(journal: Journal) -> None:
        await journal.append(trip("T"))
        second = Journal(tmp_path, cart_id="cart-1")
        with pytest.raises(JournalProblem, match="another process"):
            await second.open()
        await second.close()
        copy = tmp_path / "copy"
        copy.mkdir()
        connection = sqlite3.connect(snapshot(tmp_path, copy))
        assert connection.execute("SELECT count(*) FROM ledger").fetchone() == (5,)
        connection.close()

    with_journal(tmp_path, shop)
    with pytest.raises(SnapshotProblem, match="no journal there"):
        snapshot(tmp_path / "nowhere", tmp_path)
