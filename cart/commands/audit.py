"""`cart audit`: is the journal whole, what happened on a trip, and why was it decided so."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from cart.config import DEFAULT_PATH, load_config
from cart.core.problem import Problem
from cart.journal.audit import Audit, Explained, read_audit, unlock

EXPLAIN_EXAMPLE = "step:12 or line:3, or just the step's number"


class AuditUse(Problem):
    """An option that can't be used."""


def run(
    *,
    journal: Annotated[Path | None, typer.Option(help="The journal's folder; \\[journal] folder otherwise.")] = None,
    config: Annotated[Path, typer.Option(help="The configuration to take the folder from.")] = DEFAULT_PATH,
    trip: Annotated[str | None, typer.Option(help="List the events of this trip (`open`: the latest).")] = None,
    explain: Annotated[str | None, typer.Option(help=f"Explain a decision: {EXPLAIN_EXAMPLE}.")] = None,
    certificate: Annotated[
        list[Path] | None,
        typer.Option(
            help="A certificate of the cart that tombstones are checked by, also an earlier one; may be repeated. "
            "\\[broker] cert_file otherwise.",
            metavar="FILE",
        ),
    ] = None,
    unlock_payment: Annotated[
        bool, typer.Option("--unlock", help="Unlock payment after a damaged journal was looked into.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why payment may be unlocked; kept in the journal.")] = "",
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Verify the journal's chain; explain one decision or a trip. Exit status 1 where the chain is broken."""
    folder, own = (journal, []) if journal is not None else _configured(config)
    if unlock_payment:
        if not reason:
            raise AuditUse("--unlock wants a reason: cart audit --unlock --reason 'card replaced, trips compared'")
        unlock(folder, reason)
        typer.echo("Payment is unlocked. Start the cart again.")
        return
    with tempfile.TemporaryDirectory(prefix="cart-audit-") as copy:
        audit = read_audit(folder, Path(copy), trip=trip, explain=explain, certificates=certificate or own)
    if json:
        typer.echo(msgspec.json.encode(audit).decode())
    else:
        _show(audit)
    if not audit.ok:
        raise typer.Exit(1)


def _configured(config: Path) -> tuple[Path, list[Path]]:
    """The journal's folder and the cart's certificate."""
    known = load_config(config)
    return Path(known.journal.folder), [Path(known.broker.cert_file)] if known.broker.cert_file else []


def _show(audit: Audit) -> None:
    console = Console(highlight=False, markup=False)
    if audit.ok:
        deleted = f", {audit.deleted} deleted by age under {audit.tombstones} tombstones" if audit.deleted else ""
        console.print(f"The chain of {audit.cart_id} is whole: {audit.rows} rows{deleted}.")
        if audit.unsigned:
            console.print(f"{audit.unsigned} of the tombstones are unsigned: the cart had no key then.")
        if audit.other_key:
            console.print(
                f"{audit.other_key} of the tombstones are signed by a key of which no certificate is at hand; name the "
                "cart's earlier ones with --certificate."
            )
        console.print(f"Head: row {audit.head_seq}, {audit.head_hash}", style="dim")
        console.print(f"The store has yet to acknowledge {audit.waiting} rows.")
    else:
        console.print(
            f"The chain of {audit.cart_id} is BROKEN at row {audit.broken_at}: {audit.why}.", style="bold red"
        )
        console.print(audit.what_to_do)
    if audit.locked:
        console.print(f"Payment is locked: {audit.locked}", style="bold red")
    if audit.events:
        table = Table("row", "t (s)", "event", "what", box=None, pad_edge=False)
        for event in audit.events:
            table.add_row(str(event.seq), f"{event.t_s:.3f}", event.kind, event.said)
        console.print(table)
    for explained in audit.explained:
        _show_decision(console, explained)


def _show_decision(console: Console, explained: Explained) -> None:
    console.print()
    console.print(f"Steps {', '.join(map(str, explained.step_ids))}: {explained.won}", style="bold")
    for measured in explained.measured:
        console.print(f"  measured: {measured}")
    table = Table("considered", "score", "behind the best", box=None, pad_edge=False)
    best = max((one.score for one in explained.considered), default=0.0)
    for one in explained.considered:
        table.add_row(one.label, f"{one.score:.2f}", f"{best - one.score:.2f}")
    console.print(table)
    console.print(
        f"  margin {explained.margin:.2f}: the best is about {explained.odds:,.0f} times as likely as the next"
        + (" (revised later)" if explained.superseded else "")
    )
    for consequence in explained.consequences:
        console.print(f"  so: {consequence}")
