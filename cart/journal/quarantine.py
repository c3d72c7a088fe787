"""Putting a damaged journal aside, whole, and reading a journal that a running cart holds open."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from cart.core.problem import Problem
from cart.journal.ledger_file import NAME

PARTS: Final = ("", "-wal", "-shm", "-journal")
"""What SQLite keeps beside a database, by suffix."""

SNAPSHOT_TRIES: Final = 20
"""A cart commits a few times a second at most; a copy that no commit disturbs succeeds within a few tries."""


class SnapshotProblem(Problem):
    """The journal can't be copied for reading."""


def quarantine(folder: Path, wall_ms: int) -> Path:
    """Move the journal's files into `quarantine/<time>` beside it and answer that folder."""
    aside = folder / "quarantine" / str(wall_ms)
    aside.mkdir(parents=True)
    for suffix in PARTS:
        part = folder / (NAME + suffix)
        if part.exists():
            part.rename(aside / part.name)
    return aside


def snapshot(folder: Path, into: Path) -> Path:
    """Copy a journal, open by a running cart or not, to `into`; answers the copy's path.

    The log is copied before and compared after the database, so that a checkpoint in between is noticed. The running
    cart's own connection stays the only one.
    """
    database = folder / NAME
    log = folder / (NAME + "-wal")
    if not database.exists():
        raise SnapshotProblem(f"{database}: no journal there; name the folder with --journal (see [journal] folder)")
    try:
        for _ in range(SNAPSHOT_TRIES):
            before = _stamp(database), _stamp(log)
            for part in (log, database):
                if part.exists():
                    shutil.copyfile(part, into / part.name)
            if before == (_stamp(database), _stamp(log)):
                return into / NAME
    except OSError as error:
        raise SnapshotProblem(f"{database}: cannot be read ({error}); run this as the cart's user") from None
    raise SnapshotProblem(f"{database}: the cart writes all the time; try again in a moment")


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns
