"""Battery gauge, SoC temperature and throttling, from a folder shaped like /sys.

What is not there, or says nonsense, is None with the reason: never 0, which would be an empty battery or a frozen cart.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final, Generic, TypeVar

T = TypeVar("T")

THROTTLED_FILE: Final = "devices/platform/soc/soc:firmware/get_throttled"
"""Raspberry Pi's firmware driver; hexadecimal, the bits below (documentation of `vcgencmd get_throttled`)."""
_BITS: Final = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
    16: "under-voltage has occurred",
    17: "frequency capping has occurred",
    18: "throttling has occurred",
    19: "soft temperature limit has occurred",
}
_SOC_ZONES: Final = ("cpu-thermal", "cpu_thermal", "soc-thermal", "x86_pkg_temp", "acpitz")
"""Preferred first: the names that Raspberry Pi's and other kernels give the processor's own zone."""
TEMPERATURE_C: Final = (-40.0, 150.0)


@dataclasses.dataclass(frozen=True)
class Known(Generic[T]):
    """A value, or None and one line that says why there is none."""

    value: T | None
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Throttling:
    """`now` is what slows the processor down at this moment, `since_boot` what has."""

    now: tuple[str, ...]
    since_boot: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class PowerReading:
    """One look at the machine's power and heat."""

    battery_percent: Known[float]
    charging: Known[bool]
    soc_temperature_c: Known[float]
    throttling: Known[Throttling]


class Power:
    """Reads files, holds nothing open; a part that comes back is simply there at the next `read`."""

    def __init__(self, sysfs: Path | str = "/sys") -> None:
        self._root = Path(sysfs)

    def read(self) -> PowerReading:
        """Never raises; takes under a millisecond on a Pi unless a gauge's bus hangs."""
        battery = self._battery()
        if battery is None:
            none = f"no battery under {self._root}/class/power_supply: is the gauge's driver loaded?"
            percent, charging = Known[float](None, none), Known[bool](None, none)
        else:
            percent, charging = self._percent(battery / "capacity"), self._charging(battery / "status")
        return PowerReading(
            battery_percent=percent,
            charging=charging,
            soc_temperature_c=self._temperature(),
            throttling=self._throttling(),
        )

    def _battery(self) -> Path | None:
        for folder in _folders(self._root / "class/power_supply"):
            if _text(folder / "type").value == "Battery" and _text(folder / "scope").value != "Device":
                return folder  # scope Device is a mouse's or a scanner's own battery
        return None

    def _percent(self, file: Path) -> Known[float]:
        number = _number(file)
        if number.value is not None and not 0 <= number.value <= 100:
            return Known(None, f"{file} says {number.value:g}, which is no percentage: check the gauge")
        return number

    def _charging(self, file: Path) -> Known[bool]:
        status = _text(file)
        match status.value:
            case "Charging" | "Full":
                return Known(True)
            case "Discharging" | "Not charging":
                return Known(False)
            case None:
                return Known(None, status.reason)
            case other:
                return Known(None, f"{file} says {other!r}")

    def _temperature(self) -> Known[float]:
        zones = {
            kind.value: folder
            for folder in reversed(_folders(self._root / "class/thermal"))
            if folder.name.startswith("thermal_zone") and (kind := _text(folder / "type")).value is not None
        }
        for kind_name in _SOC_ZONES:
            if kind_name in zones:
                file = zones[kind_name] / "temp"
                number = _number(file)
                if number.value is None:
                    return number
                celsius = number.value / 1000
                if TEMPERATURE_C[0] <= celsius <= TEMPERATURE_C[1]:
                    return Known(celsius)
                return Known(None, f"{file} says {celsius:g} °C, which cannot be: check the kernel's driver")
        return Known(None, f"no processor zone under {self._root}/class/thermal")

    def _throttling(self) -> Known[Throttling]:
        file = self._root / THROTTLED_FILE
        text = _text(file)
        if text.value is None:
            return Known(None, text.reason)
        try:
            bits = int(text.value, 16)
        except ValueError:
            return Known(None, f"{file} says {text.value[:20]!r}, which is no hexadecimal number")
        names = {bit: name for bit, name in _BITS.items() if bits >> bit & 1}
        return Known(
            Throttling(
                now=tuple(name for bit, name in names.items() if bit < 16),
                since_boot=tuple(name for bit, name in names.items() if bit >= 16),
            )
        )


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(parent.iterdir())
    except OSError:
        return []


def _text(file: Path) -> Known[str]:
    try:
        return Known(file.read_text(encoding="ascii", errors="replace").strip())
    except OSError as error:
        return Known(None, f"{file}: {error.strerror or error}")


def _number(file: Path) -> Known[float]:
    text = _text(file)
    if text.value is None:
        return Known(None, text.reason)
    try:
        return Known(float(int(text.value)))
    except ValueError:
        return Known(None, f"{file} says {text.value[:20]!r}, which is no number")
