"""What the temperature does to a scale: fitted from a log or refused, taken out again, and never an item with it."""

from __future__ import annotations

import math
import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart.bench.physics import Physics
from cart.bench.platform import Platform
from cart.config import parse_config
from cart.core.calibration import CalibrationRefused
from cart.core.calibration_thermal import WarmReading, fit_thermal
from cart.core.linear import least_squares, solve
from cart.core.settings import ScaleSettings
from cart.core.weighing import Weigher, WeightStep
from cart.core.weighing.thermal import SLEW_G_PER_S, Compensation
from cart.diagnostics import temperature
from drivers.sim.sysfs import SimSysfs
from drivers.thermometer import Thermometer
from tests.unit.simulated_world import config_text

S = 1_000_000_000
SCALE = ScaleSettings(counts_per_gram=21.5, tare_counts=84213)
DRIFTS = Physics(
    noise_g=1.0, wander_g=0.0, creep=0.0, glitches_per_hour=0.0, gaps_per_hour=0.0, jitter_s=0.0, drift_g_per_k=5.0,
    span_per_k=1e-4,
)  # fmt: skip


def night(*, hours: float = 8.0, swing_k: float = 8.0, load_g: float = 0.0, from_s: float = 0.0) -> list[float]:
    """The air's temperature each minute: down and up again."""
    return [20.0 - swing_k * math.sin(math.pi * minute / (60 * hours)) for minute in range(round(60 * hours))]


def logged(
    platform: Platform, air: list[float], *, load_g: float = 0.0, start_s: float = 0.0, seed: int = 1
) -> list[WarmReading]:
    """What `cart calibrate --temperature` writes down of such a night; the thermometer sits at the cell."""
    rng = random.Random(seed)
    found = []
    for minute, celsius in enumerate(air):
        t_s = start_s + 60.0 * minute
        platform.temperature(celsius - 20.0 - platform._kelvin_to)
        counts = [platform.counts_at(round((t_s + i / 80) * 1e9)) for i in range(40)]
        sensed = 20.0 + platform._kelvin + rng.gauss(0.0, 0.1)
        found.append(WarmReading(t_s, sensed, sum(counts) / len(counts), load_g))
    return found


def test_a_night_gives_zero_per_kelvin() -> None:
    fit = fit_thermal(logged(Platform(SCALE, 4, DRIFTS), night()), counts_per_gram=21.5, reference_celsius=20.0)
    assert fit.zero_g_per_kelvin == pytest.approx(5.0, rel=0.1)
    assert fit.span_per_kelvin == 0.0
    assert fit.tare_counts == pytest.approx(84213, abs=60)
    assert fit.rms_with_g < 0.3 * fit.rms_without_g
    assert fit.high_celsius - fit.low_celsius > 6.0


def test_a_second_night_with_a_load_gives_span_per_kelvin() -> None:
    empty = logged(Platform(SCALE, 4, DRIFTS), night())
    platform = Platform(SCALE, 5, DRIFTS)
    platform.preload(20_000.0)
    loaded = logged(platform, night(), load_g=20_000.0)
    later = [msgspec.structs.replace(one, t_s=one.t_s + 90_000.0) for one in loaded]
    # By turns, an hour at a time, as the log wants it
    readings = [one for hour in range(8) for log in (empty, later) for one in log[60 * hour : 60 * hour + 60]]
    fit = fit_thermal(readings, counts_per_gram=21.5, reference_celsius=20.0)
    assert fit.zero_g_per_kelvin == pytest.approx(5.0, rel=0.1)
    assert fit.span_per_kelvin == pytest.approx(1e-4, rel=0.15)


@pytest.mark.parametrize(
    ("air", "why"),
    [
        (night()[:20], "20 readings"),
        (night(swing_k=3.0), r"changed by [0-9.]+ K"),
        (night()[:200], "only got colder"),
    ],
)
def test_a_log_that_does_not_say_it_is_refused(air: list[float], why: str) -> None:
    with pytest.raises(CalibrationRefused, match=why):
        fit_thermal(logged(Platform(SCALE, 4, DRIFTS), air), counts_per_gram=21.5, reference_celsius=20.0)


