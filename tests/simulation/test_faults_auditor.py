"""The simulation's auditor counts how often a trip was paid from the till's and the provider's files alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cart.bench.faults.auditor import Evidence, audit
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
