"""What every reader of the load-cell converter must do, whatever is behind it. Subclassed once a backend."""

from __future__ import annotations

import abc
import itertools
from typing import ClassVar

import pytest

from drivers.errors import DriverError, Garbled, NotReady, Saturated, StuckLow
from drivers.protocols import Reading, ScaleReader
from drivers.sim.wire import ScaleFault

CARRIED = (84213, -84213, 1, 0x400000, -0x400000, 0x7FFFFE, -0x7FFFFF, 0x155555, -0x2AAAAA)


class Rig(abc.ABC):
    """A reader on simulated wires, with the hand on the wires."""

    reader: ScaleReader
    period_ns: int

    @property
    @abc.abstractmethod
    def now_ns(self) -> int:
        """The rig's own, virtual time."""

    @abc.abstractmethod
    def put(self, counts: int) -> None:
        """From now on conversions give `counts` at gain 128."""

    @abc.abstractmethod
    def break_wires(self, fault: ScaleFault, *, words: int | None = None) -> None:
        """Break something, for good or for so many conversions; NONE mends it."""


class ScaleReaderContract:
    """All backends pass these; `rig` is a fixture of the subclass. Class attributes say the shortfalls out loud."""

    names_saturation: ClassVar[bool] = True
    knows_zero_at_once: ClassVar[bool] = True
    stamp_lag_ns_max: ClassVar[int] = 2_000_000
    bridged: ClassVar[int] = 0
    """Readings after a change that may still lie between before and after: a missed conversion was bridged."""

    @pytest.mark.parametrize("counts", CARRIED)
    def test_carries_every_kind_of_number(self, rig: Rig, counts: int) -> None:
        rig.put(counts)
        assert rig.reader.read().counts == counts

    @pytest.mark.parametrize("counts", [0, -1])
    def test_true_zero_and_minus_one_are_readings(self, rig: Rig, counts: int) -> None:
        rig.reader.read()
        rig.put(counts)
        for _ in range(self.bridged):
            rig.reader.read()
        if self.knows_zero_at_once or counts:
            assert [rig.reader.read().counts for _ in range(3)] == [counts] * 3
        else:
            with pytest.raises(StuckLow):
                rig.reader.read()

    def test_gives_each_conversion_once_at_the_chips_rate(self, rig: Rig) -> None:
        rig.put(1000)
        rig.reader.read()
        start_ns = rig.now_ns
        readings = [rig.reader.read() for _ in range(80)]
        assert rig.now_ns - start_ns == pytest.approx(80 * rig.period_ns, rel=0.02)
        times = [reading.t_ns for reading in readings]
        assert all(later > earlier for earlier, later in itertools.pairwise(times))

    def test_time_is_when_the_conversion_was_ready(self, rig: Rig) -> None:
        rig.put(7)
        for _ in range(20):
            reading = rig.reader.read()
            assert 0 <= rig.now_ns - reading.t_ns <= rig.period_ns
            assert (reading.t_ns - 1_000_000_000) % rig.period_ns <= self.stamp_lag_ns_max

    @pytest.mark.parametrize("fault", [ScaleFault.UNPLUGGED, ScaleFault.GAP, ScaleFault.STUCK_HIGH])
    def test_a_silent_converter_is_not_ready_within_a_second(self, rig: Rig, fault: ScaleFault) -> None:
        rig.put(5)
        rig.reader.read()
        rig.break_wires(fault)
        start_ns = rig.now_ns
        with pytest.raises(NotReady, match="check"):
            rig.reader.read()
        assert rig.now_ns - start_ns <= 1_000_000_000
        assert rig.reader.statistics.not_ready >= 1

    def test_a_deadline_is_kept(self, rig: Rig) -> None:
        rig.reader.read()
        rig.break_wires(ScaleFault.UNPLUGGED)
        start_ns = rig.now_ns
        with pytest.raises(NotReady):
            rig.reader.read(timeout_s=0.2)
        assert rig.now_ns - start_ns <= 200_000_000 + 2 * rig.period_ns

    @pytest.mark.parametrize("fault", [ScaleFault.SATURATED_HIGH, ScaleFault.SATURATED_LOW])
    def test_saturation_is_an_error_never_a_number(self, rig: Rig, fault: ScaleFault) -> None:
        rig.reader.read()
        rig.break_wires(fault)
        with pytest.raises(Saturated if self.names_saturation else Garbled, match="load cell"):
            rig.reader.read()

    def test_a_line_stuck_low_is_never_a_number(self, rig: Rig) -> None:
        rig.put(5000)
        rig.reader.read()
        rig.break_wires(ScaleFault.STUCK_LOW)
        for _ in range(5):
            with pytest.raises(StuckLow, match="short"):
                rig.reader.read()
        assert rig.reader.statistics.stuck_low >= 1

    @pytest.mark.parametrize("fault", [ScaleFault.UNPLUGGED, ScaleFault.STUCK_LOW, ScaleFault.SATURATED_HIGH])
    def test_recovers_by_itself_with_the_right_number(self, rig: Rig, fault: ScaleFault) -> None:
        rig.put(4000)
        rig.reader.read()
        rig.break_wires(fault)
        for _ in range(3):
            with pytest.raises(DriverError):
                rig.reader.read()
        rig.put(8000)
        rig.break_wires(ScaleFault.NONE)
        assert [rig.reader.read().counts for _ in range(10)] == [8000] * 10

    def test_after_a_reset_nothing_unsettled_comes_through(self, rig: Rig) -> None:
        rig.put(4000)
        rig.reader.read()
        rig.reader.reset()
        assert [rig.reader.read().counts for _ in range(10)] == [4000] * 10
        assert rig.reader.statistics.discarded >= 1

    def test_a_stuck_part_keeps_saying_so_without_a_storm(self, rig: Rig) -> None:
        rig.reader.read()
        rig.break_wires(ScaleFault.STUCK_LOW)
        with pytest.raises(DriverError):
            rig.reader.read()
        start_ns = rig.now_ns
        for _ in range(3):
            with pytest.raises(DriverError):
                rig.reader.read()
        assert rig.now_ns - start_ns >= 2 * 800_000_000

    def test_busy_only_while_reading(self, rig: Rig) -> None:
        assert rig.reader.busy_since_ns is None
        rig.reader.read()
        assert rig.reader.busy_since_ns is None
        rig.break_wires(ScaleFault.UNPLUGGED)
        with pytest.raises(NotReady):
            rig.reader.read()
        assert rig.reader.busy_since_ns is None

    def test_words_are_counted_once(self, rig: Rig) -> None:
        for _ in range(30):
            rig.reader.read()
        figures = rig.reader.figures()
        assert figures["read"] == 30
        assert figures["missed"] == 0
        assert isinstance(rig.reader.read(), Reading)

    def test_closing_twice_does_no_harm(self, rig: Rig) -> None:
        rig.reader.close()
        rig.reader.close()


class CheckedClockContract(ScaleReaderContract):
    """For backends that look at DOUT after the gain pulses. The kernel's driver does not."""

    @pytest.mark.parametrize("fault", [ScaleFault.DESYNC, ScaleFault.GARBLED])
    def test_a_word_out_of_step_is_never_a_number(self, rig: Rig, fault: ScaleFault) -> None:
        rig.put(84213)
        rig.reader.read()
        rig.break_wires(fault)
        with pytest.raises(Garbled):
            rig.reader.read()

    def test_one_bad_word_is_counted_and_costs_no_reading_but_its_own(self, rig: Rig) -> None:
        rig.put(84213)
        rig.reader.read()
        rig.break_wires(ScaleFault.GARBLED, words=1)
        assert [rig.reader.read().counts for _ in range(5)] == [84213] * 5
        statistics = rig.reader.statistics
        assert statistics.desync + statistics.garbled == 1
