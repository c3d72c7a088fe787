"""After a restart the cart still knows the payments of earlier trips: late answers about them accuse nobody."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cart.core.effects import CancelPayment, Effect, Record
from cart.core.ledger import (
    AttemptChanged,
    AttemptOpened,
    AttemptState,
    GrossNoted,
    LedgerEvent,
    PhaseChanged,
    SecurityNoted,
    TripStarted,
)
from cart.core.observations import PaymentAnswer
from cart.journal import Journal, Opened
from cart.journal.journal import EARLIER_ROWS_MAX
from tests.unit.shopper import Shopper

HASH = "ab" * 32


def paying(trip_id: str, *states: AttemptState) -> list[LedgerEvent]:
    attempt_id = f"{trip_id}.1"
    return [
        TripStarted(trip_id=trip_id, catalog_version=1, language="en"),
        AttemptOpened(attempt_id=attempt_id, amount_minor=500, currency="EUR", basket_hash=HASH, method="card"),
        *(AttemptChanged(attempt_id=attempt_id, state=state, amount_minor=500) for state in states),
    ]


def restarted(folder: Path, events: list[LedgerEvent]) -> Opened:
    async def run() -> Opened:
        journal = Journal(folder, cart_id="cart-1", boot_id="first", wall_ms=lambda: 1_000)
        await journal.open()
        await journal.append([Record(number, event) for number, event in enumerate(events)])
        await journal.close()
        journal = Journal(folder, cart_id="cart-1", boot_id="second", wall_ms=lambda: 2_000)
        opened = await journal.open()
        await journal.close()
        return opened

    return asyncio.run(run())


def heard(opened: Opened, attempt_id: str, status: str, amount_minor: int = 500) -> list[Effect]:
    session = Shopper().new_session()
    session.restore(opened.events, opened.earlier)
    return session.handle(
        PaymentAnswer(
            t_ns=10**9, attempt_id=attempt_id, cart_id="cart-1", status=status, amount_minor=amount_minor,  # type: ignore[arg-type]
            currency="EUR", basket_hash=HASH, reference="R1",
        )
    )  # fmt: skip


def notes(effects: list[Effect]) -> list[str]:
    records = [effect.event for effect in effects if isinstance(effect, Record)]
    return [event.detail for event in records if isinstance(event, SecurityNoted)]


IDLE = PhaseChanged(phase="idle", reason="emptied")
NEXT_TRIP = TripStarted(trip_id="B", catalog_version=1, language="en")


@pytest.mark.parametrize("since", [[IDLE], [IDLE, NEXT_TRIP]], ids=["idle", "in the next trip"])
def test_a_straggling_answer_about_an_earlier_trip_accuses_nobody(tmp_path: Path, since: list[LedgerEvent]) -> None:
    opened = restarted(tmp_path, [*paying("A", "pending", "approved"), *since])
    assert notes(heard(opened, "A.1", "approved")) == []
    assert notes(heard(opened, "A.1", "approved", 1)) == ["wrong amount of a approved for A.1"]
    assert notes(heard(opened, "A.7", "approved")) == ["unknown attempt of a approved for A.7"]


def test_a_late_approval_of_an_earlier_trip_is_withdrawn_after_a_restart_too(tmp_path: Path) -> None:
    opened = restarted(tmp_path, [*paying("A", "pending", "declined"), IDLE, NEXT_TRIP])
    effects = heard(opened, "A.1", "approved")
    assert [effect.attempt_id for effect in effects if isinstance(effect, CancelPayment)] == ["A.1"]
    assert notes(effects) == []


def test_of_the_earlier_trips_only_payments_come_back_and_only_the_latest(tmp_path: Path) -> None:
    trips = [[*paying(f"T{n}", "pending", "approved"), GrossNoted(gross_g=1.0, sigma_g=1.0), IDLE] for n in range(70)]
    opened = restarted(tmp_path, [event for trip in trips for event in trip] + [NEXT_TRIP])
    kinds = {type(event) for _, event in opened.earlier}
    assert kinds == {TripStarted, AttemptOpened, AttemptChanged}
    assert len(opened.earlier) <= EARLIER_ROWS_MAX
    assert isinstance(opened.earlier[0][1], TripStarted)
    assert opened.earlier[-1][1] == paying("T69", "approved")[-1]
    assert [event for _, event in opened.events] == [NEXT_TRIP]
