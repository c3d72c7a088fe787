"""`cart replay FILE…`: what the cart decides on a recording, without hardware and faster than real time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cart.core.catalog import minor_digits
from cart.core.problem import Problem
from cart.model_location import SHIPPED
from cart.replay import ReplayReport, camera_with, replay_file

EVENTS_SHOWN = 12


def run(
    files: Annotated[list[Path], typer.Argument(help="Recordings (.mcap).", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a file, each on its own line.")] = False,
    events: Annotated[bool, typer.Option("--events", help="Show every event, not only the last ones.")] = False,
    model: Annotated[
        str, typer.Option("--model", help="The classifier's folder, for recordings with frames; '' for none.")
    ] = SHIPPED,
) -> int:
    """Run recordings through the real decision code, faster than real time."""
    console = Console(highlight=False, markup=False)
    status = 0
    for path in files:
        try:
            with progress_of(path, quiet=as_json) as progress:
                report = replay_file(path, progress=progress, camera=camera_with(model)).report
        except Problem as error:
            typer.echo(f"cart: {' '.join(str(error).split())}", err=True)
            status = 2
            continue
        for warning in report.warnings:
            typer.echo(f"cart: {warning}", err=True)
        if as_json:
            typer.echo(msgspec.json.encode(report).decode())
        else:
            _show(console, report, every_event=events)
    return status


@contextmanager
def progress_of(path: Path, *, quiet: bool) -> Iterator[Callable[[float], None] | None]:
    """Tells on the terminal how far a recording has got, in recorded seconds; None where nobody looks."""
    console = Console(stderr=True, markup=False)
    if quiet or not console.is_terminal:
        yield None
        return
    with console.status(f"{path.name} …") as status:
        yield lambda at_s: status.update(f"{path.name}: {at_s:.0f} s")


def _show(console: Console, report: ReplayReport, *, every_event: bool) -> None:
    speed = report.samples / report.wall_s if report.wall_s else 0.0
    console.print(
        Text(f"{report.file}: {report.recorded_s:.0f} s, {report.samples} samples, ")
        + Text(f"replayed in {report.wall_s:.1f} s ({speed:,.0f} samples/s); {report.phase}")
    )
    basket = Table("product", "units", "weight g", "state", "price", box=None, pad_edge=False)
    for line in report.basket:
        weight = "" if line.weight_g is None else f"{line.weight_g:.1f}"
        basket.add_row(Text(line.sku), str(line.units), weight, line.state, money(line.price_minor, report.currency))
    basket.add_row("total", "", "", "", f"{money(report.total_minor, report.currency)} {report.currency}", style="bold")
    console.print(basket)
    shown = report.events if every_event else report.events[-EVENTS_SHOWN:]
    hidden = len(report.events) - len(shown)
    if hidden:
        console.print(f"… {hidden} earlier events; --events shows them")
    for event in shown:
        console.print(Text(describe(event)))
    if not report.open_interventions:
        console.print("nothing open\n")
    for one in report.open_interventions:
        names = ", ".join(one.candidates) or "no candidate"
        console.print(Text(f"open: {one.kind} ({one.stage}) {one.sku or names}\n"), style="yellow")


def describe(event: dict[str, object]) -> str:
    """One line for a person: when, what, and the figures that matter."""
    parts = [f"{event['t_s']:9.3f} s  {event['kind']}"]
    named = ("intervention", "stage", "how", "sku", "units", "part", "fault")
    parts.extend(str(event[name]) for name in named if event.get(name) is not None)
    if event.get("delta_g") is not None:
        sigma = f" ± {event['sigma_g']:.1f}" if event.get("sigma_g") is not None else ""
        parts.append(f"{event['delta_g']:+.1f}{sigma} g")
    elif event.get("weight_g") is not None:
        parts.append(f"{event['weight_g']:.1f} g")
    return "  ".join(parts)


def money(minor: int, currency: str) -> str:
    """Minor units as a plain decimal; recordings are read by technicians, not shoppers."""
    digits = minor_digits(currency)
    return f"{minor / 10**digits:.{digits}f}"
