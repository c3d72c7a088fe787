"""Card numbers and e-mail addresses never reach the disk, whatever text they hide in."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from cart.core.ledger import LedgerEvent

_SUSPECT: Final = re.compile(rb"@|\d(?:[ -]?\d){13}")
_NUMBER: Final = re.compile(r"(?<![0-9A-Za-z])\d(?:[ -]?\d){13,18}(?![0-9A-Za-z])")
"""14 to 19 digits, by fours or not: today's card numbers (ISO/IEC 7812-1). 13 digits are an EAN, not a card."""
_ADDRESS: Final = re.compile(r"[^\s@<>\"]+@[^\s@<>\"]+\.[^\s@<>\"]+")

EXEMPT_KEYS: Final = frozenset(
    {"kind", "sku", "gtin", "trip_id", "attempt_id", "basket_hash", "command_id", "store_id"}
)
"""Fields that hold ids of the catalogue or of the cart's own making."""


def redact(event: LedgerEvent) -> tuple[LedgerEvent, int]:
    """The event without card numbers and addresses, and how many were struck out (almost always 0)."""
    if _SUSPECT.search(msgspec.json.encode(event)) is None:
        return event, 0
    plain, struck = _walk(msgspec.to_builtins(event))
    return (msgspec.convert(plain, type(event)), struck) if struck else (event, 0)


def redact_text(text: str) -> tuple[str, int]:
    """Same for one text: `[card number]` and `[address]` stand where they stood."""
    text, addresses = _ADDRESS.subn("[address]", text)
    cards = 0

    def strike(match: re.Match[str]) -> str:
        nonlocal cards
        digits = re.sub(r"\D", "", match[0])
        if not is_card_number(digits):
            return match[0]
        cards += 1
        return "[card number]"

    return _NUMBER.sub(strike, text), addresses + cards


def is_card_number(digits: str) -> bool:
    """True for 14–19 digits that start like a card of the common schemes (2–6) and bear Luhn's check digit.

    Luhn: ISO/IEC 7812-1 annex B. A GTIN-14 bears a different check digit and mostly starts with 0 or 1.
    """
    if not 14 <= len(digits) <= 19 or digits[0] not in "23456":
        return False
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _walk(value: Any, key: str = "") -> tuple[Any, int]:
    if isinstance(value, str) and key not in EXEMPT_KEYS:
        return redact_text(value)
    if isinstance(value, dict):
        walked = {name: _walk(inner, name) for name, inner in value.items()}
        return {name: inner for name, (inner, _) in walked.items()}, sum(count for _, count in walked.values())
    if isinstance(value, list | tuple):
        items = [_walk(inner, key) for inner in value]
        return [inner for inner, _ in items], sum(count for _, count in items)
    return value, 0
