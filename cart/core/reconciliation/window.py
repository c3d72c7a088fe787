"""What a reconciliation looks at: frozen values, made from the trip by `cart.core.session.window`.

Weights in grams, variances in g², times in ns of the session's clock. Structs, because a decision makes thousands of
them: without cycles, so that the collector need not look at them.
"""

from __future__ import annotations

import math

import msgspec

from cart.core.reconciliation import priors

TOUCHED_LATE_NS = 1_000_000_000
"""A thing may be on its way in while it is picked on the screen, or its code is read."""


class Step(msgspec.Struct, frozen=True, gc=False):
    """An open weight step, or what is left of it."""

    step_id: int
    delta_g: float
    variance_g2: float
    began_ns: int
    rest_ns: int
    asked_ns: int | None = None
    """Since when it is plainly asked what this is."""
    later_ns: int | None = None
    """When the next thing went in."""
    seen: dict[str, float] = {}
    """Product → what the camera adds to its having moved (`sight.bonus`)."""
    remainder: bool = False
    """What is left of it after a part was explained."""
    level: bool = False
    """So long ago, or so near to payment, that the cart stands level again: no slope explains it."""
    hasty: bool = False
    """It takes back a part of the movement before, or goes on with it, so soon after that one's rest that no hand can
    have done anything else between: the rest was none."""
    lifted: frozenset[int] = frozenset()
    """Lines that were plainly asked about, and of which a thing was perhaps lifted out while something else went in."""
    denied: tuple[str, ...] = ()
    """What the shopper's answer about it rules out: kinds of questions, `take`: that anything went out."""
    asked_of_ns: int | None = None
    """When what was plainly asked as it came had come up: what went in about then is lifted out to be shown."""
    asked_steps: tuple[int, ...] = ()
    """The steps that this was about."""
    asked_units: int = 1
    """How many units waited of a line that it was about."""
    hinted_ns: int | None = None
    """Since when the shopper is asked to scan what this is."""

    def heeded_by(self, scanned_ns: int) -> bool:
        """Whether a scan may be the answer to that."""
        after_s = math.inf if self.hinted_ns is None else (scanned_ns - self.hinted_ns) / 1e9
        return priors.READ_S <= after_s <= priors.HEEDED_S

    @property
    def shown_since_ns(self) -> float:
        """What has gone in since then may have been lifted out meanwhile, to be shown; never, if nothing was asked."""
        return math.inf if self.asked_of_ns is None else self.asked_of_ns - priors.SHOWN_BEFORE_S * 1e9


class Otherwise(msgspec.Struct, frozen=True, gc=False):
    """What one unit may weigh instead of its mean: by the shopper's `word`, or as units of it did before."""

    mean_g: float
    sd_g: float
    word: bool


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """Pending units of a line. `mean_g` None: nothing is known of its weight, which then lies in `low_g`…`high_g`."""

    line_id: int
    sku: str
    name: str
    units: int
    mean_g: float | None
    sd_g: float
    since_ns: int
    low_g: float = 3.0
    high_g: float = 15000.0
    by_weight: bool = False
    """Loose goods, priced by what the scale gives them."""
    asked_alone_ns: int | None = None
    """When the shopper was last asked to put this in alone."""
    tentative: bool = False
    """`mean_g` was learned from a unit or two and may be another thing's: the range still counts."""
    otherwise: tuple[Otherwise, ...] = ()
    passed_ns: int | None = None
    """When something else first went in after its scan."""
    rank: int = 0
    """How many other things were scanned between it and the movement that is looked at."""
    out_ns: int = 0
    """When it was last seen taken out again, asked about: nothing before that is it."""
    step_id: int | None = None
    """The open step that it is believed to be part of, and asked about."""
    awaited_ns: int = 0
    """Since when it may be put in, where that is later than its scan: when it was taken out to be looked at."""
    at_once: bool = True
    """The shopper said how many: of unknown weight, one rest may be all of them. A code read twice may be one unit."""
    repeated: bool = False
    """Its code was read twice, and one unit has gone in."""
    doubled: bool = False
    """And the shopper has gone on to something else."""
    asked: bool = False
    """The shopper is plainly asked where it is."""
    in_hand: bool = False
    """It was out and has just been shown to the scanner, as asked."""
    told_in: bool = False
    """It is in the basket, says the shopper just now."""
    log_prior: float | None = None
    """How likely it goes in now (natural log), where that is known better than by the order of scans."""


