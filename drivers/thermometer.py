"""The scale's thermometer: a sensor's file in a folder shaped like /sys, or the processor's own zone.

hwmon's `tempN_input` and a 1-Wire sensor's `temperature` hold thousandths of a degree Celsius.
"""

from __future__ import annotations

from pathlib import Path

from drivers.power import TEMPERATURE_C, Known, Power

SOC = "soc"


class Thermometer:
    """Reads one file a look; never raises."""

    def __init__(self, source: str, *, sysfs: Path | str = "/sys") -> None:
        """`source` is `soc`, or the sensor's file."""
        self._power = Power(sysfs) if source == SOC else None
        self._file = Path(source)

    def read(self) -> Known[float]:
        """Degrees Celsius, or why there are none."""
        if self._power is not None:
            return self._power.read().soc_temperature_c
        try:
            celsius = int(self._file.read_text(encoding="ascii", errors="replace")) / 1000
        except OSError as error:
            return Known(None, f"{self._file}: {error.strerror or error}; is the sensor plugged in?")
        except ValueError:
            return Known(None, f"{self._file} holds no whole number; name a file in thousandths of a degree")
        if TEMPERATURE_C[0] <= celsius <= TEMPERATURE_C[1]:
            return Known(celsius)
        return Known(None, f"{self._file} says {celsius:g} °C, which cannot be: check the sensor's wires")
