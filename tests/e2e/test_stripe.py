"""The Stripe provider against localstripe, a real process that speaks Stripe's API."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from cart.sync.messages import PaymentCancelMessage, PaymentQueryMessage, PaymentRequestMessage, PaymentResultMessage
from cart.till.ledger import TillLedger, TillProblem
from cart.till.payment_desk import PaymentDesk
from cart.till.provider import Charge, Outcome
from tests.conftest import free_port

for package in ("stripe", "localstripe"):
    if find_spec(package) is None and os.environ.get("CI") != "true":
        pytest.skip(f"needs {package}: pip install 'smart-cart[dev]'", allow_module_level=True)

import httpx  # noqa: E402
import stripe  # noqa: E402

from cart.till.stripe_provider import StripeProvider  # noqa: E402

pytestmark = pytest.mark.e2e

HASH = "ab" * 32
TERMS: dict[str, Any] = {"cart_id": "cart-1", "amount_minor": 500, "currency": "EUR", "basket_hash": HASH}
CARDS = {"cart-1": "4242424242424242", "cart-refused": "4000000000000341"}
"""Stripe's own test numbers: one that is charged, one that is saved and then declined (docs.stripe.com/testing)."""


class Local:
    """A running localstripe, with a customer and a saved card for each cart."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "localstripe", "--from-scratch", "--port", str(self.port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
        )  # fmt: skip
        for _ in range(400):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.05)
        self.client = stripe.StripeClient("sk_test_x", base_addresses={"api": self.url})
        self.key = folder / "key"
        self.key.write_text("sk_test_local\n")
        self.key.chmod(0o600)
        self.wallets = folder / "wallets.json"
        self.wallets.write_text(json.dumps({cart: self._paired(number) for cart, number in CARDS.items()}))

    def _paired(self, number: str) -> dict[str, str]:
        method = self.client.v1.payment_methods.create(
            {"type": "card", "card": {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123"}}
        )
        customer = self.client.v1.customers.create({"email": "shopper@example.org"})
        self.client.v1.payment_methods.attach(method.id, {"customer": customer.id})
        return {"customer": customer.id, "payment_method": method.id}

    def intents(self) -> list[tuple[str, str]]:
        """(attempt, state) of every intent there is."""
        headers = {"Authorization": "Bearer sk_test_x"}
        found = httpx.get(f"{self.url}/v1/payment_intents", headers=headers, params={"limit": 100}).json()
        return [(intent["metadata"]["attempt"], intent["status"]) for intent in found["data"]]

    def refunded(self) -> int:
        headers = {"Authorization": "Bearer sk_test_x"}
        found = httpx.get(f"{self.url}/v1/refunds", headers=headers).json()
        return sum(refund["amount"] for refund in found["data"])

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    running = Local(tmp_path)
    yield running
    running.stop()


def provider(local: Local, folder: Path) -> StripeProvider:
    # localstripe's confirm knows no off_session.
    return StripeProvider(folder, local.key, local.wallets, url=local.url, off_session=False)


def charge(key: str = "T.1", cart_id: str = "cart-1") -> Charge:
    return Charge(key=key, amount_minor=500, currency="EUR", method="wallet", cart_id=cart_id)


def with_provider(local: Local, folder: Path, scene: Callable[[StripeProvider], Awaitable[None]]) -> None:
    async def run() -> None:
        made = provider(local, folder)
        try:
            await scene(made)
        finally:
            await made.close()

    asyncio.run(run())


def test_a_key_is_captured_once_and_given_back_once(local: Local, tmp_path: Path) -> None:
    async def scene(made: StripeProvider) -> None:
        assert (await made.lookup("T.1")).status == "never_seen"
        for _ in range(3):
            assert (await made.charge(charge())).status == "approved"
        assert local.intents() == [("T.1", "succeeded")]
        assert (await made.withdraw("T.1")).status == "voided"
        assert local.refunded() == 500
        assert (await made.charge(charge())).status != "approved"

    with_provider(local, tmp_path, scene)


def test_what_was_given_back_is_not_again_although_stripe_has_forgotten_the_key(local: Local, tmp_path: Path) -> None:
    """localstripe knows no idempotency keys, as Stripe doesn't any more a day later."""

    async def scene(made: StripeProvider) -> None:
        await made.charge(charge())
        for _ in range(2):
            assert (await made.refund("T.1", "r1", 200)).status == "refunded"
        assert local.refunded() == 200
        assert (await made.refund("T.1", "r2", 100)).status == "refunded"
        for _ in range(2):
            assert (await made.withdraw("T.1")).status == "voided"
        assert local.refunded() == 500

    with_provider(local, tmp_path, scene)


