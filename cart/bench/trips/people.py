"""Who shops: groups of people with their pace, their hands and how often they do what.

The shares are assumptions, stated here and nowhere else. Weights of acts are occurrences in a hundred acts.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

Group = Literal["ordinary", "slow", "one_handed", "children", "own_bags"]
GROUPS: tuple[Group, ...] = get_args(Group)
SHARES: dict[Group, float] = {
    "ordinary": 0.40, "slow": 0.15, "one_handed": 0.15, "children": 0.15, "own_bags": 0.15,
}  # fmt: skip

Span = tuple[float, float]

ACTS: dict[str, float] = {
    "scan_and_put": 60.0,
    "put_and_scan": 10.0,
    "two_scanned": 6.0,
    "many_at_once": 1.0,
    "same_twice": 5.0,
    "times_n": 2.0,
    "produce": 5.0,
    "look_and_put_back": 3.5,
    "change_of_mind": 2.0,
    "swap": 0.5,
    "late_put": 1.0,
    "forgotten_scan": 1.0,
    "one_scan_two_units": 0.5,
    "scanned_twice": 0.6,
    "left_on_shelf": 0.5,
    "muddled": 0.4,
    "wrong_flavour": 0.2,
    "unknown_code": 0.2,
}
"""The last seven are mistakes. Which things are light, bulky or badly catalogued is the range's doing."""

DISTURBANCES: dict[str, float] = {"roll": 6.0, "bump": 1.0, "lean": 1.0, "rummage": 1.0, "slope": 0.3}


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """One group's ways. Times in seconds, drawn evenly from their span."""

    group: Group
    read_s: Span = (1.0, 3.0)
    """From a question on the screen to the hand that answers it."""
    pace_s: Span = (2.0, 7.0)
    """From one thing to the next: walking, looking, choosing."""
    scan_to_put_s: Span = (0.5, 3.0)
    notices_hint: float = 0.6
    """How often a quiet hint is read at all."""
    at_once: float = 0.5
    """Two things in hand go in with one movement this often."""
    disturbed: float = 0.25
    """How often something shakes, leans on or rummages in the basket after an act."""
    disturbances: dict[str, float] = msgspec.field(default_factory=lambda: dict(DISTURBANCES))
    while_putting: float = 0.02
    """How often something does so while a thing goes in."""
    bags: Span = (0.0, 0.0)
    """How many bags of their own they bring, at least and at most."""
    declares: float = 0.7
    acts: dict[str, float] = {}
    """Weights that differ from `ACTS`."""


HABITS: dict[Group, Habits] = {
    "ordinary": Habits(group="ordinary"),
    "slow": Habits(
        group="slow",
        read_s=(3.0, 9.0),
        pace_s=(4.0, 14.0),
        scan_to_put_s=(1.5, 9.0),
        notices_hint=0.4,
        acts={"late_put": 3.0, "forgotten_scan": 1.5},
    ),
    "one_handed": Habits(
        group="one_handed",
        scan_to_put_s=(1.0, 5.0),
        at_once=0.0,
        while_putting=0.1,
        disturbances={"roll": 4.0, "bump": 1.5, "lean": 4.0, "rummage": 1.0, "slope": 0.3},
        acts={"put_and_scan": 22.0, "two_scanned": 2.0},
    ),
    "children": Habits(
        group="children",
        read_s=(2.0, 6.0),
        notices_hint=0.35,
        disturbed=0.5,
        while_putting=0.15,
        disturbances={"roll": 4.0, "bump": 2.0, "lean": 2.0, "rummage": 5.0, "slope": 0.3},
        acts={"look_and_put_back": 7.0, "forgotten_scan": 2.0, "change_of_mind": 3.0},
    ),
    "own_bags": Habits(group="own_bags", bags=(1.0, 3.0), acts={"look_and_put_back": 4.5}),
}
