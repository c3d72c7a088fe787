"""Real processes SIGKILLed at journal writes of a trip: a sample of what `python -m benchmarks.kills` plays in full."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cart.bench.broker import find_mosquitto
from cart.bench.faults.dies_at import Victim, When
from cart.bench.faults.kills import every_point, play

pytestmark = [pytest.mark.e2e, pytest.mark.broker]


@pytest.fixture
def mosquitto() -> str:
    found = find_mosquitto()
    if found is None:
        missing = "needs mosquitto; install the package mosquitto (apt install mosquitto)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@pytest.mark.parametrize(("victim", "when", "write"), [("daemon", "after", 16), ("till", "before", 18)])
def test_whoever_is_killed_at_a_journal_write_the_trip_is_paid_once_and_whole(
    mosquitto: str, tmp_path: Path, victim: Victim, when: When, write: int
) -> None:
    figure = play(tmp_path / "trip", mosquitto, victim=victim, when=when, write=write)
    assert figure.struck
    assert figure.writes >= write
    assert figure.findings == []


def test_every_point_is_before_and_after_each_write_for_each_of_the_three() -> None:
    points = [*every_point(4)]
    assert len(points) == len(set(points)) == 4 * 2 * 3
