"""Every prefix of every write: a power cut at any sector leaves the ledger as before or as after the commit."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from cart.bench.faults.disk import SECTOR, Image, changed_sectors, read_image, with_sectors, write_image
from cart.bench.faults.programs import PRICES
from cart.core.effects import Record
from cart.core.ledger import ItemAdded, LedgerEvent, PhaseChanged, TripStarted
from cart.journal.ledger_file import LedgerFile


def ledger_file(folder: Path) -> LedgerFile:
    return LedgerFile(folder, cart_id="cart-1", boot_id="boot", new_chain="chain", wall_ms=lambda: 1_790_000_000_000)


def scripted() -> Iterator[list[LedgerEvent]]:
    """The commits of a small trip."""
    yield [
        TripStarted(trip_id="t1", catalog_version=1, language="en"),
        PhaseChanged(phase="shopping", reason="scan"),
    ]
    for line_id, (sku, price) in enumerate(PRICES.items(), 1):
        yield [ItemAdded(line_id=line_id, sku=sku, name=sku, units=1, unit="each", unit_price_minor=price)]
    yield [PhaseChanged(phase="checkout", reason="shopper")]


def total(folder: Path) -> tuple[int, int]:
    """Rows and total, by plain SQL."""
    connection = sqlite3.connect(folder / "journal.sqlite")
    try:
        bodies = [json.loads(body) for (body,) in connection.execute("SELECT body FROM ledger ORDER BY seq")]
    finally:
        connection.close()
    return len(bodies), sum(body["unit_price_minor"] for body in bodies if body["kind"] == "item_added")


def recorded_commits(folder: Path, checkpoint_pages: int) -> list[tuple[Image, Image]]:
    """The files before and after each commit, as synced."""
    file = ledger_file(folder)
    file.open()
    file.write([(f"PRAGMA wal_autocheckpoint = {checkpoint_pages}", ())])
    commits = []
    for t_ns, events in enumerate(scripted(), 1):
        before = read_image(folder)
        file.append([Record(t_ns, event) for event in events], outbox=True)
        commits.append((before, read_image(folder)))
    file.close()
    return commits


def cuts(before: Image, after: Image) -> Iterator[Image]:
    """Every prefix of the log's write; then, log whole, every prefix of what a checkpoint wrote to the database."""
    log, database = "journal.sqlite-wal", "journal.sqlite"
    changed = changed_sectors(before[log], after[log])
    for count in range(len(changed) + 1):
        yield {database: before[database], log: with_sectors(before[log], after[log], changed[:count])}
    changed = changed_sectors(before[database], after[database])
    for count in range(1, len(changed) + 1):
        yield {database: with_sectors(before[database], after[database], changed[:count]), log: after[log]}


@pytest.mark.parametrize("checkpoint_pages", [3, 1000])
def test_every_prefix_of_every_write_leaves_the_ledger_before_or_after(tmp_path: Path, checkpoint_pages: int) -> None:
    (tmp_path / "recorded").mkdir()
    commits = recorded_commits(tmp_path / "recorded", checkpoint_pages)
    tried = 0
    rows, sum_minor = 0, 0
    for (before, after), events in zip(commits, scripted(), strict=True):
        whole = (
            rows + len(events),
            sum_minor + sum(event.unit_price_minor for event in events if isinstance(event, ItemAdded)),
        )
        for image in cuts(before, after):
            tried += 1
            folder = tmp_path / f"cut-{tried}"
            write_image(folder, image)
            file = ledger_file(folder)
            file.open()
            report = file.integrity()
            waiting = file.ask("SELECT count(*) FROM outbox")[0][0]
            file.close()
            assert report.ok, report.why
            found = total(folder)
            assert found in {(rows, sum_minor), whole}
            assert found[0] == file.head.seq == waiting
        assert found == whole
        rows, sum_minor = whole
    assert tried > 20 * len(commits)
    assert sum_minor == sum(PRICES.values())


def test_a_torn_file_is_made_of_old_and_new_sectors_only() -> None:
    before, after = b"a" * SECTOR * 3, b"b" * SECTOR * 5
    assert changed_sectors(before, after) == [0, 1, 2, 3, 4]
    assert with_sectors(before, after, [0]) == b"b" * SECTOR + b"a" * SECTOR * 2
    assert with_sectors(before, after, [4]) == b"a" * SECTOR * 3 + bytes(SECTOR) + b"b" * SECTOR
    assert with_sectors(before, after, range(5)) == after
