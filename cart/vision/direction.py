"""Which way a thing went, from the pictures before and after a movement and the arm's way in between.

Two cues, neither of which knows any product. Still: a thing has an outline, and the bare place it leaves has none
(edges along the changed region's border before and after; cf. the abandoned or removed objects of video surveillance,
Connell et al. 2004, "Detection and tracking in the IBM PeopleVision system"). Moving: what went in was in the hand on
its way to the place and not on its way back; what came out, the other way round.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final, Literal

import cv2
import numpy as np
import numpy.typing as npt

from cart.vision.changes import Region
from cart.vision.small_frames import Field, Mask, SmallFrame

Direction = Literal["in", "out", "moved", "unknown"]

SURE: Final = 0.3
"""Of a scale on which a cue that is all one way counts 1; below, the cues are too weak or against each other."""
ALIKE: Final = 0.5
"""Two regions whose colours overlap so far hold the same thing: it was moved."""
SAME: Final = 0.8
SIZES_ALIKE: Final = 2.5
COMMON: Final = 0.5
"""A colour that the basket has half as often as the place has it is the floor's, not a thing's."""
OWN_MIN: Final = 0.25
_LIGHT_BINS, _CHROMA_BINS = 6, 9
_EDGE_FLOOR: Final = 0.04
"""Log light a pixel: about what noise alone makes of a flat place."""


@dataclasses.dataclass(frozen=True)
class ArmSeen:
    """One frame of a movement: the picture and the arm in it, with what it holds."""

    frame: SmallFrame
    arm: Mask


@dataclasses.dataclass(frozen=True)
class Judged:
    """`score` −1 (went out) … 1 (came in); the colours the region had before and after, as histograms that sum to 1."""

    region: Region
    score: float
    before: npt.NDArray[np.float64]
    after: npt.NDArray[np.float64]


def judge(before: SmallFrame, after: SmallFrame, region: Region, seen: Sequence[ArmSeen]) -> Judged:
    """Weigh both cues for one region."""
    had, has = _colours(before, region.mask), _colours(after, region.mask)
    elsewhere = _share(_colours(before, cv2.bitwise_not(region.mask).astype(np.uint8, copy=False)))
    carried = _carried(_own(had, elsewhere), _own(has, elsewhere), region, seen)
    return Judged(region, _edges(before, after, region) + carried, _share(had), _share(has))


def outcomes(judged: Sequence[Judged], *, arm_seen: bool) -> list[tuple[Judged, Direction]]:
    """What happened in each region, the largest first.

    A region that lost what another gained is one thing `moved`, told of the place where it now lies; so is one that
    holds the same as before, turned or pushed. Where no arm was seen, what only shifted was shaken there by the cart's
    rolling, and is left out.
    """
    found: list[tuple[Judged, Direction]] = []
    left = list(judged)
    while left:
        one = left.pop(0)
        way = _way(one.score)
        other = next((two for two in left if _is_same_thing(one, two)), None)
        if other is not None:
            left.remove(other)
            found.append((other if other.score > one.score else one, "moved"))
        elif way == "unknown" and overlap(one.before, one.after) > SAME:
            found += [(one, "moved")] if arm_seen else []
        elif way != "unknown" or arm_seen:
            found.append((one, way))
    return found


def _way(score: float) -> Direction:
    return "in" if score > SURE else "out" if score < -SURE else "unknown"


def _is_same_thing(one: Judged, two: Judged) -> bool:
    """Whether one region's thing is the other's: one clearly lost it, the other has it, and they are of one size."""
    gone, come = (one, two) if one.score < two.score else (two, one)
    sizes = max(one.region.area, two.region.area) / min(one.region.area, two.region.area)
    apart = come.score - gone.score
    return (
        apart > 2 * SURE
        and gone.score < 0 < come.score
        and sizes < SIZES_ALIKE
        and overlap(gone.before, come.after) > ALIKE
    )


def overlap(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """How much of two histograms that sum to 1 is common, 0 … 1 (Swain & Ballard 1991)."""
    return float(np.minimum(one, other).sum())


def _edges(before: SmallFrame, after: SmallFrame, region: Region) -> float:
    """−1 … 1: whether the outline is an edge of the picture after (1) or of the one before (−1)."""
    kernel = np.ones((3, 3), np.uint8)
    outline = (cv2.dilate(region.mask, kernel) != cv2.erode(region.mask, kernel)).astype(np.uint8)
    window = np.s_[
        max(0, region.top - 2) : region.top + region.height + 2,
        max(0, region.left - 2) : region.left + region.width + 2,
    ]
    along = outline[window] > 0
    # Only edges across the outline are the thing's: the mesh runs through it at all angles, before and after alike.
    normal_x, normal_y = _gradient(cv2.GaussianBlur(region.mask.astype(np.float32), (0, 0), 1.5)[window])
    length = np.maximum(np.hypot(normal_x, normal_y), 1e-6)
    strengths = []
    for frame in (before, after):
        steepest = np.zeros(along.shape, np.float32)
        for channel in (frame.light, frame.chroma[..., 0], frame.chroma[..., 1]):
            x, y = _gradient(cv2.GaussianBlur(channel[window], (3, 3), 0))
            steepest += (x * normal_x + y * normal_y) ** 2 / length**2
        strengths.append(float(np.sqrt(steepest[along]).mean()))
    gone, come = strengths
    return (come - gone) / (come + gone + _EDGE_FLOOR)


def _gradient(field: cv2.typing.MatLike) -> tuple[Field, Field]:
    x = cv2.Sobel(field, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    y = cv2.Sobel(field, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    return x.astype(np.float32, copy=False), y.astype(np.float32, copy=False)


def _carried(
    had: npt.NDArray[np.float64], has: npt.NDArray[np.float64], region: Region, seen: Sequence[ArmSeen]
) -> float:
    """−1 … 1: whether the hand brought the region's present colours (1) or took its former ones away (−1)."""
    around = cv2.dilate(region.mask, np.ones((7, 7), np.uint8)) > 0
    near = [int(np.count_nonzero(one.arm[around])) for one in seen]
    if not near or max(near) == 0:
        return 0.0
    touch = near.index(max(near))
    coming, going = seen[:touch], seen[len(near) - near[::-1].index(max(near)) :]
    brought, taken = _held(has, coming, around), _held(had, going, around)
    back, before = _held(has, going, around), _held(had, coming, around)
    into = brought - back if brought is not None and back is not None else None
    out = taken - before if taken is not None and before is not None else None
    return float(np.clip((into or 0.0) - (out or 0.0), -1, 1))


