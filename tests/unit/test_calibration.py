"""Calibration: what is accepted, what is refused and why, and the rules of legal weighing."""

from __future__ import annotations

import random

import pytest

from cart.core.calibration import CalibrationHistory, CalibrationRefused, permissible_error_g, read
from cart.core.calibration_procedure import CalibrationProcedure

TARE, PER_GRAM = 84_213, 21.5


def counts(
    load_g: float, *, noise_g: float = 1.0, seed: int = 1, per_gram: float = PER_GRAM, bend: float = 0.0
) -> list[int]:
    rng = random.Random(seed)
    grams = load_g + bend * load_g * (load_g - 10_000)
    return [round(TARE + per_gram * (grams + rng.gauss(0.0, noise_g))) for _ in range(160)]


def procedure(**changes: object) -> CalibrationProcedure:
    settings: dict[str, object] = {"capacity_g": 30_000.0, "span_g": 10_000.0, "check_g": (1000.0, 20_000.0), **changes}
    return CalibrationProcedure(**settings)  # type: ignore[arg-type]


def walk(work: CalibrationProcedure) -> None:
    seed = 0
    while (ask := work.next) is not None:
        seed += 1
        work.take(counts(ask.load_g, seed=seed))


def test_a_whole_calibration_gives_the_scale_back() -> None:
    work = procedure(corner_g=5000.0)
    asked = []
    while (ask := work.next) is not None:
        asked.append(ask.step)
        work.take(counts(ask.load_g, seed=len(asked)))
    done = work.finish(made_at="2026-01-02T03:04:05Z", made_by="technician 7")
    assert asked == ["zero", "span", "check", "check", *["corner"] * 4, "repeat", "zero_again"]
    assert done.counts_per_gram == pytest.approx(PER_GRAM, rel=1e-4)
    assert done.tare_counts == pytest.approx(TARE, abs=10)
    assert done.noise_g == pytest.approx(1.0, abs=0.25)
    assert done.repeatability_g is not None
    assert done.repeatability_g < 0.5
    assert [c.load_g for c in done.checks] == [1000.0, 20_000.0, 5000.0, 5000.0, 5000.0, 5000.0, 10_000.0]
    assert all(c.passed for c in done.checks)
    assert done.grams(TARE + 1000 * PER_GRAM) == pytest.approx(1000.0, abs=0.7)


def test_history_counts_every_calibration_and_refuses_a_gap() -> None:
    history = CalibrationHistory()
    for event in (1, 2):
        work = procedure(history=history)
        walk(work)
        done = work.finish(made_at="", made_by="")
        assert done.event == event
        history = history.with_new(done)
    assert history.events == 2
    assert history.current is history.kept[1]
    with pytest.raises(CalibrationRefused, match="does not follow"):
        history.with_new(history.kept[0])


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (counts(10_000.0)[:5], "only 5 samples"),
        ([5] * 100, "repeats one value"),
        ([8_388_607, 8_388_606] * 50, "at its limit"),
        (counts(10.0), "changes the reading by only"),
        (counts(-10_000.0), "falls under load"),
        (counts(10_000.0, noise_g=9.0), "noise of"),
        ([c + 40 * i for i, c in enumerate(counts(10_000.0))], "still moving"),
        ([c + 100_000 * (i % 3 == 0) for i, c in enumerate(counts(10_000.0))], "far off"),
    ],
)
def test_a_span_that_cannot_be_right_is_refused_with_its_reason(bad: list[int], why: str) -> None:
    work = procedure()
    work.take(counts(0.0))
    with pytest.raises(CalibrationRefused, match=why):
        work.take(bad)
    ask = work.next
    assert ask is not None
    assert ask.step == "span"
    work.take(counts(10_000.0))


def test_a_bent_scale_fails_its_check_weight() -> None:
    work = procedure()
    work.take(counts(0.0))
    work.take(counts(10_000.0, bend=2e-7))
    work.take(counts(1000.0, bend=2e-7, seed=3))
    with pytest.raises(CalibrationRefused, match=r"20000 g is off by \+40"):
        work.take(counts(20_000.0, bend=2e-7, seed=4))


def test_a_platform_that_does_not_return_to_zero_is_refused() -> None:
    work = procedure(check_g=())
    for load in (0.0, 10_000.0, 10_000.0):
        work.take(counts(load))
    with pytest.raises(CalibrationRefused, match="after loading"):
        work.take(counts(12.0))
    with pytest.raises(CalibrationRefused, match="not finished"):
        work.finish(made_at="", made_by="")


@pytest.mark.parametrize("bad", [{"span_g": 100.0}, {"span_g": 31_000.0}, {"check_g": (0.0,)}, {"interval_e_g": 0.0}])
def test_a_plan_that_cannot_work_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(CalibrationRefused):
        procedure(**bad)


def test_single_wrong_words_do_not_move_a_reading() -> None:
    clean = counts(500.0)
    spoilt = [*clean[:50], 8_388_607, *clean[50:100], 0, *clean[100:]]
    assert read(spoilt).outliers == 2
    assert read(spoilt).mean_counts == pytest.approx(read(clean).mean_counts, abs=1e-6)


@pytest.mark.parametrize(("load", "limit"), [(0, 2.5), (2500, 2.5), (2501, 5.0), (10_000, 5.0), (10_001, 7.5)])
def test_permissible_errors_of_class_iii(load: float, limit: float) -> None:
    assert permissible_error_g(load, 5.0) == limit
