"""What the `hx711` package (1.1.2.3) does when left alone with the chip model: why it is contained, not the default.

If one of these fails after an upgrade of the package, that fault has been mended there, and `drivers/hx711_package.py`
may have something to unlearn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from drivers.hx711_package import RAW_TRIES_MAX, bounded_raw_data, import_package
from drivers.protocols import GpioApi
from drivers.sim.clock import VirtualClock
from drivers.sim.gpio import SimGpio
from drivers.sim.wire import ScaleFault, Wire
from tests.contract.simulated_scale import DOUT, SCK, START_NS, VirtualSource

PATIENCE_S = 10


class NeverReturned(Exception):
    """The package was still busy after ten seconds of virtual time."""


class ImpatientClock(VirtualClock):
    """Ends a call that does not end by itself."""

    until_ns: int | None = None

    def called(self) -> None:
        super().called()
        if self.until_ns is not None and self.time_ns > self.until_ns:
            raise NeverReturned


class Bench:
    """The package on the chip model, in virtual time."""

    def __init__(self, folder: Path) -> None:
        self.wire = Wire.create(folder / "wire", dout_pin=DOUT, sck_pin=SCK)
        self.clock = ImpatientClock(START_NS)
        self.source = VirtualSource(self.wire, 80.0)
        self.gpio = SimGpio(self.wire, clock=self.clock, source=self.source)
        self.hx711: Any = import_package(cast("GpioApi", self.gpio), self.clock).HX711(DOUT, SCK)
        self.started_ns = self.clock.time_ns
        self.clock.until_ns = self.clock.time_ns + PATIENCE_S * 1_000_000_000


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_reads_an_ordinary_number(bench: Bench) -> None:
    assert bench.hx711.get_raw_data(times=3) == [1000, 1000, 1000]


@pytest.mark.parametrize("counts", [0, -1])
def test_drops_true_zero_and_minus_one_for_ever(bench: Bench, counts: int) -> None:
    bench.source.counts_of = lambda _: counts
    with pytest.raises(NeverReturned):
        bench.hx711.get_raw_data(times=2)


@pytest.mark.parametrize(
    "fault",
    [ScaleFault.SATURATED_HIGH, ScaleFault.SATURATED_LOW, ScaleFault.STUCK_HIGH, ScaleFault.STUCK_LOW],
)
def test_never_returns_from_a_broken_chip(bench: Bench, fault: ScaleFault) -> None:
    bench.wire.set_scale_fault(fault)
    bench.clock.call_ns = 20_000  # slow pins, so that ten seconds are not a million words
    with pytest.raises(NeverReturned):
        bench.hx711.get_raw_data(times=2)


def test_fetches_words_up_to_ten_milliseconds_late(bench: Bench) -> None:
    lags_ns = []
    for _ in range(50):
        bench.hx711._read()
        lags_ns.append((bench.clock.time_ns - START_NS) % bench.source.period_ns)
    assert max(lags_ns) > 8_000_000
    assert min(lags_ns) < 3_000_000


def test_garbled_words_pass_for_numbers(bench: Bench) -> None:
    bench.wire.set_scale_fault(ScaleFault.DESYNC)
    assert bench.hx711._read() == 500


def test_its_constructor_takes_over_a_second(bench: Bench) -> None:
    assert bench.started_ns - START_NS > 1_000_000_000


def test_the_readmes_num_measures_does_not_exist(bench: Bench) -> None:
    with pytest.raises(TypeError):
        bench.hx711.get_raw_data(num_measures=3)


@pytest.mark.parametrize(("word", "found"), [(False, False), (0, [0, 0]), (-1, [-1, -1])])
def test_its_loop_has_a_bound_in_our_hands(word: int, found: list[int] | bool) -> None:
    class Package:
        tries = 0

        def _read(self) -> int:
            self.tries += 1
            assert self.tries <= RAW_TRIES_MAX
            return word

    assert bounded_raw_data(Package(), times=2) == found
