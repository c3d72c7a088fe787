"""Compares what the cart made of a recording with what really happened.

Weight steps are matched to the truth by time: an event belongs to the step during whose change it came to rest. Events
that one movement merged are one group; their changes are summed before they are compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from cart.recordings import Recording, RecordingError, TruthEvent
from cart.replay import SHIPPED_MODEL, OpenCamera, OpenIntervention, ReplayReport, Step, replay

MATCH_S = 1.5
"""How far outside a step's own span an event may have come to rest: a hand's approach, and the filter's delay."""
MERGE_S = 3.0
"""Events closer than this may show as one step, or as none when they cancel."""
VISIBLE_G = 5.0
"""The smallest step that must be seen (spec: smallest step seen at rest)."""
INNOCENT = frozenset({"help", "age_check", "sale_blocked", "unknown_barcode", "light_limit"})
"""Open interventions that say nothing about a cheat."""


class StepScore(msgspec.Struct, frozen=True, kw_only=True):
    """Weight steps against the truth; `expected`, `seen` and `missed` count events, `false` counts steps.

    Latency: last touch of the item to the registered step.
    """

    expected: int
    seen: int
    missed: int
    false: int
    error_g: list[float]
    error_sigmas: list[float]
    latency_s: list[float]
    missed_at_s: list[float]
    false_at_s: list[float]


class TripScore(msgspec.Struct, frozen=True, kw_only=True):
    """One recording's score. `wrong` lists (sku, units in the cart's basket, units really in it)."""

    file: str
    name: str
    honest: bool
    basket_exact: bool
    wrong: list[tuple[str, int, int]]
    pending: int
    open_interventions: list[OpenIntervention]
    questions: int
    noticed: bool
    ok: bool
    steps: StepScore
    samples: int
    recorded_s: float
    wall_s: float
    warnings: list[str]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Over all recordings. Percentiles are None where there was nothing to measure."""

    files: int
    honest: int
    honest_exact: int
    honest_open: int
    cheats: int
    cheats_noticed: int
    steps_expected: int
    steps_missed: int
    steps_false: int
    error_g_p50: float | None
    error_g_p99: float | None
    beyond_3_sigma: int
    latency_s_p50: float | None
    latency_s_p99: float | None
    samples_per_s: float
    ok: bool


def score_file(
    path: Path, *, progress: Callable[[float], None] | None = None, camera: OpenCamera = SHIPPED_MODEL
) -> TripScore:
    """Replay and compare; `progress` and `camera` as for `replay`.

    Raises RecordingError when the file is no recording or holds no truth.
    """
    recording = Recording(path)
    truth = recording.truth()
    if truth is None:
        raise RecordingError(f"{path}: holds no truth to compare with; use 'cart replay' for recordings of live carts")
    result = replay(recording, progress=progress, camera=camera)
    report = result.report
    first_ns = _first_ns(recording)
    wrong = _differences(report, truth.units_by_sku())
    telling = [one for one in report.open_interventions if one.kind not in INNOCENT]
    exact = not wrong
    return TripScore(
        file=str(path),
        name=truth.name,
        honest=truth.honest,
        basket_exact=exact,
        wrong=wrong,
        pending=sum(line.units for line in report.basket if line.state == "pending"),
        open_interventions=report.open_interventions,
        questions=sum(1 for event in report.events if _asks(event)),
        noticed=bool(telling),
        ok=exact if truth.honest else bool(telling),
        steps=score_steps(recording.truth_events(), result.steps, first_ns=first_ns),
        samples=report.samples,
        recorded_s=report.recorded_s,
        wall_s=report.wall_s,
        warnings=report.warnings,
    )


def score_steps(events: Sequence[TruthEvent], steps: Sequence[Step], *, first_ns: int) -> StepScore:
    """Match steps to events. `first_ns` is the recording's first message, from which times are told."""
    groups: dict[int, list[TruthEvent]] = {}
    unseen: list[TruthEvent] = []
    changes = [event for event in events if event.change_g]
    for event in changes:
        index = _step_of(event, steps)
        if index is None:
            unseen.append(event)
        else:
            groups.setdefault(index, []).append(event)
    missed = _missed(unseen)
    false = [step for index, step in enumerate(steps) if index not in groups]
    errors_g = []
    errors_sigmas = []
    latencies_s = []
    for index, group in sorted(groups.items()):
        step = steps[index]
        error_g = step.delta_g - math.fsum(event.change_g or 0.0 for event in group)
        errors_g.append(round(error_g, 3))
        errors_sigmas.append(round(error_g / step.sigma_g, 2) if step.sigma_g else math.inf)
        latencies_s.append(round((step.decided_ns - max(event.rest_ns for event in group)) / 1e9, 3))
    return StepScore(
        expected=len(changes) - (len(unseen) - len(missed)),
        seen=sum(len(group) for group in groups.values()),
        missed=len(missed),
        false=len(false),
        error_g=errors_g,
        error_sigmas=errors_sigmas,
        latency_s=latencies_s,
        missed_at_s=[round((event.rest_ns - first_ns) / 1e9, 2) for event in missed],
        false_at_s=[round((step.rest_ns - first_ns) / 1e9, 2) for step in false],
    )


