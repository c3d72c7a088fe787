"""`cart diag [PART]`: is each part there and well, and what to do about it if not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cart.config import DEFAULT_PATH
from cart.diagnostics.check import Check, Report, Verdict
from cart.diagnostics.run import PARTS, checks, prepare

STYLES: dict[Verdict, str] = {"ok": "green", "warn": "yellow", "fail": "bold red", "absent": "dim"}


def run(
    part: Annotated[
        str | None, typer.Argument(help=f"One of {', '.join(PARTS)}; all without.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="A live view: weight, noise, rate, scans, frames, link.")
    ] = False,
    config_path: Annotated[Path, typer.Option("--config", help="The cart's configuration.")] = DEFAULT_PATH,
) -> int:
    """Check each part and say what to do about it. Exit status 1 when a part failed."""
    bench = prepare(config_path, part=part)
    if watch:
        from cart.diagnostics.watch import run_watch

        return run_watch(bench)
    console = Console(highlight=False, markup=False)
    found: list[Check] = []
    names = list(PARTS) if part is None else [part]
    progress = Console(stderr=True, markup=False)
    with progress.status("") as line:
        results = checks(bench, part)
        for name in names:
            line.update(f"{name} … (scan something now)" if bench.thorough and name == "scanner" else f"{name} …")
            found.append(next(results))
    report = Report(ok=all(check.verdict != "fail" for check in found), running=bench.status is not None, checks=found)
    if as_json:
        typer.echo(msgspec.json.encode(report).decode())
    else:
        _show(console, report, every_figure=part is not None)
    return 0 if report.ok else 1


def _show(console: Console, report: Report, *, every_figure: bool) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in report.checks:
        lines = Text(check.summary)
        if check.todo:
            lines.append(f"\n→ {check.todo}", style="cyan" if check.verdict != "absent" else "dim")
        if every_figure:
            for name, value in check.figures.items():
                lines.append(f"\n  {name:<24} {'–' if value is None else value}", style="dim")
            for error in check.errors:
                lines.append(f"\n  {error.line}", style="" if error.passed else "yellow")
        table.add_row(check.part, Text(check.verdict, style=STYLES[check.verdict]), lines)
    console.print(table)
    failed = [check.part for check in report.checks if check.verdict == "fail"]
    if failed:
        console.print(f"\n{len(failed)} of {len(report.checks)} failed: {', '.join(failed)}", style="bold red")
    else:
        console.print("\nnothing failed", style="green")
