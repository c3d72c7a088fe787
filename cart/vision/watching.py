"""Watches the basket frame by frame and says what is worth a look: where something came, went, moved or is held up.

At rest, the last picture is what the basket is. Something moves: pictures are kept, the basket's is not touched. It is
still again: the pictures before and after are compared, and each changed place is cut out of the frame that shows the
thing: the new one where it came in, the old one where it went out. Nothing is cut out of a basket that only changed its
light.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Final

import cv2
import numpy as np

from cart.vision.changes import AREA_MIN, Region, changed, noise_of, only_light, regions, steadied, together
from cart.vision.direction import ArmSeen, Direction, judge, outcomes
from cart.vision.small_frames import HEIGHT, WIDTH, Image, SmallFrame

STILL_FRAMES: Final = 2
"""So many frames without movement are rest: 0.4 s at 5 frames/s, less than between two acts of a shopper."""
ALIKE_LEVELS: Final = 10
"""8-bit steps, averaged over three small pixels square: above any sensor's noise, below the contrast of most things."""
FIRST_STILL_FRAMES: Final = 4
MOVING_PIXELS: Final = 60
"""0.3 % of the small frame: a hand's tip is 100 and more."""
ARM_PIXELS: Final = 250
"""1.3 % of the small frame: an arm, a sleeve, a head."""
ARM_WIDTH: Final = 10
"""Small pixels over which it crosses the picture's edge; a wrist is 12. A thing that lies at the edge touches it."""
SLEEVE_DEPTH: Final = 3
"""Small pixels that a piece of an arm reaches in from the edge, at least."""
ARM_PATIENCE_NS: Final = 2_000_000_000
"""What reaches in from the edge and does not stir for so long, after something drew back, is no arm: a loaf that sticks
out, a bag's handle."""
ARM_DWELLS_NS: Final = 6_000_000_000
"""The same where nothing drew back: a hand that rests on a thing while its owner thinks is as still as a loaf."""
DREW_BACK: Final = 1.25
"""The arm that laid a thing down and left was seen with it: so much more reached in then than what stayed."""
WHOLE_PICTURE: Final = 0.6
"""More of the picture changed than things can change: a new basket, a camera knocked askew. It is learned, not told."""
KEPT_FRAMES: Final = 40
"""Of one movement: 8 s at 5 frames/s and 3 MB; of a longer one the beginning is forgotten, and the hand's cue too."""
THINGS_MAX: Final = 3
"""Looks of one movement: two hands hold no more apart; the largest changes count."""
MARGIN: Final = 0.06
CROP_MIN_PX: Final = 32
HELD_FRAMES: Final = 3
HELD_PX: Final = 36
"""Thickness in small pixels, 18 cm on the basket's floor: something held up to the lens looks so large, an arm in the
basket does not."""
HELD_SIDE: Final = 1.5
"""Of the largest circle in it: what is cut out of a thing that can't be told from the arm."""
HELD_SHIFT: Final = 6.0
HELD_AGAIN_NS: Final = 2_000_000_000


@dataclasses.dataclass(frozen=True)
class Sighting:
    """Something to look at: `crop` (BGR, of the full frame), when that frame was taken, which way the thing went.

    `box` is where in the full frame it is; `first`, whether this is the first look at it.
    """

    crop: Image
    frame_t_ns: int
    direction: Direction
    box: tuple[slice, slice]
    first: bool = True

    def again(self, image: Image, t_ns: int) -> Sighting:
        """The same place in a later frame."""
        return dataclasses.replace(self, crop=np.ascontiguousarray(image[self.box]), frame_t_ns=t_ns, first=False)


