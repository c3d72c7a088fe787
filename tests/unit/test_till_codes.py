"""Codes paid by hand at the till: once a trip, for the right amount, whoever has heard of the attempt."""

from __future__ import annotations

from pathlib import Path

import pytest

from cart.core.frozen_basket import till_code
from cart.till.code_desk import tidy_code
from cart.till.ledger import TillProblem
from tests.unit.till_counter import CODE, Counter, at_counter, request, settle


def test_a_code_handed_over_waits_for_a_person_and_is_paid_once(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request(method="till"))
        counter.query()
        assert counter.statuses() == ["pending", "pending"]
        counter.desk.codes.complete(CODE.lower().replace("-", " "), 500)
        assert counter.said[-1].status == "approved"
        with pytest.raises(TillProblem, match="is approved"):
            counter.desk.codes.complete(CODE, 500)
        counter.cancel()
        assert counter.said[-1].status == "approved"

    at_counter(tmp_path, scene)


def test_a_code_paid_before_the_till_heard_of_it_is_approved_when_it_does(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        assert counter.desk.codes.complete(CODE, 500) is None
        with pytest.raises(TillProblem, match="paid already"):
            counter.desk.codes.complete(CODE, 500)
        counter.query()
        counter.desk.request(request(method="till"))
        await settle()
        assert counter.statuses() == ["approved", "approved"]
        assert counter.charges == []

    at_counter(tmp_path, scene)


@pytest.mark.parametrize("lost", ["approved", "declined", "silent"])
@pytest.mark.parametrize("method", ["till", "card"])
def test_a_cart_that_forgot_an_attempt_is_not_paid_again_by_a_code_of_the_same_number(
    tmp_path: Path, lost: str, method: str
) -> None:
    async def scene(counter: Counter) -> None:
        counter.acquirer.mode = {"declined": "decline", "silent": "silent"}.get(lost, "approve")  # type: ignore[assignment]
        counter.desk.request(request())
        await settle()
        with pytest.raises(TillProblem, match=r"this trip has T\.1"):
            counter.desk.codes.complete(till_code("T.1", 750, "EUR"), 750)
        with pytest.raises(TillProblem, match="on other terms"):
            counter.desk.request(request(method=method, amount_minor=750))
        assert len(counter.charges) == 1

    at_counter(tmp_path, scene)


def test_money_is_held_once_a_trip_whichever_attempt_asks(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request("T.2"))
        await settle()
        with pytest.raises(TillProblem, match=r"this trip has T\.2 \(approved, 5\.00\)"):
            counter.desk.codes.complete(CODE, 500)
        for method in ("card", "till"):
            counter.desk.request(request("T.3", method=method))
        await settle()
        assert counter.statuses()[-2:] == ["cancelled", "cancelled"]
        assert counter.acquirer.captures() == {"T.2": 500}
        assert [note.what for note in counter.ledger.notes()] == ["trip_paid_before"]
        counter.desk.refund("T.2", "wrong basket")
        await settle()
        assert counter.desk.codes.complete(CODE, 500) is None

    at_counter(tmp_path, scene)


def test_a_trip_paid_by_a_code_nobody_has_heard_of_is_neither_charged_nor_paid_by_another(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.codes.complete(CODE, 500)
        with pytest.raises(TillProblem, match="this trip has"):
            counter.desk.codes.complete(till_code("T.1", 750, "EUR"), 750)
        with pytest.raises(TillProblem, match="this trip has"):
            counter.desk.codes.complete(till_code("T.2", 500, "EUR"), 500)
        counter.desk.request(request("T.2"))
        counter.desk.request(request(amount_minor=750))
        await settle()
        assert counter.statuses() == ["cancelled", "cancelled"]
        assert counter.charges == []

    at_counter(tmp_path, scene)


def test_a_second_code_of_a_trip_counts_once_the_first_attempt_ended_without_money(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.acquirer.mode = "decline"
        counter.desk.request(request())
        await settle()
        assert counter.desk.codes.complete(till_code("T.2", 500, "EUR"), 500) is None
        counter.desk.request(request("T.2", method="till"))
        await settle()
        assert counter.statuses() == ["pending", "declined", "approved"]

    at_counter(tmp_path, scene)


def test_a_mistyped_code_or_amount_takes_no_money(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        with pytest.raises(TillProblem, match="don't belong together"):
            counter.desk.codes.complete(CODE, 501)
        with pytest.raises(TillProblem, match="eight characters"):
            counter.desk.codes.complete("123", 500)
        assert counter.ledger.paid_code(CODE) is None

    at_counter(tmp_path, scene)


def test_a_code_given_back_unpaid_frees_the_cart(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request(method="till"))
        counter.desk.codes.release(CODE)
        assert counter.said[-1].status == "cancelled"
        with pytest.raises(TillProblem, match="no attempt waits"):
            counter.desk.codes.release(CODE)

    at_counter(tmp_path, scene)


def test_codes_are_read_as_people_type_them() -> None:
    assert tidy_code(" 4f7k2q 9d ") == "4F7K2Q-9D"
    assert tidy_code("O1IL2Q9D") == "01112Q-9D"