def test_a_thermometer_that_knows_nothing_of_the_cell_is_refused() -> None:
    readings = logged(Platform(SCALE, 4, DRIFTS), night())
    elsewhere = [
        msgspec.structs.replace(one, celsius=45.0 + 8.0 * math.sin(at / 37.0)) for at, one in enumerate(readings)
    ]
    with pytest.raises(CalibrationRefused, match="explains too little"):
        fit_thermal(elsewhere, counts_per_gram=21.5, reference_celsius=20.0)


def test_a_log_with_a_load_alone_is_refused() -> None:
    readings = [msgspec.structs.replace(one, load_g=5000.0) for one in logged(Platform(SCALE, 4, DRIFTS), night())]
    with pytest.raises(CalibrationRefused, match="log the empty basket"):
        fit_thermal(readings, counts_per_gram=21.5, reference_celsius=20.0)


FITTED = msgspec.structs.replace(
    SCALE, zero_g_per_kelvin=5.0, span_per_kelvin=1e-4, reference_celsius=20.0, compensated_celsius=(10.0, 30.0)
)


def followed(fitted: ScaleSettings, *, load_g: float) -> tuple[Weigher, list[WeightStep], list[float]]:
    """Two hours in a colder room with something in the basket, the thermometer told every ten seconds."""
    platform = Platform(SCALE, 7, DRIFTS)
    platform.preload(load_g)
    weigher = Weigher(fitted)
    weigher.warm(0, 20.0)
    platform.temperature(-8.0, over_s=1800.0)
    steps, shown = [], []
    for i in range(1, 2 * 3600 * 10):
        t_ns = i * S // 10
        if i % 100 == 0:
            weigher.warm(t_ns, 20.0 + platform._kelvin)
        steps += [e for e in weigher.feed(t_ns, platform.counts_at(t_ns)) if isinstance(e, WeightStep)]
        if i % 600 == 0 and weigher.live.gross_g is not None:
            shown.append(weigher.live.gross_g)
    return weigher, steps, shown


def test_a_cart_in_the_cold_goes_on_weighing_what_it_did() -> None:
    slow = msgspec.structs.replace(FITTED, samples_per_second=10.0)
    plain = msgspec.structs.replace(SCALE, samples_per_second=10.0)
    drifted, unfitted_steps, unfitted = followed(plain, load_g=4000.0)
    weigher, steps, shown = followed(slow, load_g=4000.0)
    assert steps == unfitted_steps == []
    assert abs(unfitted[-1] - unfitted[0]) > 30.0
    assert max(shown) - min(shown) < 8.0
    assert abs(weigher.drift_g) < 0.3 * abs(drifted.drift_g)
    assert weigher.compensated_g == pytest.approx(-39.0, abs=3.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-40.0, 150.0), min_size=1, max_size=30), st.floats(-50.0, 50.0), st.floats(0.0, 25_000.0))
def test_no_thermometer_however_it_lies_moves_a_weight_fast_or_far(
    told: list[float], zero: float, gross_g: float
) -> None:
    fitted = msgspec.structs.replace(FITTED, zero_g_per_kelvin=zero)
    heat = Compensation(fitted)
    heat.tell(0, told[0])
    before = heat.corrected(0, gross_g)
    furthest_k = 10.0  # from the reference to either end of what was measured
    for at, celsius in enumerate(told, start=1):
        t_ns = at * 10 * S
        heat.tell(t_ns, celsius)
        after = heat.corrected(t_ns, gross_g)
        assert abs(after - before) <= SLEW_G_PER_S * 10 * 1.02 + 1e-6
        assert abs(after - gross_g) <= (abs(zero) + 1e-4 * gross_g) * furthest_k * 1.01 + 1e-6
        before = after


@pytest.mark.parametrize("celsius", [-40.0, 15.0, 150.0])
def test_an_item_that_is_poured_in_slowly_is_found_whatever_the_thermometer_says(celsius: float) -> None:
    rng = random.Random(3)
    weigher = Weigher(FITTED)
    weigher.warm(0, 20.0)
    found = []
    for i in range(1, 80 * 120):
        t_ns = i * S // 80
        if i % 800 == 0:
            weigher.warm(t_ns, celsius)
        poured_g = min(200.0, max(0.0, 0.5 * (i / 80 - 5)))
        counts = round(84213 + 21.5 * (1000.0 * (i > 0) + poured_g + rng.gauss(0, 1.0)))
        found += [e.delta_g for e in weigher.feed(t_ns, counts) if isinstance(e, WeightStep)]
    assert sum(found) == pytest.approx(57.5, abs=12.0)


