"""Card numbers and e-mail addresses struck out of text: of the journal, of logs, of a provider's words."""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = re.compile(r"(?<![0-9A-Za-z])\d(?:[ -]?\d){13,18}(?![0-9A-Za-z])")
"""14 to 19 digits, by fours or not: today's card numbers (ISO/IEC 7812-1). 13 digits are an EAN, not a card."""
_ADDRESS: Final = re.compile(r"[^\s@<>\"]+@[^\s@<>\"]+\.[^\s@<>\"]+")


def redact_text(text: str) -> tuple[str, int]:
    """The text without them, and how many: `[card number]` and `[address]` stand where they stood."""
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
