"""Whole trips in virtual time against the real session: that they end, that they repeat, that the auditor sees."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pytest

from cart.__main__ import main
from cart.bench.trips import running
from cart.bench.trips.acts import HONEST
from cart.bench.trips.auditor import Tag
from cart.bench.trips.figures import summary
from cart.bench.trips.ranges import KINDS, CatalogKind, Range
from cart.bench.trips.running import run_trip, run_trips
from cart.bench.trips.shopper import Shopper
from cart.bench.trips.table import table

PLAIN = ("scan_and_put",) * 4
SEED = 3


@pytest.mark.parametrize("kind", KINDS)
def test_short_trips_end_paid_with_the_books_in_order(kind: CatalogKind) -> None:
    script = ("scan_and_put", "put_and_scan", "two_scanned", "produce", "look_and_put_back", "scan_and_put")
    for number in range(3):
        figures = run_trip(number, SEED, kind, script=script).figures
        assert figures.paid
        assert figures.items >= 5
        assert not [p for p in figures.problems if p.startswith(("captured", "charged", "the receipt"))]
        assert figures.unconfirmed == []


def test_the_same_seed_makes_the_same_trip() -> None:
    first, again = (run_trip(1, SEED, "ordinary", script=PLAIN, trace=True) for _ in range(2))
    assert first.story == again.story
    assert msgspec.structs.replace(first.figures, cpu_s=0) == msgspec.structs.replace(again.figures, cpu_s=0)


def test_plain_shopping_is_exact() -> None:
    trips = list(run_trips(4, SEED, ["ordinary"], jobs=1, script=PLAIN))
    assert [t.carts["cart"].exact for t in trips] == [True] * 4


def test_the_auditor_catches_a_planted_overcharge(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cart believes in prices a cent above the tags."""

    honest = running._tags

    def tags(goods: Range) -> dict[str, Tag]:
        return {sku: replace(tag, price_minor=tag.price_minor - 1) for sku, tag in honest(goods).items()}

    monkeypatch.setattr(running, "_tags", tags)
    figures = run_trip(0, SEED, "ordinary", script=PLAIN).figures
    assert not figures.carts["cart"].exact
    assert 3 <= figures.carts["cart"].overcharged_minor <= 4  # a cent less on offer may be none
    assert figures.unconfirmed


def test_the_auditor_catches_a_planted_lost_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thing below the basket, where nothing is weighed, that nobody scanned."""

    def smuggle(s: Shopper) -> None:
        s.put_under(s.pick())

    monkeypatch.setitem(HONEST, "smuggle", smuggle)
    figures = run_trip(0, SEED, "ordinary", script=(*PLAIN, "smuggle")).figures
    assert [p for p in figures.problems if p.endswith("1 in the cart, 0 paid")]
    assert figures.carts["cart"].lost_minor > 0


def test_an_unscanned_thing_is_asked_about() -> None:
    figures = run_trip(2, SEED, "ordinary", script=("scan_and_put", "forgotten_scan", "scan_and_put")).figures
    assert figures.paid
    assert figures.carts["cart"].lost_minor == 0


def test_an_unscanned_thing_is_lost_where_nothing_weighs() -> None:
    figures = run_trip(2, SEED, "ordinary", script=("scan_and_put", "forgotten_scan")).figures
    assert figures.carts["scan_only"].lost_minor > 0


def test_figures_and_table_of_a_mixture() -> None:
    trips = list(run_trips(4, SEED, ["ordinary", "twins"], jobs=1, script=PLAIN))
    result = summary(trips)
    assert result["trips"] == 4
    assert result["carts"]["cart"]["exact_percent"]["of"] == 4
    assert any(line.startswith("| whole baskets exact") for line in table(result))


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["cart", "bench", "trips", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_command_prints_one_object_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = command(monkeypatch, "--trips", "2", "--kind", "twins", "--jobs", "1", "--acts", "scan_and_put", "--json")
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert status == 0
    assert set(printed["carts"]) == {"cart", "scan_only", "fixed_tolerance"}
    assert (printed["trips"], printed["kinds"]) == (2, ["twins"])


def test_cameras_are_put_side_by_side_on_the_same_trips(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = ("--trips", "2", "--kind", "twins", "--jobs", "1", "--acts", "scan_and_put", "--json")
    assert command(monkeypatch, *shared, "--camera", "on,off") == 0
    lines = capsys.readouterr().out.splitlines()
    printed = json.loads(lines[-1])["cameras"]
    assert [figures["items"] for figures in printed.values()] == [printed["on"]["items"]] * 2
    assert any(line.startswith("| whole baskets exact") and line.count("|") == 4 for line in lines)


def test_the_curve_is_a_row_a_cost(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(monkeypatch, "--trips", "1", "--jobs", "1", "--acts", "scan_and_put", "--curve", "2,20") == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [row.split("|")[1].strip() for row in rows[2:]] == ["2", "20"]


def test_what_the_auditor_finds_is_told_by_whose_doing_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def smuggle(s: Shopper) -> None:
        s.put_under(s.pick())

    monkeypatch.setitem(HONEST, "smuggle", smuggle)
    figures = run_trip(0, SEED, "ordinary", script=(*PLAIN, "smuggle")).figures
    assert figures.wrong == {"unit missing (shopper)": 1}


def test_every_trip_may_cheat_in_one_way() -> None:
    figures = run_trip(4, SEED, "twins", cheating=("unscanned", "unscanned")).figures
    assert not figures.honest
    assert [cheat.kind for cheat in figures.cheats] == ["unscanned", "unscanned"]


def test_one_trip_can_be_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(monkeypatch, "--only", "3", "--acts", "scan_and_put", "--json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[-1])["number"] == 3
    assert any("puts in P" in line for line in lines)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--kind", "odd", "ordinary, twins, mixed, unknown"),
        ("--acts", "fly", "scan_and_put"),
        ("--camera", "on,odd", "on, off, blind"),
    ],
)
def test_the_command_names_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, value: str, told: str
) -> None:
    assert command(monkeypatch, option, value) == 2
    assert told in capsys.readouterr().err
