"""Steps that a scan foretells are believed sooner, and never weighed differently."""

from __future__ import annotations

import pytest

from cart.bench.physics import Physics
from cart.bench.platform import Platform
from cart.core.ledger import WeightStepSeen
from cart.core.settings import ScaleSettings
from cart.core.weighing import Foretold, Weigher, WeightStep
from cart.core.weighing.odds import EVIDENCE, EVIDENCE_MIN, FORETOLD_MAX, Odds
from tests.unit.shopper import Shopper

S = 1_000_000_000
SETTINGS = ScaleSettings(counts_per_gram=21.5, tare_counts=84_213)
PLAIN = Physics(glitches_per_hour=0.0, gaps_per_hour=0.0, wander_g=2.0)


def weighed(seed: int, mass_g: float, foretold: list[Foretold]) -> tuple[WeightStep, int]:
    world = Platform(SETTINGS, seed, PLAIN)
    rest_ns = world.put(3 * S, mass_g)
    weigher = Weigher(SETTINGS)
    weigher.expect(foretold)
    events = [event for t_ns, counts in world.conversions(0, 6 * S) for event in weigher.feed(t_ns, counts)]
    (step,) = [event for event in events if isinstance(event, WeightStep)]
    return step, rest_ns


@pytest.mark.parametrize("mass_g", [20.0, 80.0, 150.0])
def test_a_foretold_item_is_registered_sooner_at_the_weight_it_has(mass_g: float) -> None:
    sooner = 0
    for seed in range(8):
        plain, _ = weighed(seed, mass_g, [])
        foretold, rest_ns = weighed(seed, mass_g, [Foretold(mass_g + 1.5, 0.03 * mass_g)])
        assert rest_ns < foretold.decided_ns <= plain.decided_ns
        assert foretold.delta_g == pytest.approx(mass_g, abs=4 * foretold.sigma_g)
        sooner += foretold.decided_ns < plain.decided_ns
    assert sooner >= 6


def test_nothing_is_gained_by_another_weight_or_the_other_direction() -> None:
    odds = Odds()
    odds.foretold = [Foretold(300.0, 6.0), Foretold(-45.0, 1.0)]
    assert odds.gain(302.0, 1.0) > 3.0
    assert odds.gain(-45.5, 1.0) > 2.0
    assert odds.gain(340.0, 1.0) == 0.0
    assert odds.gain(-300.0, 1.0) == 0.0
    assert odds.gain(45.0, 1.0) == 0.0


def test_the_more_is_foretold_the_less_it_says() -> None:
    odds = Odds()
    gains = []
    for many in (1, 5, 30):
        odds.foretold = [Foretold(100.0 + 50.0 * k, 5.0) for k in range(many)]
        gains.append(odds.gain(100.0, 1.0))
    assert gains[0] > gains[1] > gains[2]


def test_hands_make_no_step_of_what_is_foretold() -> None:
    for seed in range(4):
        world = Platform(SETTINGS, seed, PLAIN)
        world.preload(4000.0)
        world.rummage(3 * S, 8.0, 500.0)
        world.lean(13 * S, 800.0, 4.0)
        world.move(19 * S, 600.0, duration_s=3.0)
        weigher = Weigher(SETTINGS)
        weigher.expect([Foretold(g, 0.02 * g) for g in (250.0, 800.0)])
        assert [e for t_ns, counts in world.conversions(0, 24 * S) for e in weigher.feed(t_ns, counts)] == []


@pytest.mark.parametrize("lost", [5, 20])
def test_words_lost_while_nothing_moves_are_no_touch(lost: int) -> None:
    """A host is too busy to read for 60 ms, or for a quarter of a second, once a second: that is no hand."""
    for seed in range(4):
        world = Platform(SETTINGS, seed, PLAIN)
        rest_ns = world.put(9 * S, 150.0)
        words = list(world.conversions(0, 12 * S))
        decided: list[int] = []
        for kept in (words, [w for number, w in enumerate(words) if number % 80 >= lost or w[0] > 8 * S]):
            weigher = Weigher(SETTINGS)
            weigher.expect([Foretold(151.0, 4.0)])
            events = [event for t_ns, counts in kept for event in weigher.feed(t_ns, counts)]
            (step,) = [event for event in events if isinstance(event, WeightStep)]
            decided.append(step.decided_ns - rest_ns)
        assert decided[1] == pytest.approx(decided[0], abs=0.03 * S)


