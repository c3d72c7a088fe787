"""`cart audit`: finds what was changed, tells a trip, explains a decision, and reads a running cart's journal."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from cart.commands.audit import run
from cart.core.effects import Record
from cart.core.ledger import Hypothesis, ItemAdded, ItemConfirmed, StepExplained, TripStarted, WeightStepSeen
from cart.journal import Journal
from cart.journal.audit import NothingFound
from cart.journal.ledger_file import NAME

RECORDS = [
    Record(0, TripStarted(trip_id="T", catalog_version=1, language="en")),
    Record(1, ItemAdded(line_id=1, sku="0001", name="Milk", units=1, unit="each", unit_price_minor=149)),
    Record(
        2, WeightStepSeen(step_id=4, delta_g=1031.2, sigma_g=1.5, began_ns=0, rest_ns=2_000_000_000, gross_g=1031.2)
    ),
    Record(
        3,
        StepExplained(
            step_ids=(4,),
            won="Milk put in",
            margin=4.6,
            considered=(Hypothesis("unscanned item", -9.0), Hypothesis("Milk put in", -4.4)),
        ),
    ),
    Record(4, ItemConfirmed(line_id=1, sku="0001", units=1, weight_g=1031.2, proof="weighed", step_ids=(4,))),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    async def shop() -> None:
        journal = Journal(tmp_path, cart_id="cart-1")
        await journal.open()
        await journal.append(RECORDS)
        await journal.close()

    asyncio.run(shop())
    return tmp_path


def audit(folder: Path, *options: str) -> tuple[int, Any]:
    app = typer.Typer()
    app.command()(run)
    result = CliRunner().invoke(app, ["--journal", str(folder), "--json", *options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, msgspec.json.decode(result.stdout)


def test_a_whole_chain_is_said_to_be_whole(folder: Path) -> None:
    status, said = audit(folder)
    assert status == 0
    assert (said["ok"], said["rows"], said["waiting"], said["head_seq"]) == (True, 5, 5, 5)


def test_a_changed_row_is_named_with_what_to_do(folder: Path) -> None:
    connection = sqlite3.connect(folder / NAME)
    connection.execute("DROP TRIGGER ledger_is_never_edited")
    connection.execute("UPDATE ledger SET body = replace(body, '149', '1') WHERE seq = 2")
    connection.commit()
    connection.close()
    status, said = audit(folder)
    assert (status, said["ok"], said["broken_at"]) == (1, False, 2)
    assert "was changed" in said["why"]
    assert "cart audit --unlock" in said["what_to_do"]


def test_no_database_at_all_is_broken_not_a_traceback(folder: Path) -> None:
    (folder / NAME).write_bytes(b"\x00" * 5000)
    assert audit(folder)[0] == 1


def test_a_trip_is_told_in_order(folder: Path) -> None:
    _, said = audit(folder, "--trip", "T")
    assert [event["kind"] for event in said["events"]][:3] == ["trip_started", "item_added", "weight_step"]
    assert said["events"][1]["body"]["sku"] == "0001"


@pytest.mark.parametrize("asked", ["4", "step:4", "line:1"])
def test_a_decision_is_explained_by_what_was_measured_and_considered(folder: Path, asked: str) -> None:
    _, said = audit(folder, "--explain", asked)
    (decision,) = said["explained"]
    assert decision["won"] == "Milk put in"
    assert [one["label"] for one in decision["considered"]] == ["Milk put in", "unscanned item"]
    assert 99 < decision["odds"] < 100
    assert "+1031.2 g" in decision["measured"][0]
    assert any("item_confirmed" in consequence for consequence in decision["consequences"])


@pytest.mark.parametrize("options", [["--trip", "nope"], ["--explain", "99"], ["--explain", "x:y"]])
def test_what_is_not_there_is_one_line(folder: Path, options: list[str]) -> None:
    with pytest.raises(NothingFound):
        audit(folder, *options)


def test_people_can_read_it(folder: Path) -> None:
    app = typer.Typer()
    app.command()(run)
    shown = CliRunner().invoke(app, ["--journal", str(folder), "--trip", "open", "--explain", "4"]).stdout
    assert "is whole: 5 rows" in shown
    assert "times as likely as the next" in shown


def test_payment_is_unlocked_only_with_a_reason_and_only_when_locked(folder: Path) -> None:
    (folder / NAME).write_bytes(b"garbage" * 1000)

    async def boot() -> str:
        journal = Journal(folder, cart_id="cart-1")
        opened = await journal.open()
        await journal.close()
        return opened.locked

    assert asyncio.run(boot())
    app = typer.Typer()
    app.command()(run)
    without = CliRunner().invoke(app, ["--journal", str(folder), "--unlock"])
    assert without.exit_code == 1
    assert CliRunner().invoke(app, ["--journal", str(folder), "--unlock", "--reason", "card replaced"]).exit_code == 0
    assert asyncio.run(boot()) == ""
