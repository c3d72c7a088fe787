"""Products of which a unit too many may come: what a further one is believed to weigh."""

from __future__ import annotations

import math
from heapq import nlargest
from statistics import median
from typing import Final

from cart.core.basket import Line
from cart.core.session.desk import Desk
from cart.core.session.otherwise import SHOWN_SD_G, WORD_SIGMAS
from cart.core.session.units import unit_weight

_LINES_MAX: Final = 3
"""Lines of which a further unit is looked for: the ones last scanned or put in."""


def one_too_many(desk: Desk) -> tuple[dict[int, tuple[float, float]], dict[int, tuple[str, str]]]:
    """Line id → mean and sd of a further unit, in grams, and → sku and name; the line last scanned or put in first."""

    def latest_ns(line: Line) -> int:
        return max([p.since_ns for p in line.pending] + [g.since_ns for g in line.placed], default=0)

    means: dict[int, tuple[float, float]] = {}
    names: dict[int, tuple[str, str]] = {}
    each = (line for line in desk.state.basket.lines.values() if line.unit == "each")
    newest = nlargest(_LINES_MAX, each, key=latest_ns)
    # What is asked about as one too many stays in question whatever is scanned meanwhile.
    asked = [desk.state.basket.lines.get(open_.event.line_id or 0) for open_ in desk.open_of("extra_unit")]
    newest += [line for line in asked[:_LINES_MAX] if line is not None and line not in newest]
    for line in newest:
        mean_g, sd_g = unit_weight(desk, line)
        if mean_g is not None and math.isfinite(mean_g):
            means[line.line_id] = (_as_seen_g(line, mean_g, sd_g), sd_g)
            names[line.line_id] = (line.sku, line.name)
    return means, names


def _as_seen_g(line: Line, mean_g: float, sd_g: float) -> float:
    """What a further unit weighs where those inside all weigh other than the catalogue says."""
    seen_g = [g.weight_g / g.units for g in line.placed if g.weight_g is not None]
    apart = seen_g and all(abs(g - mean_g) > WORD_SIGMAS * max(sd_g, SHOWN_SD_G) for g in seen_g)
    return median(seen_g) if apart else mean_g
