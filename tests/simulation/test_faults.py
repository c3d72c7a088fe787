"""A store in trouble on a virtual clock: nothing is lost or charged twice, and bugs put in on purpose are found."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import faults
from cart.bench.faults.mutations import MUTATIONS, Mutation
from cart.bench.faults.world import play

SEEDS = 200

CAUGHT: dict[Mutation, str] = {
    "effect_before_commit": r"money was asked for \S+ before row \d+ was on disk",
    "ack_before_commit": r"the store acknowledged row \d+ and doesn't hold it",
    "new_attempt_after_timeout": (
        r"captured twice at the same time|, which the cart holds for cancelled|accuses cart-1 of trip_paid_before"
    ),
    "cleared_on_puback": r"the store holds \d+ rows of the cart's \d+, or others",
}
"""What the auditor says of each bug that was put in."""

LOOK_FROM: dict[Mutation, int] = {"new_attempt_after_timeout": 395}
"""The rarer one is looked for beside a seed that is known to show it."""


@pytest.mark.timeout(240)
def test_two_hundred_stores_in_trouble_lose_nothing_and_charge_once() -> None:
    kinds: Counter[str] = Counter()
    captures = parts = 0
    failing: dict[int, list[str]] = {}
    for seed in range(SEEDS):
        outcome = play(seed)
        kinds.update(outcome.faults)
        captures += outcome.figures.captures
        parts += outcome.figures.paid_in_parts
        if outcome.findings:
            failing[seed] = outcome.findings
    assert failing == {}
    assert captures > SEEDS * 3 // 4
    assert parts > 0
    assert kinds["till2_dies_in_a_commit"] > 0
    for kind in ("lost", "repeated", "straggled", "forged", "partition", "broker_killed", "wall_jump"):
        assert kinds[kind] > 0, kind
    for machine in ("cart", "till"):
        for fate in ("cut_before", "cut_torn", "cut_after", "refused"):
            assert kinds[f"{machine}_disk_{fate}"] > 0, (machine, fate)
        assert kinds[f"{machine}_dies_publishing"] > 0
    assert kinds["cart_disk_full"] > 0
    assert kinds["cart_disk_lied"] > 0
    assert kinds["cart_dies_before_a_journal_job"] > 0
    assert kinds["cart_dies_after_a_journal_job"] > 0


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_bug_put_in_on_purpose_is_caught(mutation: Mutation) -> None:
    def caught(seed: int) -> bool:
        return any(re.search(CAUGHT[mutation], finding) for finding in play(seed, mutation=mutation).findings)

    assert any(caught(seed) for seed in range(LOOK_FROM.get(mutation, 180), 420))


def test_a_seed_is_the_same_run_again_also_in_another_process(tmp_path: Path) -> None:
    first = play(7)
    assert first == play(7)
    assert first.digest != play(8).digest
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.faults", "--seed", "7", "--json", "--keep", str(tmp_path / "kept")],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONHASHSEED": "4711"},
        timeout=60,
    )
    again = json.loads(done.stdout.splitlines()[-1])
    assert (again["digest"], again["findings"]) == (first.digest, first.findings)
    assert again["checked"] == dataclasses.asdict(first.figures)
    assert (tmp_path / "kept" / "cart" / "journal.sqlite").exists()


def test_the_command_names_the_failing_seed(capsys: pytest.CaptureFixture[str]) -> None:
    figures = faults.measure(range(1, 2), 1, "cleared_on_puback", quiet=False)
    assert figures["failing_seeds"] == [1]
    shown = capsys.readouterr().err
    assert "python -m benchmarks.faults --seed 1" in shown
    assert re.search(CAUGHT["cleared_on_puback"], shown)


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    faults.measure(range(4, 6), 1, None, quiet=True, resume=kept)
    goes_on = faults.measure(range(4, 7), 1, None, quiet=True, resume=kept)
    whole = faults.measure(range(4, 7), 1, None, quiet=True)
    for what in ("seeds", "first_seed", "failing", "virtual_hours", "checked", "faults"):
        assert goes_on[what] == whole[what], what
    assert faults.measure(range(4, 7), 1, None, quiet=True, resume=kept)["checked"] == whole["checked"]
    with pytest.raises(faults.OtherSeeds, match="holds seeds from 4"):
        faults.measure(range(7), 1, None, quiet=True, resume=kept)
    kept.write_text("{")
    with pytest.raises(faults.OtherSeeds, match="not what an earlier run kept"):
        faults.measure(range(4, 7), 1, None, quiet=True, resume=kept)


def test_the_auditor_shares_no_code_with_what_it_checks() -> None:
    code = "import sys, cart.bench.faults.auditor; print(*sorted(m for m in sys.modules if m.startswith('cart')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "cart",
        "cart.bench",
        "cart.bench.faults",
        "cart.bench.faults.auditor",
        "cart.bench.faults.auditor_fold",
    ]


def test_each_fault_of_the_table_names_tests_that_are_there() -> None:
    root = Path(__file__).parents[2]
    rows = re.findall(r"^\| (\d+b?) \|.*$", (root / "docs" / "faults.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = re.findall(r"`(tests/[a-z0-9_/]+\.py)::(test_\w+)`", (root / "docs" / "faults.md").read_text("utf-8"))
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not re.search(rf"^def {test}\(", (root / file).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []
    assert rows == [*map(str, range(1, 16)), "15b", *map(str, range(16, 26))]