class Inside(msgspec.Struct, frozen=True, gc=False):
    """Units of a line that went in together: their sum as weighed, and what one of them is believed to weigh."""

    line_id: int
    sku: str
    name: str
    units: int
    total_g: float
    total_variance_g2: float
    unit_variance_g2: float
    since_ns: int
    unseen: bool = False
    """Accepted by scan alone: the scale has not seen it."""
    rested_ns: int = 0
    """When its movement came to rest; 0 where none was seen."""


class Gone(msgspec.Struct, frozen=True, gc=False):
    """Units taken out a while ago that may come back; `index` counts in `Basket.removed`."""

    index: int
    line_id: int
    sku: str
    name: str
    units: int
    weight_g: float
    variance_g2: float
    at_ns: int
    told: bool = False
    odd: float = 0.0
    """Log likelihood of its weight being that of its product, at most 0: low, if it lay there under a wrong name."""


class Own(msgspec.Struct, frozen=True, gc=False):
    """A thing of the shopper's own. `awaited`: declared and not weighed yet."""

    thing_id: int
    weight_g: float
    variance_g2: float
    in_basket: bool
    awaited: bool = False
    high_g: float = 1500.0


class Window(msgspec.Struct, frozen=True, gc=False):
    """`as_of` gives it as it was when one step came to rest."""

    steps: tuple[Step, ...]
    waiting: tuple[Waiting, ...] = ()
    """Newest scan first."""
    inside: tuple[Inside, ...] = ()
    gone: tuple[Gone, ...] = ()
    own: tuple[Own, ...] = ()
    gross_g: float = 0.0
    slope_g: float = 0.0
    began_ns: int = 0
    """When the movement began that is looked at."""
    light_g: float = 5.0
    now_ns: int = 0
    gain_min: float = -1.0
    """What an explanation must gain over asking (natural log); see `priors.gain_min`."""
    margin: float = 3.0
    """By how much it must beat every other (natural log); see `priors.margin`."""
    unit_means_g: dict[int, tuple[float, float]] = {}
    """Line id → mean and sd of one unit, for lines a further unit of which may come unscanned; newest first."""
    names: dict[int, tuple[str, str]] = {}
    """Line id → sku and name, of the same lines."""
    scanned_ns: dict[int, int] = {}
    """Line id → when its first unit was scanned, of the same lines."""


def as_of(window: Window, step: Step) -> Window:
    """The window as it was when a step came to rest. What was scanned before comes first, the last scan first, then
    what was scanned later, the next scan first: no later scan changes how likely an explanation of the step was. What
    went in later can't have been taken out.
    """
    replace = msgspec.structs.replace
    # Of several units the one that was taken out since is none of this step's.
    waiting = [replace(w, units=w.units - 1) if w.out_ns > step.rest_ns and w.units > 1 else w for w in window.waiting]
    before = [w for w in waiting if w.since_ns <= step.rest_ns]
    after = [w for w in waiting if w.since_ns > step.rest_ns]
    ranked = [replace(w, rank=rank) for of in (before, after[::-1]) for rank, w in enumerate(of)]
    inside = window.inside
    if any(i.rested_ns > step.rest_ns for i in inside):
        inside = tuple(i for i in inside if i.rested_ns <= step.rest_ns)
    return replace(window, waiting=tuple(ranked), inside=inside, began_ns=step.began_ns, now_ns=step.rest_ns)


def passed_over(window: Window, step: Step, but: int | None = None) -> float:
    """Log prior of a step being nothing scanned, although something had just been scanned that still waits."""
    return priors.PASSED_OVER if scanned_just_before(window, step) - {but} else 0.0


def scanned_just_before(window: Window, step: Step) -> frozenset[int]:
    """Lines scanned just before a step that still wait, and may have gone in with it."""
    return frozenset(
        waiting.line_id
        for waiting in window.waiting
        if 0.0 <= (step.began_ns - max(waiting.since_ns, waiting.awaited_ns)) / 1e9 <= priors.FRESH_S
        and waiting.step_id in (None, step.step_id)
    )
