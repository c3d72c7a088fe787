"""Scoring: what counts as missed, false, late or wrong, and the exit status that comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cart.bench.simulated_trips import write_trip
from cart.commands import score as score_command
from cart.recordings.format import TRUTH, TruthEvent
from cart.replay import Step
from cart.score import percentile, score_file, score_steps, total
from tests.replay.making import SECOND_NS, at, quiet_scale, scan, write


def event(kind: str, rest_s: float, weight_g: float | None = None) -> TruthEvent:
    return msgspec.convert(
        {"event": kind, "rest_ns": round(rest_s * SECOND_NS), "sku": "milk", "units": 1, "weight_g": weight_g},
        TruthEvent,
    )


def step(delta_g: float, rest_s: float, *, began_s: float | None = None, decided_s: float | None = None) -> Step:
    began = rest_s - 0.4 if began_s is None else began_s
    decided = rest_s + 0.3 if decided_s is None else decided_s
    return Step(
        delta_g=delta_g,
        sigma_g=0.5,
        began_ns=round(began * SECOND_NS),
        rest_ns=round(rest_s * SECOND_NS),
        decided_ns=round(decided * SECOND_NS),
    )


def test_a_step_is_matched_to_what_came_to_rest_in_it() -> None:
    score = score_steps([event("put_in", 5.0, 100.0)], [step(101.0, 5.1, decided_s=5.4)], first_ns=0)
    assert (score.expected, score.seen, score.missed, score.false) == (1, 1, 0, 0)
    assert score.error_g == [1.0]
    assert score.error_sigmas == [2.0]
    assert score.latency_s == [0.4]


def test_an_event_without_a_step_is_missed_and_a_step_without_an_event_false() -> None:
    score = score_steps([event("put_in", 5.0, 100.0)], [step(100.0, 20.0)], first_ns=SECOND_NS)
    assert (score.seen, score.missed, score.false) == (0, 1, 1)
    assert score.missed_at_s == [4.0]
    assert score.false_at_s == [19.0]


def test_two_events_in_one_movement_are_summed() -> None:
    events = [event("put_in", 5.0, 100.0), event("put_in", 5.2, 50.0)]
    score = score_steps(events, [step(149.0, 5.3, began_s=4.8, decided_s=5.9)], first_ns=0)
    assert (score.expected, score.seen, score.missed) == (2, 2, 0)
    assert score.error_g == [-1.0]
    assert score.latency_s == [0.7]


def test_out_and_back_within_one_movement_is_not_missed() -> None:
    events = [event("taken_out", 5.0, -100.0), event("put_in", 6.0, 100.0)]
    score = score_steps(events, [], first_ns=0)
    assert (score.expected, score.missed) == (0, 0)


def test_out_and_back_far_apart_is_missed_twice() -> None:
    events = [event("taken_out", 5.0, -100.0), event("put_in", 16.0, 100.0)]
    assert score_steps(events, [], first_ns=0).missed == 2


@pytest.mark.parametrize("kind", ["moved", "disturbance"])
def test_a_step_at_a_disturbance_is_false(kind: str) -> None:
    assert score_steps([event(kind, 5.0)], [step(30.0, 5.0)], first_ns=0).false == 1


def test_percentiles_are_nearest_rank() -> None:
    values = [float(value) for value in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([], 0.5)) == (50.0, 99.0, None)


def with_truth(path: Path, *, honest: bool, sku: str, put: bool = True) -> Path:
    """Milk scanned and put in; the truth says `sku`."""
    heavier_from = 4.0 if put else 8.0
    happened = TruthEvent("put_in", at(4.0), "milk", 1, 1034.0)
    messages: list[Any] = [
        *quiet_scale(heavier_from),
        scan(2.0),
        *quiet_scale(8.0, from_s=heavier_from, gross_g=1034.0),
        (TRUTH, at(4.0), happened),
    ]
    return write(path, messages, truth={"basket": [{"sku": sku, "units": 1}], "honest": honest, "name": "case"})


def test_an_honest_exact_basket_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = with_truth(tmp_path / "a.mcap", honest=True, sku="milk")
    score = score_file(path)
    assert score.ok
    assert score.wrong == []
    assert (score.steps.seen, score.steps.missed, score.steps.false) == (1, 0, 0)
    assert 0 <= score.steps.latency_s[0] < 1.0
    assert score_command.run([path]) == 0
    assert "exact" in capsys.readouterr().out


def test_an_honest_wrong_basket_is_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = with_truth(tmp_path / "a.mcap", honest=True, sku="tea")
    assert score_file(path).wrong == [("milk", 1, 0), ("tea", 0, 1)]
    assert score_command.run([path], as_json=True) == 1
    lines = [msgspec.json.decode(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["basket_exact"] is False
    assert lines[1]["totals"]["honest_exact"] == 0


def test_an_unnoticed_cheat_is_status_1(tmp_path: Path) -> None:
    path = with_truth(tmp_path / "a.mcap", honest=False, sku="tea")
    assert score_file(path).noticed is False
    assert score_command.run([path], as_json=True) == 1


def test_a_recording_without_truth_or_none_at_all_is_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.mcap", quiet_scale(1.0))
    missing = tmp_path / "none.mcap"
    assert score_command.run([path, missing]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"cart: {path}: holds no truth to compare with; use 'cart replay' for recordings of live carts",
        f"cart: {missing}: no such file; give the path of an .mcap recording",
    ]


@pytest.mark.parametrize("samples_per_second", [10.0, 80.0])
@pytest.mark.parametrize("seed", [11, 12])
def test_honest_simulated_trips_come_out_exact(tmp_path: Path, seed: int, samples_per_second: float) -> None:
    path = tmp_path / "honest.mcap"
    write_trip(path, seed=seed, acts=4, samples_per_second=samples_per_second)
    score = score_file(path)
    assert score.wrong == []
    assert score.open_interventions == []
    assert score.steps.missed == 0


@pytest.mark.parametrize("kind", ["unscanned", "extra", "swapped"])
def test_simulated_cheats_are_noticed(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "cheat.mcap"
    write_trip(path, seed=21, kind=kind, acts=2)
    score = score_file(path)
    expected = {"unscanned": "unscanned_item", "extra": "extra_unit", "swapped": "wrong_weight"}[kind]
    assert [one.kind for one in score.open_interventions] == [expected]
    assert score.noticed


def test_totals_sum_over_files(tmp_path: Path) -> None:
    good = score_file(with_truth(tmp_path / "a.mcap", honest=True, sku="milk"))
    bad = score_file(with_truth(tmp_path / "b.mcap", honest=False, sku="tea"))
    totals = total([good, bad])
    assert (totals.files, totals.honest, totals.honest_exact, totals.cheats, totals.cheats_noticed) == (2, 1, 1, 1, 0)
    assert totals.steps_expected == 2
    assert totals.ok is False
    assert total([good]).ok is True
    assert total([]).ok is False, "nothing was scored"
