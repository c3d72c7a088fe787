"""How this cart rounds money: once, at a stated place, halves up, in integers.

- Price by weight: unit price × weight, both as shown to the customer, to the nearest minor unit: so OIML R 76-1 wants
  the price to pay of a scale that computes it. The weight is rounded first, to whole grams or to the scale's own
  interval, and whoever has the receipt can work the price out again.
- Halves go up: Council Regulation (EC) No 1103/97, article 5, says so for amounts in euro; we do it for every currency.
- Tax is taken once for each rate from the sum at that rate. Community law leaves the method to the member states
  (Court of Justice, C-484/06 Ahold, 10 July 2008); per rate and receipt loses the least.
"""

from __future__ import annotations

from collections.abc import Sequence


def half_up(numerator: int, denominator: int) -> int:
    """numerator / denominator to the nearest integer, halves up. Both non-negative, the denominator positive."""
    return (2 * numerator + denominator) // (2 * denominator)


def whole_grams(weight_g: float) -> int:
    """The weight as shown: whole grams, halves up, never below zero."""
    return max(0, int(weight_g + 0.5))


def in_intervals(weight_g: float, interval_g: int) -> float:
    """The weight as a scale of this interval shows it: halves up, never below zero."""
    return float(interval_g * max(0, int(weight_g / interval_g + 0.5)))


def weighed_price(price_per_kg_minor: int, weight_g: int) -> int:
    """The price of a weight in whole grams."""
    return half_up(price_per_kg_minor * weight_g, 1000)


def percentage(minor: int, rate_bp: int) -> int:
    """`rate_bp` basis points of an amount."""
    return half_up(minor * rate_bp, 10_000)


def share(minor: int, weights: Sequence[int]) -> list[int]:
    """Part an amount in proportion to weights, to the last minor unit (largest remainders; ties to the earlier)."""
    whole = sum(weights)
    if whole == 0:
        return [minor, *([0] * (len(weights) - 1))] if weights else []
    parts = [minor * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-(minor * weights[index] % whole), index))
    for index in by_remainder[: minor - sum(parts)]:
        parts[index] += 1
    return parts
