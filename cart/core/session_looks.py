"""Looks of the camera, matched to weight steps by time and direction."""

from __future__ import annotations

from collections.abc import Mapping

from cart.core.observations import Look
from cart.core.session_desk import Desk
from cart.core.session_state import OpenStep

_BEFORE_NS = 500_000_000
"""A frame from before a step's first movement shows another thing."""
_AFTER_NS = 2_000_000_000
"""Frames of what lies on top after a movement; later ones show the next thing."""
_LIKELY = 0.05
"""A class below this score is no candidate."""
_CANDIDATES_MAX = 3


def looks_at(desk: Desk, step: OpenStep) -> list[Look]:
    """The looks that show a step, oldest first: by their frame's time, nearest to its rest, and by their direction."""
    way = "in" if step.delta_g > 0.0 else "out"
    found = []
    for look in desk.looks:
        frame_ns = look.frame_t_ns
        if look.direction not in (way, "unknown") or not step.began_ns - _BEFORE_NS <= frame_ns:
            continue
        later = any(s.step_id > step.step_id and s.rest_ns <= frame_ns for s in desk.state.recent_steps)
        if frame_ns <= step.rest_ns + _AFTER_NS and not later:
            found.append(look)
    return found


def seen_scores(desk: Desk, step: OpenStep) -> Mapping[str, float]:
    """Vision class → mean score over the looks that show a step; empty without any."""
    looks = looks_at(desk, step)
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
