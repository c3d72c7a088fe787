"""Clearance stickers (row 19), learned weights (row 26), and the two costs that a decision weighs."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart.core.ledger import InterventionRaised, ItemRemoved, WeightLearned
from cart.core.observations import StaffCommand
from cart.core.session.learning import estimate
from cart.core.settings import Policy
from tests.unit.shopper import CATALOG, ITEMS, Shopper, gtin, item, revived

STICKER = f"(01){gtin(3)}(3922)051"
WRONG = item(30, 400.0, 4.0)
RANGE = msgspec.structs.replace(CATALOG, items=(*ITEMS, WRONG))


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(RANGE).started()


def _priced(shopper: Shopper) -> list[tuple[int, int, str]]:
    return [(line.units, line.price_minor, line.state) for line in shopper.view.lines]


ONE_CHEAP = [(1, 51, "confirmed")]


@pytest.mark.parametrize("order", ["own, sticker, put", "sticker, own, put", "own, put, sticker", "sticker, put, own"])
def test_row_19_the_stickers_price_wins(shopper: Shopper, order: str) -> None:
    for act in order.split(", "):
        if act == "own":
            shopper.scan(3)
        elif act == "sticker":
            shopper.scan_text(STICKER)
        else:
            shopper.put(500.3)
        shopper.wait(1.0)
    shopper.wait(16.0)
    assert _priced(shopper) == ONE_CHEAP
    assert shopper.events(InterventionRaised) == []
    shopper.touch("checkout")
    assert shopper.phase() == "checkout"


def test_row_19_only_the_sticker_is_scanned(shopper: Shopper) -> None:
    shopper.scan_text(STICKER).put(500.3)
    assert _priced(shopper) == ONE_CHEAP


@pytest.mark.parametrize("order", ["own, put, sticker, put", "own, sticker, put, put", "sticker, put, own, put"])
def test_row_19_one_with_a_sticker_and_one_without_are_two(shopper: Shopper, order: str) -> None:
    for act in order.split(", "):
        if act == "own":
            shopper.scan(3)
        elif act == "sticker":
            shopper.scan_text(STICKER)
        else:
            shopper.put(500.3)
        shopper.wait(1.0)
    assert sorted(_priced(shopper)) == [(1, 51, "confirmed"), (1, 103, "confirmed")]
    assert shopper.events(InterventionRaised) == []


def test_row_19_a_unit_bought_long_before_keeps_its_price(shopper: Shopper) -> None:
    shopper.scan(3).put(500.3).wait(30.0)
    shopper.scan_text(STICKER)
    assert sorted(_priced(shopper)) == [(1, 51, "pending"), (1, 103, "confirmed")]


def test_row_26_what_was_learned_is_in_the_ledger_and_survives_a_restart(shopper: Shopper) -> None:
    shopper.scan(7).put(444.0).scan(7).put(444.5)
    learned = shopper.events(WeightLearned)[-1]
    assert learned.sku == "S7"
    assert learned.weight_g == pytest.approx(444.2, abs=0.5)
    assert (learned.catalog_g, learned.wrong) == (None, False)
    shopper.session = revived(shopper, shopper.records())
    shopper.wait(1.0)
    shopper.scan(7).put(800.0)
    assert shopper.open == [("wrong_weight", "hint")]


def test_row_26_one_wrong_placement_does_not_poison_it(shopper: Shopper) -> None:
    shopper.scan(7).put(900.0)
    shopper.scan(7).put(444.0)
    shopper.scan(7).put(445.0)
    shopper.scan(7).put(444.4)
    assert shopper.line(7).state == "confirmed"
    assert shopper.open == []
    assert shopper.events(WeightLearned)[-1].weight_g == pytest.approx(444.7, abs=1.0)


def test_row_26_the_same_weight_again_is_the_shoppers_word(shopper: Shopper) -> None:
    shopper.scan(30).put(500.0).wait(11.0)
    assert shopper.open == [("wrong_weight", "question")]
    shopper.take(500.0).wait(2.0).put(500.2)
    assert shopper.open == []
    assert (shopper.line(30).state, shopper.line(30).proof) == ("confirmed", "shopper")
    learned = shopper.events(WeightLearned)[-1]
    assert (learned.sku, learned.catalog_g, learned.wrong) == ("S30", 400.0, False)


def test_row_26_a_hint_alone_asks_for_no_word(shopper: Shopper) -> None:
    shopper.scan(30).put(500.0).wait(2.0).take(500.0).wait(2.0).put(500.2)
    assert shopper.open == [("wrong_weight", "hint")]


def test_row_26_another_weight_is_not_what_was_asked_about(shopper: Shopper) -> None:
    shopper.scan(30).put(500.0).wait(11.0).take(500.0).wait(2.0).put(530.0)
    assert shopper.open == [("wrong_weight", "hint")]


def test_row_26_a_further_unit_may_weigh_what_the_first_one_did(shopper: Shopper) -> None:
    shopper.scan(30).put(500.0).answer("wrong_weight", "insist")
    shopper.scan(30).put(501.0).scan(30).put(400.5)
    assert shopper.lines == {"S30": (3, "confirmed")}
    assert shopper.open == []


@pytest.mark.parametrize(("weight_g", "limit_minor"), [(900.0, 5000), (500.0, 100)])
def test_row_26_beyond_the_stores_limits_staff_comes(weight_g: float, limit_minor: int) -> None:
    shopper = Shopper(RANGE, Policy(word_total_max_minor=limit_minor)).started()
    shopper.scan(30).put(weight_g).answer("wrong_weight", "insist")
    assert shopper.open == [("wrong_weight", "staff")]


def test_row_26_one_cause_is_asked_about_once(shopper: Shopper) -> None:
    shopper.scan(30).put(500.0).wait(11.0).take(500.0).wait(8.0)
    assert shopper.open == []
    shopper.wait(8.0)
    assert shopper.open == [("not_placed", "hint")]


def _accepted(shopper: Shopper, weight_g: float, command_id: str) -> None:
    shopper.scan(30).put(weight_g)
    shopper.answer("wrong_weight", "insist")
    open_id = shopper.question("wrong_weight").id
    shopper.tell(StaffCommand(t_ns=shopper.t_ns, command_id=command_id, action="resolve", intervention=open_id))


def test_row_26_a_plainly_wrong_catalogue_weight_is_flagged_and_not_asked_again() -> None:
    shopper = Shopper(RANGE, Policy(word_total_max_minor=0)).started()
    _accepted(shopper, 500.0, "c1")
    shopper.scan(30).put(501.0)
    assert shopper.line(30).state == "confirmed"
    assert shopper.open == []
    flags = [e.wrong for e in shopper.events(WeightLearned)]
    assert (flags, shopper.events(WeightLearned)[-1].catalog_g) == ([False, True], 400.0)


def test_row_26_well_known_weights_are_not_learned_anew(shopper: Shopper) -> None:
    shopper.scan(3).put(500.3).scan(2).put(250.4)
    assert shopper.events(WeightLearned) == []


@given(st.lists(st.floats(98.0, 102.0), min_size=3, max_size=8), st.floats(1.0, 5000.0), st.integers(0, 8))
def test_the_median_is_moved_by_no_single_sample(samples: list[float], outlier: float, where: int) -> None:
    with_it = (*samples[:where], outlier, *samples[where:])
    weight_g, sd_g = estimate(tuple(with_it), prior_g=3.0)
    assert 98.0 <= weight_g <= 102.0
    assert sd_g < 6.0


def test_dearer_accusations_are_made_later_and_dearer_losses_earlier() -> None:
    raised = []
    for policy in (Policy(miss_cost=2000.0), Policy(), Policy(accuse_cost=20000.0)):
        shopper = Shopper(RANGE, policy).started()
        shopper.scan(1).put(1034.0 + 3.4 * 8.0)
        raised.append(len(shopper.events(InterventionRaised)))
    assert raised == [1, 0, 0]


def test_a_sticker_takes_the_unit_off_the_other_line_for_a_reason_that_is_told(shopper: Shopper) -> None:
    shopper.scan(3).put(500.3).scan_text(STICKER)
    assert [e.reason for e in shopper.events(ItemRemoved)] == ["other_code"]
