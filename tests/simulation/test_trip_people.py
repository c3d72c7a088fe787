"""What simulated people do when they are asked: no more and no less than people would."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cart.bench.trips import acts, answers, cheats, staff
from cart.bench.trips.auditor import Auditor, Billed, Tag
from cart.bench.trips.eye import Eye
from cart.bench.trips.people import HABITS
from cart.bench.trips.ranges import Product, make_range
from cart.bench.trips.rig import Rig
from cart.bench.trips.shopper import Shopper
from cart.bench.trips.things import Thing, World
from cart.core.view import CandidateView, InterventionView

GOODS = make_range("ordinary", 1)
EACH = next(p for p in GOODS.products if p.item.unit == "each" and not p.badly_catalogued and p.mean_g > 100.0)
LOOSE = next(p for p in GOODS.products if p.item.unit == "kg")


class Recorded(Shopper):
    """A shopper whose touches go nowhere; `says` is what they told the cart, `screen` what it shows."""

    def __init__(self) -> None:
        self.says: list[tuple[str, dict[str, Any]]] = []
        auditor = Auditor({p.item.sku: Tag(p.item.price_minor, p.item.unit == "kg") for p in GOODS.products})
        rig = Rig(GOODS.catalog, 1, heard=lambda _t, _e: None, captured=auditor.captured)
        super().__init__(
            rig, World(), auditor, GOODS, HABITS["ordinary"], seed=1, respond=answers.respond,
            eye=Eye(GOODS, 1, "off"),
        )  # fmt: skip
        self.pause(1.0)

    def touch(self, action: str, **fields: object) -> None:
        self.says.append((action, dict(fields)))

    def inside(self, product: Product, weight_g: float) -> Thing:
        thing = self.world.thing(product, weight_g)
        thing.scanned = True
        self.put(thing)
        return thing


def asked(kind: str, product: Product | None, *choices: str, stage: str = "question") -> InterventionView:
    sku = product.item.sku if product is not None else None
    return InterventionView(
        id=77, kind=kind, stage=stage, sku=sku, line=1, name="x", candidates=[], choices=list(choices),  # type: ignore[arg-type]
        delta_g=None, reason="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "confirmed"),
    [("add", True), ("insist", True), ("in_basket", True), ("all_scanned", False), ("remove", False), ("mine", False)],
)
def test_a_tap_confirms_a_line_only_if_it_keeps_a_unit(choice: str, confirmed: bool) -> None:
    s = Recorded()
    s.tap(asked("extra_unit", EACH, choice), choice)
    sku = EACH.item.sku
    s.auditor.captured("a", EACH.item.price_minor)
    verdict = s.auditor.judge([Billed(sku, 1, EACH.item.price_minor)], EACH.item.price_minor)
    assert verdict.overcharged == [sku]
    assert (verdict.unconfirmed == []) is confirmed


def test_staff_do_not_come_to_who_is_believed() -> None:
    s = Recorded()
    assert answers._stand_by(s, asked("wrong_weight", EACH, "insist"), "insist")
    assert s.staff_visits == 0
    assert not answers._stand_by(s, asked("wrong_weight", EACH), "insist")


@pytest.mark.parametrize(
    ("kind", "choice"), [("unscanned_item", "all_scanned"), ("extra_unit", "all_scanned"), ("not_placed", "in_basket")]
)
def test_people_try_the_thing_again_before_they_stand_by_it(
    monkeypatch: pytest.MonkeyPatch, kind: str, choice: str
) -> None:
    s = Recorded()
    monkeypatch.setattr(Shopper, "shown", lambda *_: 1)  # what is inside stands on the screen
    s.inside(EACH, 200.0)
    question = asked(kind, EACH, choice)
    answer = answers._ANSWERS[kind]
    assert not answer(s, question, 0)
    assert s.says == []
    assert answer(s, question, 1)
    assert s.says == [("answer", {"intervention": 77, "choice": choice})]


def test_who_has_not_scanned_a_thing_does_not_say_that_everything_is_scanned() -> None:
    s = Recorded()
    s.inside(EACH, 200.0).scanned = False
    assert answers._unscanned(s, asked("unscanned_item", None, "mine", "all_scanned"), 1)
    assert all(says[1].get("choice") != "all_scanned" for says in s.says)
    assert s.world.unscanned == []


def test_staff_lift_loose_goods_before_they_accept_them() -> None:
    s = Recorded()
    thing = s.inside(LOOSE, 500.0)
    before = len(s.world.diary)
    staff._weigh_anew(s, asked("not_placed", LOOSE, stage="staff"))
    assert [entry.kind for entry in s.world.diary[before:]] == ["take", "put"]
    assert thing in s.world.inside


def test_a_thing_among_the_guesses_is_tapped_or_scanned_and_nothing_else() -> None:
    guess = CandidateView(choice=EACH.item.sku, sku=EACH.item.sku, name="x", names={}, price_minor=1)
    ways: set[str] = set()
    for number in range(12):
        s = Recorded()
        s.rng.seed(number)
        s.inside(EACH, 200.0).scanned = False
        question = asked("unscanned_item", None, "mine")
        question.candidates.append(guess)
        assert answers._unscanned(s, question, 0)
        assert s.world.unscanned == []
        ways.add("tap" if s.says and s.says[-1][1].get("choice") == EACH.item.sku else "scan")
    assert ways == {"tap", "scan"}


def test_puzzled_people_lift_what_had_gone_in_when_the_question_came_up() -> None:
    s = Recorded()
    meant = s.inside(EACH, 200.0)
    s._newest[77] = meant
    s.inside(EACH, 201.0)
    assert answers._meant(s, asked("unscanned_item", None)) is meant


@pytest.mark.parametrize(("delta_g", "says"), [(300.0, True), (40.0, False)])
def test_my_own_is_said_only_of_what_weighs_so_or_has_just_gone_in(delta_g: float, says: bool) -> None:
    s = Recorded()
    bag = s.world.thing(None, 310.0)
    s.put(bag)
    s.inside(EACH, 200.0)
    question = msgspec.structs.replace(asked("unscanned_item", None, "mine"), delta_g=delta_g)
    s._newest[77] = s.world.inside[-1]
    assert (answers._meant_own(s, question, s.world.undeclared, []) is bag) is says
    s._newest[77] = bag
    assert answers._meant_own(s, question, s.world.undeclared, []) is bag


@pytest.mark.parametrize(("waited_s", "choice"), [(10.0, EACH.item.sku), (90.0, "none_of_these")])
def test_what_was_taken_out_is_remembered_for_a_minute(
    monkeypatch: pytest.MonkeyPatch, waited_s: float, choice: str
) -> None:
    monkeypatch.setattr(answers, "TAPS", 1.0)
    s = Recorded()
    thing = s.inside(EACH, 200.0)
    s.take(thing, why="for good", for_good=True)
    s.rig.wait(waited_s)
    question = asked("which_removed", None, "none_of_these")
    question.candidates.append(
        CandidateView(choice=EACH.item.sku, sku=EACH.item.sku, name="x", names={}, price_minor=1)
    )
    assert answers._which_removed(s, question, 0)
    assert s.says[-1][1]["choice"] == choice


def test_nobody_forgets_to_scan_what_no_scale_can_see() -> None:
    for number in range(40):
        s = Recorded()
        s.rng.seed(number)
        acts.forgotten_scan(s)
        assert s.world.inside[-1].weight_g >= acts.VISIBLE_G


def test_a_wrong_flavour_is_scanned_of_what_the_catalogue_knows_the_weight_of(monkeypatch: pytest.MonkeyPatch) -> None:
    s = Recorded()
    blank = next(p for p in GOODS.products if p.item.weight_g is None and p.item.unit == "each")
    heavy = next(p for p in GOODS.products if p.item.unit == "each" and p.mean_g > 2.0 * EACH.mean_g)
    light = next(p for p in GOODS.products if (p.item.weight_g or 9.0) < acts.VISIBLE_G)
    picked = iter([blank, heavy, light, heavy, EACH, heavy])
    monkeypatch.setattr(s, "pick", lambda: s.another(next(picked)))
    acts.wrong_flavour(s)
    assert [entry.skus for entry in s.world.diary if entry.kind == "scan"] == [(EACH.item.sku,)]


def test_the_same_weight_is_put_in_for_a_cheaper_thing() -> None:
    s = Recorded()
    act = cheats.Cheating("same_weight")
    cheats.cheat(s, act)
    assert act.done
    assert act.thing is not None
    assert act.thing.product is not None
    cheap = next(p for p in GOODS.products if p.item.sku == act.sku)
    assert cheap.item.price_minor < act.thing.product.item.price_minor
    assert act.sigmas < 6.0


def test_loose_goods_are_put_in_on_their_own_as_asked_and_nobody_insists() -> None:
    s = Recorded()
    thing = s.inside(LOOSE, 500.0)
    before = len(s.world.diary)
    question = msgspec.structs.replace(asked("wrong_weight", LOOSE, "remove", "insist"), reason="not_alone")
    for attempt in range(answers.TRIES_MAX):
        assert answers._wrong_weight(s, question, attempt)
    assert [entry.kind for entry in s.world.diary[before:]] == ["take", "put"] * answers.TRIES_MAX
    assert thing in s.world.inside
    assert not [says for says in s.says if says[1].get("choice") == "insist"]


def test_who_hides_a_thing_owns_up_to_no_other_question() -> None:
    s = Recorded()
    hidden = s.inside(EACH, 200.0)
    hidden.scanned, hidden.cheat = False, "unscanned"
    s.inside(EACH, 201.0)
    other = msgspec.structs.replace(asked("unscanned_item", None, "mine"), delta_g=75.0)
    assert answers._admitted(s, other) == []
    assert answers._admitted(s, msgspec.structs.replace(other, delta_g=199.0)) == [hidden]
