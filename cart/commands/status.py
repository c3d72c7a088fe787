"""`cart status`: what the running daemon is doing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cart.config import DEFAULT_PATH, JournalTable, load_config
from cart.control_client import ControlClient, NotRunning


def run(
    as_json: Annotated[bool, typer.Option("--json", help="The daemon's answer as one JSON object.")] = False,
    config_path: Annotated[Path, typer.Option("--config", help="The cart's configuration.")] = DEFAULT_PATH,
) -> int:
    """What the running cart is doing: trip, lines, sensors, link, outbox. Exit status 1 when none runs."""
    # A machine nobody has configured runs no cart either, and that is what was asked.
    unconfigured = config_path == DEFAULT_PATH and not config_path.exists()
    journal = JournalTable() if unconfigured else load_config(config_path).journal
    try:
        status = ControlClient(Path(journal.folder)).status()
    except NotRunning as error:
        typer.echo(f"cart: {error}", err=True)
        return 1
    if as_json:
        typer.echo(msgspec.json.encode(status).decode())
    else:
        show(Console(highlight=False, markup=False), status)
    return 0


def show(console: Console, status: Mapping[str, Any]) -> None:
    """For people. Fields a newer daemon adds are left to --json; those an older one lacks are left out."""
    trip = _table_of(status, "trip")
    weight = _table_of(status, "weight")
    uptime_s = status.get("uptime_s")
    running = f", running for {_duration(uptime_s)}" if isinstance(uptime_s, int | float) else ""
    console.print(Text(f"{status.get('cart_id', '?')} of {status.get('store_id', '?')}{running}", style="bold"))
    console.print(Text(f"trip: {trip.get('phase', 'unknown')}{_trip_id(trip)}"))
    lines = trip.get("lines") or []
    if lines:
        table = Table(box=None, pad_edge=False, show_header=False)
        for line in lines:
            placed = f"{line.get('placed', 0)} of {line.get('units', 0)} in"
            table.add_row(
                f"  {line.get('units', 0)} ×",
                Text(str(line.get("name") or line.get("sku", ""))),
                str(line.get("state", "")),
                placed,
                _money(line.get("price_minor")),
            )
        console.print(table)
    console.print(f"total: {_money(trip.get('total_minor'))} {trip.get('currency', '')}, {trip.get('units', 0)} units")
    for one in trip.get("interventions") or []:
        console.print(Text(f"open: {one.get('kind')} ({one.get('stage')}) {one.get('name') or ''}"), style="yellow")
    net_g = weight.get("net_g")
    resting = "at rest" if weight.get("stable") else "moving"
    console.print("weight: the scale can't say" if net_g is None else f"weight: {net_g:+.1f} g net, {resting}")
    for name, state in _table_of(status, "parts").items():
        console.print(Text(f"{name}: {state}"), style="" if state == "ok" else "yellow")
    classifier = status.get("classifier")
    if isinstance(classifier, str):
        console.print(Text(f"classifier: {classifier}"), style="" if classifier.startswith("ok") else "yellow")
    console.print(_store(status))


def _store(status: Mapping[str, Any]) -> str:
    link, journal, outbox = (_table_of(status, name) for name in ("link", "journal", "outbox"))
    parts = [f"store: {'linked' if link.get('linked') else 'no link'} (MQTT {link.get('protocol', '?')})"]
    waiting = outbox.get("waiting")
    if waiting is not None:
        parts.append(f"outbox {waiting} waiting")
    parts.append(f"journal {journal.get('state', 'unknown')}, row {journal.get('head_seq', '?')}")
    if journal.get("locked"):
        parts.append(f"payment locked: {journal['locked']}")
    version = status.get("catalog_version")
    parts.append("no catalogue yet" if version is None else f"catalogue version {version}")
    return "; ".join(parts)


def _table_of(status: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = status.get(name)
    return value if isinstance(value, dict) else {}


def _trip_id(trip: Mapping[str, Any]) -> str:
    return f" ({trip['trip_id']})" if trip.get("trip_id") else ""


def _money(minor: object) -> str:
    return f"{minor / 100:.2f}" if isinstance(minor, int) else "–"


def _duration(seconds: float) -> str:
    minutes, hours = int(seconds // 60) % 60, int(seconds // 3600)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {int(seconds) % 60:02} s"
