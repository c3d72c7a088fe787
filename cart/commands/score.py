"""`cart score FILE…`: replays recordings that know what really happened, and says how right the cart was."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cart.commands.replay import progress_of
from cart.core.problem import Problem
from cart.model_location import SHIPPED
from cart.replay import camera_with
from cart.score import Totals, TripScore, score_file, total


def run(
    files: Annotated[list[Path], typer.Argument(help="Recordings with truth (.mcap).", show_default=False)],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a file, then one with the totals, each on its own line.")
    ] = False,
    model: Annotated[
        str, typer.Option("--model", help="The classifier's folder, for recordings with frames; '' for none.")
    ] = SHIPPED,
) -> int:
    """Replay, and compare with the truth in the recording. Exit status 1 when an honest basket is wrong or a cheat
    unnoticed."""
    scores: list[TripScore] = []
    unreadable = False
    for path in files:
        try:
            with progress_of(path, quiet=as_json) as progress:
                score = score_file(path, progress=progress, camera=camera_with(model))
        except Problem as error:
            typer.echo(f"cart: {' '.join(str(error).split())}", err=True)
            unreadable = True
            continue
        for warning in score.warnings:
            typer.echo(f"cart: {warning}", err=True)
        scores.append(score)
        if as_json:
            typer.echo(msgspec.json.encode(score).decode())
    totals = total(scores)
    if as_json:
        typer.echo(msgspec.json.encode({"totals": totals}).decode())
    elif scores:
        _show(Console(highlight=False, markup=False), scores, totals)
    if unreadable:
        return 2
    return 0 if totals.ok else 1


def _show(console: Console, scores: list[TripScore], totals: Totals) -> None:
    table = Table("recording", "trip", "basket", "open at the end", "asked", "steps", "missed", "false", box=None)
    for score in scores:
        basket = "exact" if score.basket_exact else ", ".join(f"{sku} {got}≠{want}" for sku, got, want in score.wrong)
        kinds = ", ".join(f"{one.kind} ({one.stage})" for one in score.open_interventions) or "nothing"
        trip = score.name or ("honest" if score.honest else "cheat")
        table.add_row(
            Text(Path(score.file).name),
            Text(trip),
            Text(basket),
            kinds,
            str(score.questions),
            str(score.steps.seen),
            _at(score.steps.missed_at_s),
            _at(score.steps.false_at_s),
            style="" if score.ok else "red",
        )
    console.print(table)
    console.print(
        f"honest baskets exact {totals.honest_exact} of {totals.honest} (open at the end: {totals.honest_open}); "
        f"cheats noticed {totals.cheats_noticed} of {totals.cheats}"
    )
    console.print(
        f"weight steps: {totals.steps_expected} expected, {totals.steps_missed} missed, {totals.steps_false} false; "
        f"error p50 {_figure(totals.error_g_p50, 'g')}, p99 {_figure(totals.error_g_p99, 'g')}, "
        f"{totals.beyond_3_sigma} beyond 3 σ; "
        f"latency p50 {_figure(totals.latency_s_p50, 's')}, p99 {_figure(totals.latency_s_p99, 's')}"
    )
    console.print(f"{totals.samples_per_s:,.0f} samples/s")


def _at(times_s: list[float]) -> str:
    return f"{len(times_s)} (at {', '.join(f'{at_s:.1f}' for at_s in times_s[:4])} s)" if times_s else "0"


def _figure(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:.3g} {unit}"
