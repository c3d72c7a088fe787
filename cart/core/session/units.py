"""What one unit of a line is believed to weigh: by its code, the catalogue, or what was learned."""

from __future__ import annotations

from cart.core.basket import Line
from cart.core.catalog import Item
from cart.core.ledger import WeightLearned
from cart.core.session.desk import Desk

MINIMUM_INTERVALS = 20
"""No price below 20 scale intervals e (OIML R 76-1, table 3, class III)."""
_CODE_SD_FRACTION = 0.005
_CODE_SD_MIN_G = 1.5
"""A label's weight is rounded to the labeller's interval, and its wrapping is not in it."""
_TENTATIVE_UNITS = 2
"""Learned from fewer units of which one may have been another thing: a different weight is still believed."""
_SPREAD_UNITS = 3
"""From so many units on their spread is believed, where the catalogue has none."""


def unit_weight(desk: Desk, line: Line) -> tuple[float | None, float]:
    """Mean and sd in grams of one unit of a line. Mean None: the catalogue knows none and the trip has not learned it.

    What was learned stands in for a catalogue weight that is missing, or that staff found to be wrong.
    """
    policy = desk.policy
    if line.expected_g is not None:
        return line.expected_g, max(_CODE_SD_MIN_G, _CODE_SD_FRACTION * line.expected_g)
    item = desk.item(line.sku)
    learned = desk.state.learned.get(line.sku)
    if learned is not None and item is not None and item.weight_g == learned.catalog_g and trusted(learned):
        return learned.weight_g, learned.sd_g
    if item is not None and item.weight_g is not None and item.unit == "each":
        prior_g = max(policy.prior_weight_sd_min_g, policy.prior_weight_sd_fraction * item.weight_g)
        return item.weight_g, prior_g if item.weight_sd_g is None else item.weight_sd_g
    return None, 0.0


def tentative(desk: Desk, line: Line) -> bool:
    """Whether the weight of one unit was learned from a unit or two, and may be another thing's."""
    learned = desk.state.learned.get(line.sku)
    unsure = learned is not None and learned.catalog_g is None and len(learned.samples_g) < _TENTATIVE_UNITS
    return unsure and line.unit != "kg" and line.expected_g is None


def trusted(learned: WeightLearned) -> bool:
    """Whether what was learned is believed rather than the catalogue: it knows nothing, not the spread, or is wrong."""
    return learned.catalog_g is None or learned.vouched > 0 or len(learned.samples_g) >= _SPREAD_UNITS


def is_light(desk: Desk, item: Item, expected_g: float | None) -> bool:
    """True for an item that the scale can't see going in."""
    weight_g = item.weight_g if expected_g is None else expected_g
    return item.unit == "each" and weight_g is not None and weight_g < desk.policy.light_item_g


def minimum_g(desk: Desk) -> float:
    """The least net weight in grams that may be priced."""
    return MINIMUM_INTERVALS * desk.policy.verification_interval_e_g
