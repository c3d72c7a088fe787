"""What a scale that prices goods must and must not do, each rule against the cart as a whole.

The rules are those of OIML R 76-1:2006 for class III. No approval follows from these tests.
"""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart.core.calibration import CheckResult
from cart.core.observations import PartChanged, ScaleSample, StaffCommand
from cart.core.rounding import in_intervals, weighed_price, whole_grams
from cart.core.settings import Policy, ScaleSettings
from cart.core.weighing import Weigher
from cart.core.weighing.zero import INITIAL_G, INTERVAL_G, NEAR_ZERO_G, ZeroTracking
from cart.diagnostics.certificate import of_checks
from tests.unit.shopper import SCALE, Shopper

S = 1_000_000_000


@pytest.fixture
def shopper() -> Shopper:
    return Shopper().started()


def level(weigher: Weigher, grams: float, seconds: float, start_s: float) -> float:
    """Noise-free enough counts of a level, and then the gross weight that is shown."""
    for i in range(round(seconds * 80)):
        t_ns = round((start_s + i / 80) * S)
        weigher.feed(t_ns, round(84213 + 21.5 * (grams + 0.3 * (-1) ** i)))
    gross_g = weigher.live.gross_g
    assert gross_g is not None
    return gross_g


@pytest.mark.parametrize("interval_g", [1.0, 2.0, 5.0, 10.0])
def test_no_price_below_twenty_intervals_whatever_e_is(interval_g: float) -> None:
    shopper = Shopper(policy=Policy(verification_interval_e_g=interval_g)).started()
    shopper.touch("produce", sku="S9")
    shopper.put(20 * interval_g - 5.0)
    assert shopper.line(9).price_minor == 0
    shopper.put(15.0)
    assert shopper.line(9).price_minor > 0


def test_no_price_while_the_weight_moves(shopper: Shopper) -> None:
    shopper.touch("produce", sku="S9")
    for i in range(240):
        shopper.t_ns += 12_500_000
        noise_g = (i * 2654435761 >> 7) % 9 / 9
        grams = 600.0 + 80.0 * math.sin(i / 7) + noise_g  # somebody's hand is on it
        shopper.tell(ScaleSample(t_ns=shopper.t_ns, counts=round(84213 + 21.5 * grams)))
        assert shopper.view.total_minor == 0
    assert not shopper.view.weight.stable
    shopper.mass_g = 600.0
    shopper.wait(2.0)
    assert shopper.view.total_minor == weighed_price(199, 600)


def test_no_price_below_zero(shopper: Shopper) -> None:
    shopper.touch("produce", sku="S9")
    shopper.take(400.0)  # zero was set with something on it
    assert shopper.lines == {"S9": (1, "pending")}
    assert shopper.view.total_minor == 0


def test_no_price_over_capacity(shopper: Shopper) -> None:
    shopper.touch("produce", sku="S9")
    shopper.put(31_000.0, wait_s=2.0)
    assert shopper.view.weight.over_capacity
    assert shopper.view.total_minor == 0


def test_a_bag_that_was_declared_is_tare_and_costs_nothing(shopper: Shopper) -> None:
    shopper.touch("own_bag")
    shopper.put(310.0)
    shopper.touch("produce", sku="S9")
    shopper.put(612.0)
    assert shopper.line(9).weight_g == pytest.approx(612.0, abs=0.5)
    assert shopper.line(9).price_minor == weighed_price(199, whole_grams(shopper.line(9).weight_g or 0.0))


def test_goods_are_shown_and_priced_in_the_scales_own_steps() -> None:
    shopper = Shopper(policy=Policy(price_interval_g=5)).started()
    shopper.touch("produce", sku="S9")
    shopper.put(613.0)
    assert shopper.line(9).weight_g == 615.0
    assert shopper.line(9).price_minor == weighed_price(199, 615)
    produce = shopper.view.produce
    assert produce is not None
    assert produce.net_g == 615.0


@given(st.floats(0.0, 30_000.0), st.sampled_from([1, 2, 5, 10, 20]))
def test_rounding_is_to_the_nearest_step(weight_g: float, interval_g: int) -> None:
    shown = in_intervals(weight_g, interval_g)
    assert shown % interval_g == 0
    assert abs(shown - weight_g) <= interval_g / 2 + 1e-9


