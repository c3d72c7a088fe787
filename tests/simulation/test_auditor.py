"""The auditor's own books, without a cart."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart.bench.trips.auditor import Auditor, Billed, Tag, Verdict

TAGS = {"milk": Tag(149), "crate": Tag(1099, deposit_minor=310), "apples": Tag(299, by_weight=True)}


def audited(*billed: Billed, captured: int, there: tuple[tuple[str | None, float], ...], said: str = "") -> Verdict:
    auditor = Auditor(TAGS)
    for number, (sku, weight_g) in enumerate(there):
        auditor.came(number, sku, weight_g)
    if said:
        auditor.said(said)
    auditor.captured("a.1", captured)
    return auditor.judge(billed, sum(line.price_minor for line in billed))


MILK_AND_CRATE: tuple[tuple[str | None, float], ...] = (("milk", 1034.0), ("crate", 9000.0), (None, 300.0))


def test_what_is_there_and_paid_is_exact() -> None:
    verdict = audited(Billed("milk", 1, 149), Billed("crate", 1, 1409, 310), captured=1558, there=MILK_AND_CRATE)
    assert verdict.exact
    assert (verdict.value_minor, verdict.lost_minor, verdict.overcharged_minor) == (1558, 0, 0)


def test_a_unit_too_many_is_an_overcharge_nobody_confirmed() -> None:
    verdict = audited(Billed("milk", 2, 298), Billed("crate", 1, 1409, 310), captured=1707, there=MILK_AND_CRATE)
    assert not verdict.exact
    assert (verdict.overcharged_minor, verdict.overcharged, verdict.unconfirmed) == (149, ["milk"], ["milk"])


def test_an_overcharge_that_the_shopper_confirmed_is_told_apart() -> None:
    there = MILK_AND_CRATE
    verdict = audited(Billed("milk", 2, 298), Billed("crate", 1, 1409, 310), captured=1707, there=there, said="milk")
    assert (verdict.overcharged, verdict.unconfirmed) == (["milk"], [])


def test_a_unit_that_nobody_paid_for_is_lost() -> None:
    verdict = audited(Billed("crate", 1, 1409, 310), captured=1409, there=MILK_AND_CRATE)
    assert verdict.problems == ["milk: 1 in the cart, 0 paid"]
    assert verdict.wrong == {"milk": "unit missing"}
    assert verdict.lost_minor == 149


def test_loss_and_overcharge_do_not_hide_each_other() -> None:
    verdict = audited(Billed("milk", 1, 149), Billed("milk", 1, 149), captured=298, there=(("crate", 9000.0),))
    assert (verdict.lost_minor, verdict.overcharged_minor) == (1409, 298)
    assert verdict.wrong == {"milk": "unit too many", "crate": "unit missing"}


@pytest.mark.parametrize(("captured", "problem"), [(148, "captured 148"), (0, "captured 0")])
def test_other_money_than_the_receipt_says(captured: int, problem: str) -> None:
    verdict = audited(Billed("milk", 1, 149), captured=captured, there=(("milk", 1034.0),))
    assert verdict.problems[0].startswith(problem)
    assert verdict.wrong == {"": "money"}


def test_money_taken_twice() -> None:
    auditor = Auditor(TAGS)
    auditor.came(1, "milk", 1034.0)
    auditor.captured("a.1", 149)
    auditor.captured("a.2", 149)
    assert auditor.judge([Billed("milk", 1, 149)], 149).problems[0] == "charged 2 times"


@pytest.mark.parametrize(
    ("paid", "exact"),
    [(299 * 495 // 1000 - 1, False), (299 * 495 // 1000, True), (150, True), (152, False)],
    ids=["too light by more than 1 e", "1 e light", "right", "too heavy by more than 1 e"],
)
def test_goods_by_weight_may_differ_by_the_scales_error(paid: int, exact: bool) -> None:
    verdict = audited(Billed("apples", 1, paid), captured=paid, there=(("apples", 500.0),))
    assert verdict.exact is exact


def test_a_heavier_basket_allows_a_greater_error() -> None:
    there = (("apples", 500.0), ("milk", 1034.0), (None, 9000.0))
    verdict = audited(Billed("apples", 1, 153), Billed("milk", 1, 149), captured=302, there=there)
    assert verdict.exact


def test_what_was_taken_out_again_is_not_there() -> None:
    auditor = Auditor(TAGS)
    auditor.came(1, "milk", 1034.0)
    auditor.came(2, None, 200.0)
    auditor.went(1)
    auditor.went(2)
    assert auditor.judge([], 0).exact


def test_a_thing_cannot_come_twice() -> None:
    auditor = Auditor(TAGS)
    auditor.came(1, "milk", 1034.0)
    with pytest.raises(ValueError, match="thing 1"):
        auditor.came(1, "milk", 1034.0)


OFFERS = {
    "soap": Tag(299, off_bp=1500),
    "beans": Tag(85, take=3, take_minor=200),
    "cola": Tag(120, deposit_minor=25),
    "pears": Tag(349, by_weight=True, off_bp=2000),
}
RIGHT = [
    Billed("soap", 2, 508, 0, 90, 598),
    Billed("beans", 3, 200, 0, 55, 255),
    Billed("beans", 1, 85, 0, 0, 85),
    Billed("cola", 2, 290, 50, 0, 240),
    Billed("pears", 1, 112, 0, 28),
]
TOTAL = sum(line.price_minor for line in RIGHT)


def offered(billed: list[Billed], total: int, captured: int) -> Verdict:
    auditor = Auditor(OFFERS)
    things = [("soap", 90.0)] * 2 + [("beans", 400.0)] * 4 + [("cola", 1050.0)] * 2 + [("pears", 400.0)]
    for number, (sku, weight_g) in enumerate(things):
        auditor.came(number, sku, weight_g)
    auditor.captured("a.1", captured)
    return auditor.judge(billed, total)


def test_offers_and_deposits_are_reckoned_by_the_auditor_itself() -> None:
    verdict = offered(RIGHT, TOTAL, TOTAL)
    assert verdict.problems == []
    assert verdict.exact


def replaced(index: int, field: str, by: int) -> list[Billed]:
    line = RIGHT[index]
    changed = replace(line, **{field: getattr(line, field) + by})
    return [*RIGHT[:index], changed, *RIGHT[index + 1 :]]


MUTATED = st.tuples(
    st.integers(0, len(RIGHT) - 2),  # pieces: goods by weight have their own tolerance
    st.sampled_from(["units", "price_minor", "deposit_minor", "savings_minor", "list_minor"]),
    st.integers(-400, 400).filter(bool),
)


@settings(deadline=None)
@given(MUTATED, st.booleans())
def test_no_changed_figure_of_a_receipt_passes(mutated: tuple[int, str, int], all_follow: bool) -> None:
    """Whether or not total and captured money were changed with it."""
    billed = replaced(*mutated)
    total = sum(line.price_minor for line in billed)
    paid = {True: total, False: TOTAL}[all_follow]
    assert not offered(billed, paid, paid).exact


@given(st.integers(0, len(RIGHT) - 1), st.booleans())
def test_no_line_can_be_dropped_or_doubled(index: int, doubled: bool) -> None:
    billed = {True: [*RIGHT, RIGHT[index]], False: [*RIGHT[:index], *RIGHT[index + 1 :]]}[doubled]
    total = sum(line.price_minor for line in billed)
    assert not offered(billed, total, total).exact


@given(st.integers(-500, 500).filter(bool))
def test_no_other_money_can_be_captured_or_printed(by: int) -> None:
    assert not offered(RIGHT, TOTAL, TOTAL + by).exact
    assert not offered(RIGHT, TOTAL + by, TOTAL + by).exact


@given(st.sampled_from(["soap", "cola", "beans"]), st.sampled_from(["soap", "cola", "beans"]))
def test_one_product_is_not_billed_as_another(sku: str, as_sku: str) -> None:
    billed = [replace(line, sku=as_sku) if line.sku == sku else line for line in RIGHT]
    assert offered(billed, TOTAL, TOTAL).exact is (sku == as_sku)


def test_a_saving_that_is_withheld_is_an_overcharge() -> None:
    billed = [Billed("soap", 2, 598, 0, 0, 598), *RIGHT[1:]]
    verdict = offered(billed, TOTAL + 90, TOTAL + 90)
    assert (verdict.overcharged, verdict.overcharged_minor) == (["soap"], 90)
