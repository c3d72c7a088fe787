"""A card at a reader on the cart, by Stripe's own library against a wire that speaks as Stripe documents Terminal."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from cart.sync.messages import PaymentCancelMessage, PaymentQueryMessage, PaymentRequestMessage, PaymentResultMessage
from cart.till.ledger import TillLedger
from cart.till.payment_desk import PaymentDesk
from cart.till.provider import Charge, Outcome
from tests.e2e.stripe_wire import READER, StripeWire

if find_spec("stripe") is None and os.environ.get("CI") != "true":
    pytest.skip("needs stripe: pip install 'smart-cart[dev]'", allow_module_level=True)

from cart.till import stripe_provider
from cart.till.stripe_provider import StripeProvider

pytestmark = pytest.mark.e2e

CHARGE = Charge(key="T.1", amount_minor=500, currency="EUR", method="card", cart_id="cart-1")
TERMS: dict[str, Any] = {"cart_id": "cart-1", "amount_minor": 500, "currency": "EUR", "basket_hash": "ab" * 32}


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeWire]:
    monkeypatch.setattr(stripe_provider, "LOOK_S", 0.02)
    made = StripeWire()
    yield made
    made.stop()


def provider(wire: StripeWire, folder: Path) -> StripeProvider:
    key, readers = folder / "key", folder / "readers.json"
    key.write_text("sk_test_wire")
    key.chmod(0o600)
    readers.write_text(json.dumps({"cart-1": READER}))
    return StripeProvider(folder, key, None, readers=readers, url=wire.url)


def play(wire: StripeWire, folder: Path, scene: Callable[[StripeProvider], Awaitable[None]]) -> None:
    async def run() -> None:
        made = provider(wire, folder)
        try:
            await scene(made)
        finally:
            await made.close()

    asyncio.run(run())


async def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10.0
    while not true():
        assert time.monotonic() < end, "it did not come to that in time"
        await asyncio.sleep(0.01)


def test_a_card_that_is_tapped_is_captured_once(wire: StripeWire, tmp_path: Path) -> None:
    async def scene(made: StripeProvider) -> None:
        charging = asyncio.create_task(made.charge(CHARGE))
        await until(lambda: wire.showing == "pi_0")
        assert await made.lookup("T.1") == Outcome(status="pending", reference="pi_0", go_on=True)
        wire.tap()
        assert await charging == Outcome(status="approved", reference="pi_0")
        assert (await made.charge(CHARGE)).status == "approved"
        assert wire.states() == ["succeeded"]
        assert wire.asked.count("POST payment_intents/capture") == 1
        assert wire.intents["pi_0"]["payment_method_types"] == ["card_present"]
        assert (await made.refund("T.1", "r1", 200)).status == "refunded"
        assert (await made.refund("T.1", "r1", 200)).status == "refunded"
        assert [(refund["payment_intent"], refund["amount"]) for refund in wire.refunds] == [("pi_0", 200)]

    play(wire, tmp_path, scene)


def test_a_refused_card_is_declined_and_its_intent_is_cancelled(wire: StripeWire, tmp_path: Path) -> None:
    async def scene(made: StripeProvider) -> None:
        charging = asyncio.create_task(made.charge(CHARGE))
        await until(lambda: wire.showing != "")
        wire.refuse()
        assert await charging == Outcome(status="declined", reason="card_declined")
        assert wire.states() == ["canceled"]

    play(wire, tmp_path, scene)


def test_who_gives_up_is_not_charged_by_a_card_that_was_just_tapped(wire: StripeWire, tmp_path: Path) -> None:
    async def scene(made: StripeProvider) -> None:
        charging = asyncio.create_task(made.charge(CHARGE))
        await until(lambda: wire.showing != "")
        wire.tap()
        assert (await made.withdraw("T.1")).status in {"cancelled", "voided"}
        assert (await charging).status in {"cancelled", "voided"}
        captured = wire.states() == ["succeeded"]
        assert len(wire.refunds) == captured

    play(wire, tmp_path, scene)


def test_a_withdrawal_clears_the_readers_screen_and_a_later_charge_is_refused(wire: StripeWire, tmp_path: Path) -> None:
    async def scene(made: StripeProvider) -> None:
        charging = asyncio.create_task(made.charge(CHARGE))
        await until(lambda: wire.showing != "")
        assert (await made.withdraw("T.1")).status == "cancelled"
        assert (wire.showing, (await charging).status) == ("", "cancelled")
        assert (await made.charge(CHARGE)).status == "cancelled"
        assert wire.states() == ["canceled"]

    play(wire, tmp_path, scene)


def test_a_reader_that_may_have_heard_is_looked_at_and_not_asked_twice(wire: StripeWire, tmp_path: Path) -> None:
    async def scene(made: StripeProvider) -> None:
        wire.deaf = True
        charging = asyncio.create_task(made.charge(CHARGE))
        await until(lambda: wire.showing != "")
        wire.tap()
        assert (await charging).status == "approved"
        assert wire.asked.count("POST terminal/tmr_1/process_payment_intent") == 1

    play(wire, tmp_path, scene)


def test_a_busy_reader_declines(wire: StripeWire, tmp_path: Path) -> None:
    async def scene(made: StripeProvider) -> None:
        wire.action = {"type": "x", "status": "in_progress", "process_payment_intent": {"payment_intent": "pi_other"}}
        assert await made.charge(CHARGE) == Outcome(status="declined", reason="the reader is busy")
        assert wire.action is not None

    play(wire, tmp_path, scene)


def test_a_till_killed_between_the_tap_and_the_capture_captures_when_it_is_back(
    wire: StripeWire, tmp_path: Path
) -> None:
    """By itself at its start, and at the cart's question where its first try fails."""
    said: list[PaymentResultMessage] = []

    async def first(made: StripeProvider) -> None:
        ledger = TillLedger(tmp_path)
        desk = PaymentDesk(ledger, made, said.append, currency="EUR")
        desk.request(PaymentRequestMessage(attempt_id="T.1", trip_id="T", method="card", **TERMS))
        await until(lambda: wire.showing != "")
        await desk.close()
        wire.tap()
        ledger.close()

    async def second(made: StripeProvider) -> None:
        ledger = TillLedger(tmp_path)
        desk = PaymentDesk(ledger, made, said.append, currency="EUR")
        desk.query(PaymentQueryMessage(attempt_id="T.1", **TERMS))
        await until(lambda: said[-1].status == "approved")
        desk.recover()
        desk.cancel(PaymentCancelMessage(attempt_id="T.1", **TERMS))
        await until(lambda: said[-1].status == "voided")
        assert wire.asked.count("POST payment_intents/capture") == 1
        await desk.close()
        ledger.close()

    play(wire, tmp_path, first)
    assert wire.states() == ["requires_capture"]
    play(wire, tmp_path, second)


def test_a_cart_without_a_reader_has_no_card_to_charge(wire: StripeWire, tmp_path: Path) -> None:
    async def scene(made: StripeProvider) -> None:
        other = Charge(key="U.1", amount_minor=500, currency="EUR", method="card", cart_id="cart-2")
        assert (await made.charge(other)).status == "declined"
        assert wire.asked == []

    play(wire, tmp_path, scene)
