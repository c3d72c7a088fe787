"""Whether the camera sees: not in the dark, not through a covered or smeared lens.

What a frame must have to be worth anything is light and detail. How much detail a basket has differs by camera, basket
and what lies in it, so smeared is judged against what this camera has seen itself, and covered against nothing at all.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import cv2
import numpy as np

from cart.vision.small_frames import SmallFrame

Blindness = Literal["", "dark", "covered", "dirty"]

DARK_LEVEL: Final = 28.0
"""8-bit brightness of the brightest twentieth: below, a camera at its longest exposure gives noise."""
DARK_AGAIN: Final = 38.0
FLAT: Final = 0.006
"""Log light a small pixel (mean gradient): a finger, a sticker, a coat on the lens. Noise alone makes 0.001 to 0.005, a
bare basket of mesh 0.1."""
FLAT_AGAIN: Final = 0.012
SHARP_SHARE: Final = 0.35
"""Of the detail that this camera's basket has had: a smear, drops, fog. A basket that fills up only gains detail."""
SHARP_AGAIN: Final = 0.5
PERSIST_NS: Final = 3_000_000_000
"""A hand before the lens is gone sooner."""
CLEAR_NS: Final = 1_000_000_000
LEARN: Final = 0.05
"""Of a better picture, each time; of a worse one a hundredth of that: a lens gets dirty slowly, and that must not be
learned away (half of the reference is forgotten in 12 minutes at two pictures a second)."""

DETAILS: Final[dict[Blindness, str]] = {
    "dark": "it is too dark for the camera: switch on a light, or look whether something covers the lens",
    "covered": "the camera sees nothing but one flat colour: take off what covers the lens",
    "dirty": "the camera's picture has lost its detail: clean the lens",
}


class Sight(NamedTuple):
    """`why` is empty while it sees."""

    why: Blindness
    detail: str


class SightJudge:
    """Give it every frame; it changes its mind only for what lasts."""

    def __init__(self) -> None:
        self._reference = 0.0
        self._now: Blindness = ""
        self._next: Blindness = ""
        self._since_ns = 0

    @property
    def now(self) -> Sight:
        """What holds at present."""
        return Sight(self._now, DETAILS.get(self._now, ""))

    def judge(self, frame: SmallFrame, *, at_rest: bool) -> Sight:
        """`at_rest`: nothing moves in the picture; only then is it measured what detail this basket has."""
        bright, detail = brightness(frame), sharpness(frame)
        if not self._now and at_rest and bright >= DARK_LEVEL and detail >= FLAT:
            better = detail > self._reference
            self._reference += (1.0 if not self._reference else LEARN if better else LEARN / 100) * (
                detail - self._reference
            )
        self._settle(self._why(bright, detail), frame.t_ns)
        return self.now

    def _why(self, bright: float, detail: float) -> Blindness:
        # What is already told is taken back only by a picture that is clearly better.
        if bright < (DARK_AGAIN if self._now == "dark" else DARK_LEVEL):
            return "dark"
        if detail < (FLAT_AGAIN if self._now == "covered" else FLAT):
            return "covered"
        if detail < (SHARP_AGAIN if self._now == "dirty" else SHARP_SHARE) * self._reference:
            return "dirty"
        return ""

    def _settle(self, why: Blindness, t_ns: int) -> None:
        if why != self._next:
            self._next, self._since_ns = why, t_ns
        if self._next != self._now and t_ns - self._since_ns >= (PERSIST_NS if self._next else CLEAR_NS):
            self._now = self._next


def brightness(frame: SmallFrame) -> float:
    """The 8-bit green level that a twentieth of the picture exceeds."""
    return float(np.percentile(frame.image[::2, ::2, 1], 95))


def sharpness(frame: SmallFrame) -> float:
    """Mean gradient of log light a small pixel: strength of the lamps falls out."""
    light = frame.light
    across = cv2.Sobel(light, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    down = cv2.Sobel(light, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    return float(cv2.magnitude(across, down).mean())
