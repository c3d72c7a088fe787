"""The verbs of the simulated world: what a pair of hands can do to a cart, as strict values.

The world's HTTP port, the bench page and the scenarios all use these, so a body that one accepts, all accept.
Units are last in the names; an unknown key is a typing mistake and is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from cart.core.problem import Problem

Part = Literal["scale", "scanner", "camera"]
PARTS: tuple[Part, ...] = ("scale", "scanner", "camera")

WordGlitch = Literal["spike", "max", "zero", "sign", "shifted"]
"""A wrong word, as a disturbed bit clock gives it."""
WireGlitch = Literal["garbled", "gap", "desync", "stuck_low", "stuck_high", "saturated_high", "saturated_low"]
"""What a bad wire does to the bits themselves."""

# A trolley's basket takes some 60 kg before it breaks; more is a typing mistake, and over capacity is well below.
WeightG = Annotated[float, msgspec.Meta(gt=0, le=60_000)]
# Nobody holds more than this in two hands.
Units = Annotated[int, msgspec.Meta(ge=1, le=24)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=600)]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Sku = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class VerbError(Problem):
    """A verb that cannot be done: one line, which says what to send instead."""


class Verb(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all verbs."""


class PutIn(Verb, frozen=True, kw_only=True):
    """Put something into the basket: a product by `sku`, a thing of the shopper's own by `weight_g`, or `thing`,
    which was taken out before and comes back with the weight it had. `sku` with `weight_g` is a piece of that weight.
    """

    sku: Sku | None = None
    weight_g: WeightG | None = None
    thing: int | Label | None = None
    units: Units = 1
    label: Label | None = None

    def check(self) -> None:
        """Raises VerbError when it does not say what goes in."""
        if self.thing is not None and (self.sku, self.weight_g, self.label, self.units) != (None, None, None, 1):
            raise VerbError("put_in: 'thing' stands alone; it comes back as it was")
        if self.thing is None and self.sku is None and self.weight_g is None:
            raise VerbError("put_in: name what goes in with sku, weight_g or thing")


class TakeOut(Verb, frozen=True, kw_only=True):
    """Take something out: `thing` by its number or label, or the `units` of `sku` that went in last."""

    thing: int | Label | None = None
    sku: Sku | None = None
    units: Units = 1

    def check(self) -> None:
        """Raises VerbError unless exactly one of `thing` and `sku` is given."""
        if (self.thing is None) == (self.sku is None):
            raise VerbError("take_out: name what comes out with either thing or sku")
        if self.thing is not None and self.units != 1:
            raise VerbError("take_out: 'units' goes with sku; a thing is one thing")


class Lean(Verb, frozen=True, kw_only=True):
    """Lean on the handle or the basket's rim. `force_g` is the mean force in grams, negative lifts the basket."""

    force_g: Annotated[float, msgspec.Meta(ge=-30_000, le=60_000)] = 2500.0
    seconds: Seconds = 3.0


class Bump(Verb, frozen=True, kw_only=True):
    """Bump into a kerb or another cart. `strength` 1 is an ordinary kerb."""

    strength: Annotated[float, msgspec.Meta(gt=0, le=10)] = 1.0


class Move(Verb, frozen=True, kw_only=True):
    """Move things about inside the basket, or a child's hands in it."""

    seconds: Seconds = 1.5


class Tilt(Verb, frozen=True, kw_only=True):
    """Park on a slope; 0 is level again."""

    degrees: Annotated[float, msgspec.Meta(ge=-15, le=15)]


class Roll(Verb, frozen=True, kw_only=True):
    """Roll over tiles."""

    seconds: Seconds = 5.0


