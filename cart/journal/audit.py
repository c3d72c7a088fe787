"""Reads a journal, also a running cart's, and says whether it is whole, what happened, and why it was decided so."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from cart.core.chain import LedgerRow
from cart.core.ledger import (
    Hypothesis,
    ItemConfirmed,
    ItemRemoved,
    ItemReopened,
    LedgerEvent,
    StepExplained,
    WeightStepSeen,
)
from cart.core.problem import Problem
from cart.core.weighing.cells import Place
from cart.journal.ledger_file import NAME, LedgerFile
from cart.journal.problems import JournalProblem
from cart.journal.quarantine import snapshot
from cart.journal.seal import check_seals

WHAT_TO_DO: Final = (
    "Keep the file: copy the folder away before the cart starts again. At its next start the cart puts this journal "
    "aside and locks payment; compare the store's copy of the ledger, then 'cart audit --unlock --reason …'."
)
ODDS_MAX: Final = 1e6
"""Beyond a million to one a figure says no more."""


class NothingFound(Problem):
    """No such trip, step or line."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event for reading. `t_s` is seconds of that boot's clock."""

    seq: int
    trip_id: str
    wall_ms: int
    t_s: float
    kind: str
    said: str
    body: msgspec.Raw


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """One decision: what was measured, what was considered, what won, what followed."""

    step_ids: tuple[int, ...]
    won: str
    margin: float
    odds: float
    considered: tuple[Hypothesis, ...]
    measured: list[str]
    consequences: list[str]
    superseded: bool


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What `cart audit --json` prints."""

    ok: bool
    cart_id: str
    rows: int
    deleted: int
    tombstones: int
    unsigned: int
    """Tombstones that bear no signature: of a time in which the cart had no key."""
    other_key: int
    """Tombstones signed by a key that none of the certificates names."""
    head_seq: int
    head_hash: str
    waiting: int
    broken_at: int | None
    why: str
    what_to_do: str
    locked: str
    events: list[Event] = []
    explained: list[Explained] = []


def read_audit(
    folder: Path, copy: Path, *, trip: str | None, explain: str | None, certificates: Sequence[Path] = ()
) -> Audit:
    """Copy the journal to the empty folder `copy`, check it there, and read what was asked for.

    `certificates` are the cart's, the present one and earlier ones, that tombstones are checked by. Raises
    SnapshotProblem, NothingFound, SealProblem, and JournalProblem for what is no journal at all.
    """
    database = snapshot(folder, copy)
    file = LedgerFile(copy, cart_id=_owner(database), boot_id="", new_chain="", wall_ms=lambda: 0)
    try:
        file.open()
    except JournalProblem as problem:
        return _broken(str(problem))
    try:
        report = file.integrity()
        stones = file.tombstones() if report.ok else []
        seals = check_seals(stones, certificates) if stones else []
        forged = next((stone for stone, verdict in seals if verdict == "wrong"), None)
        if forged is not None:
            why = f"the tombstone of rows {forged.first_seq} to {forged.last_seq} is not as the cart signed it"
            report = msgspec.structs.replace(report, ok=False, broken_at=forged.first_seq, why=why)
        rows = _wanted(file, trip, explain) if report.ok and (trip or explain) else []
        return Audit(
            ok=report.ok,
            cart_id=file.cart_id,
            rows=report.rows,
            deleted=report.deleted,
            tombstones=len(seals),
            unsigned=sum(verdict == "unsigned" for _, verdict in seals),
            other_key=sum(verdict == "other_key" for _, verdict in seals),
            head_seq=report.head_seq,
            head_hash=report.head_hash,
            waiting=int(file.ask("SELECT count(*) FROM outbox")[0][0]) if report.ok else 0,
            broken_at=report.broken_at,
            why=report.why,
            what_to_do="" if report.ok else WHAT_TO_DO,
            locked=file.about("locked") if report.ok else "",
            events=[_event(row) for row in rows] if trip else [],
            explained=_explained(rows, explain) if explain else [],
        )
    finally:
        file.close()


def unlock(folder: Path, reason: str) -> None:
    """Unlock payment; the cart must be stopped. Raises JournalProblem, NothingFound where it isn't locked."""
    if not (folder / NAME).exists():
        raise NothingFound(f"{folder / NAME}: no journal there; name the folder with --journal")
    file = LedgerFile(folder, cart_id=_owner(folder / NAME), boot_id="", new_chain="", wall_ms=lambda: 0)
    file.open()
    try:
        locked = file.about("locked")
        if not locked:
            raise NothingFound("payment isn't locked; nothing to do")
        file.write(
            [
                ("DELETE FROM about WHERE key = 'locked'", ()),
                ("INSERT OR REPLACE INTO about VALUES ('unlocked', ?)", (f"{reason} (was: {locked})",)),
            ]
        )
    finally:
        file.close()


def _owner(database: Path) -> str:
    """The cart whose journal this is; `unknown` where that can't be read."""
    try:
        connection = sqlite3.connect(database)
        try:
            found = connection.execute("SELECT value FROM about WHERE key = 'cart_id'").fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        return "unknown"
    return str(found[0]) if found else "unknown"


