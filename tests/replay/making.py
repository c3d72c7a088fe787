"""Recordings made for these tests: quiet ones written by hand, and copies with something cut off or added."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from cart.core.catalog import Catalog, Item, Tax
from cart.recordings import RecordingWriter
from cart.recordings.format import SCALE, SCANNER, TOUCH, Body, ScaleMessage, ScannerMessage, TouchMessage
from cart.recordings.reading import RecordedMessage

SECOND_NS = 1_000_000_000
START_NS = 1_750_000_000_000_000_000
COUNTS_PER_GRAM = 20.0
TARE_COUNTS = 100_000
MILK = Item(sku="milk", name="Milk", gtins=("09520000000011",), price_minor=149, weight_g=1034.0, weight_sd_g=3.0)
TEA = Item(sku="tea", name="Tea", gtins=("09520000000028",), price_minor=275, weight_g=96.0, weight_sd_g=1.0)
CATALOG = Catalog(version=1, currency="EUR", locale="en_IE", taxes={"A": Tax(rate_bp=0)}, items=(MILK, TEA))
CONFIG = f"[scale]\ncounts_per_gram = {COUNTS_PER_GRAM}\ntare_counts = {TARE_COUNTS}\n"
MILK_SCAN = b"]E09520000000011\r"


def at(seconds: float) -> int:
    """Seconds of a recording on its clock."""
    return START_NS + round(seconds * SECOND_NS)


def scan(seconds: float, data: bytes = MILK_SCAN) -> RecordedMessage:
    return RecordedMessage(SCANNER, at(seconds), ScannerMessage(data))


def touch(seconds: float, action: str) -> RecordedMessage:
    return RecordedMessage(TOUCH, at(seconds), TouchMessage(action))


def quiet_scale(until_s: float, *, gross_g: float = 0.0, from_s: float = 0.0) -> list[RecordedMessage]:
    """Samples of a cart at rest, with a deterministic ripple of about ±0.3 g."""
    samples = []
    for index in range(round((until_s - from_s) * 80)):
        ripple = (index * 7919) % 13 - 6
        counts = round(TARE_COUNTS + gross_g * COUNTS_PER_GRAM) + ripple
        samples.append(RecordedMessage(SCALE, at(from_s + index / 80), ScaleMessage(counts)))
    return samples


def write(
    path: Path, messages: Iterable[tuple[str, int, Body]], *, truth: dict[str, object] | None = None, **notes: str
) -> Path:
    """A recording of these messages, in order of time."""
    with RecordingWriter(
        path,
        config_toml=CONFIG,
        catalog_json=msgspec.json.encode(CATALOG),
        cart_id="cart-1",
        made_by="test",
        notes=notes,
        flush_s=60,
    ) as writer:
        for topic, t_ns, body in sorted(messages, key=lambda message: message[1]):
            writer.write(topic, t_ns, body)
        writer.close(truth=truth)
    return path
