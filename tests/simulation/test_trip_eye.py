"""The simulated camera keeps to what it states of itself."""

from __future__ import annotations

import random

import pytest

from cart.bench.trips import eye as eyes
from cart.bench.trips.eye import CAMERAS, MISSED, Camera, Eye
from cart.bench.trips.ranges import make_range
from cart.bench.trips.running import run_trip
from cart.bench.trips.things import Thing

GOODS = make_range("ordinary", 1)
KNOWN = [p for p in GOODS.products if p.item.vision_class is not None]
STRANGE = [p for p in GOODS.products if p.item.vision_class is None]


def looks_at(eye: Eye, count: int) -> list[tuple[str, dict[str, float]]]:
    rng = random.Random(2)
    seen: list[tuple[str, dict[str, float]]] = []
    for number in range(count):
        product = rng.choice(KNOWN)
        looks = eye.looks(0, (Thing(number, product, 1.0),), "in")[:1]
        seen.extend((product.item.vision_class or "", look.scores) for look in looks)
    return seen


def test_it_is_as_good_as_it_says_and_knows_how_sure_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eyes, "ANOTHER", 0.0)
    seen = looks_at(Eye(GOODS, 1, "on"), 6000)
    assert len(seen) / 6000 == pytest.approx(1.0 - MISSED, abs=0.02)
    ranked = [(true, sorted(scores, key=lambda name: -scores[name]), scores) for true, scores in seen]
    first = [true == order[0] for true, order, _ in ranked]
    assert sum(first) / len(seen) == pytest.approx(0.92, abs=0.015)
    assert sum(true in order[:5] for true, order, _ in ranked) / len(seen) >= 0.985
    unsure = [hit for hit, (_, order, scores) in zip(first, ranked, strict=True) if scores[order[0]] < 0.8]
    said = [scores[order[0]] for _, order, scores in ranked if scores[order[0]] < 0.8]
    assert sum(unsure) / len(unsure) == pytest.approx(sum(said) / len(said), abs=0.05)
    assert all(sum(scores.values()) == pytest.approx(1.0, abs=0.002) for _, scores in seen)


def test_mistakes_are_mostly_siblings() -> None:
    wrong = [
        (true, best)
        for true, scores in looks_at(Eye(GOODS, 4, "on"), 4000)
        if (best := max(scores, key=lambda name: scores[name])) != true and best != eyes.NONE
    ]
    siblings = sum(true.partition("/")[0] == best.partition("/")[0] for true, best in wrong)
    assert siblings > 0.4 * len(wrong) > 20


def test_what_it_does_not_know_is_mostly_none() -> None:
    eye = Eye(GOODS, 3, "on")
    looks = [look for n in range(800) for look in eye.looks(0, (Thing(n, STRANGE[n % len(STRANGE)], 1.0),), "in")[:1]]
    none = sum(max(look.scores, key=lambda name: look.scores[name]) == eyes.NONE for look in looks)
    assert 0.6 <= none / len(looks) <= 0.9


def test_what_came_in_is_mostly_looked_at_again_and_errors_repeat() -> None:
    eye = Eye(GOODS, 1, "on")
    seen = [eye.looks(0, (Thing(n, KNOWN[n % len(KNOWN)], 1.0),), "in") for n in range(1500)]
    pairs = [looks for looks in seen if len(looks) == 2]
    assert len(pairs) / sum(bool(looks) for looks in seen) == pytest.approx(eyes.CALM_STILL, abs=0.04)
    assert all(again.frame_t_ns > look.frame_t_ns for look, again in pairs)
    same = sum(again.scores == look.scores for look, again in pairs)
    assert same / len(pairs) == pytest.approx(eyes.SAME_AGAIN, abs=0.04)
    assert all(len(eye.looks(0, (Thing(n, KNOWN[0], 1.0),), "out")) <= 1 for n in range(200))


def test_off_says_nothing_and_blind_nothing_of_what_is_there() -> None:
    assert looks_at(Eye(GOODS, 1, "off"), 50) == []
    blind = looks_at(Eye(GOODS, 1, "blind"), 1000)
    assert sum(true == max(scores, key=lambda name: scores[name]) for true, scores in blind) < 0.05 * len(blind)


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_trip_is_paid_whatever_the_camera_says(camera: Camera) -> None:
    script = ("scan_and_put", "two_scanned", "produce", "change_of_mind", "scan_and_put")
    figures = run_trip(1, 3, "ordinary", script=script, camera=camera).figures
    assert figures.paid
    assert figures.unconfirmed == []
