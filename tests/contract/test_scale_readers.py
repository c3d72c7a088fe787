"""The scale's contract, backend by backend, and what only some of them can."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import pytest

from drivers.errors import DeviceMissing, Garbled, LateWord, NotReady, OutOfSync, OverlongClock
from drivers.hx711 import Gain, PinReader
from drivers.hx711_gpio import Hx711Gpio
from drivers.hx711_iio import Hx711Iio
from drivers.hx711_package import Hx711Package
from drivers.sim.sysfs import SimIioDevice
from drivers.sim.wire import ScaleFault
from tests.contract.scale_readers import CheckedClockContract, Rig, ScaleReaderContract
from tests.contract.simulated_scale import ChipRig, IioRig

PIN_READERS = [Hx711Gpio, Hx711Package]


class TestOurReader(CheckedClockContract):
    """No shortfalls."""

    @pytest.fixture
    def rig(self, tmp_path: Path) -> Rig:
        return ChipRig(tmp_path, Hx711Gpio)


class TestHx711Package(CheckedClockContract):
    """Says False for a saturated word and for a disturbed one alike."""

    names_saturation: ClassVar[bool] = False

    @pytest.fixture
    def rig(self, tmp_path: Path) -> Rig:
        return ChipRig(tmp_path, Hx711Package)


class TestKernelDriver(ScaleReaderContract):
    """Does not check its clocking, and cannot tell a constant 0 from a shorted line."""

    knows_zero_at_once: ClassVar[bool] = False
    stamp_lag_ns_max: ClassVar[int] = 20_000_000

    @pytest.fixture
    def rig(self, tmp_path: Path) -> Rig:
        return IioRig(tmp_path)

    def test_a_single_true_zero_comes_through_with_its_own_time(self, tmp_path: Path) -> None:
        rig = IioRig(tmp_path)
        before = rig.reader.read()
        rig.put(0)
        sleep = rig.clock.sleep
        slept = []

        def sleep_and_move(seconds: float) -> None:
            sleep(seconds)
            slept.append(seconds)
            if len(slept) == 2:
                rig.put(3)

        rig.clock.sleep = sleep_and_move  # type: ignore[method-assign]
        zero = rig.reader.read()
        assert zero.counts == 0
        assert zero.t_ns - before.t_ns == rig.period_ns

    @pytest.mark.parametrize("text", ["", "garbage\n", "-5\n", "16777216\n", "8388608 8388608\n"])
    def test_nonsense_in_the_file_is_garbled(self, tmp_path: Path, text: str) -> None:
        rig = IioRig(tmp_path)
        rig.reader.read()
        rig.device.write_raw(text)
        with pytest.raises(Garbled, match="24-bit"):
            rig.reader.read()

    @pytest.mark.parametrize(("gain", "counts"), [(128, 4000), (64, 2000), (32, 1000)])
    def test_gain_is_chosen(self, tmp_path: Path, gain: Gain, counts: int) -> None:
        rig = IioRig(tmp_path, gain=gain)
        rig.put(4000)
        assert rig.reader.read().counts == counts

    def test_another_device_is_refused(self, tmp_path: Path) -> None:
        device = SimIioDevice(tmp_path / "iio:device0")
        (device.folder / "name").write_text("bme280\n")
        for folder in (device.folder, tmp_path / "nothing"):
            with pytest.raises(DeviceMissing, match="dtoverlay"):
                Hx711Iio(folder)

    def test_a_driver_unloaded_under_way_is_missing(self, tmp_path: Path) -> None:
        rig = IioRig(tmp_path)
        rig.reader.read()
        (rig.device.folder / "in_voltage0_raw").unlink()
        with pytest.raises(DeviceMissing, match="loaded"):
            rig.reader.read()


@pytest.mark.parametrize("kind", PIN_READERS)
@pytest.mark.parametrize("samples_per_second", [10.0, 80.0])
@pytest.mark.parametrize(("gain", "counts"), [(128, 4000), (64, 2000), (32, 1000)])
def test_gain_and_channel_at_both_rates(
    tmp_path: Path, kind: type[PinReader], samples_per_second: Literal[10, 80], gain: Gain, counts: int
) -> None:
    rig = ChipRig(tmp_path, kind, gain=gain, samples_per_second=samples_per_second)
    rig.put(4000)
    assert [rig.reader.read().counts for _ in range(10)] == [counts] * 10
    start_ns = rig.now_ns
    for _ in range(20):
        rig.reader.read()
    assert rig.now_ns - start_ns == pytest.approx(20e9 / samples_per_second, rel=0.05)


@pytest.mark.parametrize("kind", PIN_READERS)
def test_a_gap_of_a_slow_chip_is_no_fault(tmp_path: Path, kind: type[PinReader]) -> None:
    rig = ChipRig(tmp_path, kind, samples_per_second=10.0)
    rig.put(4000)
    rig.reader.read()
    missed = rig.reader.statistics.missed
    rig.clock.sleep(0.5)
    assert [rig.reader.read().counts for _ in range(3)] == [4000] * 3
    assert rig.reader.statistics.missed == missed + 4


@pytest.mark.parametrize("kind", PIN_READERS)
def test_powered_down_says_so_and_comes_back(tmp_path: Path, kind: type[PinReader]) -> None:
    rig = ChipRig(tmp_path, kind)
    rig.put(4000)
    rig.reader.read()
    downs = rig.gpio.chip.power_downs
    rig.pins.power_down()
    with pytest.raises(NotReady, match="power_up"):
        rig.reader.read()
    rig.pins.power_up()
    assert rig.gpio.chip.power_downs == downs + 1
    assert rig.reader.read().counts == 4000


class PreemptedOnce:
    """Takes the processor away from the process at the n-th rise of the clock, for `ns`."""

    def __init__(self, rig: ChipRig, at_rise: int, ns: int) -> None:
        self._rig, self._left, self._ns = rig, at_rise, ns
        self._output = rig.gpio.output
        rig.gpio.output = self.output  # type: ignore[method-assign, assignment]

    def output(self, channel: int, level: int) -> None:
        self._output(channel, level)
        if channel == 6 and level:
            self._left -= 1
            if self._left == 0:
                self._rig.clock.time_ns += self._ns


@pytest.mark.parametrize("kind", PIN_READERS)
@pytest.mark.parametrize("gain", [128, 64])
@pytest.mark.parametrize("at_rise", [1, 2, 12, 24, 25])
@pytest.mark.parametrize("ns", [40_000, 61_000, 5_000_000, 30_000_000])
def test_preemption_in_mid_pulse_never_makes_a_number(
    tmp_path: Path, kind: type[PinReader], gain: Gain, at_rise: int, ns: int
) -> None:
    rig = ChipRig(tmp_path, kind, gain=gain)
    rig.put(84213)
    right = rig.reader.read().counts
    downs = rig.gpio.chip.power_downs
    PreemptedOnce(rig, at_rise, ns)
    assert [rig.reader.read().counts for _ in range(12)] == [right] * 12
    if ns >= 60_000:
        assert rig.gpio.chip.power_downs > downs
        assert rig.reader.statistics.discarded >= 5


def test_an_overlong_clock_is_counted_and_named(tmp_path: Path) -> None:
    rig = ChipRig(tmp_path, Hx711Gpio)
    rig.reader.read()
    PreemptedOnce(rig, 3, 70_000)
    rig.reader.read()
    assert rig.reader.statistics.overlong == 1
    rig.clock.call_ns = 61_000
    with pytest.raises(OverlongClock, match="priority"):
        rig.reader.read()


def test_a_word_fetched_too_slowly_is_late(tmp_path: Path) -> None:
    rig = ChipRig(tmp_path, Hx711Gpio)
    rig.reader.read()
    level = rig.gpio.input

    def slow(channel: int) -> int:
        rig.clock.time_ns += 400_000
        return level(channel)

    rig.gpio.input = slow  # type: ignore[method-assign]
    with pytest.raises(LateWord, match="priority"):
        rig.reader.read()
    assert rig.reader.statistics.late >= 3


def test_unplugged_in_mid_word_is_not_a_word_of_ones(tmp_path: Path) -> None:
    rig = ChipRig(tmp_path, Hx711Gpio)
    rig.put(-1000)
    rig.reader.read()
    output = rig.gpio.output
    rises = []

    def pull_the_plug(channel: int, level: int) -> None:
        rises.append(level)
        if sum(rises) == 4:
            rig.break_wires(ScaleFault.UNPLUGGED)
        output(channel, level)

    rig.gpio.output = pull_the_plug  # type: ignore[method-assign, assignment]
    with pytest.raises(NotReady):
        rig.reader.read()
    assert rig.reader.statistics.garbled == 1


def test_a_lost_step_is_named(tmp_path: Path) -> None:
    rig = ChipRig(tmp_path, Hx711Gpio)
    rig.reader.read()
    rig.break_wires(ScaleFault.DESYNC)
    with pytest.raises(OutOfSync, match="SCK"):
        rig.reader.read()
    assert rig.reader.statistics.desync == 3
    assert rig.reader.statistics.resets >= 3


def test_a_changed_gain_settles_first(tmp_path: Path) -> None:
    rig = ChipRig(tmp_path, Hx711Gpio)
    rig.put(4000)
    rig.reader.read()
    assert isinstance(rig.pins, Hx711Gpio)
    rig.pins.set_gain(64)
    assert [rig.reader.read().counts for _ in range(6)] == [2000] * 6


@pytest.mark.parametrize("rate", [0.85, 1.15])
def test_a_chip_off_its_nominal_rate_gives_every_conversion(tmp_path: Path, rate: float) -> None:
    rig = ChipRig(tmp_path, Hx711Gpio)
    rig.source.period_ns = round(12_500_000 / rate)
    rig.source.wire.create(tmp_path / "wire")
    rig.clock.time_ns = 1_000_000_000
    rig.reader.reset()
    for _ in range(30):
        rig.reader.read()
    rig.source.counts_of = lambda seq: seq
    rig.reader.read()
    numbers = [rig.reader.read().counts for _ in range(100)]
    assert numbers == list(range(numbers[0], numbers[0] + 100))
    assert rig.reader.figures()["samples_per_second"] == pytest.approx(80 * rate, rel=0.01)


def test_a_silent_converter_costs_few_polls(tmp_path: Path) -> None:
    rig = ChipRig(tmp_path, Hx711Gpio)
    rig.reader.read()
    rig.break_wires(ScaleFault.UNPLUGGED)
    looks = []
    level = rig.gpio.input
    rig.gpio.input = lambda channel: looks.append(channel) or level(channel)  # type: ignore[method-assign, func-returns-value]
    with pytest.raises(NotReady):
        rig.reader.read(timeout_s=1.0)
    assert len(looks) < 300
