"""Restricted circulation numbers: what a store's or a country's own numbers carry inside.

GS1 gives the 13-digit numbers that begin 02 and 20…29 to each national organisation, which says what stands where: an
item reference, and often a price or a weight (GS1 General Specifications, 2.1.11 and 2.1.12). Numbers that begin 04
(a GTIN-12 of number system 4) and 8-digit ones that begin 0 or 2 belong to the company alone; no national layout ever
reads them.

A layout is a picture of the 13 digits. `2` and other digits stand for themselves, `I` is the item reference, `V` the
value, `C` the value's own check digit (General Specifications, 7.9.2 to 7.9.4), `K` the check digit of the whole
number:

    20IIIIICVVVVK   prefix 20, five digits of item, check digit of the price, price, check digit
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
from biip.checksums import gs1_price_weight_check_digit

PICTURE = re.compile(r"[0-9]{1,3}(?=[IVC]{9,11}K$)I+C?V+C?K")
"""A fixed prefix, then item, value and the value's check digit, before or after the value."""


class RcnLayout(msgspec.Struct, frozen=True, kw_only=True):
    """One layout. `decimals` of the value: digits after the point, in kilograms or in the currency's main unit.

    `pattern` is the picture of the 13 digits described in this module's text. A `count` is read and not used for a
    price.
    """

    pattern: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,3}[IVC]{9,11}K$")]
    measure: Literal["weight", "price", "count"]
    decimals: Annotated[int, msgspec.Meta(ge=0, le=4)]


class VariableMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """What a layout read out of a number. `base` is the number with value 0 and right check digits, 14 digits."""

    item: str
    base: str
    weight_g: float | None
    price_minor: int | None
    count: int | None


def check_digit(digits: str) -> str:
    """The GS1 check digit of the digits before it (General Specifications, 7.9.1: weights 3, 1 from the right)."""
    return str(-(3 * sum(map(int, digits[-1::-2])) + sum(map(int, digits[-2::-2]))) % 10)


def layout_fault(layout: RcnLayout) -> str | None:
    """What is wrong with a layout's picture, or None."""
    pattern = layout.pattern
    if len(pattern) != 13 or PICTURE.fullmatch(pattern) is None:
        return (
            f"pattern {pattern!r} is not 13 characters of prefix, I, V, C and one K at the end, such as 20IIIIICVVVVK"
        )
    if not re.match(r"0[24]|2", pattern):
        return f"pattern {pattern!r} does not begin with 02, 04 or 2: other numbers belong to manufacturers"
    if "C" in pattern and pattern.count("V") not in {4, 5}:
        return f"pattern {pattern!r} has a value check digit, which GS1 defines for 4 or 5 digits of value only"
    return None


def read_variable_measure(
    number_13: str, layouts: Iterable[RcnLayout], *, minor_digits: int = 2
) -> VariableMeasure | None:
    """Read a 13-digit number by the first layout whose prefix fits; None where none does.

    `minor_digits`: decimals of the currency. Raises ValueError where the value's own check digit is wrong.
    """
    for layout in layouts:
        prefix = layout.pattern[: next(re.finditer("[IVCK]", layout.pattern)).start()]
        if number_13.startswith(prefix):
            return _read_by(number_13, layout, minor_digits)
    return None


def _read_by(number_13: str, layout: RcnLayout, minor_digits: int) -> VariableMeasure:
    parts = dict.fromkeys("IVC", "")
    for letter, digit in zip(layout.pattern, number_13, strict=True):
        if letter in parts:
            parts[letter] += digit
    if parts["C"] and str(gs1_price_weight_check_digit(parts["V"])) != parts["C"]:
        raise ValueError(f"the {layout.measure} in it has the check digit {parts['C']}, which is wrong")
    value = int(parts["V"])
    return VariableMeasure(
        item=parts["I"],
        base=_base_of(number_13, layout),
        weight_g=value * 10.0 ** (3 - layout.decimals) if layout.measure == "weight" else None,
        price_minor=_scaled(value, minor_digits - layout.decimals) if layout.measure == "price" else None,
        count=value if layout.measure == "count" else None,
    )


