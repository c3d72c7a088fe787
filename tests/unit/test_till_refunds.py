"""Money given back by staff: once, with a reason, in whole or in part, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from cart.till import payment_desk
from cart.till.ledger import TillProblem
from cart.till.members import Members
from cart.till.provider import Outcome
from cart.till.refund_desk import RefundDesk
from cart.till.simulated import SimulatedAcquirer
from tests.unit.till_counter import CODE, Counter, at_counter, request, settle


def test_staff_gives_money_back_once_and_says_why(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        with pytest.raises(TillProblem, match="say why"):
            counter.desk.refund("T.1", "  ")
        counter.desk.refund("T.1", "milk was sour")
        with pytest.raises(TillProblem, match="nothing is held"):
            counter.desk.refund("T.1", "once more")
        await settle()
        assert counter.statuses() == ["pending", "approved", "voided"]
        assert counter.said[-1].reason == "refunded by staff: milk was sour"
        assert counter.acquirer.captures() == {}

    at_counter(tmp_path, scene)


def test_a_refund_that_the_power_interrupted_is_carried_on_with_its_reason(tmp_path: Path) -> None:
    async def first(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        counter.ledger.withdraw("T.1", "refunded by staff: milk was sour")

    async def second(counter: Counter) -> None:
        counter.desk.recover()
        await settle()
        assert (counter.said[-1].status, counter.said[-1].reason) == ("voided", "refunded by staff: milk was sour")
        assert counter.acquirer.captures() == {}

    at_counter(tmp_path, first)
    at_counter(tmp_path, second)


@pytest.mark.parametrize("by", ["staff", "cart"])
def test_money_that_could_not_be_given_back_is_tried_again_though_no_cart_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    takes_back: dict[str, Callable[[Counter], object]] = {
        "staff": lambda counter: counter.desk.refund("T.1", "milk was sour"),
        "cart": Counter.cancel,
    }
    monkeypatch.setattr(payment_desk, "GIVE_BACK_AGAIN_S", 0.02)
    withdraw = SimulatedAcquirer.withdraw
    failures = iter([True, True, False])

    async def unreachable(acquirer: SimulatedAcquirer, key: str) -> Outcome:
        if next(failures):
            raise TimeoutError(key)
        return await withdraw(acquirer, key)

    async def scene(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        monkeypatch.setattr(SimulatedAcquirer, "withdraw", unreachable)
        takes_back[by](counter)
        await asyncio.sleep(0.2)
        assert counter.statuses() == ["pending", "approved", "voided"]
        assert counter.acquirer.captures() == {}

    at_counter(tmp_path, scene)


def test_money_taken_by_hand_is_given_back_by_hand(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request(method="till"))
        counter.desk.codes.complete(CODE, 500)
        counter.desk.refund("T.1", "changed their mind")
        assert counter.statuses() == ["pending", "approved", "voided"]
        with pytest.raises(TillProblem):
            counter.desk.codes.complete(CODE, 500)

    at_counter(tmp_path, scene)


def test_a_part_is_given_back_once_a_refund_id_and_the_cart_is_told(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        refunds = RefundDesk(counter.ledger, counter.acquirer, counter.desk.say_again, Members(counter.ledger.database))
        for _ in range(3):
            refunds.give_back("T.1", 200, "sour milk", "r1")
            await settle()
        assert counter.acquirer.captures() == {"T.1": 300}
        last = counter.said[-1]
        assert (last.status, last.amount_minor, last.refunded_minor) == ("approved", 500, 200)
        assert last.reason == "refunded by staff: sour milk"
        with pytest.raises(TillProblem, match=r"no more than 3\.00"):
            refunds.give_back("T.1", 301, "sour milk")
        with pytest.raises(TillProblem, match="say why"):
            refunds.give_back("T.1", 1, " ")
        await refunds.close()

    at_counter(tmp_path, scene)


def test_a_refund_that_the_power_interrupted_is_gone_on_with_and_given_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(acquirer: SimulatedAcquirer, key: str, refund_id: str, amount_minor: int) -> Outcome:
        await given(acquirer, key, refund_id, amount_minor)
        raise TimeoutError

    given = SimulatedAcquirer.refund

    async def first(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        monkeypatch.setattr(SimulatedAcquirer, "refund", lost)
        refunds = RefundDesk(counter.ledger, counter.acquirer, counter.desk.say_again, Members(counter.ledger.database))
        refunds.give_back("T.1", 200, "sour milk", "r1")
        await settle()
        assert [refund.status for refund in counter.ledger.open_refunds()] == ["asked"]
        await refunds.close()

    async def second(counter: Counter) -> None:
        monkeypatch.setattr(SimulatedAcquirer, "refund", given)
        refunds = RefundDesk(counter.ledger, counter.acquirer, counter.desk.say_again, Members(counter.ledger.database))
        refunds.take_over()
        await settle()
        assert counter.said[-1].refunded_minor == 200
        assert counter.acquirer.captures() == {"T.1": 300}
        await refunds.close()

    at_counter(tmp_path, first)
    at_counter(tmp_path, second)


def test_a_cart_that_is_there_again_is_told_what_was_given_back_of_its_latest_attempts(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        refunds = RefundDesk(counter.ledger, counter.acquirer, counter.desk.say_again, Members(counter.ledger.database))
        for number, trip in enumerate(("T", "U", "V")):
            counter.desk.request(request(f"{trip}.1", trip_id=trip, basket_hash=f"{number}a" * 32))
            await settle()
        counter.desk.refund("T.1", "milk was sour")
        refunds.give_back("V.1", 200, "half was sour", "r1")
        await settle()
        told = len(counter.said)
        for _ in range(2):
            counter.desk.say_given_back("cart-1")
        again = [(said.attempt_id, said.status, said.refunded_minor) for said in counter.said[told:]]
        assert again == [("T.1", "voided", 0), ("V.1", "approved", 200)] * 2
        counter.desk.say_given_back("cart-2")
        assert len(counter.said) == told + 4
        await refunds.close()

    at_counter(tmp_path, scene)


def test_what_the_cart_took_back_itself_is_no_news(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        counter.cancel()
        await settle()
        assert counter.statuses()[-1] == "voided"
        told = len(counter.said)
        counter.desk.say_given_back("cart-1")
        assert len(counter.said) == told

    at_counter(tmp_path, scene)


def test_a_tender_that_comes_while_staff_gives_another_one_back_is_refused_and_nobody_is_accused(
    tmp_path: Path,
) -> None:
    """Found by the simulation: the cart asks for the rest of a basket whose first part goes back just now."""

    async def scene(counter: Counter) -> None:
        counter.desk.request(request(basket_minor=900, partial=True))
        await settle()
        counter.ledger.withdraw("T.1", "refunded by staff: milk was sour")
        counter.desk.request(request("T.2", basket_minor=900, amount_minor=400))
        assert (counter.said[-1].attempt_id, counter.said[-1].status) == ("T.2", "cancelled")
        assert counter.said[-1].reason == "a part was given back just now; ask again"
        assert counter.ledger.notes() == []
        assert len(counter.charges) == 1

    at_counter(tmp_path, scene)
