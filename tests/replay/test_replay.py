"""Replay: the real decisions, at the right moments, and never more than the recording holds."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart.bench.simulated_trips import write_trip
from cart.commands import replay as replay_command
from cart.core.catalog import Catalog
from cart.recordings import RecordingWriter, open_recording
from cart.recordings.format import CATALOG_ATTACHMENT, CONFIG_ATTACHMENT, PART, PartMessage, TouchMessage
from cart.replay import ReplayReport, replay_file
from tests.replay.making import MILK_SCAN, at, quiet_scale, scan, touch, write

INTERVENTION_EVENTS = {"intervention_raised", "intervention_changed", "intervention_cleared"}


def kinds(report: ReplayReport) -> list[str]:
    return [event["kind"] for event in report.events]


def events(report: ReplayReport, kind: str) -> list[dict[str, Any]]:
    return [event for event in report.events if event["kind"] == kind]


@pytest.fixture(scope="module")
def trip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short cheating trip: it has every sort of event."""
    path = tmp_path_factory.mktemp("trip") / "trip.mcap"
    write_trip(path, seed=4, kind="swapped", acts=3)
    return path


def copy_of(source: Path, target: Path, *, first: int | None = None, truth: bytes | None = None) -> int:
    """Copy what the cart could know, up to `first` messages; returns the time of the last one."""
    recording = open_recording(source)
    last_ns = 0
    with RecordingWriter(
        target,
        config_toml=recording.attachment(CONFIG_ATTACHMENT).decode(),
        catalog_json=recording.attachment(CATALOG_ATTACHMENT),
        cart_id="cart-1",
        made_by="test",
        flush_s=60,
    ) as writer:
        for number, message in enumerate(recording.messages()):
            if number == first:
                break
            writer.write(message.topic, message.t_ns, message.body)
            last_ns = message.t_ns
        writer.close(truth=None if truth is None else msgspec.json.decode(truth))
    return last_ns


def test_scanned_and_put_in_is_confirmed_with_its_weight_and_price(tmp_path: Path) -> None:
    messages = [
        *quiet_scale(4.0),
        scan(2.0),
        *quiet_scale(8.0, from_s=4.0, gross_g=1034.0),
    ]
    report = replay_file(write(tmp_path / "a.mcap", messages)).report
    (line,) = report.basket
    assert (line.sku, line.units, line.state, line.price_minor) == ("milk", 1, "confirmed", 149)
    assert line.weight_g == pytest.approx(1034.0, abs=2.0)
    assert (report.total_minor, report.savings_minor, report.currency) == (149, 0, "EUR")
    assert report.open_interventions == []
    assert report.samples == 640
    assert report.recorded_s == pytest.approx(8.0, abs=0.02)
    (added,) = events(report, "item_added")
    assert added["t_s"] == 2.0
    (step,) = events(report, "weight_step")
    assert step["delta_g"] == pytest.approx(1034.0, abs=2.0)
    assert step["sigma_g"] > 0
    assert step["rest_t_s"] == pytest.approx(4.0, abs=0.3)
    assert step["rest_t_s"] <= step["t_s"] < 5.0
    (confirmed,) = events(report, "item_confirmed")
    assert confirmed["t_s"] >= step["t_s"]


def test_a_deadline_between_messages_is_kept_to_the_moment(tmp_path: Path) -> None:
    report = replay_file(write(tmp_path / "a.mcap", [*quiet_scale(16.0), scan(0.003)])).report
    raised = [e for e in events(report, "intervention_raised") if e["intervention"] == "not_placed"]
    assert [event["t_s"] for event in raised] == [15.003]  # samples come at 15.000 and 15.0125


def test_no_timer_runs_past_the_last_message(tmp_path: Path) -> None:
    short = replay_file(write(tmp_path / "short.mcap", [scan(0.0), *quiet_scale(14.9)])).report
    full = replay_file(write(tmp_path / "long.mcap", [scan(0.0), *quiet_scale(15.2)])).report
    assert not [e for e in short.events if e.get("intervention") == "not_placed"]
    assert [e["t_s"] for e in full.events if e.get("intervention") == "not_placed"] == [15.0]


