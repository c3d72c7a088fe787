"""Scenarios: what is refused with which line, how patterns match, and how a player plays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart.bench.decisions import changes
from cart.bench.junit import write_junit
from cart.bench.matching import mismatch
from cart.bench.player import Addresses, Player, PlayResult
from cart.bench.report import write_report
from cart.bench.scenario import Act, Expect, ScenarioError, bundled, load_scenario, read_scenario
from cart.bench.verbs import PutIn

ADDRESSES = Addresses(screen="http://screen", world="http://world", till="http://till")

VIEW: dict[str, Any] = {
    "phase": "shopping",
    "trip_id": "t-7",
    "online": True,
    "lines": [],
    "interventions": [],
    "notices": [],
    "payment": None,
    "receipt": None,
    "total_minor": 0,
}


def scenario(steps: str) -> Any:
    return read_scenario(f"name: A\nabout: b\nsteps:\n{steps}", source="a.yaml")


def test_steps_become_values() -> None:
    read = scenario("- row: {rows: [1, 2], title: first}\n- put_in: {sku: m, units: 2}\n- wait: 1.5\n- touch: start\n")
    assert read.rows == (1, 2)
    assert read.steps[1] == Act(name="put_in", verb=PutIn(sku="m", units=2))
    assert [type(step).__name__ for step in read.steps] == ["Row", "Act", "Wait", "TouchStep"]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("- fly: {}", "no step 'fly'; there are row, wait"),
        ("- put_in: {skuu: m}", "step 1: put_in: Object contains unknown field `skuu`"),
        ("- put_in: {}", "name what goes in"),
        ("- put_in: {thing: 1, sku: m}", "'thing' stands alone"),
        ("- take_out: {thing: 1, sku: m}", "either thing or sku"),
        ("- scan: {sku: m, text: x}", "exactly one of sku, text and raw_base64"),
        ("- wait: 1\n- wait: 0", "step 2: wait: Expected `float` > 0"),
        ("- expect: {within_s: 3}", "say what to wait for"),
        ("- touch: dance", "Invalid enum value 'dance'"),
        ("- {scan: {sku: m}, wait: 1}", "one key a step"),
        ("- [1]", "one key a step"),
        ("- till: {path: 'http://x'}", "step 1: till"),
        ("- put_in: {weight_g: 99000}", "<= 60000"),
    ],
)
def test_bad_steps_are_refused_in_one_line(steps: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario(steps)
    assert words in str(caught.value)
    assert str(caught.value).startswith("a.yaml: step ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "name: A\nsteps: []", "- 1", "name: [", "name: A\nsteps: [{wait: 1}]\nextra: 1"])
def test_bad_files_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(ScenarioError, match=r"^a\.yaml: "):
        read_scenario(text, source="a.yaml")


def test_an_unknown_name_lists_the_bundled_ones() -> None:
    with pytest.raises(ScenarioError, match="no such scenario; give a YAML file or one of 00-whole-trip"):
        load_scenario("nothing-of-the-kind")


@pytest.mark.parametrize("name", bundled())
def test_every_bundled_scenario_reads(name: str) -> None:
    read = load_scenario(name)
    assert any(isinstance(step, Expect) for step in read.steps)


def test_the_first_bundled_scenario_is_a_whole_trip_of_at_least_twelve_situations() -> None:
    first = load_scenario(bundled()[0])
    assert len(first.rows) >= 12
    expectations = [step for step in first.steps if isinstance(step, Expect)]
    assert any(step.trip.get("phase") == "paid" for step in expectations)


# -- patterns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"b": 2}, False),
        ({"a": {"min": 1, "max": 3}}, {"a": 3}, True),
        ({"a": {"min": 1, "max": 3}}, {"a": 4}, False),
        ({"a": {"min": 1}}, {"a": None}, False),
        ({"a": None}, {"a": None}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": []}, {"a": []}, True),
        ({"a": []}, {"a": [1]}, False),
        ([{"x": 1}], [{"x": 2}, {"x": 1, "y": 0}], True),
        ([{"x": 1}, {"x": 1}], [{"x": 1}], False),
        ([{}, {"x": 1}], [{"x": 1}, {"x": 2}], True),
        ({"a": 1}, [1], False),
        ([1], {"a": 1}, False),
    ],
)
def test_patterns(pattern: Any, value: Any, fits: bool) -> None:
    assert (mismatch(pattern, value) is None) is fits


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_every_value_matches_itself(value: Any) -> None:
    assert mismatch(value, value) is None


@given(st.lists(JSON, min_size=1, max_size=4), st.randoms())
def test_lists_match_in_any_order_but_each_entry_once(value: list[Any], rng: Any) -> None:
    shuffled = value[:]
    rng.shuffle(shuffled)
    assert mismatch(shuffled, value) is None
    assert mismatch([*shuffled, shuffled[0]], value) is not None


# -- the player -----------------------------------------------------------------------------------------------------


class Stage:
    """A fake screen, world and till: views come from a function of the requests so far; time is the player's own."""

    def __init__(self, view: Callable[[list[str], float], dict[str, Any] | None]) -> None:
        self.now_s = 100.0
        self.posts: list[tuple[str, Any]] = []
        self._view = view

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.posts.append((str(request.url), json.loads(request.content)))
            return httpx.Response(400, json={"error": "no such hands"}) if "bump" in str(request.url) else OK
        view = self._view([url for url, _ in self.posts], self.now_s)
        if view is None:
            raise httpx.ConnectError("off")
        return httpx.Response(200, json=view)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def play(self, steps: str) -> PlayResult:
        client = httpx.Client(transport=httpx.MockTransport(self.answer))
        player = Player(ADDRESSES, client=client, clock=lambda: self.now_s, sleep=self.sleep)
        return player.play(scenario(steps))


