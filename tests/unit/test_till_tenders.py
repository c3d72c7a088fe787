"""Several tenders a basket at the till: benefits pay a part, another one the rest, and nobody too much."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cart.core.frozen_basket import till_code
from cart.sync.messages import (
    PaymentCancelMessage,
    PaymentRequestMessage,
    PaymentResultMessage,
)
from cart.till.ledger import TillLedger, TillProblem
from cart.till.payment_desk import PaymentDesk
from cart.till.provider import Outcome
from cart.till.simulated import SimulatedAcquirer
from tests.unit.till_counter import TERMS, Counter, at_counter, request, settle


def part(attempt_id: str, amount_minor: int, method: str, *, partial: bool = False) -> PaymentRequestMessage:
    return request(attempt_id, method, amount_minor=amount_minor, basket_minor=900, partial=partial)


def test_a_benefits_card_pays_what_is_on_it_and_another_tender_the_rest(tmp_path: Path) -> None:
    async def scene() -> None:
        said: list[PaymentResultMessage] = []
        acquirer, ledger = SimulatedAcquirer(tmp_path, ebt_minor=350), TillLedger(tmp_path)
        desk = PaymentDesk(ledger, acquirer, said.append, currency="EUR")
        desk.request(part("T.1", 600, "ebt", partial=True))
        await settle()
        assert (said[-1].status, said[-1].amount_minor) == ("approved", 350)
        desk.request(part("T.2", 551, "card"))
        await settle()
        assert (said[-1].status, said[-1].reason) == ("cancelled", "paid before; staff knows")
        desk.request(part("T.3", 550, "card"))
        await settle()
        assert acquirer.captures() == {"T.1": 350, "T.3": 550}
        desk.request(part("T.4", 1, "card"))
        assert said[-1].status == "cancelled"
        desk.cancel(PaymentCancelMessage(attempt_id="T.1", **(TERMS | {"amount_minor": 600})))
        await settle()
        assert (said[-1].attempt_id, said[-1].status, said[-1].amount_minor) == ("T.1", "voided", 350)
        assert acquirer.captures() == {"T.3": 550}
        for closing in (desk, acquirer):
            await closing.close()
        ledger.close()

    asyncio.run(scene())


def test_an_empty_benefits_card_declines_and_a_whole_request_is_never_half_paid(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(part("T.1", 600, "ebt", partial=True))
        await settle()
        assert counter.said[-1].amount_minor == 300
        counter.desk.request(part("T.2", 600, "card"))
        await settle()
        assert counter.acquirer.captures() == {"T.1": 300, "T.2": 600}

    at_counter(tmp_path / "half", scene, "partial")


def test_a_provider_that_captures_another_amount_than_allowed_gives_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = SimulatedAcquirer.charge

    async def short(acquirer: SimulatedAcquirer, asked: Any) -> Outcome:
        return msgspec.structs.replace(await charge(acquirer, asked), captured_minor=499)

    async def scene(counter: Counter) -> None:
        monkeypatch.setattr(SimulatedAcquirer, "charge", short)
        counter.desk.request(request())
        await settle()
        assert (counter.said[-1].status, counter.said[-1].reason) == ("voided", "captured for another amount")
        assert counter.acquirer.captures() == {}

    at_counter(tmp_path, scene)


def test_the_rest_of_a_basket_is_paid_by_code_even_before_its_attempt_is_heard_of(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(part("T.1", 600, "ebt", partial=True))
        await settle()
        with pytest.raises(TillProblem, match="take no money"):
            counter.desk.codes.complete(till_code("T.2", 900, "EUR"), 900)
        assert counter.desk.codes.complete(till_code("T.2", 300, "EUR"), 300) is None
        counter.desk.request(part("T.2", 300, "till"))
        assert (counter.said[-1].attempt_id, counter.said[-1].status) == ("T.2", "approved")

    at_counter(tmp_path, scene)
