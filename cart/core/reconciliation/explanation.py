"""One explanation of open steps, and what was decided about them."""

from __future__ import annotations

from typing import Literal

import msgspec

from cart.core.reconciliation import priors
from cart.core.reconciliation.moves import Move

OpenKind = Literal["unscanned_item", "extra_unit", "wrong_weight", "which_removed"]

NOT_ALONE = "not_alone"
"""Why a `wrong_weight` is raised about a thing that may have gone in together with others, its own weight unknown."""

WEIGHT_DIFFERS = "weight_differs"
"""Why it is raised about a thing that weighs other than it should."""

SWAPPED = "swapped"
"""Why a `which_removed` is raised although the basket got heavier, or a scanned thing waits."""


class Explanation(msgspec.Struct, frozen=True, gc=False):
    """One explanation of `step_ids`. With `open_kind` something is left to ask about: `open_g`, over `line_id`."""

    step_ids: tuple[int, ...]
    text: str
    """Plain words where the moves don't say it; those of moves are put together only when somebody asks."""
    score: float
    moves: tuple[Move, ...] = ()
    z: float = 0.0
    residual_g: float = 0.0
    variance_g2: float = 0.0
    absorbed_g: float = 0.0
    open_kind: OpenKind | None = None
    open_g: float = 0.0
    line_id: int | None = None
    reason: str = ""
    out_g: float = 0.0
    """What was lifted out of the first step, to be shown as something else went in, and is still out."""

    @property
    def label(self) -> str:
        return self.text or " and ".join(m.label for m in self.moves) or "put in and taken out again"

    @property
    def effect(self) -> frozenset[tuple[str, str, int]]:
        """What it does to the bill: what was lifted out and is back does nothing, but where more is left to ask."""
        moves = (m for m in self.moves if m.kind != "lift" or self.open_kind is not None)
        return frozenset((m.kind, m.sku or str(m.key), m.units) for m in moves)

    @property
    def ranged(self) -> Move | None:
        """What is put in of which only a range is known."""
        return next((m for m in self.moves if m.ranged), None)

    @property
    def takes(self) -> bool:
        return any(m.kind in ("take", "own_out", "lift") for m in self.moves)

    @property
    def lifts(self) -> bool:
        """Whether something was lifted out to be looked at."""
        return any(m.kind == "lift" for m in self.moves)

    def needs(self, gain_min: float) -> float:
        """What it must gain over leaving its steps open, to be settled unasked."""
        if any(m.unsure for m in self.moves):
            return max(gain_min, priors.OVERCHARGED)
        if self.open_kind is not None:
            return gain_min + priors.TAKEN  # no end of the question, and it forgets which movement was which
        if not self.takes:
            ranged = self.ranged
            if ranged is None:
                return gain_min
            # Any weight fits it, so none speaks for it: it has to be likelier than what would be asked.
            return gain_min + priors.PRICED if ranged.priced else max(gain_min, priors.ANY_WEIGHT)
        swapped = not self.lifts and any(m.kind in ("place", "return") for m in self.moves)
        return gain_min + (priors.SWAPPED if swapped else priors.TAKEN)


class Decision(msgspec.Struct, frozen=True, gc=False):
    """`best` explains its steps and may be acted on; None: every step stays open, as `asked` says of each."""

    best: Explanation | None
    margin: float
    considered: tuple[Explanation, ...]
    asked: dict[int, Explanation]
    rivals: dict[int, tuple[Explanation, ...]]
    """Step id → explanations of it alone, likeliest first, for the question's candidates."""
