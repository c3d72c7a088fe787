"""cart.toml: the tables a running cart reads. A recording's `cart.toml` holds some of the same tables.

Every error is one line that names the file, the key and what to do.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from cart.core.problem import Problem
from cart.core.settings import Policy, ScaleSettings

DEFAULT_PATH = Path("/etc/cart/cart.toml")


Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Node = Annotated[str, msgspec.Meta(pattern=r"^([^\s:\[\]/]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?$")]
"""HOST or HOST:PORT; an IPv6 address in brackets."""


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
    cell_dout_pins: tuple[int, ...] = ()
    cell_sck_pins: tuple[int, ...] = ()
    """Four each: front left, front right, rear left, rear right, a converter a cell. Empty: one channel."""
    thermometer: str = ""
    """`soc`, or a file that holds thousandths of a degree (hwmon, 1-Wire); empty: the scale knows no temperature."""

    @property
    def cell_pins(self) -> tuple[tuple[int, int], ...]:
        """(DOUT, SCK) of each cell; empty with one channel."""
        return tuple(zip(self.cell_dout_pins, self.cell_sck_pins, strict=True))


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
    """[broker]: empty `host` means a cart without a store. Keys are files, never values. `others`: further nodes of the
    same cluster, to which a cart turns when the one that it speaks to is gone.
    """

    host: str = ""
    port: Port = 1883
    others: tuple[Node, ...] = ()
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
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{source}: not valid TOML ({error}); correct that line") from None
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"{source}: {error}; correct or remove that key (docs/configuration.md lists them all)"
        ) from None
    if wrong := _wrong_scale(config.scale, config.gpio):
        raise ConfigError(f"{source}: {wrong}")
    return config


def _wrong_scale(scale: ScaleTable, gpio: GpioTable) -> str:
    """What of [scale] fits neither one channel nor four cells; empty where all is well."""
    if scale.counts_per_gram == 0:
        return "scale.counts_per_gram is 0; run 'cart calibrate', or take the value from calibration.json"
    lists = {name: getattr(scale, name) for name in ("cell_dout_pins", "cell_sck_pins")}
    cells = any(lists.values())
    lists |= {name: getattr(scale, name) for name in ("cell_trims", "cell_tare_counts") if getattr(scale, name)}
    for name, values in lists.items():
        if cells and len(values) != 4:
            return (
                f"scale.{name} has {len(values)} values; four cells need 4, front left, front right, rear left, right"
            )
        if values and not cells:
            return f"scale.{name} is of four cells; name their pins in cell_dout_pins and cell_sck_pins, or remove it"
    pins = [pin for pair in scale.cell_pins for pin in pair]
    pins += [gpio.light_red_pin, gpio.light_green_pin, gpio.buzzer_pin, gpio.staff_button_pin, gpio.reader_enable_pin]
    twice = sorted({pin for pin in pins if pins.count(pin) > 1}) if cells else []
    if twice:
        return f"pin {twice[0]} is used twice; give each cell's DOUT and SCK, and each part of [gpio], its own"
    return ""


def load_config(path: Path) -> Config:
    """Raises ConfigError when the file is missing, unreadable or wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file; copy systemd/cart.toml.example there, or name one with --config"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: cannot be read ({reason}); check its permissions and encoding") from None
    return parse_config(text, source=str(path))
