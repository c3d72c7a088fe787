"""The journal's errors, each with the state it leaves the cart in."""

from __future__ import annotations

import sqlite3
from typing import Final, Literal

from cart.core.problem import Problem

JournalState = Literal["ok", "disk_full", "io_error", "behind", "tampered", "closed"]
"""`ok`, or why nothing can be recorded. In any other state scans are refused visibly: no line that isn't on disk."""

WHAT_TO_DO: Final[dict[JournalState, str]] = {
    "ok": "",
    "disk_full": "the disk is full; free space in the journal's folder, the cart goes on by itself",
    "io_error": "the disk can't be written; check the card and its cable, then restart the cart",
    "behind": "the disk is too slow to keep up; check the card, the cart goes on by itself",
    "tampered": "the journal was changed or damaged; run 'cart audit', then unlock payment with 'cart audit --unlock'",
    "closed": "the journal is closed; start the cart again",
}


class JournalProblem(Problem):
    """Nothing was recorded. `state` names why; the text says what to do."""

    def __init__(self, state: JournalState, detail: str = "") -> None:
        super().__init__(f"journal: {WHAT_TO_DO[state]}" + (f" ({detail})" if detail else ""))
        self.state = state


def state_of(error: sqlite3.Error | OSError) -> JournalState:
    """Which state an error of SQLite or of the file system means (primary result codes, sqlite.org/rescode.html)."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return "io_error" if isinstance(error, OSError) else "tampered"
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return "disk_full"
    if primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return "tampered"
    return "io_error"
