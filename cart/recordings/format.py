"""What stands in a recording: topics, their messages and schemas, the attachments.

Readers ignore JSON fields, topics and TOML keys they do not know, so that newer carts' recordings stay readable.
"""

from __future__ import annotations

import math
import tomllib
from typing import Annotated, Any, Literal, get_args

import msgspec

from cart.core.observations import Part, StaffCommand, Touch, TouchAction
from cart.core.problem import Problem
from cart.core.settings import Policy, ScaleSettings

SCALE = "/scale"
TEMPERATURE = "/temperature"
SCANNER = "/scanner"
CAMERA = "/camera"
TOUCH = "/touch"
LOOK = "/look"
SCAN = "/scan"
PART = "/part"
STAFF = "/staff"
TRUTH = "/truth"

FORMAT_VERSION = "1"
METADATA_NAME = "recording"
CONFIG_ATTACHMENT = "cart.toml"
CATALOG_ATTACHMENT = "catalog.json"
TRUTH_ATTACHMENT = "truth.json"

COUNTS_MIN = -(1 << 23)
COUNTS_MAX = (1 << 23) - 1


class RecordingError(Problem):
    """One line: which file, what is wrong with it, what to do next."""


class ScaleMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One conversion; counts exactly as the 24-bit converter gave them. With four cells, `cells` are so, and `counts`
    is their trimmed mean."""

    counts: Annotated[int, msgspec.Meta(ge=COUNTS_MIN, le=COUNTS_MAX)]
    cells: tuple[Annotated[int, msgspec.Meta(ge=COUNTS_MIN, le=COUNTS_MAX)], ...] = ()


class TemperatureMessage(msgspec.Struct, frozen=True):
    """How warm the scale is, where its weights are compensated for that."""

    celsius: float


class ScannerMessage(msgspec.Struct, frozen=True):
    """Bytes as they came in, cut anywhere (base64 in JSON)."""

    data: bytes


class Timestamp(msgspec.Struct, frozen=True):
    sec: int
    nsec: int


class CameraMessage(msgspec.Struct, frozen=True):
    """`foxglove.CompressedImage` in its JSON form."""

    timestamp: Timestamp
    data: bytes
    format: str = "jpeg"
    frame_id: str = "basket"


class TouchMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A shopper's action. It has no field for an address: what was typed for a receipt is never recorded."""

    action: str
    line: int | None = None
    units: int | None = None
    sku: str | None = None
    intervention: int | None = None
    choice: str | None = None
    code: str | None = None
    method: str | None = None
    language: str | None = None

    def observed(self, t_ns: int) -> Touch | None:
        """The observation, or None for an action this version does not know."""
        fields = msgspec.structs.asdict(self)
        if fields["action"] not in get_args(TouchAction):
            return None
        return Touch(t_ns=t_ns, **fields)


class LookMessage(msgspec.Struct, frozen=True):
    """What the camera made of one change of the basket: class scores, never pixels.

    `frame_t_ns` is on `log_time`'s clock.
    """

    frame_t_ns: int
    scores: dict[str, float]
    direction: Literal["in", "out", "moved", "unknown"] = "unknown"


class ScanMessage(msgspec.Struct, frozen=True):
    """A code that did not come through the scanner, whose bytes are in `/scanner`: the camera read it."""

    text: str
    symbology: str | None = None
    source: Literal["scanner", "camera"] = "camera"


class PartMessage(msgspec.Struct, frozen=True):
    """A part of the cart went away or came back."""

    part: Part
    ok: bool
    fault: str = "missing"
    detail: str = ""


class StaffMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a member of staff decided; `role` is a role or rotating pseudonym."""

    command_id: str
    action: str
    intervention: int | None = None
    line: int | None = None
    choice: str | None = None
    role: str = "staff"
    reason: str = ""

    def observed(self, t_ns: int) -> StaffCommand | None:
        """The observation, or None for an action this version does not know."""
        try:
            return msgspec.convert(
                {**msgspec.to_builtins(self), "t_ns": t_ns, "observed": "staff_command"}, StaffCommand
            )
        except msgspec.ValidationError:
            return None


class TruthEvent(msgspec.Struct, frozen=True):
    """What really happened. `weight_g` is the whole change, signed or not; `rest_ns` is on `log_time`'s clock."""

    event: Literal["put_in", "taken_out", "moved", "disturbance"]
    rest_ns: int
    sku: str | None = None
    units: int = 0
    weight_g: float | None = None

    @property
    def change_g(self) -> float | None:
        """The signed change of the gross weight, None when it was not noted, 0 when nothing went in or out."""
        if self.event in {"moved", "disturbance"}:
            return 0.0
        if self.weight_g is None:
            return None
        return abs(self.weight_g) if self.event == "put_in" else -abs(self.weight_g)


class TruthLine(msgspec.Struct, frozen=True):
    sku: str
    units: int
    weight_g: float | None = None


class Truth(msgspec.Struct, frozen=True):
    """The attachment `truth.json`: what is really in the basket at the end, and whether the trip was honest."""

    basket: tuple[TruthLine, ...]
    honest: bool
    name: str = ""

    def units_by_sku(self) -> dict[str, int]:
        units: dict[str, int] = {}
        for line in self.basket:
            units[line.sku] = units.get(line.sku, 0) + line.units
        return units


Body = (
    ScaleMessage
    | TemperatureMessage
    | ScannerMessage
    | CameraMessage
    | TouchMessage
    | LookMessage
    | ScanMessage
    | PartMessage
    | StaffMessage
    | TruthEvent
)