def _broken(why: str) -> Audit:
    return Audit(
        ok=False, cart_id="unknown", rows=0, deleted=0, tombstones=0, unsigned=0, other_key=0, head_seq=0,
        head_hash="", waiting=0, broken_at=0, why=why, what_to_do=WHAT_TO_DO, locked="",
    )  # fmt: skip


def _wanted(file: LedgerFile, trip: str | None, explain: str | None) -> list[LedgerRow]:
    """The rows of the trip asked for; for an explanation without one, of the latest trip."""
    if trip is None or trip == "open":
        latest = file.ask("SELECT trip_id FROM ledger WHERE kind = 'trip_started' ORDER BY seq DESC LIMIT 1")
        if not latest:
            raise NothingFound("no trip in this journal yet")
        trip = str(latest[0][0])
    rows = file.rows("trip_id = ?", trip)
    if not rows:
        gone = [stone for stone in file.tombstones() if stone.trip_id == trip]
        why = "was deleted by age; only its tombstone is left" if gone else "is not in this journal"
        raise NothingFound(f"trip {trip} {why}" + (f", so nothing explains {explain}" if explain else ""))
    return rows


def _event(row: LedgerRow) -> Event:
    event = row.event()
    return Event(
        seq=row.seq, trip_id=row.trip_id, wall_ms=row.wall_ms, t_s=row.t_ns / 1e9, kind=_kind(event), said=_said(event),
        body=msgspec.Raw(row.body.encode()),
    )  # fmt: skip


def _explained(rows: Iterable[LedgerRow], asked: str) -> list[Explained]:
    """Decisions about a step (`12`, `step:12`) or about the steps of a line (`line:3`), in order."""
    what, colon, number = asked.rpartition(":")
    if what not in {"", "step", "line"} or not number.isdigit() or (colon and not what):
        raise NothingFound(f"--explain {asked!r}: name a step or a line, as step:12 or line:3")
    events = [row.event() for row in rows]
    wanted = _steps_of_line(events, int(number)) if what == "line" else {int(number)}
    decisions = [event for event in events if isinstance(event, StepExplained) and wanted & set(event.step_ids)]
    if not decisions:
        raise NothingFound(
            f"nothing was decided about {what or 'step'} {number} on this trip; see --trip for its steps"
        )
    return [
        _decision(events, decision, superseded=any(set(later.step_ids) & set(decision.step_ids) for later in rest))
        for decision, rest in ((one, decisions[place + 1 :]) for place, one in enumerate(decisions))
    ]


def _steps_of_line(events: Iterable[LedgerEvent], line_id: int) -> set[int]:
    return {
        step
        for event in events
        if isinstance(event, ItemConfirmed | ItemRemoved) and event.line_id == line_id
        for step in event.step_ids
    }


def _decision(events: list[LedgerEvent], decision: StepExplained, *, superseded: bool) -> Explained:
    steps = set(decision.step_ids)
    consequences = [
        f"{_kind(event)}: {_said(event)}"
        for event in events
        if not isinstance(event, StepExplained | WeightStepSeen | ItemReopened)
        and steps & set(getattr(event, "step_ids", ()))
    ]
    return Explained(
        step_ids=decision.step_ids,
        won=decision.won,
        margin=decision.margin,
        odds=min(ODDS_MAX, math.exp(min(decision.margin, 50.0))),
        considered=tuple(sorted(decision.considered, key=lambda one: -one.score)),
        measured=[_said(event) for event in events if isinstance(event, WeightStepSeen) and event.step_id in steps],
        consequences=consequences,
        superseded=superseded,
    )


def _kind(event: LedgerEvent) -> str:
    return str(event.__struct_config__.tag)


def _where(place: Place | None) -> str:
    """A place on the platform in words and figures; empty on a cart with one summed channel."""
    if place is None:
        return ""
    side = "middle" if abs(place.x) < 1 / 3 else "right" if place.x > 0 else "left"
    depth = "middle" if abs(place.y) < 1 / 3 else "front" if place.y > 0 else "rear"
    words = depth if depth == side else f"{depth} {side}"
    return f", {words} of the basket ({place.x:+.2f}, {place.y:+.2f} ± {place.sd:.2f})"


def _said(event: LedgerEvent) -> str:
    """The event's own fields, short: what is empty is left out."""
    if isinstance(event, WeightStepSeen):
        return (
            f"step {event.step_id}: {event.delta_g:+.1f} g ± {event.sigma_g:.1f} g, "
            f"at rest {event.rest_ns / 1e9:.2f} s, gross {event.gross_g:.1f} g{_where(event.place)}"
        )
    if isinstance(event, StepExplained):
        return f"steps {', '.join(map(str, event.step_ids))}: {event.won} (margin {event.margin:.2f})"
    fields: dict[str, Any] = msgspec.to_builtins(event)
    return ", ".join(
        f"{name}={value}" for name, value in fields.items()
        if name not in {"kind", "receipt"} and value not in (None, "", [], False)
    )  # fmt: skip
