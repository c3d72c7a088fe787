"""A camera with a stated classifier, as what it says of each hand's movement: no pixels, only `Look`s.

The classifier is what this project asks of its own: 92 % of unseen photos named rightly, 99 % among its first five. It
is calibrated: scores are drawn first, and which of the ranks is the truth is drawn by those very scores. Ranks that are
not the truth are mostly siblings, kinds of the same family. Of each movement some things are missed (covered, out of
the picture), some looks are at another thing or at a hand, some mistake the way it went. All numbers are below, and
none is tuned to the cart.
"""

from __future__ import annotations

import random
from typing import Literal, get_args

from cart.bench.trips.ranges import Range
from cart.bench.trips.things import Thing
from cart.core.observations import Look

Camera = Literal["on", "off", "blind"]
CAMERAS: tuple[Camera, ...] = get_args(Camera)
"""`blind`: it looks as often, and each time at something that is not there; a cart must be no worse for it."""

SURE = (5.5, 0.48)
"""Beta distribution of the best score: mean 0.92, nearly always above 0.5, now and then nothing to go by."""
RANKS = (0.60, 0.18, 0.09, 0.05, 0.02, 0.02)
"""How the rest is shared by ranks 2 to 7; what is left is "none of these"."""
SIBLINGS = 0.8
"""How often the next rank is a sibling, while there are any."""
NONE_KNOWN = 0.85
"""How often a thing of no known class is told to be none; else it is taken for some class."""
MISSED = 0.12
ANOTHER = 0.03
"""Looks at a hand, a sleeve or what lies beside the thing."""
WAY_UNKNOWN = 0.06
WAY_WRONG = 0.02
CALM_S = (0.4, 0.8)
"""From the last touch to the look: two still frames at 5 a second, then 20 ms of classifying."""
THINGS_MAX = 3
"""Things of one movement that are looked at."""
AGAIN_S = 0.5
CALM_STILL = 0.7
"""What came in is looked at once more so much later, if no hand has stirred since."""
SAME_AGAIN = 0.8
"""How often that later frame tells the very same: it is the same thing in the same light, so errors repeat."""
MOVED = 0.4
"""How often rummaging about makes it look at something that only moved."""

NONE = "none"
_WAYS: tuple[Literal["in", "out", "moved"], ...] = ("in", "out", "moved")


class Eye:
    """Draws what the camera says of things of one range."""

    def __init__(self, goods: Range, seed: int, camera: Camera) -> None:
        self._rng = random.Random(f"eye {seed}")
        self._later = random.Random(f"eye again {seed}")
        self._camera = camera
        self._families: dict[str, list[str]] = {}
        for product in goods.products:
            if product.item.vision_class is not None:
                family = self._families.setdefault(_family(product.item.vision_class), [])
                if product.item.vision_class not in family:
                    family.append(product.item.vision_class)
        self._classes = [name for family in self._families.values() for name in family]

    def looks(self, rest_ns: int, things: tuple[Thing, ...], way: Literal["in", "out", "moved"]) -> list[Look]:
        """What is said of one movement that ended at `rest_ns`; nothing without a camera."""
        if self._camera == "off" or not self._classes:
            return []
        rng = self._rng
        frame_ns = rest_ns + round(rng.uniform(*CALM_S) * 1e9)
        looks: list[Look] = []
        for thing in things[:THINGS_MAX]:
            if rng.random() < MISSED or (way == "moved" and rng.random() >= MOVED):
                continue
            seen: Literal["in", "out", "moved", "unknown"] = way
            chance = rng.random()
            if chance < WAY_WRONG:
                seen = rng.choice([w for w in _WAYS if w != way])
            elif chance < WAY_WRONG + WAY_UNKNOWN:
                seen = "unknown"
            said_ns = frame_ns + round(rng.uniform(0.02, 0.06) * 1e9) * (len(looks) + 1)
            look = Look(t_ns=said_ns, frame_t_ns=frame_ns, direction=seen, scores=self._scores(thing, rng))
            looks.append(look)
            if way == "in" and self._later.random() < CALM_STILL:
                looks.append(self._again(look, thing))
        return looks

    def _again(self, look: Look, thing: Thing) -> Look:
        """The same thing in a later frame."""
        same = self._later.random() < SAME_AGAIN
        later_ns = round(AGAIN_S * 1e9)
        return Look(
            t_ns=look.t_ns + later_ns,
            frame_t_ns=look.frame_t_ns + later_ns,
            direction=look.direction,
            scores=look.scores if same else self._scores(thing, self._later),
        )

    def _scores(self, thing: Thing, rng: random.Random) -> dict[str, float]:
        true = thing.product.item.vision_class if thing.product is not None else None
        if self._camera == "blind" or rng.random() < ANOTHER:
            true = rng.choice([*self._classes, NONE])
        elif true is None:
            true = NONE if rng.random() < NONE_KNOWN else rng.choice(self._classes)
        best = rng.betavariate(*SURE)
        shares = [best, *((1.0 - best) * share for share in RANKS)]
        shares.append(max(0.0, 1.0 - sum(shares)))
        place = rng.choices(range(len(shares)), shares)[0]
        names = self._others(true, len(shares) - 1, rng)
        names.insert(place, true)
        return {name: round(share, 4) for name, share in zip(names, shares, strict=True)}

    def _others(self, true: str, count: int, rng: random.Random) -> list[str]:
        """What it may be mistaken for, likeliest first: siblings mostly, "none" last where it is not the truth."""
        siblings = [name for name in self._families.get(_family(true), ()) if name != true]
        rng.shuffle(siblings)
        strangers = rng.sample(self._classes, min(len(self._classes), count + len(siblings) + 1))
        strangers = [name for name in strangers if name != true and name not in siblings]
        tail = [] if true == NONE else [NONE]
        found: list[str] = []
        while len(found) < count - len(tail):
            source = siblings if siblings and (rng.random() < SIBLINGS or not strangers) else strangers
            found.append(source.pop())
        return found + tail


def _family(vision_class: str) -> str:
    return vision_class.partition("/")[0]
