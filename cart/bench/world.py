"""The simulated world: what hands do to a cart, carried to pins, serial bytes, pixels, files, power and network.

It holds the truth (what lies in the basket, and its weight) and never reads what the cart thinks of it.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from typing import Any, get_args

import msgspec

from cart.bench.converter import Converter, CurvePoint
from cart.bench.eye import BUMP_PX, ROLL_PX, Eye, look_of
from cart.bench.pins import Pins
from cart.bench.platform import Platform
from cart.bench.things import Basket, Thing, guessed_aim, scan_text
from cart.bench.verbs import (
    Battery,
    Bump,
    Glitch,
    Lean,
    Lens,
    Light,
    Move,
    Part,
    Plug,
    PutIn,
    Roll,
    Scan,
    Show,
    StaffButton,
    TakeOut,
    Temperature,
    Tilt,
    Unplug,
    Verb,
    VerbError,
    WireGlitch,
    WordGlitch,
)
from cart.config import ScannerTable
from cart.core.catalog import Item
from drivers.sim.serial_port import SimSerialPort
from drivers.sim.sysfs import SimSysfs
from drivers.sim.wire import FrameWire, ScaleFault, Wire

Facts = dict[str, Any]
"""What a verb answers: JSON."""

BUMP_G = 4000.0
BUMP_S = 0.5
WIRE_FAULTS = {kind: ScaleFault[kind.upper()] for kind in get_args(WireGlitch)}
# A processor idling in its case is about this much warmer than the air.
PROCESSOR_ABOVE_AIR_K = 24.0
AIR_CELSIUS = 21.0


class World:
    """Everything physical but power and network, which the world's server holds."""

    def __init__(
        self,
        *,
        basket: Basket,
        converter: Converter,
        wire: Wire,
        frames: FrameWire,
        eye: Eye,
        pins: Pins,
        scanner: SimSerialPort,
        scanner_table: ScannerTable,
        files: SimSysfs,
    ) -> None:
        self._basket = basket
        self._converter = converter
        self._wire = wire
        self._frames = frames
        self._eye = eye
        self._pins = pins
        self._scanner = scanner
        self._scanner_table = scanner_table
        self._files = files
        self._plugged: dict[Part, bool] = {"scale": True, "scanner": True, "camera": True}
        self._powered = True
        self._air_celsius = AIR_CELSIUS
        self._battery = (100.0, False)
        self._degrees = 0.0
        self._lens_state = "clear"
        self._files.set_temperature(AIR_CELSIUS + PROCESSOR_ABOVE_AIR_K)
        self._doers: dict[type[Verb], Callable[[Any], Facts]] = {
            PutIn: self._put_in,
            TakeOut: self._take_out,
            Lean: self._lean,
            Bump: self._bump,
            Move: self._move,
            Tilt: self._tilt,
            Roll: self._roll,
            Scan: self._scan,
            Show: self._show,
            Light: self._light,
            Lens: self._lens,
            Unplug: self._unplug,
            Plug: self._plug,
            Glitch: self._glitch,
            Temperature: self._temperature,
            StaffButton: self._staff_button,
            Battery: self._set_battery,
        }

    def do(self, verb: Verb) -> Facts:
        """Do it now; answers facts of the physical world. Raises VerbError where hands could not do it."""
        return self._doers[type(verb)](verb)

    def power(self, on: bool) -> None:
        """The cart's power went or came back: without it the scanner sends nothing and no pin is driven."""
        self._powered = on
        if not on:
            self._pins.let_go()
            self._scanner.unplug()
        elif self._plugged["scanner"]:
            self._scanner.plug()

    def state(self) -> Facts:
        """What is physically so, for `GET /world`."""
        percent, charging = self._battery
        return {
            "things": [self._thing(thing) for thing in self._basket.inside],
            "out": [self._thing(thing) for thing in self._basket.outside[-20:]],
            "weight_g": round(sum(thing.weight_g for thing in self._basket.inside), 1),
            "plugged": dict(self._plugged),
            "pins": self._pins.state(),
            "air_celsius": self._air_celsius,
            "degrees": self._degrees,
            "lens": self._lens_state,
            "battery": {"percent": percent, "charging": charging},
            "converting": self._converter.alive,
        }

    def curve(self) -> list[CurvePoint]:
        """Measured and true weight of the last half hour."""
        return self._converter.curve()

    # -- the basket ----------------------------------------------------------------------------------------------

    def _put_in(self, verb: PutIn) -> Facts:
        things = self._basket.put(verb)
        mass_g = sum(thing.weight_g for thing in things)
        rest_s = self._converter.hands(lambda platform, now_ns: platform.put(now_ns, mass_g))
        self._eye.put(things, rest_s)
        return {"things": [self._thing(thing) for thing in things], "rest_in_s": round(rest_s, 3)}

    def _take_out(self, verb: TakeOut) -> Facts:
        things = self._basket.take(verb)
        mass_g = sum(thing.weight_g for thing in things)
        rest_s = self._converter.hands(lambda platform, now_ns: platform.take(now_ns, mass_g))
        self._eye.take(things, rest_s)
        return {"things": [self._thing(thing) for thing in things], "rest_in_s": round(rest_s, 3)}

    def _lean(self, verb: Lean) -> Facts:
        self._eye.lean(verb.seconds)
        return self._handled(lambda platform, now_ns: platform.lean(now_ns, verb.force_g, verb.seconds))

    def _bump(self, verb: Bump) -> Facts:
        self._eye.shake(BUMP_S, BUMP_PX * verb.strength)
        return self._handled(lambda platform, now_ns: platform.bump(now_ns, BUMP_G * verb.strength))

    def _move(self, verb: Move) -> Facts:
        self._eye.move(verb.seconds)
        return self._handled(lambda platform, now_ns: platform.move(now_ns, duration_s=verb.seconds))

    def _roll(self, verb: Roll) -> Facts:
        self._eye.shake(verb.seconds, ROLL_PX)
        return self._handled(lambda platform, now_ns: platform.roll(now_ns, verb.seconds))

    def _tilt(self, verb: Tilt) -> Facts:
        self._degrees = verb.degrees
        return self._handled(lambda platform, _now_ns: platform.tilt(verb.degrees))

    def _handled(self, act: Callable[[Any, int], int | None]) -> Facts:
        rest_s = self._converter.hands(act)
        return {"rest_in_s": round(rest_s, 3)}

    def _thing(self, thing: Thing) -> Facts:
        facts = {key: value for key, value in msgspec.to_builtins(thing).items() if key != "where"}
        item = None if thing.sku is None else self._basket.item(thing.sku)
        return {**facts, **(_look(None, thing.label) if item is None else _look(item.vision_class, item.name))}

    # -- scanner, camera, pins, files ----------------------------------------------------------------------------

    def _scan(self, verb: Scan) -> Facts:
        data = self.scan_bytes(verb)
        sent = self._powered and self._plugged["scanner"]
        if sent:
            sent = self._scanner.write(data) == len(data)
        return {"sent": sent, "bytes": len(data)}

    def scan_bytes(self, verb: Scan) -> bytes:
        """What the scanner puts on its line for a scan: prefix, AIM identifier, text, suffix. Raises VerbError."""
        if verb.raw_base64 is not None:
            try:
                return base64.b64decode(verb.raw_base64, validate=True)
            except (binascii.Error, ValueError):
                raise VerbError("scan: raw_base64 is not base64; encode the bytes with RFC 4648's alphabet") from None
        if verb.sku is not None:
            text, aim = scan_text(self._basket.code_of(verb.sku))
        else:
            text = verb.text or ""
            aim = guessed_aim(text)
        table = self._scanner_table
        head = (verb.aim or aim) if table.aim_ids else ""
        return f"{table.prefix}{head}{text}{table.suffix}".encode()

    def _show(self, verb: Show) -> Facts:
        item = self._basket.item(verb.sku)
        self._eye.show(item.sku, item.name, verb.seconds)
        return {}

    def _light(self, verb: Light) -> Facts:
        self._eye.light(verb.brightness, verb.warmth)
        return {}

    def _lens(self, verb: Lens) -> Facts:
        self._eye.lens(verb.state)
        self._lens_state = verb.state
        return {}

    def jpeg(self) -> bytes:
        """What the camera over the basket sees now."""
        return self._eye.jpeg()

    def _unplug(self, verb: Unplug) -> Facts:
        return self._set_plug(verb.part, False)

    def _plug(self, verb: Plug) -> Facts:
        return self._set_plug(verb.part, True)

    def _set_plug(self, part: Part, plugged: bool) -> Facts:
        if self._plugged[part] == plugged:
            return {"changed": False}
        self._plugged[part] = plugged
        if part == "scale":
            self._wire.set_scale_fault(ScaleFault.NONE if plugged else ScaleFault.UNPLUGGED)
        elif part == "camera":
            self._frames.plugged = plugged
        elif plugged and self._powered:
            self._scanner.plug()
        else:
            self._scanner.unplug()
        return {"changed": True}

    def _glitch(self, verb: Glitch) -> Facts:
        if not self._plugged["scale"]:
            raise VerbError("glitch: the scale is unplugged; plug it first")
        if verb.kind in WIRE_FAULTS:
            self._wire.set_scale_fault(WIRE_FAULTS[verb.kind], words=verb.samples)
        else:
            self._converter.hands(lambda platform, now_ns: _spoil(platform, now_ns, verb))
        return {}

    def _temperature(self, verb: Temperature) -> Facts:
        change_k = verb.celsius - self._air_celsius
        self._air_celsius = verb.celsius
        self._converter.hands(lambda platform, _now_ns: platform.temperature(change_k))
        self._files.set_temperature(verb.celsius + PROCESSOR_ABOVE_AIR_K)
        return {}

    def _staff_button(self, verb: StaffButton) -> Facts:
        self._pins.press(time.monotonic() + verb.seconds)
        return {}

    def _set_battery(self, verb: Battery) -> Facts:
        self._battery = (verb.percent, verb.charging)
        self._files.set_battery(round(verb.percent), status="Charging" if verb.charging else "Discharging")
        return {}


def _spoil(platform: Platform, now_ns: int, verb: Glitch) -> None:
    for _ in range(verb.samples):
        platform.glitch(now_ns, msgspec.convert(verb.kind, WordGlitch))


def shelf_entry(item: Item) -> Facts:
    """A product as it stands on the bench page's shelf, in the colour and shape that the camera sees."""
    return {
        **_look(item.vision_class, item.name),
        "sku": item.sku,
        "name": item.name,
        "department": item.department,
        "unit": item.unit,
        "price_minor": item.price_minor,
        "weight_g": item.weight_g,
        "barcode": bool(item.gtins),
        "plu": item.plu,
        "age_min": item.age_min,
    }


def _look(vision_class: str | None, label: str) -> Facts:
    (blue, green, red), shape = look_of(vision_class, label)
    return {"look": f"#{red:02x}{green:02x}{blue:02x}", "shape": shape}