@settings(max_examples=12, deadline=None)
@given(share=st.floats(0.05, 0.99))
def test_a_cut_never_changes_what_came_before_it(
    trip: Path, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    whole = replay_file(trip).report
    total = whole.samples
    target = tmp_path_factory.mktemp("cut") / "cut.mcap"
    last_ns = copy_of(trip, target, first=max(1, round(share * total)))
    cut = replay_file(target).report
    first_ns = next(open_recording(trip).messages()).t_ns
    last_s = (last_ns - first_ns) / 1e9
    assert cut.events == whole.events[: len(cut.events)]
    assert all(event["t_s"] >= last_s - 1e-6 for event in whole.events[len(cut.events) :])
    assert all(event["t_s"] <= last_s + 1e-6 for event in cut.events)


def test_the_truth_is_never_read(trip: Path, tmp_path: Path) -> None:
    without, lying = tmp_path / "without.mcap", tmp_path / "lying.mcap"
    copy_of(trip, without)
    copy_of(trip, lying, truth=b'{"basket": "nonsense"}')
    told = [replay_file(path).report for path in (trip, without, lying)]
    assert told[0].events
    assert told[0].events == told[1].events == told[2].events
    assert told[0].basket == told[1].basket == told[2].basket


def test_interventions_carry_id_kind_and_stage(trip: Path) -> None:
    report = replay_file(trip).report
    shown = [event for event in report.events if event["kind"] in INTERVENTION_EVENTS]
    assert shown
    for event in shown:
        assert isinstance(event["id"], int)
        assert event["stage"] in {"hint", "question", "staff"}
        assert isinstance(event["intervention"], str)
    assert report.open_interventions
    for one in report.open_interventions:
        assert one.stage == "question"
        assert [e for e in shown if e["kind"] == "intervention_raised" and e["id"] == one.id]


def test_events_are_in_order_of_time_and_of_the_public_kinds(trip: Path) -> None:
    report = replay_file(trip).report
    times = [event["t_s"] for event in report.events]
    assert times == sorted(times)
    assert set(kinds(report)) <= {
        "item_added",
        "item_removed",
        "item_confirmed",
        "intervention_raised",
        "intervention_changed",
        "intervention_cleared",
        "fault_raised",
        "fault_cleared",
        "weight_step",
    }


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, len(MILK_SCAN) - 1), max_size=6, unique=True))
def test_a_scan_may_be_cut_anywhere(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(MILK_SCAN)]
    pieces = [MILK_SCAN[a:b] for a, b in itertools.pairwise(edges)]
    parts = [scan(1.0 + index * 0.002, piece) for index, piece in enumerate(pieces)]
    path = write(tmp_path_factory.mktemp("scan") / "a.mcap", [*quiet_scale(1.0), *parts, touch(2.0, "help")])
    assert [event["sku"] for event in events(replay_file(path).report, "item_added")] == ["milk"]


def test_half_a_scan_is_dropped_and_no_ghost_item_comes_of_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mcap", [scan(0.0, MILK_SCAN[:9]), scan(5.0, MILK_SCAN[9:]), scan(6.0)])
    report = replay_file(path).report
    assert [(event["kind"], event["t_s"]) for event in report.events] == [("item_added", 6.0)]


def test_without_a_start_touch_it_is_in_shopping_at_once(tmp_path: Path) -> None:
    assert replay_file(write(tmp_path / "a.mcap", quiet_scale(0.1))).report.phase == "shopping"


def test_with_a_start_touch_it_is_idle_before(tmp_path: Path) -> None:
    started = write(tmp_path / "a.mcap", [*quiet_scale(2.0), touch(1.0, "start")])
    live = write(tmp_path / "b.mcap", quiet_scale(2.0), phase="idle")
    assert replay_file(started).report.phase == "shopping"
    assert replay_file(live).report.phase == "idle"


def test_a_lost_part_in_the_recording_is_a_fault(tmp_path: Path) -> None:
    lost = (PART, at(1.0), PartMessage("scanner", ok=False))
    found = (PART, at(3.0), PartMessage("scanner", ok=True))
    report = replay_file(write(tmp_path / "a.mcap", [*quiet_scale(4.0), lost, found])).report
    assert [(e["kind"], e["t_s"], e["part"]) for e in report.events if "fault" in e["kind"]] == [
        ("fault_raised", 1.0, "scanner"),
        ("fault_cleared", 3.0, "scanner"),
    ]


def test_an_action_of_a_newer_cart_is_skipped_and_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mcap", [*quiet_scale(1.0), ("/touch", at(0.5), TouchMessage("teleport"))])
    report = replay_file(path).report
    assert report.warnings == [f"{path}: /touch action 'teleport' is unknown, skipped"]


def test_a_wrong_suffix_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.mcap"
    with RecordingWriter(
        path,
        config_toml='[scale]\ncounts_per_gram = 1.0\ntare_counts = 0\n[scanner]\nsuffix = "x"\n',
        catalog_json=msgspec.json.encode(Catalog(version=1, currency="EUR", locale="en", taxes={}, items=())),
        cart_id="c",
        made_by="t",
    ) as writer:
        writer.scale(1, 0)
    assert replay_command.run([path]) == 2
    assert "wrong scanner.suffix" in capsys.readouterr().err


def test_the_command_prints_one_object_a_line_and_goes_on_after_a_bad_file(
    trip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.mcap"
    bad.write_bytes(b"garbage")
    other = tmp_path / "other.mcap"
    shutil.copy(trip, other)
    status = replay_command.run([trip, bad, other], as_json=True)
    out, err = capsys.readouterr()
    printed = [msgspec.json.decode(line) for line in out.splitlines()]
    assert status == 2
    assert err == f"cart: {bad}: is not an MCAP recording; make one with 'cart record --out FILE'\n"
    assert [one["file"] for one in printed] == [str(trip), str(other)]
    assert {
        "file",
        "basket",
        "total_minor",
        "savings_minor",
        "currency",
        "events",
        "open_interventions",
        "samples",
        "recorded_s",
        "wall_s",
    } <= set(printed[0])
    assert set(printed[0]["basket"][0]) == {"sku", "units", "weight_g", "state", "price_minor"}


def test_the_table_for_people_names_what_is_in_the_basket(trip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay_command.run([trip]) == 0
    out = capsys.readouterr().out
    report = replay_file(trip).report
    assert all(line.sku in out for line in report.basket)
    assert f"open: {report.open_interventions[0].kind} (question)" in out
