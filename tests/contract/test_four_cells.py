"""Four converters read as one scale: the same contract, and what only four have."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import ClassVar

import pytest

from drivers.errors import DeviceMissing, NotReady, Saturated, StuckLow
from drivers.four_cells import CORNERS, FourCells
from drivers.hx711 import PinReader
from drivers.hx711_package import Hx711Package
from drivers.scale import open_scale_reader
from drivers.sim.cells import attach_others, create_wires
from drivers.sim.wire import ScaleFault, Wire
from tests.contract.scale_readers import CheckedClockContract, Rig, ScaleReaderContract
from tests.contract.simulated_scale import PINS, START_NS, FourRig

UNALIKE = {"periods_ns": (12_500_000, 12_900_000, 12_100_000, 12_600_000), "late_ns": (0, 9_000_000, 4_000_000, 1)}


class TestAllFourBroken(ScaleReaderContract):
    """Whatever happens happens to all of them, as where their common supply fails."""

    bridged: ClassVar[int] = 1

    @pytest.fixture
    def rig(self, tmp_path: Path) -> Rig:
        return FourRig(tmp_path)


class TestOneOfFourBroken(CheckedClockContract):
    """Three go on: that is no weight."""

    bridged: ClassVar[int] = 1

    @pytest.fixture
    def rig(self, tmp_path: Path) -> Rig:
        return FourRig(tmp_path, breakable=(2,))


@pytest.mark.parametrize("corner", range(4))
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (ScaleFault.UNPLUGGED, NotReady),
        (ScaleFault.STUCK_LOW, StuckLow),
        (ScaleFault.SATURATED_HIGH, Saturated),
        (ScaleFault.SATURATED_LOW, Saturated),
    ],
)
def test_a_dead_cell_is_named_whichever_it_is(
    tmp_path: Path, corner: int, fault: ScaleFault, kind: type[NotReady | StuckLow | Saturated]
) -> None:
    rig = FourRig(tmp_path, breakable=(corner,))
    rig.reader.read()
    rig.break_wires(fault)
    with pytest.raises(kind, match=f"^{CORNERS[corner]} cell: ") as raised:
        rig.reader.read()
    assert raised.value.fault == "cell_dead"


def test_each_cell_keeps_its_own_counts_and_the_mean_is_theirs(tmp_path: Path) -> None:
    rig = FourRig(tmp_path)
    for at, source in enumerate(rig.sources):
        source.counts_of = lambda _, at=at: 1000 * (at + 1)  # type: ignore[misc]
    reading = rig.reader.read()
    assert reading.cells == (1000, 2000, 3000, 4000)
    assert reading.counts == 2500


@pytest.mark.parametrize("kind", [None, Hx711Package])
def test_chips_of_unlike_clocks_are_brought_to_one_time(tmp_path: Path, kind: type[PinReader] | None) -> None:
    rig = FourRig(tmp_path, **({} if kind is None else {"kind": kind}), **UNALIKE)  # type: ignore[arg-type]
    for source, period_ns, late_ns in zip(rig.sources, UNALIKE["periods_ns"], UNALIKE["late_ns"], strict=True):
        # 2 counts a millisecond, for each chip by the time at which it converts
        source.counts_of = lambda seq, p=period_ns, late=late_ns: round(2e-6 * (late + seq * p))  # type: ignore[misc]
    for _ in range(20):
        rig.reader.read()
    readings = [rig.reader.read() for _ in range(400)]
    for reading in readings:
        # a stamp is late by up to a 25th of a conversion, and words are fetched one after another
        assert [2e-6 * (reading.t_ns - START_NS)] * 4 == pytest.approx(reading.cells, abs=2.5)
    times = [reading.t_ns for reading in readings]
    assert all(later > earlier for earlier, later in itertools.pairwise(times))
    periods_ns = UNALIKE["periods_ns"]
    assert (times[-1] - times[0]) / 399 == pytest.approx(periods_ns[0], rel=0.001)
    figures = rig.reader.figures()
    assert figures["samples_per_second"] == pytest.approx(1e9 / periods_ns[0], rel=0.02)
    assert figures["samples_per_second_front_right"] == pytest.approx(1e9 / periods_ns[1], rel=0.02)
    assert figures["missed"] == 0


def test_after_a_fault_nothing_old_is_mixed_in(tmp_path: Path) -> None:
    rig = FourRig(tmp_path, breakable=(1,), **UNALIKE)  # type: ignore[arg-type]
    rig.put(4000)
    rig.reader.read()
    rig.break_wires(ScaleFault.UNPLUGGED)
    with pytest.raises(NotReady):
        [rig.reader.read() for _ in range(2)]  # what the cell had told already may complete one more
    rig.put(9000)
    rig.break_wires(ScaleFault.NONE)
    assert [rig.reader.read().cells for _ in range(5)] == [(9000,) * 4] * 5


def test_a_process_that_stood_still_calls_no_cell_dead(tmp_path: Path) -> None:
    rig = FourRig(tmp_path)
    rig.reader.read()
    sleep = rig.clock.sleep
    stood: list[float] = []

    def stand_still(seconds: float) -> None:
        sleep(seconds + (2.0 if not stood else 0.0))
        stood.append(seconds)

    rig.clock.sleep = stand_still  # type: ignore[method-assign]
    with pytest.raises(NotReady, match="not read in time") as raised:
        rig.reader.read()
    assert raised.value.fault == "not_ready"
    assert rig.reader.read().cells == (1000,) * 4


def test_three_readers_are_no_platform(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="front left"):
        FourCells(FourRig(tmp_path).reader._readers[:3])


class Wiring:
    """[scale] of a cart with four cells."""

    backend = "gpio"
    dout_pin, sck_pin = PINS[0]
    gain = 128
    iio_device = ""
    samples_per_second = 80.0
    cell_pins = PINS


def test_four_pin_pairs_open_four_and_the_kernels_driver_is_refused(tmp_path: Path) -> None:
    wires = create_wires(tmp_path / "wire", PINS, samples_per_second=80.0)
    with open_scale_reader(f"sim:{tmp_path / 'wire'}", Wiring()) as reader:  # type: ignore[arg-type]
        assert isinstance(reader, FourCells)
    wiring = Wiring()
    wiring.backend = "iio"
    with pytest.raises(DeviceMissing, match="one converter"):
        open_scale_reader("sim:x", wiring)  # type: ignore[arg-type]
    for wire in wires:
        wire.close()


def test_a_world_of_one_cell_takes_an_earlier_ones_three_away(tmp_path: Path) -> None:
    path = tmp_path / "wire"
    four = create_wires(path, PINS, samples_per_second=80.0)
    assert [wire.dout_pin for wire in attach_others(path)] == [13, 19, 26]
    (one,) = create_wires(path, PINS[:1], samples_per_second=10.0)
    assert attach_others(path) == ()
    assert one.samples_per_second == 10.0
    assert isinstance(four[0], Wire)
