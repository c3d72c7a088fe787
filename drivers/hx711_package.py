"""The `hx711` package (1.1.2.3) as a reader of the HX711.

What the package does wrong when left alone (tests/contract/test_hx711_package_faults.py shows each), and what is done
about it here:

- `get_raw_data` drops true readings of 0 and −1, wants at least two, and never returns while the chip is saturated or
  DOUT is stuck. So words are taken one at a time from what it calls itself, and `get_raw_data`, which the package also
  calls by itself after a slow gain pulse, is given a bound.
- It polls every 10 ms, so a word is up to 10 ms late and nobody knows by how much. So it is asked only when DOUT has
  been seen low.
- It does not look at DOUT after the gain pulses: a line stuck low reads 0. So that is looked at here.
- It says False for an over-long clock and for saturation alike. So both are `Garbled` here; saturation has no name.
- Its constructor takes over a second, for it settles twice, and its own calls cannot be interrupted. So it belongs
  in a process that can be killed; `busy_since_ns` tells a watchdog when to.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections.abc import Iterator
from typing import Any

from drivers.clock import WALL, Clock
from drivers.errors import DeviceMissing, Garbled, OutOfSync, StuckLow
from drivers.hx711 import Gain, PinReader
from drivers.protocols import GpioApi

RAW_TRIES_MAX = 12
"""Twice what the package asks for after a slow gain pulse; each try waits 0.4 s at most."""


class Hx711Package(PinReader):
    """The package's clocking inside our waiting. A reading's `t_ns` is when DOUT was first seen low (`PinReader`)."""

    def __init__(
        self,
        gpio: GpioApi,
        *,
        dout_pin: int,
        sck_pin: int,
        gain: Gain = 128,
        samples_per_second: float = 80.0,
        clock: Clock | None = None,
    ) -> None:
        """Takes over a second. Raises DeviceMissing when the package is not installed."""
        super().__init__(
            gpio, dout_pin=dout_pin, sck_pin=sck_pin, gain=gain, samples_per_second=samples_per_second, clock=clock
        )
        package = import_package(gpio, self._clock)
        self._exceptions = (package.GenericHX711Exception, package.ParameterValidationError)
        kind = type("BoundedHX711", (package.HX711,), {"get_raw_data": bounded_raw_data})
        gpio.setup(sck_pin, gpio.OUT, initial=0)
        gpio.setup(dout_pin, gpio.IN, pull_up_down=gpio.PUD_UP)
        channel = "B" if gain == 32 else "A"
        try:
            self._package: Any = kind(dout_pin, sck_pin, gain=128 if gain == 32 else gain, channel=channel)
        except self._exceptions as error:
            raise Garbled(f"the hx711 package could not set up the converter ({error}); check its wires") from None
        # the package's own setup leaves DOUT floating; pulled up, an unplugged converter is "not ready"
        gpio.setup(dout_pin, gpio.IN, pull_up_down=gpio.PUD_UP)
        self.reset()

    def _shift(self) -> int:
        try:
            # get_raw_data would drop 0 and −1 and could not be given a deadline
            counts = self._package._read(max_tries=1)  # noqa: SLF001 - the release is pinned
        except self._exceptions as error:
            raise Garbled(f"the hx711 package gave up on a word ({error}); check the converter's wires") from None
        if counts is False:
            raise Garbled(
                "the hx711 package refused a word (load cell out of range, or clock high over 60 µs): "
                'check the load cell\'s wires, or set [scale] backend = "gpio" to be told which'
            )
        if not self._gpio.input(self._dout):
            if counts == 0:
                raise StuckLow("the scale's data line is stuck low: look for a short from DOUT to ground")
            raise OutOfSync(
                "the scale's converter is out of step with its clock: check SCK's wire, keep both wires short"
            )
        return int(counts)


def bounded_raw_data(package: Any, times: int = 5) -> list[int] | bool:
    """Instead of the package's own: `times` words, or False after RAW_TRIES_MAX tries."""
    words: list[int] = []
    for _ in range(RAW_TRIES_MAX):
        word = package._read()  # noqa: SLF001 - as the package itself does
        if word is not False:
            words.append(word)
        if len(words) == times:
            return words
    return False


def import_package(gpio: GpioApi, clock: Clock) -> Any:
    """A fresh import of the package that sees `gpio` as its RPi.GPIO, and `clock` as its time if that is simulated."""
    fresh = {"hx711": None, "RPi": types.ModuleType("RPi"), "RPi.GPIO": gpio}
    setattr(fresh["RPi"], "GPIO", gpio)  # noqa: B010 - a module's attribute, made up here
    with _modules(fresh):
        try:
            package = importlib.import_module("hx711")
        except ImportError:
            raise DeviceMissing("no Python module hx711: run 'pip install hx711==1.1.2.3'") from None
    if clock is not WALL:
        package.time = _PackageTime(clock)  # type: ignore[attr-defined]
    return package


@contextlib.contextmanager
def _modules(fresh: dict[str, Any]) -> Iterator[None]:
    """These modules (None: none) in place of the imported ones, for as long as the block takes."""
    before = {name: sys.modules.get(name) for name in fresh}
    _set_modules(fresh)
    try:
        yield
    finally:
        _set_modules(before)


def _set_modules(modules: dict[str, Any]) -> None:
    for name, module in modules.items():
        if module is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = module


class _PackageTime:
    """The two functions of `time` that the package calls, on a simulated chip's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.sleep = clock.sleep

    def perf_counter(self) -> float:
        return self._clock.pulse_ns() / 1e9