def test_what_was_withdrawn_before_it_arrived_is_never_charged(local: Local, tmp_path: Path) -> None:
    async def scene(made: StripeProvider) -> None:
        assert (await made.withdraw("T.1")).status == "cancelled"
        assert (await made.charge(charge())).status == "cancelled"
        assert local.intents() == []

    with_provider(local, tmp_path, scene)


def test_a_refused_card_is_declined_and_its_intent_can_not_be_paid_later(local: Local, tmp_path: Path) -> None:
    async def scene(made: StripeProvider) -> None:
        assert (await made.charge(charge(cart_id="cart-refused"))).status == "declined"
        assert local.intents() == [("T.1", "canceled")]
        assert (await made.lookup("T.1")).status == "declined"
        assert (await made.charge(charge("T.2", "cart-unpaired"))).status == "declined"

    with_provider(local, tmp_path, scene)


class Deaf(StripeProvider):
    """Whose answers to `charge` are lost on the way."""

    async def charge(self, charge: Charge) -> Outcome:
        await super().charge(charge)
        raise TillProblem("no answer")


def test_an_answer_that_was_lost_is_looked_up_and_a_late_approval_is_voided(local: Local, tmp_path: Path) -> None:
    said: list[PaymentResultMessage] = []

    async def run() -> None:
        deaf = Deaf(tmp_path, local.key, local.wallets, url=local.url, off_session=False)
        ledger = TillLedger(tmp_path)
        desk = PaymentDesk(ledger, deaf, said.append, currency="EUR")
        desk.request(PaymentRequestMessage(attempt_id="T.1", trip_id="T", method="wallet", **TERMS))
        await until(lambda: local.intents() == [("T.1", "succeeded")] and not desk._tasks)
        desk.query(PaymentQueryMessage(attempt_id="T.1", **TERMS))
        await until(lambda: said[-1].status == "approved")
        desk.cancel(PaymentCancelMessage(attempt_id="T.1", **TERMS))
        await until(lambda: said[-1].status == "voided")
        assert local.refunded() == 500
        await desk.close()
        ledger.close()
        await deaf.close()

    asyncio.run(run())


def test_no_answer_at_all_is_unknown_and_no_word_of_the_key_is_said(local: Local, tmp_path: Path) -> None:
    async def scene(made: StripeProvider) -> None:
        local.stop()
        with pytest.raises(TillProblem, match="asked again") as caught:
            await made.charge(charge())
        assert "sk_" not in str(caught.value)

    with_provider(local, tmp_path, scene)


@pytest.mark.parametrize(
    ("content", "mode", "why"), [("sk_test", 0o644, "chmod 600"), ("pk_test", 0o600, "not a secret")]
)
def test_a_key_that_others_can_read_or_that_is_none_is_refused(
    tmp_path: Path, content: str, mode: int, why: str
) -> None:
    key = tmp_path / "key"
    key.write_text(content)
    key.chmod(mode)
    with pytest.raises(TillProblem, match=why):
        StripeProvider(tmp_path, key, tmp_path / "wallets.json")


async def until(true: Callable[[], bool], timeout_s: float = 10.0) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not come to that in time"
        await asyncio.sleep(0.05)