@given(st.integers(0, 30_000), st.integers(1, 100_000))
def test_the_price_is_that_of_the_weight_as_shown_to_the_nearest_unit(grams: int, per_kg: int) -> None:
    assert abs(1000 * weighed_price(per_kg, grams) - per_kg * grams) <= 500


def test_zero_is_set_at_the_start_within_its_range_and_never_with_a_load_on() -> None:
    inside, beyond = Weigher(SCALE), Weigher(SCALE)
    assert level(inside, 0.8 * INITIAL_G, 2.0, 0.0) == pytest.approx(0.0, abs=0.5)
    assert level(beyond, 1.2 * INITIAL_G, 2.0, 0.0) == pytest.approx(1.2 * INITIAL_G, abs=0.5)
    # Initial zero setting may reach 20 % of the capacity, zero setting 4 % (OIML R 76-1, 4.5.1).
    assert 0.04 * SCALE.capacity_g > INITIAL_G


@given(st.floats(-20.0, 20.0), st.floats(0.1, 3.0))
def test_zero_tracking_is_no_faster_than_half_an_interval_a_second_and_near_zero_only(off_g: float, sd: float) -> None:
    # OIML R 76-1, 4.5.7
    tracking = ZeroTracking(set_initially=False)
    for _ in range(80):
        tracking.follow(off_g, sd, 1 / 80)
    assert abs(tracking.offset_g) <= 0.5 * INTERVAL_G + 1e-9
    near = abs(off_g) <= NEAR_ZERO_G + 0.2 * sd
    assert (tracking.offset_g != 0.0) == (near and off_g != 0.0)


def test_a_load_is_never_tracked_away() -> None:
    weigher = Weigher(ScaleSettings(counts_per_gram=21.5, tare_counts=84213))
    level(weigher, 0.0, 2.0, 0.0)
    assert level(weigher, 12.0, 120.0, 2.0) == pytest.approx(12.0, abs=1.0)


def test_errors_are_judged_by_the_interval_that_is_configured() -> None:
    checks = [CheckResult(load_g, error_g, 2.5, 5.0) for load_g, error_g in ((2500.0, 2.4), (10_000.0, 4.9))]
    at_five, at_two = of_checks(checks, 5.0), of_checks(checks, 2.0)
    assert [(one.error_e, one.permitted_e, one.passed) for one in at_five] == [(0.48, 0.5, True), (0.98, 1.0, True)]
    assert [(one.error_e, one.permitted_e, one.passed) for one in at_two] == [(1.2, 1.0, False), (2.45, 1.5, False)]


def command(action: str, number: int, t_ns: int) -> StaffCommand:
    return StaffCommand(t_ns=t_ns, command_id=f"c{number}", action=action)  # type: ignore[arg-type]


def test_a_latched_fault_stays_until_a_technician_has_looked() -> None:
    shopper = Shopper().started()
    session = shopper.session
    faults = [("scale", "cell_dead")]
    shopper.tell(PartChanged(t_ns=shopper.t_ns, part="scale", ok=False, fault="cell_dead", detail="rear left cell"))
    shopper.tell(PartChanged(t_ns=shopper.t_ns, part="scale", ok=True))
    assert [(n.part, n.fault) for n in session.view().notices] == faults
    shopper.tell(command("void_trip", 1, shopper.t_ns))
    shopper.tell(command("maintenance", 2, shopper.t_ns))
    assert session.view().phase == "maintenance"
    assert session.view().notices == []


def test_a_cell_that_is_still_dead_stays_named_in_maintenance() -> None:
    shopper = Shopper().started()
    shopper.tell(PartChanged(t_ns=shopper.t_ns, part="scale", ok=False, fault="cell_dead", detail="rear left cell"))
    shopper.tell(command("void_trip", 1, shopper.t_ns))
    shopper.tell(command("maintenance", 2, shopper.t_ns))
    assert shopper.session.view().phase == "maintenance"
    assert [n.fault for n in shopper.session.view().notices] == ["cell_dead"]


def test_the_policys_intervals_are_above_zero() -> None:
    for key in ("verification_interval_e_g", "price_interval_g"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({key: 0}, Policy)
