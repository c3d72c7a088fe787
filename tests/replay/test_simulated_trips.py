"""Made-up trips: repeatable, physically consistent, and of the kind that was asked for."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart.bench.simulated_trips import Kind, check_digit, made_up_catalog, write_trip
from cart.core.barcodes import read_barcode
from cart.recordings import open_recording
from cart.recordings.format import SCALE, SCANNER, ScannerMessage


def made(path: Path, seed: int, kind: Kind = "honest", acts: int = 2, samples_per_second: float = 10.0) -> Path:
    write_trip(path, seed=seed, kind=kind, acts=acts, samples_per_second=samples_per_second)
    return path


def test_the_same_seed_makes_the_same_bytes_and_another_others(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a.mcap", 1), made(tmp_path / "b.mcap", 1)
    other = made(tmp_path / "c.mcap", 2)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes() != other.read_bytes()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["honest", "unscanned", "extra", "swapped"]))
def test_what_went_in_less_what_came_out_is_what_is_inside(
    tmp_path_factory: pytest.TempPathFactory, seed: int, kind: Kind
) -> None:
    recording = open_recording(made(tmp_path_factory.mktemp("trip") / "a.mcap", seed, kind))
    truth = recording.truth()
    events = recording.truth_events()
    assert truth is not None
    inside: Counter[str] = Counter()
    for event in events:
        if event.sku is not None:
            inside[event.sku] += event.units if event.event == "put_in" else -event.units
    assert {sku: units for sku, units in inside.items() if units} == truth.units_by_sku()
    assert truth.honest == (kind == "honest")


def test_the_scale_ends_at_what_is_inside(tmp_path: Path) -> None:
    recording = open_recording(made(tmp_path / "a.mcap", 5, acts=4, samples_per_second=80.0))
    scale = recording.settings.scale
    counts = [message.body.counts for message in recording.messages({SCALE}) if hasattr(message.body, "counts")]
    at_rest = sorted(counts[-80:])[40]
    gross_g = (at_rest - scale.tare_counts) / scale.counts_per_gram
    inside_g = math.fsum(event.change_g or 0.0 for event in recording.truth_events())
    assert gross_g == pytest.approx(inside_g, abs=0.002 * inside_g + 12.0)  # creep and wander of zero


@pytest.mark.parametrize(("kind", "extra"), [("honest", 0), ("unscanned", 1), ("extra", 1)])
def test_a_cheat_puts_in_more_than_was_scanned(tmp_path: Path, kind: Kind, extra: int) -> None:
    for seed in range(6):
        recording = open_recording(made(tmp_path / f"{kind}-{seed}.mcap", seed, kind, acts=1))
        data = b"".join(m.body.data for m in recording.messages({SCANNER}) if isinstance(m.body, ScannerMessage))
        puts = sum(event.event == "put_in" for event in recording.truth_events())
        taken = sum(event.event == "taken_out" for event in recording.truth_events())
        if taken:
            continue  # scanned again, or put back: counted in another test
        assert puts - data.count(b"\r") == extra


def test_made_up_codes_are_valid_and_some_weights_are_alike() -> None:
    catalog = made_up_catalog(random.Random(3))
    gtins = [item.gtins[0] for item in catalog.items]
    weights = sorted(item.weight_g or 0.0 for item in catalog.items)
    gaps = [later - earlier for earlier, later in itertools.pairwise(weights)]
    assert len(set(gtins)) == len(catalog.items)
    assert [read_barcode(gtin[1:]).gtin for gtin in gtins] == gtins
    assert sum(gap < 4.0 for gap in gaps) >= 5


def test_check_digits_are_gs1s() -> None:
    assert [check_digit(digits) for digits in ("629104150021", "03600029145", "978020137962")] == [3, 2, 4]


def test_handling_lasts_its_minutes_and_changes_nothing(tmp_path: Path) -> None:
    recording = open_recording(made(tmp_path / "a.mcap", 3, "handling", acts=1))
    truth = recording.truth()
    assert truth is not None
    assert len(truth.units_by_sku()) == 3
    assert sum(event.event in {"moved", "disturbance"} for event in recording.truth_events()) >= 4
