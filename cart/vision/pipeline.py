"""One frame in, what the cart should hear of it out: what it shows, which codes are held up, whether the camera sees.

One thing after another in one thread: a frame is never looked at before the last one is done with, so there is at most
one classification in hand, and what comes meanwhile is the camera's newest frame and no queue.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from cart.vision.direction import Direction
from cart.vision.showings import Code, Showings
from cart.vision.sight import Sight, SightJudge
from cart.vision.small_frames import Image, small_frame
from cart.vision.watching import BasketWatcher, Sighting

LOOKS_A_SECOND_MAX: Final = 2
WAITING_MAX: Final = 3
"""Sightings that wait for their classification, the things of one movement. Newer ones push out the oldest."""
AGAIN_NS: Final = 700_000_000
"""After so long what came in is looked at once more: by then a sleeve or a passing shadow is elsewhere, and the cart
never goes by one look alone. Within the two seconds in which the next thing comes at the soonest."""
READ_EVERY_NS: Final = 300_000_000
"""Codes are looked for in at most three frames a second, and only while something is held in the picture."""
JUDGE_EVERY_NS: Final = 450_000_000
"""Whether the lens sees is asked twice a second: it is told after three."""
GAP_NS: Final = 2_000_000_000
"""Without frames for so long, what changed meanwhile is not taken for one movement."""
SCORE_MIN: Final = 0.0001
SCORES_MAX: Final = 12
"""What is told of a classification: its best classes. The rest sums to next to nothing, and a look is a short line."""

Classify = Callable[[Image], dict[str, float]]
ReadCodes = Callable[[Image], Sequence[tuple[str, str]]]


@dataclasses.dataclass(frozen=True)
class Looked:
    """What one sighting showed: calibrated probabilities by fine class, `none` among them, best first."""

    frame_t_ns: int
    direction: Direction
    scores: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of one frame."""

    sight: Sight
    look: Looked | None
    codes: list[Code]


class FramePipeline:
    """`classify` is None for a cart without a model: no looks then, but codes are read and sight is judged."""

    def __init__(self, classify: Classify | None, read_codes: ReadCodes) -> None:
        self.classify = classify
        self.looks = 0
        self._read_codes = read_codes
        self._watcher = BasketWatcher()
        self._sight = SightJudge()
        self._showings = Showings()
        self._waiting: deque[Sighting] = deque(maxlen=WAITING_MAX)
        self._again: list[Sighting] = []
        """What came in last, each to be looked at once more while nothing stirs."""
        self._classified_ns: int | None = None
        self._read_ns: int | None = None
        self._judged_ns: int | None = None
        self._newest_ns: int | None = None

    def _forget_basket(self) -> None:
        """Nothing was seen for a while: what the basket looked like is not known any more."""
        self._watcher.reset()
        self._waiting.clear()
        self._again.clear()

    def frame(self, image: Image, t_ns: int) -> Outcome:
        """Take the newest frame, height × width × 3, BGR."""
        if self._newest_ns is not None and t_ns - self._newest_ns > GAP_NS:
            self._forget_basket()
        self._newest_ns = t_ns
        small = small_frame(image, t_ns)
        sightings = self._watcher.watch(small, image)
        if self._judged_ns is None or t_ns - self._judged_ns >= JUDGE_EVERY_NS:
            self._judged_ns = t_ns
            self._sight.judge(small, at_rest=not self._watcher.busy)
        sight = self._sight.now
        if sight.why:
            # A smear that came and went is no thing that came and went.
            self._forget_basket()
            return Outcome(sight, None, [])
        self._waiting.extend(reversed(sightings))
        self._look_again(image, t_ns, moved=bool(sightings) or self._watcher.busy)
        return Outcome(sight, self._look(t_ns), self._codes(image, t_ns))

    def _look_again(self, image: Image, t_ns: int, *, moved: bool) -> None:
        """Put what came in up for its second look, unless something has moved since and may lie on it."""
        if moved:
            self._again.clear()
        due = [sighting for sighting in self._again if t_ns - sighting.frame_t_ns >= AGAIN_NS]
        if due and not self._waiting:
            self._again.remove(due[0])
            self._waiting.append(due[0].again(image, t_ns))

    def _look(self, t_ns: int) -> Looked | None:
        """Classify the newest that waits, if it is time to."""
        if self.classify is None or not self._waiting:
            return None
        if self._classified_ns is not None and (t_ns - self._classified_ns) * LOOKS_A_SECOND_MAX < 1_000_000_000:
            return None
        self._classified_ns = t_ns
        sighting = self._waiting.pop()
        if sighting.direction == "in" and sighting.first:
            self._again.append(sighting)
        scores = self.classify(sighting.crop)
        best = sorted(scores.items(), key=lambda score: -score[1])[:SCORES_MAX]
        self.looks += 1
        return Looked(
            sighting.frame_t_ns, sighting.direction, {name: round(p, 4) for name, p in best if p >= SCORE_MIN}
        )

    def _codes(self, image: Image, t_ns: int) -> list[Code]:
        if not self._watcher.held_close or (self._read_ns is not None and t_ns - self._read_ns < READ_EVERY_NS):
            return []
        self._read_ns = t_ns
        return self._showings.read([Code(*found) for found in self._read_codes(image)], t_ns)
