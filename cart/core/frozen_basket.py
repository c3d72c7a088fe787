"""What a payment attempt freezes: the hash of its basket, and the code to finish it at a till."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

CODE_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U to misread (crockford.com/base32.html)."""


class HashedLine(msgspec.Struct, frozen=True):
    """What of a basket line is frozen by the hash. `weight_g` net grams, None where nothing was weighed."""

    line_id: int
    sku: str
    units: int
    weight_g: float | None
    price_minor: int


def basket_hash(trip_id: str, currency: str, total_minor: int, lines: Iterable[HashedLine]) -> str:
    """SHA-256 (64 hex digits) of the frozen basket, the same whatever order the lines come in.

    Canonical bytes: the UTF-8 JSON array `["cart-basket-1", trip_id, currency, total_minor, [[line_id, sku, units,
    weight_mg | null, price_minor], …]]` without spaces, lines by line id, weights as whole milligrams.
    """
    rows = [
        [
            line.line_id,
            line.sku,
            line.units,
            None if line.weight_g is None else round(line.weight_g * 1000.0),
            line.price_minor,
        ]
        for line in sorted(lines, key=lambda line: line.line_id)
    ]
    return hashlib.sha256(msgspec.json.encode(["cart-basket-1", trip_id, currency, total_minor, rows])).hexdigest()


def till_code(attempt_id: str, amount_minor: int, currency: str) -> str:
    """The code a shopper reads out at a till, `XXXXXX-XX`: five characters name the trip, the sixth is the attempt's
    number within it, two check code and amount.

    An attempt's id is its trip's, a dot and the number. The till computes the same code when it hears of the attempt;
    until then it can tell from the last two characters whether code and amount were typed as shown, and from the
    trip's whether money is held, or may come, for the same basket already (`code_of_trip`).
    """
    trip_id, _, number = attempt_id.rpartition(".")
    place = int(number) if number.isdecimal() else int.from_bytes(hashlib.sha256(number.encode()).digest()[:8], "big")
    name = _base32(hashlib.sha256(f"cart-code-2|{trip_id}".encode()).digest(), 5) + CODE_ALPHABET[place % 32]
    return f"{name}-{code_check(name, amount_minor, currency)}"


def hand_reference(code: str) -> str:
    """The reference of money that a person at a till took for this code: no provider's begins so."""
    return f"TILL-{code}"


def code_of_trip(code: str) -> str:
    """The part of a till code that all attempts of one trip share; two trips share it once in 33 million."""
    return code[:5]


def code_check(name: str, amount_minor: int, currency: str) -> str:
    """The two check characters of a till code's first six."""
    return _base32(hashlib.sha256(f"cart-code-2|{name}|{amount_minor}|{currency}".encode()).digest(), 2)


def _base32(digest: bytes, length: int) -> str:
    number = int.from_bytes(digest[:8], "big")
    return "".join(CODE_ALPHABET[(number >> (5 * place)) & 31] for place in range(length))