class Scan(Verb, frozen=True, kw_only=True):
    """Hold a code before the scanner: the product's own, any text, or raw bytes just as they leave the wire."""

    sku: Sku | None = None
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)] | None = None
    raw_base64: Annotated[str, msgspec.Meta(min_length=1, max_length=40_000)] | None = None
    aim: Annotated[str, msgspec.Meta(pattern=r"^\][A-Za-z][0-9A-Za-z]$")] | None = None

    def check(self) -> None:
        """Raises VerbError unless exactly one of `sku`, `text` and `raw_base64` is given."""
        if [self.sku, self.text, self.raw_base64].count(None) != 2:
            raise VerbError("scan: give exactly one of sku, text and raw_base64")
        if self.aim is not None and self.raw_base64 is not None:
            raise VerbError("scan: raw_base64 goes out as it is; leave aim away")


class Show(Verb, frozen=True, kw_only=True):
    """Hold a product before the camera."""

    sku: Sku
    seconds: Seconds = 2.0


class Light(Verb, frozen=True, kw_only=True):
    """Roll under other lamps: `brightness` 1 is the middle of an aisle, `warmth` −1 (blue) to 1 (red)."""

    brightness: Annotated[float, msgspec.Meta(ge=0.05, le=4)] = 1.0
    warmth: Annotated[float, msgspec.Meta(ge=-1, le=1)] = 0.0


class Lens(Verb, frozen=True, kw_only=True):
    """What is wrong between light and the camera's sensor: it is dark, smeared, covered, or the sensor hangs."""

    state: Literal["clear", "dark", "dirty", "covered", "frozen"] = "clear"


class Unplug(Verb, frozen=True, kw_only=True):
    """Pull a part's plug."""

    part: Part


class Plug(Verb, frozen=True, kw_only=True):
    """Put a part's plug back."""

    part: Part


class Glitch(Verb, frozen=True, kw_only=True):
    """Disturb the next `samples` conversions of the load-cell converter."""

    kind: WordGlitch | WireGlitch = "spike"
    # A minute at 80 samples/s: long enough for every fault to be found and told.
    samples: Annotated[int, msgspec.Meta(ge=1, le=4800)] = 1


class Temperature(Verb, frozen=True, kw_only=True):
    """Change the air temperature; the load cell drifts towards it and the processor runs warmer or cooler."""

    celsius: Annotated[float, msgspec.Meta(ge=-30, le=80)]


class PowerCut(Verb, frozen=True, kw_only=True):
    """Take the cart's power away with no warning and give it back after `off_s`."""

    off_s: Annotated[float, msgspec.Meta(ge=0, le=600)] = 2.0


class Network(Verb, frozen=True, kw_only=True):
    """Cut the network between cart and store, or mend it."""

    up: bool


class StaffButton(Verb, frozen=True, kw_only=True):
    """Press the button that calls staff."""

    seconds: Annotated[float, msgspec.Meta(gt=0, le=10)] = 0.4


class Battery(Verb, frozen=True, kw_only=True):
    """Set what the battery gauge says."""

    percent: Annotated[float, msgspec.Meta(ge=0, le=100)]
    charging: bool = False


VERBS: dict[str, type[Verb]] = {
    "put_in": PutIn,
    "take_out": TakeOut,
    "lean": Lean,
    "bump": Bump,
    "move": Move,
    "tilt": Tilt,
    "roll": Roll,
    "scan": Scan,
    "show": Show,
    "light": Light,
    "lens": Lens,
    "unplug": Unplug,
    "plug": Plug,
    "glitch": Glitch,
    "temperature": Temperature,
    "power_cut": PowerCut,
    "network": Network,
    "staff_button": StaffButton,
    "battery": Battery,
}


def read_verb(name: str, body: Any) -> Verb:
    """A verb from its name and decoded JSON or YAML body (None is an empty one).

    Raises VerbError with one line that names the verb, the field and what is wanted.
    """
    kind = VERBS.get(name)
    if kind is None:
        raise VerbError(f"no verb {name!r}; there are {', '.join(VERBS)}")
    try:
        verb = msgspec.convert({} if body is None else body, kind)
    except msgspec.ValidationError as error:
        raise VerbError(f"{name}: {error}") from None
    if isinstance(verb, PutIn | TakeOut | Scan):
        verb.check()
    return verb