class BasketWatcher:
    """Give it each frame in turn. Memory is bounded: KEPT_FRAMES small pictures and two large ones."""

    def __init__(self) -> None:
        self._basket: SmallFrame | None = None
        self._basket_image: Image | None = None
        self._last: SmallFrame | None = None
        self._anchor: SmallFrame | None = None
        self._still = 0
        self._differs = False
        """Whether the last frame differed from the basket."""
        self._noise = 0.02
        self._seen: deque[ArmSeen] = deque(maxlen=KEPT_FRAMES)
        self._arm_since_ns: int | None = None
        self._held: deque[tuple[float, float, float]] = deque(maxlen=HELD_FRAMES)
        self._held_told_ns: int | None = None
        self.held_close = False
        """Whether something is held up to the lens now: then codes are looked for."""

    @property
    def busy(self) -> bool:
        """Whether something moves, or an arm is in the picture."""
        return self._still < STILL_FRAMES or self._arm_since_ns is not None

    def reset(self) -> None:
        """The camera saw nothing for a while: the basket is learned anew, and what changed meanwhile isn't told."""
        self._basket = self._basket_image = self._last = self._anchor = None
        self._still = 0
        self._forget_movement()

    def watch(self, frame: SmallFrame, image: Image) -> list[Sighting]:
        """Take the next frame, small and full (height × width × 3, BGR); what it gives reason to look at, the largest
        first."""
        t_ns = frame.t_ns
        last, self._last = self._last, frame
        if last is None or self._anchor is None or self._basket is None:
            self._wait_for_rest(frame, image)
            return []
        if self._unchanged(frame):
            self._anchor = frame
            self._still += 1
            if self._still >= STILL_FRAMES:
                self._learn(frame, image)
            return []
        frame = steadied(self._basket, frame)
        # Against the picture that stillness began with, not the last one: a hand that hovers moves little at a time.
        moving = int(np.count_nonzero(changed(self._anchor, frame, self._noise, fit=False)))
        self._still = 0 if moving >= MOVING_PIXELS else self._still + 1
        if not self._still:
            self._anchor = frame
        if self._still:
            self._noise += 0.1 * (min(0.2, noise_of(last, frame)) - self._noise)
        found = regions(changed(self._basket, frame, self._noise))
        arm = _reaching_in(found)
        if arm is not None and only_light(self._basket, frame, arm):
            arm = None
        self._watch_arm(frame, arm)
        if found and not self._differs:
            # It has only just come about; stillness before it does not count.
            self._still, self._anchor = 0, frame
        self._differs = bool(found)
        if self._still >= STILL_FRAMES and not self._arm_stays(t_ns, arm):
            return self._compare(frame, image, found)
        return self._held_up(image, t_ns, found, arm)

    def _wait_for_rest(self, frame: SmallFrame, image: Image) -> None:
        """The first picture of a basket must not have an arm in it: it is learned after a second of stillness."""
        moves = self._anchor is None or np.count_nonzero(changed(self._anchor, frame, self._noise)) >= MOVING_PIXELS
        self._still = 0 if moves else self._still + 1
        if moves:
            self._anchor = frame
        if self._still >= FIRST_STILL_FRAMES:
            self._learn(frame, image)

    def _unchanged(self, frame: SmallFrame) -> bool:
        """The quick way out, for nearly all frames of a cart's day: nowhere more difference than noise makes."""
        if self._basket is None or self._arm_since_ns is not None:
            return False
        apart = cv2.blur(cv2.absdiff(self._basket.image, frame.image), (3, 3))
        return int(np.count_nonzero(apart > ALIKE_LEVELS)) < AREA_MIN // 4

    def _learn(self, frame: SmallFrame, image: Image) -> None:
        self._basket, self._basket_image = frame, image
        self._forget_movement()

    def _forget_movement(self) -> None:
        self._seen.clear()
        self._held.clear()
        self._arm_since_ns = None
        self._differs = False
        self.held_close = False

    # -- something moves ---------------------------------------------------------------------------------------------

    def _watch_arm(self, frame: SmallFrame, arm: Region | None) -> None:
        if arm is None:
            self._arm_since_ns = None
            self.held_close = False
            self._held.clear()
            return
        if self._still == 0 or self._arm_since_ns is None:
            self._arm_since_ns = frame.t_ns
        self._seen.append(ArmSeen(frame, arm.mask))

    def _arm_stays(self, t_ns: int, arm: Region | None) -> bool:
        if self._arm_since_ns is None or arm is None:
            return False
        waited_ns = t_ns - self._arm_since_ns
        if not ARM_PATIENCE_NS <= waited_ns < ARM_DWELLS_NS:
            return waited_ns < ARM_PATIENCE_NS
        return max(int(np.count_nonzero(one.arm)) for one in self._seen) < DREW_BACK * arm.area

    def _held_up(self, image: Image, t_ns: int, found: list[Region], arm: Region | None) -> list[Sighting]:
        """A thing held before the lens and kept there is worth a look, though nothing in the basket changed."""
        self.held_close = False
        if arm is None:
            return []
        # What is nearer to the lens is larger: the thing itself, where arm and thing are seen as one.
        (middle_y, middle_x, thick), region = max(
            ((_thickest(one), one) for one in found[:THINGS_MAX]), key=_by_thickness
        )
        if thick < HELD_PX:
            self._held.clear()
            return []
        self.held_close = True
        self._held.append((middle_y, middle_x, thick))
        steady = len(self._held) == HELD_FRAMES and float(np.ptp(np.array(self._held), axis=0).max()) < HELD_SHIFT
        told = self._held_told_ns is not None and t_ns - self._held_told_ns < HELD_AGAIN_NS
        if not steady or told:
            return []
        self._held_told_ns = t_ns
        if region is arm:
            side = HELD_SIDE * thick
            box = _full_box(image, middle_y - side / 2, middle_x - side / 2, side, side)
        else:
            box = _full_box(image, region.top, region.left, region.height, region.width)
        return [Sighting(np.ascontiguousarray(image[box]), t_ns, "unknown", box)]

    # -- it is still again -------------------------------------------------------------------------------------------

    def _compare(self, frame: SmallFrame, image: Image, found: list[Region]) -> list[Sighting]:
        before, before_image = self._basket, self._basket_image
        seen = list(self._seen)
        self._learn(frame, image)
        if before is None or before_image is None or not found:
            return []
        if sum(region.area for region in found) > WHOLE_PICTURE * WIDTH * HEIGHT:
            return []
        real = [region for region in found if not only_light(before, frame, region)]
        judged = [judge(before, frame, region, seen) for region in real]
        sightings = []
        for one, direction in outcomes(judged, arm_seen=bool(seen))[:THINGS_MAX]:
            # A thing that went out is to be seen where it lay; where nobody can tell, the newer picture is shown.
            shown, t_ns = (before_image, before.t_ns) if direction == "out" else (image, frame.t_ns)
            region = one.region
            box = _full_box(shown, region.top, region.left, region.height, region.width)
            sightings.append(Sighting(np.ascontiguousarray(shown[box]), t_ns, direction, box))
        return sightings