def _own(colours: npt.NDArray[np.float64], elsewhere: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The colours without those that the basket has everywhere; none where too few are left. A sleeve may be as grey as
    the floor, and that says nothing about what it carries.
    """
    kept = np.clip(1.0 - elsewhere / np.maximum(COMMON * _share(colours), 1e-9), 0.0, 1.0)
    own = colours * kept
    return own if own.sum() >= OWN_MIN * colours.sum() else np.zeros_like(own)


def _held(colours: npt.NDArray[np.float64], seen: Sequence[ArmSeen], around: npt.NDArray[np.bool_]) -> float | None:
    """The largest part of those colours that the arm had in any of the frames; None where no arm was seen."""
    parts = []
    for one in seen if colours.any() else ():
        arm = np.where(around, 0, one.arm).astype(np.uint8)
        if np.count_nonzero(arm) >= 60:
            parts.append(float(np.minimum(colours, _colours(one.frame, arm)).sum() / max(1.0, colours.sum())))
    return max(parts, default=None)


def _colours(frame: SmallFrame, mask: Mask) -> npt.NDArray[np.float64]:
    """Histogram of light and colour under the mask, relative to the whole picture's: the lamps fall out."""
    inside = mask > 0
    light = frame.light[inside] - np.median(frame.light[::3, ::3])
    chroma = frame.chroma[inside] - np.median(frame.chroma[::3, ::3], axis=(0, 1))
    steps = np.clip((light + 1.8) / 3.6 * _LIGHT_BINS, 0, _LIGHT_BINS - 1).astype(np.intp)
    colours = np.clip((chroma + 1.35) / 2.7 * _CHROMA_BINS, 0, _CHROMA_BINS - 1).astype(np.intp)
    cells = (steps * _CHROMA_BINS + colours[:, 0]) * _CHROMA_BINS + colours[:, 1]
    return np.bincount(cells, minlength=_LIGHT_BINS * _CHROMA_BINS**2).astype(np.float64)


def _share(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = counts / max(1.0, float(counts.sum()))
    return shares
