"""What units really weigh, learned from confirmed placements, and catalogue weights that are plainly wrong.

Learned are products of which the catalogue knows no weight or no spread, and those whose weight the shopper or staff
stood by against it. The estimate is the median of the last units weighed alone, its spread a blend of theirs (median
absolute deviation) and the cart's prior, so that one wrong placement among several moves it little. What is learned is
in the ledger, and with it at the store; placements of well-known products are there as they are.
"""

from __future__ import annotations

from statistics import median

from cart.core.catalog import Item
from cart.core.ledger import Proof, WeightLearned
from cart.core.session.desk import Desk

SAMPLES_MAX = 9
"""Newest first to be forgotten is the oldest: a pack that changed its size is known after five units."""
PRIOR_UNITS = 3
"""The prior spread weighs as much as so many units."""
_MAD_TO_SIGMA = 1.4826
"""σ of a normal distribution over its median absolute deviation (Hampel 1974, J. Am. Stat. Assoc. 69:383)."""
_ERRED = 2.0
_OFF_SIGMAS = 4.0
_WRONG_UNITS = 2
"""So many units alike and off the catalogue, one of them accepted by staff, make its weight plainly wrong."""


def learn(desk: Desk, sku: str, units: int, weight_g: float, proof: Proof) -> None:
    """Learn from units of one product that were weighed with nothing else."""
    item = desk.item(sku)
    if item is None or item.unit != "each" or units < 1 or weight_g <= 0.0 or proof == "scanned_only":
        return
    if units > 1 and item.weight_g is None:
        return  # how many it really were only their weight could tell, and nobody knows that
    unit_g = weight_g / units
    known = desk.state.learned.get(sku)
    off = item.weight_g is not None and abs(unit_g - item.weight_g) > _OFF_SIGMAS * _spread_g(desk, item, item.weight_g)
    if (
        item.weight_g is not None
        and item.weight_sd_g is not None
        and known is None
        and not (off and proof != "weighed")
    ):
        return
    samples = (*(known.samples_g if known is not None else ()), round(unit_g, 2))[-SAMPLES_MAX:]
    _note(desk, item, samples, (known.vouched if known is not None else 0) + (proof == "staff"))


def learn_anew(desk: Desk, sku: str, was_g: float, unit_g: float) -> None:
    """What was learned as the weight of one unit was that of several, or of other things besides."""
    item, known = desk.item(sku), desk.state.learned.get(sku)
    was_g = round(was_g, 2)
    if item is None or known is None or was_g not in known.samples_g:
        return
    _note(desk, item, tuple(round(unit_g, 2) if g == was_g else g for g in known.samples_g), known.vouched)


def unlearn(desk: Desk, sku: str, units: int, weight_g: float | None) -> None:
    """It was not this product: what was learned from that placement is forgotten."""
    item, known = desk.item(sku), desk.state.learned.get(sku)
    unit_g = round((weight_g or 0.0) / max(1, units), 2)
    if item is None or known is None or unit_g not in known.samples_g:
        return
    samples = list(known.samples_g)
    samples.remove(unit_g)
    if samples:
        _note(desk, item, tuple(samples), min(known.vouched, len(samples)))
    else:
        desk.emit(
            WeightLearned(
                sku=sku, weight_g=0.0, sd_g=0.0, samples_g=(), catalog_g=known.catalog_g,
                catalog_version=known.catalog_version,
            )
        )  # fmt: skip


def _note(desk: Desk, item: Item, samples: tuple[float, ...], vouched: int) -> None:
    weight_g, sd_g = estimate(samples, prior_g=_prior_g(desk, item, median(samples)))
    catalog_g = item.weight_g
    apart = catalog_g is not None and abs(weight_g - catalog_g) > _OFF_SIGMAS * _spread_g(desk, item, catalog_g)
    alike = max(samples) - min(samples) <= 2.0 * _OFF_SIGMAS * sd_g
    desk.emit(
        WeightLearned(
            sku=item.sku,
            weight_g=round(weight_g, 2),
            sd_g=round(sd_g, 3),
            samples_g=samples,
            vouched=vouched,
            catalog_g=catalog_g,
            catalog_version=desk.index.catalog.version,
            wrong=apart and alike and vouched > 0 and len(samples) >= _WRONG_UNITS,
        )
    )


def estimate(samples_g: tuple[float, ...], *, prior_g: float) -> tuple[float, float]:
    """Median and 1 σ of one unit in grams. `prior_g` is the spread believed before any unit was weighed."""
    middle_g = median(samples_g)
    seen_g = _MAD_TO_SIGMA * median(abs(g - middle_g) for g in samples_g)
    count = len(samples_g)
    if count == 2:
        seen_g = abs(samples_g[0] - samples_g[1]) / 2.0  # of two that differ either may be the right one
    return middle_g, ((PRIOR_UNITS * prior_g**2 + count * seen_g**2) / (PRIOR_UNITS + count)) ** 0.5


def _prior_g(desk: Desk, item: Item, mean_g: float) -> float:
    """The spread believed of units that weigh so much: the catalogue's in proportion, where it has one, but twice that,
    for it erred about the mean.
    """
    if item.weight_g and item.weight_sd_g is not None:
        return max(desk.policy.prior_weight_sd_min_g, _ERRED * item.weight_sd_g * mean_g / item.weight_g)
    return _spread_g(desk, None, mean_g)


def _spread_g(desk: Desk, item: Item | None, mean_g: float) -> float:
    if item is not None and item.weight_sd_g is not None:
        return max(item.weight_sd_g, 0.25)
    return max(desk.policy.prior_weight_sd_min_g, desk.policy.prior_weight_sd_fraction * mean_g)