def _reaching_in(found: list[Region]) -> Region | None:
    """What of the changes is an arm: a large one that crosses the picture's edge. A sleeve as dark as the floor leaves
    pieces of one: something at the edge, and a hand that hangs on nothing.
    """
    across = [region for region in found if region.crossing >= ARM_WIDTH]
    arm = next((region for region in across if region.area >= ARM_PIXELS), None)
    hand = found[0] if found and found[0].area >= ARM_PIXELS else None
    # A picture shaken by the cart's rolling has slivers along its edges, and no sleeve is so shallow.
    pieces = [region for region in across if region.area >= SLEEVE_DEPTH * region.crossing]
    return together([hand, *pieces]) if arm is None and hand is not None and pieces else arm


def _full_box(image: Image, top: float, left: float, height: float, width: float) -> tuple[slice, slice]:
    """A box of small pixels in the full frame, with a margin: the net learned from photographs with some."""
    down, across = image.shape[0] / HEIGHT, image.shape[1] / WIDTH
    middle_y, middle_x = (top + height / 2) * down, (left + width / 2) * across
    half_y = max(CROP_MIN_PX, height * down * (1 + 2 * MARGIN)) / 2
    half_x = max(CROP_MIN_PX, width * across * (1 + 2 * MARGIN)) / 2
    rows = slice(max(0, round(middle_y - half_y)), min(image.shape[0], round(middle_y + half_y)))
    columns = slice(max(0, round(middle_x - half_x)), min(image.shape[1], round(middle_x + half_x)))
    return rows, columns


def _thickest(arm: Region) -> tuple[float, float, float]:
    """Middle (y, x) and diameter, small pixels, of the largest circle in an arm: the thing in its hand, where that is
    larger than the arm."""
    padded = cv2.copyMakeBorder(arm.mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0.0,))
    deep = cv2.distanceTransform(padded, cv2.DIST_L2, 3)
    _, radius, _, (x, y) = cv2.minMaxLoc(deep)
    return y - 1.0, x - 1.0, 2.0 * radius


def _by_thickness(held: tuple[tuple[float, float, float], Region]) -> float:
    return held[0][2]
