"""A platform on four cells from the hands to the weighing: shares, places, trims, and a cell that is dead."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart.bench.corners import CornerPlatform
from cart.bench.physics import Physics
from cart.core.calibration import CalibrationRefused
from cart.core.calibration_corners import fit_trims
from cart.core.settings import ScaleSettings
from cart.core.weighing import ScaleFault, Weigher, WeightStep
from cart.core.weighing.cells import CORNERS, Place, combined
from drivers.errors import NotReady
from drivers.sim.wire import ScaleFault as WireFault
from tests.contract.simulated_scale import START_NS, FourRig

S = 1_000_000_000
PERIOD_NS = S // 80
CELL = ScaleSettings(counts_per_gram=21.5, tare_counts=84213)
CALM = Physics(noise_g=1.0, wander_g=0.0, creep=0.0, glitches_per_hour=0.0, gaps_per_hour=0.0, jitter_s=0.0)
GAINS = (1.03, 0.98, 1.01, 0.97)
TRIMS = tuple(round(len(GAINS) / g / sum(1 / x for x in GAINS), 6) for g in GAINS)


class Line:
    """Hands on a platform, and what the weighing said of it."""

    def __init__(self, seed: int = 3, physics: Physics = CALM) -> None:
        mean_trim_gain = 4 / sum(1 / x for x in GAINS)
        trimmed = msgspec.structs.replace(
            CELL, counts_per_gram=CELL.counts_per_gram * mean_trim_gain, cell_trims=TRIMS, cell_tare_counts=(84213,) * 4
        )
        self.platform = CornerPlatform(CELL, seed, physics, gains=GAINS)
        self.weigher = Weigher(trimmed)
        self.t_ns = 0
        self.steps: list[WeightStep] = []
        self.faults: list[ScaleFault] = []
        self.spoil: Callable[[tuple[int, ...]], tuple[int, ...]] = lambda cells: cells

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 80)):
            self.t_ns += PERIOD_NS
            cells = self.spoil(self.platform.cells_at(self.t_ns))
            for event in self.weigher.feed(self.t_ns, round(combined(cells, TRIMS)), cells):
                (self.steps if isinstance(event, WeightStep) else self.faults).append(event)  # type: ignore[arg-type]


def mean_cells(platform: CornerPlatform, start_ns: int) -> list[float]:
    rows = [platform.cells_at(start_ns + i * PERIOD_NS) for i in range(400)]
    return [sum(column[-200:]) / 200 for column in zip(*rows, strict=True)]


@settings(max_examples=30, deadline=None)
@given(st.floats(-0.7, 0.7), st.floats(-0.7, 0.7), st.floats(50.0, 8000.0))
def test_the_sum_does_not_depend_on_the_place_and_the_shares_do(x: float, y: float, mass_g: float) -> None:
    platform = CornerPlatform(CELL, 1, msgspec.structs.replace(CALM, noise_g=0.0))
    empty = mean_cells(platform, 0)
    platform.put(10 * S, mass_g, style="plain", at=(x, y))
    loaded = mean_cells(platform, 20 * S)
    grams = [(after - before) / 86.0 for after, before in zip(loaded, empty, strict=True)]
    assert sum(grams) == pytest.approx(mass_g, abs=0.1)
    assert (grams[1] + grams[3] - grams[0] - grams[2]) / mass_g == pytest.approx(x, abs=0.01)
    assert (grams[0] + grams[1] - grams[2] - grams[3]) / mass_g == pytest.approx(y, abs=0.01)


def test_each_step_knows_its_place() -> None:
    line = Line()
    line.run(3)
    wanted = [(-0.6, 0.5, 400.0), (0.6, -0.6, 1034.0), (0.0, 0.0, 2500.0), (0.5, 0.6, 120.0)]
    for x, y, mass_g in wanted:
        line.platform.put(line.t_ns, mass_g, at=(x, y))
        line.run(6)
    line.platform.take(line.t_ns, 400.0, at=(-0.6, 0.5))
    line.run(6)
    assert [step.delta_g for step in line.steps] == pytest.approx([400, 1034, 2500, 120, -400], abs=3)
    for step, (x, y, _) in zip(line.steps, [*wanted, wanted[0]], strict=True):
        assert step.place is not None
        assert (step.place.x, step.place.y) == pytest.approx((x, y), abs=0.03 + 4 * step.place.sd)
        assert step.place.sd < 0.05


def test_what_is_too_light_has_no_place() -> None:
    line = Line()
    line.run(3)
    line.platform.put(line.t_ns, 5.0, style="plain", at=(0.5, 0.5))
    line.run(6)
    assert [step.delta_g for step in line.steps] == pytest.approx([5.0], abs=1.5)
    place = line.steps[0].place
    assert place is None or place.sd > 0.05


@pytest.mark.parametrize("corner", range(4))
def test_a_cell_that_repeats_itself_is_named_latched_and_no_weight_is_told(corner: int) -> None:
    line = Line()
    line.run(3)
    line.spoil = lambda cells: (*cells[:corner], 90_000, *cells[corner + 1 :])
    line.run(2)
    (fault,) = line.faults
    assert (fault.fault, fault.raised, fault.latched) == ("cell_dead", True, True)
    assert fault.detail.startswith(f"{CORNERS[corner]} cell")
    assert line.weigher.live.gross_g is None
    line.spoil = lambda cells: cells
    line.run(3)
    assert line.weigher.live.gross_g == pytest.approx(0.0, abs=2.0)
    assert line.weigher.faults == {"cell_dead"}
    assert [(f.fault, f.raised) for f in line.weigher.acknowledge(line.t_ns) if isinstance(f, ScaleFault)] == [
        ("cell_dead", False)
    ]


def test_a_cell_that_bears_nothing_over_many_steps_is_named() -> None:
    line = Line(physics=CALM)
    line.run(3)
    rng = random.Random(2)
    zero = line.platform.cells_at(line.t_ns)[2]
    line.spoil = lambda cells: (*cells[:2], zero + rng.randint(-60, 60), cells[3])
    for at in range(9):
        line.platform.put(line.t_ns, 1200.0, style="plain", at=(0.5 * (-1) ** at, 0.4))
        line.run(5)
    assert [fault.detail.split(":")[0] for fault in line.faults] == ["rear left cell"]


def test_nothing_is_dead_where_everything_lies_at_one_side() -> None:
    line = Line()
    line.run(3)
    for at in range(12):
        line.platform.put(line.t_ns, 900.0, style="plain", at=(0.7, -0.7 + 0.05 * at))
        line.run(5)
    assert line.faults == []


def corner_means(gains: tuple[float, ...], *, weight_g: float = 5000.0) -> tuple[list[float], list[list[float]]]:
    zero = mean_cells(CornerPlatform(CELL, 1, CALM, gains=gains), 0)
    rows = []
    for number, (x, y) in enumerate(((-1, 1), (1, 1), (-1, -1), (1, -1))):
        platform = CornerPlatform(CELL, 10 + number, CALM, gains=gains)
        platform.put(0, weight_g, style="plain", at=(0.8 * x, 0.8 * y))
        rows.append(mean_cells(platform, 3 * S))
    return zero, rows


def test_trims_make_a_weight_weigh_the_same_on_each_corner() -> None:
    zero, rows = corner_means(GAINS)
    trims = fit_trims(zero, rows)
    assert sum(trims) == pytest.approx(4.0, abs=1e-5)
    weights = [combined([c - z for c, z in zip(row, zero, strict=True)], trims) / CELL.counts_per_gram for row in rows]
    assert max(weights) - min(weights) < 0.1
    plain = [combined([c - z for c, z in zip(row, zero, strict=True)], ()) / CELL.counts_per_gram for row in rows]
    assert max(plain) - min(plain) > 100


def test_corners_that_cannot_be_right_are_refused() -> None:
    zero, rows = corner_means(GAINS)
    with pytest.raises(CalibrationRefused, match="front right cell bears most"):
        fit_trims(zero, [rows[1], rows[0], rows[2], rows[3]])
    with pytest.raises(CalibrationRefused, match="rear left cell's reading falls"):
        fit_trims(zero, [[2 * z - c if at == 2 else c for at, (c, z) in enumerate(zip(row, zero, strict=True))] for row in rows])  # fmt: skip  # noqa: E501
    with pytest.raises(CalibrationRefused, match="rear right cell needs a trim"):
        fit_trims(*corner_means((1.0, 1.0, 1.0, 2.5)))
    middle = [[z + (1001.0 if at == corner else 1000.0) for at, z in enumerate(zero)] for corner in range(4)]
    with pytest.raises(CalibrationRefused, match="its cell bears 25% of it"):
        fit_trims(zero, middle)


def test_hands_to_steps_through_four_chips_of_unlike_clocks(tmp_path: Path) -> None:
    periods, late = (12_500_000, 12_700_000, 12_300_000, 12_600_000), (0, 9_000_000, 4_000_000, 1_000_000)
    line = Line()
    line.platform.put(4 * S, 750.0, at=(0.4, -0.5))
    due = sorted((lag + seq * p, cell, seq) for cell, (p, lag) in enumerate(zip(periods, late, strict=True)) for seq in range(1, 900))  # fmt: skip  # noqa: E501
    words = {(cell, seq): line.platform.cells_at(t_ns)[cell] for t_ns, cell, seq in due}
    rig = FourRig(tmp_path, breakable=(3,), periods_ns=periods, late_ns=late)
    for cell, source in enumerate(rig.sources):
        source.counts_of = lambda seq, cell=cell: words[cell, seq]  # type: ignore[misc]
    steps = [e for e in fed(rig, line.weigher, until_s=9.0) if isinstance(e, WeightStep)]
    assert [step.delta_g for step in steps] == pytest.approx([750.0], abs=2.0)
    place = steps[0].place
    assert isinstance(place, Place)
    assert (place.x, place.y) == pytest.approx((0.4, -0.5), abs=0.03)
    rig.break_wires(WireFault.UNPLUGGED)
    with pytest.raises(NotReady, match=r"^rear right cell") as raised:
        [rig.reader.read() for _ in range(5)]
    assert raised.value.fault == "cell_dead"


def fed(rig: FourRig, weigher: Weigher, *, until_s: float) -> Iterator[WeightStep | ScaleFault]:
    while rig.now_ns - START_NS < until_s * S:
        reading = rig.reader.read()
        yield from weigher.feed(reading.t_ns, round(combined(reading.cells, TRIMS)), reading.cells)
