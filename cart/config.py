"""cart.toml: the tables a running cart reads. A recording's `cart.toml` holds some of the same tables.

Every error is one line that names the file, the key and what to do.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from cart.core.problem import Problem
from cart.core.settings import Policy, ScaleSettings

DEFAULT_PATH = Path("/etc/cart/cart.toml")


class ConfigError(Problem):
    """One line for a person: which file, which key, what to do next."""


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table in which an unknown key is a typing mistake, and said so."""


class CartTable(Strict, frozen=True, kw_only=True):
    id: str


class StoreTable(Strict, frozen=True, kw_only=True):
    id: str
    currency: str = "EUR"
    locale: str = "en_IE"
    languages: tuple[str, ...] = ("en", "de", "fr", "es")
    public_key_file: str = ""
    """PEM, one or more Ed25519 keys; empty: what the store says is believed without a signature."""


class ScaleTable(ScaleSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[scale]: calibration and how the converter is reached."""

    backend: Literal["gpio", "hx711", "iio"] = "gpio"
    dout_pin: int = 5
    sck_pin: int = 6
    gain: Literal[32, 64, 128] = 128
    iio_device: str = "/sys/bus/iio/devices/iio:device0"


class GpioTable(Strict, frozen=True, kw_only=True):
    """[gpio]: `module` is `RPi.GPIO` (on a Pi 5 rpi-lgpio has the same name) or `sim:FILE`, the simulated wires."""

    module: str = "RPi.GPIO"
    light_red_pin: int = 17
    light_green_pin: int = 27
    buzzer_pin: int = 22
    staff_button_pin: int = 23
    reader_enable_pin: int = 24


class ScannerTable(Strict, frozen=True, kw_only=True):
    port: str = "/dev/cart-scanner"
    baudrate: int = 115200
    prefix: str = ""
    suffix: str = "\r"
    aim_ids: bool = True


class CameraTable(Strict, frozen=True, kw_only=True):
    """[camera]: `source` is a device, a video file, `sim:FILE`, or empty for a cart without a camera. `model` is a
    classifier's folder, `auto` for the one that is shipped, or empty for none; `codes`: barcodes held up count as
    scans."""

    source: str = ""
    model: str = "auto"
    codes: bool = True
    frames_per_second: float = 5.0
    frame_age_max_s: float = 1.0


class PowerTable(Strict, frozen=True, kw_only=True):
    """[power]: where battery gauge, SoC temperature and throttling are read (a folder shaped like /sys)."""

    sysfs: str = "/sys"
    low_percent: float = 15.0


class BrokerTable(Strict, frozen=True, kw_only=True):
    """[broker]: empty `host` means a cart without a store. Keys are files, never values."""

    host: str = ""
    port: int = 1883
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    keepalive_s: int = 15


class ScreenTable(Strict, frozen=True, kw_only=True):
    """[screen]: served on loopback only."""

    port: int = 8080


class JournalTable(Strict, frozen=True, kw_only=True):
    folder: str = "/var/lib/cart"
    keep_days: int = 30


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    cart: CartTable
    store: StoreTable
    scale: ScaleTable
    gpio: GpioTable = GpioTable()
    scanner: ScannerTable = ScannerTable()
    camera: CameraTable = CameraTable()
    power: PowerTable = PowerTable()
    broker: BrokerTable = BrokerTable()
    screen: ScreenTable = ScreenTable()
    journal: JournalTable = JournalTable()
    policy: Policy = Policy()


def parse_config(text: str, *, source: str) -> Config:
    """Raises ConfigError with one line; `source` names the file in it."""
    try:
        raw: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not valid TOML ({error}); correct that line") from None
    try:
        return msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"{source}: {error}; correct or remove that key (docs/configuration.md lists them all)"
        ) from None


def load_config(path: Path) -> Config:
    """Raises ConfigError when the file is missing, unreadable or wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file; copy systemd/cart.toml.example there, or name one with --config"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); check its permissions and encoding") from None
    return parse_config(text, source=str(path))