OK = httpx.Response(200, json={"ok": True})


def test_a_step_waits_until_the_view_matches() -> None:
    stage = Stage(lambda posts, now_s: {**VIEW, "phase": "paid" if posts and now_s > 101 else "shopping"})
    result = stage.play("- scan: {sku: m}\n- expect: {trip: {phase: paid}, within_s: 2}\n")
    assert result.ok
    assert stage.posts[0][0] == "http://world/world/scan"
    assert stage.posts[0][1]["sku"] == "m"
    assert result.steps[1].seconds == pytest.approx(1.05, abs=0.06)


def test_a_step_that_never_comes_true_fails_with_what_was_seen_and_the_rest_is_skipped() -> None:
    result = Stage(lambda *_: VIEW).play("- expect: {trip: {phase: paid}, within_s: 1}\n- wait: 5\n")
    assert not result.ok
    assert [step.outcome for step in result.steps] == ["failed", "skipped"]
    assert result.steps[0].detail == "after 1 s: trip.phase is 'shopping', not 'paid'"


def test_what_must_hold_is_watched_to_its_end() -> None:
    stage = Stage(lambda _posts, now_s: {**VIEW, "phase": "shopping" if now_s < 102 else "idle"})
    assert stage.play("- expect: {trip: {phase: shopping}, for_s: 1}\n").ok
    stage.now_s = 100.0
    result = stage.play("- expect: {trip: {phase: shopping}, for_s: 4}\n")
    assert "after it had come true" in result.steps[0].detail


def test_without_is_the_absence_of_a_match() -> None:
    asked = {**VIEW, "interventions": [{"id": 3, "kind": "unscanned_item", "stage": "hint"}]}
    stage = Stage(lambda _posts, now_s: asked if now_s < 101 else VIEW)
    step = "- expect: {without: {interventions: [{kind: unscanned_item}]}, within_s: %s}\n"
    assert stage.play(step % 2).ok
    stage.now_s = 100.0
    assert not stage.play(step % 0.5).ok


def test_a_cart_without_power_does_not_answer_and_may_come_back() -> None:
    stage = Stage(lambda _posts, now_s: None if now_s < 103 else VIEW)
    assert stage.play("- expect: {trip: {phase: shopping}, within_s: 5}\n").ok
    stage.now_s = 100.0
    result = stage.play("- touch: {action: remove, line_of: m}\n")
    assert result.steps[0].detail == "the screen does not answer"


def test_numbers_of_lines_questions_and_trips_are_read_off_the_screen() -> None:
    view = {
        **VIEW,
        "lines": [{"line": 4, "sku": "m", "name": "Milk", "units": 1, "placed": 0, "state": "pending"}],
        "interventions": [{"id": 9, "kind": "age_check", "stage": "staff"}],
    }
    stage = Stage(lambda *_: view)
    result = stage.play(
        "- touch: {action: quantity, line_of: m, units: 3}\n- touch: {action: answer, about: age_check, choice: ok}\n"
        "- till: {path: '/trip/{trip}/resolve', body: {intervention: '{age_check}', note: x}}\n"
        "- touch: {action: answer, about: extra_unit, choice: add}\n"
    )
    assert stage.posts == [
        ("http://screen/api/v1/touch", {"action": "quantity", "line": 4, "units": 3}),
        ("http://screen/api/v1/touch", {"action": "answer", "intervention": 9, "choice": "ok"}),
        ("http://till/trip/t-7/resolve", {"intervention": 9, "note": "x"}),
    ]
    assert result.steps[3].detail == "no extra_unit is on the screen"


def test_a_refusal_fails_the_step_with_the_answer() -> None:
    result = Stage(lambda *_: VIEW).play("- bump: {}\n")
    assert "answered 400" in result.steps[0].detail
    assert "no such hands" in result.steps[0].detail


def test_decisions_are_the_differences_of_views() -> None:
    line = {"line": 1, "sku": "m", "name": "Milk", "units": 1, "placed": 0, "state": "pending"}
    ask = {"id": 2, "kind": "not_placed", "stage": "question"}
    first = {**VIEW, "lines": [line], "notices": [{"part": "scale", "fault": "missing"}]}
    second = {**VIEW, "lines": [{**line, "placed": 1, "state": "confirmed"}], "interventions": [ask]}
    assert [entry.text for entry in changes(None, first, 1.0)] == [
        "phase shopping",
        "+ Milk ×1 pending (0 in)",
        "lost: scale (missing)",
    ]
    assert [entry.text for entry in changes(first, second, 2.0)] == [
        "Milk ×1 confirmed (1 in)",
        "not_placed: question",
        "back: scale (missing)",
    ]
    assert [entry.text for entry in changes(second, VIEW, 3.0)] == ["− Milk", "not_placed cleared"]
    assert changes(second, second, 4.0) == []


def test_reports_say_what_failed(tmp_path: Path) -> None:
    result = Stage(lambda *_: VIEW).play(
        "- row: {rows: [1], title: '<first>'}\n- scan: {text: \"a\\u0001b\"}\n- bump: {}\n- wait: 1\n"
    )
    write_junit([result], tmp_path / "junit.xml")
    suite = ET.parse(tmp_path / "junit.xml").getroot()[0]  # noqa: S314  (just written)
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    assert "no such hands" in str(suite[1][0].get("message"))
    assert suite[0].get("name") == "002 scan text a\\u0001b"

    curve = [[99.0 + number / 10, 500.0 * (number > 10), 500.0 * (number > 9)] for number in range(40)]
    write_report([(result, curve)], tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "0 of 1 passed" in html
    assert "&lt;first&gt;" in html
    assert "<first>" not in html
    assert "no such hands" in html
