"""What the weighing may be told beforehand: the changes that scans and the basket's content make likely."""

from __future__ import annotations

from cart.core.session.desk import Desk
from cart.core.session.read_twice import repeated_ns
from cart.core.session.units import unit_weight
from cart.core.weighing import Foretold

_TOGETHER = 3
"""Units of one line that go in with one movement."""
_RETURNED_NS = 120_000_000_000
_SD_MIN_G = 1.0


def foretold(desk: Desk) -> list[Foretold]:
    """Scanned units going in and what was taken out coming back, then weighed units going out; newest first. What is
    asked about because it may be in already, or whose code was perhaps read twice, is as likely lifted out next.
    """
    basket = desk.state.basket
    asked = {open_.event.line_id for open_ in desk.open_of("wrong_weight")}
    ins: list[tuple[int, float, float]] = []
    outs: list[tuple[int, float, float]] = []
    for line in basket.lines.values():
        if line.pending and line.line_id not in asked and repeated_ns(line) is None:
            mean_g, sd_g = unit_weight(desk, line)
            if mean_g is not None:
                since_ns = max(p.since_ns for p in line.pending)
                ins += [(since_ns, n * mean_g, n * sd_g) for n in range(1, min(_TOGETHER, line.pending_units) + 1)]
        outs += [
            (group.since_ns, -group.weight_g / group.units, group.sigma_g)
            for group in line.placed
            if group.weight_g is not None
        ]
    ins += [(g.at_ns, g.weight_g, g.sigma_g) for g in basket.removed if desk.t_ns - g.at_ns < _RETURNED_NS]
    ins.sort(reverse=True)
    outs.sort(reverse=True)
    return [Foretold(g, max(_SD_MIN_G, sd_g)) for _, g, sd_g in ins + outs]
