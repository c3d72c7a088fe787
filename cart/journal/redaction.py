"""Card numbers and e-mail addresses never reach the disk, whatever text they hide in."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from cart.core.card_numbers import is_card_number, redact_text
from cart.core.ledger import LedgerEvent

_SUSPECT: Final = re.compile(rb"@|\d(?:[ -]?\d){13}")
__all__ = ["EXEMPT_KEYS", "is_card_number", "redact", "redact_text"]

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