def test_a_restart_in_the_cold_waits_for_its_thermometer_and_sees_no_step() -> None:
    rng = random.Random(4)

    def restarted(*, told_s: float | None) -> tuple[list[float], float | None]:
        weigher = Weigher(FITTED, reference_g=4000.0, reference_sigma_g=1.0)
        found = []
        for i in range(80 * 8):
            t_ns = i * S // 80
            if told_s is not None and i == round(told_s * 80):
                weigher.warm(t_ns, 12.0)
            cold_g = (4000.0 * (1 - 8e-4)) - 40.0 + rng.gauss(0.0, 1.0)
            steps = weigher.feed(t_ns, round(84213 + 21.5 * cold_g))
            found += [e.delta_g for e in steps if isinstance(e, WeightStep)]
        return found, weigher.live.gross_g

    steps, shown = restarted(told_s=1.5)
    assert steps == []
    assert shown == pytest.approx(4000.0, abs=1.5)
    # A thermometer that never speaks is not waited for: weighing goes on with what the cold has taken.
    steps, shown = restarted(told_s=None)
    assert steps == pytest.approx([-43.0], abs=2.0)
    assert shown == pytest.approx(3957.0, abs=2.0)


def test_an_unfitted_scale_and_one_that_knows_no_temperature_are_left_alone() -> None:
    for heat in (Compensation(SCALE), Compensation(FITTED)):
        assert heat.corrected(S, 123.0) == 123.0
        assert not heat.active
    told = Compensation(SCALE)
    told.tell(0, 35.0)
    assert told.corrected(S, 123.0) == 123.0


def test_a_temperature_that_comes_late_is_no_jump() -> None:
    heat = Compensation(FITTED)
    assert heat.corrected(0, 0.0) == 0.0
    heat.tell(S, 30.0)
    assert abs(heat.corrected(2 * S, 0.0)) <= 2 * SLEW_G_PER_S
    assert abs(heat.corrected(4000 * S, 0.0)) == pytest.approx(50.0, rel=0.01)


def test_the_thermometer_reads_the_processor_or_a_file_or_says_why_not(tmp_path: Path) -> None:
    sysfs = SimSysfs(tmp_path)
    sysfs.set_temperature(41.5)
    assert Thermometer("soc", sysfs=tmp_path).read().value == 41.5
    sensor = tmp_path / "temperature"
    assert "plugged in" in Thermometer(str(sensor)).read().reason
    for text, value, reason in (("21375\n", 21.375, ""), ("85 C", None, "no whole number"), ("-99000", None, "wires")):
        sensor.write_text(text)
        known = Thermometer(str(sensor)).read()
        assert known.value == value
        assert reason in known.reason


def test_diag_tells_what_is_compensated_and_where_it_was_not_measured(tmp_path: Path) -> None:
    sysfs = SimSysfs(tmp_path)
    keys = 'thermometer = "soc"\nzero_g_per_kelvin = 5.0\ncompensated_celsius = [10.0, 30.0]\n[gpio]'
    config = parse_config(config_text(tmp_path).replace("[gpio]", keys, 1), source="test")
    sysfs.set_temperature(25.0)
    figures, finding = temperature.look(config)
    assert (figures["celsius"], figures["compensates_g"], finding) == (25.0, 25.0, "")
    sysfs.set_temperature(40.0)
    assert "beyond the 10.0 to 30.0 °C" in temperature.look(config)[1]
    sysfs.set_temperature(None)
    assert "not known" in temperature.look(config)[1]


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3), st.integers(0, 1000))
def test_equations_are_solved(x: list[float], seed: int) -> None:
    rng = random.Random(seed)
    matrix = [[rng.uniform(-1, 1) + 4.0 * (i == j) for j in range(3)] for i in range(3)]
    right = [sum(a * b for a, b in zip(row, x, strict=True)) for row in matrix]
    assert solve(matrix, right) == pytest.approx(x, abs=1e-9)
    assert least_squares([*matrix, *matrix], [*right, *right]) == pytest.approx(x, abs=1e-9)


def test_equations_without_one_answer_are_not() -> None:
    with pytest.raises(ZeroDivisionError):
        solve([[1.0, 2.0], [2.0, 4.0]], [1.0, 2.0])
