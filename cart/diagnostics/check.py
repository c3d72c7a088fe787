"""What a check says: a verdict, one line, the figures behind it, and what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from cart.config import CartTable, Config, ScaleTable, StoreTable
from cart.diagnostics.certificate import WeightError

Verdict = Literal["ok", "warn", "fail", "absent"]
"""`absent` is a part this cart is configured to do without; only `fail` makes the exit status 1."""

Figure = float | int | str | bool | None


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One part's result. `todo` is empty when there is nothing to do."""

    part: str
    verdict: Verdict
    summary: str
    todo: str = ""
    figures: dict[str, Figure] = {}
    errors: list[WeightError] = []
    """Of the scale: how far the last calibration was off at each check weight."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`cart diag --json`: `ok` is true when no check failed; `running` when a daemon owns the devices."""

    ok: bool
    running: bool
    checks: list[Check]


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks work with: the configuration (defaults where the file is missing) and the daemon's status."""

    config_path: Path
    config: Config
    config_problem: str = ""
    status: dict[str, Any] | None = None
    """The running daemon's answer; None when none runs and the devices are free to be tried."""
    thorough: bool = False
    """The part was asked for by name: take longer, and ask the technician to do things."""
    seconds: float = 3.0


UNCONFIGURED = Config(
    cart=CartTable(id="unconfigured"),
    store=StoreTable(id="unconfigured"),
    scale=ScaleTable(counts_per_gram=1.0, tare_counts=0),
)
"""Where a part would be if it were connected as the example configuration says."""


def two_halves(line: str) -> tuple[str, str]:
    """An error's one line as (what is wrong, what to do).

    They are parted by the first `: ` or `; ` outside of brackets; a colon after a bare name (a file, a module) only
    says of what the line speaks.
    """
    depth = 0
    for index, character in enumerate(line[:-1]):
        depth += (character in "([") - (character in ")]")
        if depth == 0 and character in ":;" and line[index + 1] == " " and " " in line[:index]:
            return line[:index], line[index + 2 :]
    return line, ""


def from_status(bench: Bench, part: str) -> Check | None:
    """The running daemon's word on a part it owns; None when no daemon runs or it says nothing of the part."""
    status = bench.status or {}
    parts, figures = status.get("parts"), status.get("figures")
    state = parts.get(part) if isinstance(parts, dict) else None
    if not isinstance(state, str):
        return None
    told = figures if isinstance(figures, dict) else {}
    return Check(
        part=part,
        verdict="ok" if state == "ok" else "fail",
        summary="in use by the running cart" if state == "ok" else f"the running cart says: {state}",
        todo="" if state == "ok" else f"see 'journalctl -u cart', or stop the cart and run 'cart diag {part}'",
        figures={key.removeprefix(f"{part}_"): value for key, value in told.items() if key.startswith(f"{part}_")},
    )
