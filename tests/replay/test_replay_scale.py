"""Recordings of carts with four cells, and of scales that know their temperature, decide in replay what they did."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cart.bench.corners import CornerPlatform
from cart.bench.physics import Physics
from cart.config import parse_config
from cart.core.ledger import WeightStepSeen
from cart.core.observations import AnyObservation, ScaleSample, Temperature
from cart.core.settings import ScaleSettings
from cart.core.weighing.cells import Place
from cart.daemon.clock import SessionClock
from cart.daemon.control import recorded
from cart.daemon.parts import PowerPart
from cart.journal.audit import _said
from cart.recordings import RecordingWriter
from cart.recordings.format import SCALE, TEMPERATURE, ScaleMessage, TemperatureMessage
from cart.replay import replay_file
from drivers.power import Power
from drivers.sim.sysfs import SimSysfs
from tests.replay.making import CATALOG, CONFIG, COUNTS_PER_GRAM, MILK_SCAN, TARE_COUNTS, at
from tests.unit.simulated_world import config_text

CALM = Physics(noise_g=0.5, wander_g=0.0, creep=0.0, glitches_per_hour=0.0, gaps_per_hour=0.0, jitter_s=0.0)
SETTINGS = ScaleSettings(counts_per_gram=COUNTS_PER_GRAM, tare_counts=TARE_COUNTS)
S = 1_000_000_000


def a_trip() -> Iterator[tuple[int, tuple[int, ...]]]:
    platform = CornerPlatform(SETTINGS, 2, CALM)
    platform.put(5 * S, 1034.0, at=(-0.5, 0.6))
    for i in range(1, 80 * 12):
        yield i, platform.cells_at(i * S // 80)


def replayed(path: Path, *, cells: bool, config: str = CONFIG, celsius: float | None = None) -> list[dict[str, Any]]:
    with RecordingWriter(
        path, config_toml=config, catalog_json=msgspec.json.encode(CATALOG), cart_id="c", made_by="test", flush_s=60
    ) as writer:
        for i, words in a_trip():
            if celsius is not None and i % 80 == 1:
                writer.write(TEMPERATURE, at(i / 80), TemperatureMessage(celsius))
            if i == 240:
                writer.scanner(at(3.0), MILK_SCAN)
            writer.write(SCALE, at(i / 80), ScaleMessage(round(sum(words) / 4), words if cells else ()))
        writer.close()
    return [event for event in replay_file(path).report.events if event["kind"] in {"weight_step", "item_confirmed"}]


def test_four_cells_decide_as_one_does_and_know_the_place_besides(tmp_path: Path) -> None:
    one = replayed(tmp_path / "one.mcap", cells=False)
    four = replayed(tmp_path / "four.mcap", cells=True)
    place = four[0].pop("place")
    assert four == one
    assert [event["kind"] for event in one] == ["weight_step", "item_confirmed"]
    assert (place["x"], place["y"]) == pytest.approx((-0.5, 0.6), abs=0.03)


def test_a_recorded_temperature_is_compensated_in_replay(tmp_path: Path) -> None:
    fitted = CONFIG + "span_per_kelvin = 0.001\nreference_celsius = 20.0\ncompensated_celsius = [0.0, 40.0]\n"
    plain = replayed(tmp_path / "plain.mcap", cells=False, config=fitted)
    warm = replayed(tmp_path / "warm.mcap", cells=False, config=fitted, celsius=30.0)
    assert plain[0]["delta_g"] == pytest.approx(1034.0, abs=1.0)
    assert warm[0]["delta_g"] == pytest.approx(1034.0 / 1.01, abs=1.0)


def test_what_is_recorded_of_them_is_what_replay_reads() -> None:
    observations: list[AnyObservation] = [
        ScaleSample(t_ns=1, counts=7, cells=(1, 9, 8, 10)),
        Temperature(t_ns=1, celsius=21.5),
    ]
    assert [recorded(one) for one in observations] == [
        (SCALE, {"counts": 7, "cells": (1, 9, 8, 10)}),
        (TEMPERATURE, {"celsius": 21.5}),
    ]


def test_the_daemon_tells_the_scales_temperature(tmp_path: Path) -> None:
    sysfs = SimSysfs(tmp_path)
    sysfs.set_temperature(38.25)
    told: list[AnyObservation] = []

    async def look() -> None:
        config = parse_config(config_text(tmp_path).replace("[gpio]", 'thermometer = "soc"\n[gpio]'), source="test")
        heard = asyncio.Event()

        def submit(observation: AnyObservation) -> None:
            told.append(observation)
            heard.set()

        part = PowerPart(config, submit, SessionClock(last_event_ns=None, off_s=None))
        running = asyncio.create_task(part.run())
        await asyncio.wait_for(heard.wait(), 10)
        running.cancel()
        part._look(Power(tmp_path).read(), None)

    asyncio.run(look())
    assert [one.celsius for one in told if isinstance(one, Temperature)] == [38.25]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place(0.6, -0.5, 0.02), ", rear right of the basket (+0.60, -0.50 ± 0.02)"),
        (Place(0.0, 0.1, 0.02), ", middle of the basket (+0.00, +0.10 ± 0.02)"),
        (Place(-0.9, 0.0, 0.1), ", middle left of the basket (-0.90, +0.00 ± 0.10)"),
        (None, ""),
    ],
)
def test_the_audit_says_where_a_step_came_down(place: Place | None, words: str) -> None:
    step = WeightStepSeen(step_id=3, delta_g=500.0, sigma_g=0.5, began_ns=0, rest_ns=S, gross_g=900.0, place=place)
    assert _said(step).endswith(f"gross 900.0 g{words}")
