"""Looks of the camera, matched to weight steps by time and direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cart.core.observations import Look
from cart.core.session.desk import Desk
from cart.core.session.state import OpenStep

_BEFORE_NS = 500_000_000
"""A frame from before a step's first movement shows another thing."""
_DWELT_NS = 15_000_000_000
"""What went out is shown by the last frame of it at rest, before the hand reached in; that may search or think so long,
and press on things meanwhile."""
_AFTER_NS = 2_000_000_000
"""Frames of what lies on top after a movement; later ones show the next thing."""
_LIKELY = 0.05
"""A class below this score is no candidate."""
_CANDIDATES_MAX = 3
_GUESSED_NS = 10_000_000_000
"""Who shows the camera some loose fruit, or puts it in, opens the list of them within this time."""
_GUESSES_MAX = 6
"""A row of tiles; whatever else the camera takes it for is found by its name as quickly."""


def looks_at(desk: Desk, step: OpenStep) -> list[Look]:
    """The looks that show a step, oldest first: by their frame's time, nearest to its rest, and by their direction."""
    return [look for look in desk.looks if _shows(desk, look, step)]


def _shows(desk: Desk, look: Look, step: OpenStep) -> bool:
    way, frame_ns = "in" if step.delta_g > 0.0 else "out", look.frame_t_ns
    if look.direction not in (way, "unknown") or frame_ns > step.rest_ns + _AFTER_NS:
        return False
    earliest_ns = step.began_ns - _BEFORE_NS
    if look.direction == "out" and look.t_ns >= step.began_ns:
        earliest_ns = step.began_ns - _DWELT_NS
    later = any(s.step_id > step.step_id and s.rest_ns <= frame_ns for s in desk.state.recent_steps)
    return earliest_ns <= frame_ns and not later


def seen_scores(desk: Desk, step: OpenStep) -> Mapping[str, float]:
    """Vision class → mean score over the looks that show a step; empty without any."""
    looks = looks_at(desk, step)
    return _means(looks)


def _means(looks: Sequence[Look]) -> dict[str, float]:
    names = {name for look in looks for name in look.scores}
    return {name: sum(look.scores.get(name, 0.0) for look in looks) / len(looks) for name in sorted(names)}


def seen_products(desk: Desk, step: OpenStep) -> dict[str, float]:
    """Product → score of its class, of the likely classes."""
    return {
        sku: score
        for name, score in seen_scores(desk, step).items()
        if score >= _LIKELY
        for sku in desk.skus_of_class(name)
    }


def candidates(desk: Desk, step: OpenStep, limit: int) -> tuple[str, ...]:
    """The camera's guesses at what moved, likeliest first, as products."""
    ranked = sorted(seen_scores(desk, step).items(), key=lambda s: (-s[1], s[0]))[:_CANDIDATES_MAX]
    skus = [sku for name, score in ranked if score > _LIKELY for sku in desk.skus_of_class(name)]
    return tuple(dict.fromkeys(skus))[:limit]


def guesses(desk: Desk) -> list[str]:
    """Loose goods that the shopper may be about to pick, likeliest first: what the camera was shown of late, or saw go
    in, and nothing has explained yet.
    """
    if not desk.looks:
        return []
    explained = [step for step in desk.state.recent_steps if step.step_id not in desk.state.open_steps]
    shown = [
        look
        for look in desk.looks
        if look.direction in ("in", "unknown")
        and desk.t_ns - look.frame_t_ns <= _GUESSED_NS
        and not any(_shows(desk, look, step) for step in explained)
    ]
    likely = {name: score for name, score in _means(shown).items() if score >= _LIKELY}
    ranked = sorted(likely, key=lambda name: (-likely[name], name))
    skus = [sku for name in ranked for sku in desk.skus_of_class(name) if _is_loose(desk, sku)]
    return skus[:_GUESSES_MAX]


def _is_loose(desk: Desk, sku: str) -> bool:
    item = desk.item(sku)
    return item is not None and item.unit == "kg"