def _scaled(value: int, power: int) -> int:
    """value × 10^power as an integer, halves up."""
    if power >= 0:
        return value * int(10**power)
    divisor = int(10**-power)
    return (2 * value + divisor) // (2 * divisor)


def _base_of(number_13: str, layout: RcnLayout) -> str:
    zeros = "0" * layout.pattern.count("V")
    value_check = str(gs1_price_weight_check_digit(zeros)) if "C" in layout.pattern else ""
    filled = "".join(
        {"V": "0", "C": value_check}.get(letter, digit)
        for letter, digit in zip(layout.pattern[:-1], number_13[:-1], strict=True)
    )
    return f"0{filled}{check_digit(filled)}"


def _rows(measure: Literal["weight", "price", "count"], *rows: tuple[str, int]) -> tuple[RcnLayout, ...]:
    return tuple(RcnLayout(pattern=pattern, measure=measure, decimals=decimals) for pattern, decimals in rows)


_BALTIC = _rows("weight", ("23IIIIIIVVVVK", 3), ("24IIIIIIVVVVK", 2), ("25IIIIIIVVVVK", 1))
_NORDIC = _rows("price", ("20IIIIIIVVVVK", 2), ("21IIIIIIVVVVK", 1), ("22IIIIIIVVVVK", 0)) + _BALTIC

NATIONAL: dict[str, tuple[RcnLayout, ...]] = {
    # gs1.dk: GTIN-13 pris, GTIN-13 vægt.
    "DK": _rows("price", *((f"{prefix}IIIIVVVVVVK", 2) for prefix in (21, 22, 23, 24)))
    + _rows("weight", ("26IIIIVVVVVVK", 3), ("27IIIIIVVVVVK", 3), ("28IIIIVVVVVVK", 3)),
    # gs1lv.org: Variable measure in Latvia (the three Baltic states share it); gs1.fi: how to identify a product.
    "EE": _BALTIC,
    "LV": _BALTIC,
    "LT": _BALTIC,
    "FI": _BALTIC,
    # gs1-germany.de: Globale Artikelnummer (GTIN) in der Anwendung; SAN-4-Konzept.
    "DE": _rows("price", ("22IIIICVVVVVK", 2), ("23IIIICVVVVVK", 2))
    + _rows("count", ("25IIIICVVVVVK", 0), ("26IIIICVVVVVK", 0))
    + _rows("weight", ("28IIIICVVVVVK", 3), ("29IIIICVVVVVK", 3)),
    # gs1uk.org: how to barcode variable measure items.
    "GB": _rows("price", ("20IIIIICVVVVK", 2), ("28IIIIICVVVVK", 2)),
    # gs1.se: how do I create my variable weight numbers; Norway's products follow the same table.
    "NO": _NORDIC,
    "SE": _NORDIC,
    # GS1 US, General Specifications 2.1.11: a GTIN-12 of number system 2, price verifier before the price.
    "US": _rows("price", ("02IIIIICVVVVK", 2)),
}
"""National tables by ISO 3166 country. A country that is not here has no layout unless the catalogue brings one."""


def layouts_for(country: str) -> tuple[RcnLayout, ...]:
    """The country's table, empty where none is known."""
    return NATIONAL.get(country.upper(), ())


def overlapping(layouts: Iterable[RcnLayout]) -> Iterator[tuple[str, str]]:
    """Pairs of patterns of which one prefix begins with the other, so that one layout may hide the other."""
    prefixes = sorted((re.split("[IVC]", layout.pattern)[0], layout.pattern) for layout in layouts)
    for (first, first_pattern), (second, second_pattern) in pairwise(prefixes):
        if second.startswith(first):
            yield first_pattern, second_pattern