def total(scores: Sequence[TripScore]) -> Totals:
    """Sums and percentiles over all recordings."""
    honest = [score for score in scores if score.honest]
    cheats = [score for score in scores if not score.honest]
    errors_g = [abs(error) for score in scores for error in score.steps.error_g]
    latencies_s = [latency for score in scores for latency in score.steps.latency_s]
    wall_s = math.fsum(score.wall_s for score in scores)
    return Totals(
        files=len(scores),
        honest=len(honest),
        honest_exact=sum(score.basket_exact for score in honest),
        honest_open=sum(bool(score.open_interventions) for score in honest),
        cheats=len(cheats),
        cheats_noticed=sum(score.noticed for score in cheats),
        steps_expected=sum(score.steps.expected for score in scores),
        steps_missed=sum(score.steps.missed for score in scores),
        steps_false=sum(score.steps.false for score in scores),
        error_g_p50=percentile(errors_g, 0.50),
        error_g_p99=percentile(errors_g, 0.99),
        beyond_3_sigma=sum(abs(error) > 3 for score in scores for error in score.steps.error_sigmas),
        latency_s_p50=percentile(latencies_s, 0.50),
        latency_s_p99=percentile(latencies_s, 0.99),
        samples_per_s=round(sum(score.samples for score in scores) / wall_s) if wall_s else 0.0,
        ok=bool(scores) and all(score.ok for score in scores),
    )


def percentile(values: Iterable[float], share: float) -> float | None:
    """Nearest-rank percentile: the smallest value that at least `share` of all do not exceed."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _first_ns(recording: Recording) -> int:
    first = next(recording.messages(), None)
    return 0 if first is None else first.t_ns


def _differences(report: ReplayReport, truth: dict[str, int]) -> list[tuple[str, int, int]]:
    found: dict[str, int] = {}
    for line in report.basket:
        found[line.sku] = found.get(line.sku, 0) + line.units
    return [
        (sku, found.get(sku, 0), truth.get(sku, 0))
        for sku in sorted(found.keys() | truth.keys())
        if found.get(sku, 0) != truth.get(sku, 0)
    ]


def _asks(event: dict[str, object]) -> bool:
    return event["kind"] in {"intervention_raised", "intervention_changed"} and event["stage"] == "question"


def _step_of(event: TruthEvent, steps: Sequence[Step]) -> int | None:
    """The step during which the event came to rest, the nearest in rest where several could be."""
    slack_ns = round(MATCH_S * 1e9)
    fitting = [
        index
        for index, step in enumerate(steps)
        if step.began_ns - slack_ns <= event.rest_ns <= step.rest_ns + slack_ns
    ]
    return min(fitting, key=lambda index: abs(steps[index].rest_ns - event.rest_ns), default=None)


def _missed(unseen: Sequence[TruthEvent]) -> list[TruthEvent]:
    """Of events without a step, those that left a visible change: what cancels within one movement isn't missed."""
    missed: list[TruthEvent] = []
    cluster: list[TruthEvent] = []
    for event in [*unseen, None]:
        if cluster and (event is None or event.rest_ns - cluster[-1].rest_ns > MERGE_S * 1e9):
            if abs(math.fsum(one.change_g or 0.0 for one in cluster)) >= VISIBLE_G:
                missed.extend(cluster)
            cluster = []
        if event is not None:
            cluster.append(event)
    return missed