def test_a_scan_and_what_is_inside_foretell() -> None:
    def seconds(shopper: Shopper, mass_g: float) -> float:
        before_ns = shopper.t_ns
        shopper.put(mass_g)
        seen = [r for r in shopper.records() if isinstance(r.event, WeightStepSeen)][-1]
        return (seen.t_ns - before_ns) / S

    scanned = Shopper().started().scan(4)
    unscanned = Shopper().started().scan(2)
    assert seconds(scanned, 139.0) < seconds(unscanned, 139.0)
    # What was weighed going in is known going out.
    assert scanned.lines["S4"] == (1, "confirmed")
    assert seconds(scanned, -139.0) < seconds(unscanned, -130.0)


def test_hands_that_stay_in_the_basket_gain_less_by_what_is_foretold() -> None:
    odds = Odds()

    def asked(delta_g: float) -> float:
        return odds.asked(
            10 * S, delta_g, 1.0, sigma_g=1.0, quiet_s=0.1, busy_s=0.0, released=False, slow=False
        )  # fmt: skip

    def gained() -> float:
        odds.foretold = []
        plain = asked(300.0)
        odds.foretold = [Foretold(300.0, 6.0)]
        return plain - asked(300.0)

    calm = gained()
    odds.touched(9 * S)
    once = gained()
    odds.touched(round(9.5 * S))
    assert calm == pytest.approx(2 * once)
    assert once == pytest.approx(2 * gained())


def test_an_item_with_a_hand_still_on_it_is_not_the_item() -> None:
    odds = Odds()
    odds.foretold = [Foretold(1936.0, 38.0)]
    assert odds.gain(1936.0 + 70.0, 1.0) > 1.0
    assert odds.gain(1936.0 + 111.0, 1.0) == 0.0


def test_what_is_foretold_stands_for_no_more_than_most_of_the_evidence() -> None:
    odds = Odds()
    odds.foretold = [Foretold(300.0, 0.1)]
    assert odds.gain(300.0, 0.1) == FORETOLD_MAX
    assert FORETOLD_MAX < EVIDENCE - EVIDENCE_MIN


def test_a_hand_that_hovered_is_weighed_against_how_long_a_light_touch_lasts() -> None:
    def asked(quiet_s: float, more: float) -> float:
        return Odds().asked(
            10 * S, 20.0, 1.0, sigma_g=1.0, quiet_s=quiet_s, busy_s=0.0, released=False, slow=False, more=more
        )  # fmt: skip

    assert asked(0.1, 6.0) == pytest.approx(asked(0.1, 0.0) + 6.0)
    assert asked(1.2, 6.0) == asked(1.2, 0.0) == EVIDENCE_MIN


@pytest.mark.parametrize("seed", [2, 3])
def test_a_light_thing_that_is_lifted_out_just_before_a_heavy_one_goes_in_is_a_step_of_its_own(seed: int) -> None:
    """Half a second between them: hands press, and seldom hold a thing up by a part of its weight for so long."""
    world = Platform(SETTINGS, seed, PLAIN)
    world.put(2 * S, 18.0)
    world.put(4 * S, 3000.0)
    out_ns = world.take(7 * S, 18.0)
    world.put(out_ns + round(0.45 * S), 5600.0)
    weigher = Weigher(SETTINGS)
    weigher.expect([Foretold(-18.0, 0.5), Foretold(-3000.0, 5.0), Foretold(5600.0, 40.0)])
    events = [event for t_ns, counts in world.conversions(0, 11 * S) for event in weigher.feed(t_ns, counts)]
    steps = [event.delta_g for event in events if isinstance(event, WeightStep)]
    assert steps == [pytest.approx(g, abs=0.001 * abs(g) + 1.0) for g in (18.0, 3000.0, -18.0, 5600.0)]
