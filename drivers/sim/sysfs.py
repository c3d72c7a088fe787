"""Folders of files as the kernel shows them: battery, temperature, throttling, and the HX711's IIO device."""

from __future__ import annotations

from pathlib import Path

IIO_OFFSET = 0x800000
FAILS_TO_READ = "/proc/self/mem"
"""Reading address 0 gives EIO: what the kernel's hx711 driver answers when the chip is silent."""


class SimSysfs:
    """A folder shaped like /sys. A value of None takes the part away."""

    def __init__(self, root: Path | str) -> None:
        """Makes a cart with a full battery, at 45 °C, not throttled."""
        self.root = Path(root)
        self.set_battery(100)
        self.set_temperature(45.0)
        self.set_throttled(0)

    def set_battery(self, percent: int | None, *, status: str = "Discharging") -> None:
        """The gauge, in percent."""
        folder = self.root / "class/power_supply/battery"
        self._write(folder / "type", None if percent is None else "Battery")
        self._write(folder / "status", None if percent is None else status)
        self._write(folder / "capacity", None if percent is None else str(percent))

    def set_temperature(self, celsius: float | None) -> None:
        """The processor's own thermal zone."""
        folder = self.root / "class/thermal/thermal_zone0"
        self._write(folder / "type", None if celsius is None else "cpu-thermal")
        self._write(folder / "temp", None if celsius is None else str(round(celsius * 1000)))

    def set_throttled(self, bits: int | None) -> None:
        """Raspberry Pi's `get_throttled` bits."""
        file = self.root / "devices/platform/soc/soc:firmware/get_throttled"
        self._write(file, None if bits is None else f"{bits:x}")

    @staticmethod
    def _write(file: Path, text: str | None) -> None:
        if text is None:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_text(file, text + "\n")


class SimIioDevice:
    """The kernel's `hx711` device as a folder. The kernel would make a reader wait for a conversion; files can't."""

    def __init__(self, folder: Path | str) -> None:
        """`folder` plays /sys/bus/iio/devices/iio:deviceN."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        replace_text(self.folder / "name", "hx711\n")
        # mV a count at an AVDD of 5 V, as the driver computes them
        replace_text(self.folder / "in_voltage0_scale_available", "0.000002327 0.000004655 \n")
        replace_text(self.folder / "in_voltage1_scale_available", "0.000009311 \n")
        replace_text(self.folder / "in_voltage_scale", "0.000002327\n")
        self.convert(0)

    @property
    def gain(self) -> int:
        """What channel A's scale was last set to."""
        chosen = float((self.folder / "in_voltage_scale").read_text(encoding="ascii"))
        return {2327: 128, 4655: 64}[round(chosen * 1e9)]

    def convert(self, counts: int) -> None:
        """A conversion, `counts` at gain 128; channel B is wired to channel A's cell."""
        self._put("in_voltage0_raw", counts * self.gain // 128)
        self._put("in_voltage1_raw", counts * 32 // 128)

    def _put(self, name: str, counts: int) -> None:
        clamped = max(-IIO_OFFSET, min(IIO_OFFSET - 1, counts))
        replace_text(self.folder / name, f"{clamped + IIO_OFFSET}\n")

    def write_raw(self, text: str) -> None:
        """Channel A's file says this instead of a number."""
        replace_text(self.folder / "in_voltage0_raw", text)

    def silence(self) -> None:
        """The chip answers the kernel no more: reading fails with EIO, until the next `convert`."""
        file = self.folder / "in_voltage0_raw"
        file.unlink(missing_ok=True)
        file.symlink_to(FAILS_TO_READ)


def replace_text(file: Path, text: str) -> None:
    """The file changes as a whole; nobody reads half of it."""
    temporary = file.with_name(f".{file.name}.new")
    temporary.write_text(text, encoding="ascii")
    temporary.replace(file)
