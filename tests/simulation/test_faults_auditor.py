"""The simulation's auditor counts how often a trip was paid from the till's and the provider's files alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cart.bench.faults.auditor import Evidence, audit
from cart.bench.faults.auditor_fold import Fold
from cart.core.frozen_basket import till_code
from cart.journal import Journal
from cart.till.ledger import TillLedger
from cart.till.provider import Charge
from cart.till.simulated import SimulatedAcquirer


def findings(folder: Path, *, codes: list[tuple[str, int]], charged: list[str], locked: str = "") -> list[str]:
    """What the auditor says of these payments, beside an empty journal."""

    async def lay_out() -> None:
        journal = Journal(folder / "cart", cart_id="cart-1", boot_id="b")
        await journal.open()
        if locked:
            await journal.note_about("locked", locked)
        await journal.close()
        till = TillLedger(folder)
        for code, amount_minor in codes:
            till.pay_code(code, amount_minor)
        till.close()
        acquirer = SimulatedAcquirer(folder)
        for key in charged:
            await acquirer.charge(Charge(key=key, amount_minor=5, currency="EUR", method="card", cart_id="cart-1"))
        await acquirer.close()

    asyncio.run(lay_out())
    evidence = Evidence(
        cart_id="cart-1", journal=folder / "cart" / "journal.sqlite", till=folder / "till.sqlite",
        acquirer=folder / "acquirer.sqlite", prices={}, sent=[], retained={}, committed=[], paid_shown={}, doubled=[],
        codes_paid={}, refunds={}, refunded_shown={}, crashes=[], finished=True, restored=True,
    )  # fmt: skip
    return audit(evidence)[0]


LOCKED = "the store holds rows this ledger has lost: a payment was begun since the ledger was cut back"
FIRST, SECOND = (till_code("T.1", 5, "EUR"), 5), (till_code("T.2", 7, "EUR"), 7)


@pytest.mark.parametrize(
    ("codes", "charged"),
    [([FIRST, SECOND], []), ([FIRST], ["T.2"])],
    ids=["by two codes", "by the provider and by hand"],
)
@pytest.mark.parametrize("locked", ["", LOCKED])
def test_a_trip_that_was_paid_twice_is_found_also_where_the_cart_has_forgotten_it(
    tmp_path: Path, codes: list[tuple[str, int]], charged: list[str], locked: str
) -> None:
    found = findings(tmp_path, codes=codes, charged=charged, locked=locked)
    assert found[0] == f"the trip of code {FIRST[0][:5]} was paid 2 times"


def test_a_cart_that_locked_rightly_is_not_judged_by_half_a_ledger(tmp_path: Path) -> None:
    assert findings(tmp_path, codes=[FIRST], charged=["S.1"], locked=LOCKED) == []


def test_any_other_lock_is_a_finding(tmp_path: Path) -> None:
    assert "nobody touched the journal, and it is locked: rows 3 to 4" in findings(
        tmp_path, codes=[], charged=[], locked="rows 3 to 4"
    )


def test_a_refund_after_the_trip_has_ended_is_not_expected_on_the_screen() -> None:
    """Of two tenders one was given back while the receipt was to be seen, the other one later."""
    fold = Fold({"milk": 5, "soap": 7}, frozenset({"milk"}))
    tender = {"kind": "attempt_opened", "basket_minor": 12}
    events: list[Mapping[str, Any]] = [
        {"kind": "trip_started", "trip_id": "T"},
        {"kind": "item_added", "line_id": 1, "sku": "milk", "units": 1, "unit_price_minor": 5},
        {"kind": "item_added", "line_id": 2, "sku": "soap", "units": 1, "unit_price_minor": 7},
        tender | {"attempt_id": "T.1", "amount_minor": 5, "method": "ebt", "partial": True},
        {"kind": "attempt_changed", "attempt_id": "T.1", "state": "approved"},
        tender | {"attempt_id": "T.2", "amount_minor": 7, "method": "card"},
        {"kind": "attempt_changed", "attempt_id": "T.2", "state": "approved"},
        {"kind": "phase_changed", "phase": "paid"},
        {"kind": "attempt_changed", "attempt_id": "T.1", "state": "voided"},
        {"kind": "phase_changed", "phase": "idle"},
        {"kind": "attempt_changed", "attempt_id": "T.2", "state": "voided"},
    ]
    for seq, event in enumerate(events, 1):
        fold.row(seq, dict(event))
    assert fold.wrong == []
    assert {one: (attempt.refunded, attempt.shown) for one, attempt in fold.attempts.items()} == {
        "T.1": (True, True),
        "T.2": (True, False),
    }
