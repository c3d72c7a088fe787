"""What weighing tells the session."""

from __future__ import annotations

from typing import Literal

import msgspec

from cart.core.weighing.cells import Place

ScaleFaultKind = Literal[
    "no_samples", "saturated", "stuck", "disconnected", "desync", "slow", "over_capacity", "under_load", "cell_dead"
]


class WeightStep(msgspec.Struct, frozen=True):
    """The gross weight changed by `delta_g` ± `sigma_g` (1 σ) and is at rest again.

    `began_ns` is when the change began, `rest_ns` when the basket came to rest, `decided_ns` when this was known.
    `place` is where on the platform it came down, where four cells can say.
    """

    delta_g: float
    sigma_g: float
    began_ns: int
    rest_ns: int
    decided_ns: int
    gross_g: float
    place: Place | None = None


class ScaleFault(msgspec.Struct, frozen=True):
    """A named fault of the scale, raised or cleared. A latched one stays until a technician looked."""

    t_ns: int
    fault: ScaleFaultKind
    raised: bool
    latched: bool = False
    detail: str = ""


class LiveWeight(msgspec.Struct, frozen=True):
    """The weight now. `gross_g` is None while uncalibrated, faulty or without samples: never a plausible 0."""

    gross_g: float | None
    sigma_g: float
    stable: bool
    over_capacity: bool


WeighingEvent = WeightStep | ScaleFault