BODIES: dict[str, type[Body]] = {
    SCALE: ScaleMessage,
    TEMPERATURE: TemperatureMessage,
    SCANNER: ScannerMessage,
    CAMERA: CameraMessage,
    TOUCH: TouchMessage,
    LOOK: LookMessage,
    SCAN: ScanMessage,
    PART: PartMessage,
    STAFF: StaffMessage,
    TRUTH: TruthEvent,
}

OBSERVED_TOPICS = frozenset(BODIES) - {TRUTH}
"""All that the cart itself could know; `/truth` is for scoring only."""


class RecordedCart(msgspec.Struct, frozen=True):
    id: str = "cart"


class RecordedStore(msgspec.Struct, frozen=True):
    id: str = "store"
    currency: str = "EUR"
    locale: str = "en_IE"
    languages: tuple[str, ...] = ("en",)


class RecordedScale(msgspec.Struct, frozen=True):
    counts_per_gram: float
    tare_counts: int
    capacity_g: Annotated[float, msgspec.Meta(gt=0)] = 30000.0
    samples_per_second: Annotated[float, msgspec.Meta(gt=0)] = 80.0
    cell_trims: tuple[float, ...] = ()
    cell_tare_counts: tuple[int, ...] = ()
    zero_g_per_kelvin: float = 0.0
    span_per_kelvin: float = 0.0
    reference_celsius: float = 20.0
    compensated_celsius: tuple[float, ...] = ()


class RecordedScanner(msgspec.Struct, frozen=True):
    prefix: str = ""
    suffix: str = "\r"
    aim_ids: bool = True


class RecordedTables(msgspec.Struct, frozen=True):
    scale: RecordedScale
    cart: RecordedCart = RecordedCart()
    store: RecordedStore = RecordedStore()
    scanner: RecordedScanner = RecordedScanner()
    policy: dict[str, Any] = {}


class RecordedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The attachment `cart.toml` as far as decisions depend on it."""

    cart_id: str
    store_id: str
    currency: str
    locale: str
    languages: tuple[str, ...]
    scale: ScaleSettings
    scanner: RecordedScanner
    policy: Policy


def read_settings(data: bytes, *, source: str) -> RecordedSettings:
    """Raises RecordingError with one line; unknown tables and keys are ignored."""
    remedy = "record it again, or take the file from the cart that made it"
    try:
        tables = msgspec.convert(tomllib.loads(data.decode("utf-8")), RecordedTables)
        known = {name: value for name, value in tables.policy.items() if name in Policy.__struct_fields__}
        policy = msgspec.convert(known, Policy)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise RecordingError(f"{source}: its {CONFIG_ATTACHMENT} is wrong ({error}); {remedy}") from None
    if tables.scale.counts_per_gram == 0 or not math.isfinite(tables.scale.counts_per_gram):
        raise RecordingError(f"{source}: its {CONFIG_ATTACHMENT} has no usable scale.counts_per_gram; {remedy}")
    return RecordedSettings(
        cart_id=tables.cart.id,
        store_id=tables.store.id,
        currency=tables.store.currency,
        locale=tables.store.locale,
        languages=tables.store.languages,
        scale=ScaleSettings(**msgspec.structs.asdict(tables.scale)),
        scanner=tables.scanner,
        policy=policy,
    )


def _schema(properties: dict[str, Any], required: list[str]) -> bytes:
    return msgspec.json.encode({"type": "object", "properties": properties, "required": required})


_INTEGER = {"type": "integer"}
_COUNTS = {"type": "integer", "minimum": COUNTS_MIN, "maximum": COUNTS_MAX}
_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_BASE64 = {"type": "string", "contentEncoding": "base64"}
_TIME = {"type": "object", "title": "time", "properties": {"sec": _INTEGER, "nsec": _INTEGER}}

SCHEMAS: dict[str, tuple[str, bytes]] = {
    SCALE: (
        "scale",
        _schema({"counts": _COUNTS, "cells": {"type": "array", "items": _COUNTS}}, ["counts"]),
    ),
    TEMPERATURE: ("temperature", _schema({"celsius": _NUMBER}, ["celsius"])),
    SCANNER: ("scanner", _schema({"data": _BASE64}, ["data"])),
    CAMERA: (
        "foxglove.CompressedImage",
        _schema({"timestamp": _TIME, "frame_id": _TEXT, "data": _BASE64, "format": _TEXT}, ["timestamp", "data"]),
    ),
    TOUCH: ("touch", _schema({"action": {"type": "string", "enum": list(get_args(TouchAction))}}, ["action"])),
    LOOK: (
        "look",
        _schema(
            {
                "frame_t_ns": _INTEGER,
                "direction": _TEXT,
                "scores": {"type": "object", "additionalProperties": _NUMBER},
            },
            ["frame_t_ns", "scores"],
        ),
    ),
    SCAN: ("scan", _schema({"text": _TEXT, "symbology": {"type": ["string", "null"]}, "source": _TEXT}, ["text"])),
    PART: (
        "part",
        _schema({"part": _TEXT, "ok": {"type": "boolean"}, "fault": _TEXT, "detail": _TEXT}, ["part", "ok"]),
    ),
    STAFF: ("staff", _schema({"command_id": _TEXT, "action": _TEXT, "role": _TEXT}, ["command_id", "action"])),
    TRUTH: (
        "truth",
        _schema(
            {
                "event": {"type": "string", "enum": ["put_in", "taken_out", "moved", "disturbance"]},
                "sku": {"type": ["string", "null"]},
                "units": _INTEGER,
                "weight_g": {"type": ["number", "null"]},
                "rest_ns": _INTEGER,
            },
            ["event", "rest_ns"],
        ),
    ),
}
"""Topic -> (schema name, JSON Schema)."""
