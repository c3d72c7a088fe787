"""A disk that fails: real SQLite files whose commits are refused, lie about their success, or are cut in the middle.

A power cut leaves what was synced, and of what was being written any part: sectors of 512 bytes in order up to
somewhere, one of them torn, or any of them in any order. The log comes first and is synced before pages of the database
change, as SQLite does it in WAL mode with `synchronous=FULL` (sqlite.org/wal.html, sqlite.org/atomiccommit.html).
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

SECTOR: Final = 512

LOG_HEADER: Final = 32
"""Bytes of a log's header (sqlite.org/fileformat2.html, "WAL Format")."""

Image = dict[str, bytes]
"""File name → content."""

Fate = Literal["fine", "full", "refused", "lied", "cut_before", "cut_torn", "cut_after"]
"""`lied`: the write reached the disk, its success did not reach the program. `cut_…`: the machine dies there."""


MEMORY: Final = Path("/dev/shm")  # noqa: S108  # where it exists: syncing costs nothing there, and nothing is kept


def folder_in_memory(prefix: str) -> tempfile.TemporaryDirectory[str]:
    """For disks of simulated machines: their failures are simulated, their speed is of no interest."""
    return tempfile.TemporaryDirectory(prefix=prefix, dir=MEMORY if MEMORY.is_dir() else None)


class DiskChances(msgspec.Struct):
    """Chances a commit, 0…1; changed while a run goes on."""

    full: float = 0.0
    refused: float = 0.0
    lied: float = 0.0
    cut: float = 0.0


class Disk:
    """One machine's files during one boot. `on_cut` kills the machine; after it nothing is written any more."""

    def __init__(self, folder: Path, rng: random.Random, chances: DiskChances, on_cut: Callable[[], None]) -> None:
        self.folder = folder
        self.image: Image | None = None
        self.commits = 0
        self.hits: dict[str, int] = {}
        self._rng = rng
        self._chances = chances
        self._on_cut = on_cut
        self._checkpoint_pages = rng.choice([4, 16, 1000])
        self._connections: list[FailingConnection] = []

    @property
    def dead(self) -> bool:
        """True once its last state is taken."""
        return self.image is not None

    def connect(self, path: Path, **options: Any) -> sqlite3.Connection:
        """As `sqlite3.connect`; small checkpoints, so that the database itself is often being written too."""
        if self.dead:
            raise _error("disk I/O error", sqlite3.SQLITE_IOERR)
        connection = sqlite3.connect(path, factory=FailingConnection, **options)
        connection.execute(f"PRAGMA wal_autocheckpoint = {self._checkpoint_pages}")
        connection.disk = self
        self._connections.append(connection)
        return connection

    def take(self) -> Image:
        """The machine died between two writes: what is there now is what stays."""
        if self.image is None:
            self.image = read_image(self.folder)
        return self.image

    def release(self) -> None:
        """Close what a dead program left open."""
        for connection in self._connections:
            connection.disk = None
            connection.close()

    def commit(self, connection: FailingConnection, write: Callable[[], Any]) -> Any:
        """Let a commit happen, or what the dice say instead."""
        if self.dead:
            raise _error("disk I/O error", sqlite3.SQLITE_IOERR)
        self.commits += 1
        fate = self._fate()
        if fate == "fine":
            return write()
        self.hits[fate] = self.hits.get(fate, 0) + 1
        if fate.startswith("cut"):
            self._cut(fate, write)
            raise _error("disk I/O error", sqlite3.SQLITE_IOERR)
        if fate == "lied":
            write()
            raise _error("disk I/O error", sqlite3.SQLITE_IOERR_FSYNC)
        connection.undo()
        if fate == "full":
            raise _error("database or disk is full", sqlite3.SQLITE_FULL)
        raise _error("disk I/O error", sqlite3.SQLITE_IOERR_WRITE)

    def _fate(self) -> Fate:
        chances, drawn = self._chances, self._rng.random()
        if drawn < chances.cut:
            return self._rng.choice(["cut_before", "cut_torn", "cut_torn", "cut_after"])
        drawn -= chances.cut
        for fate in ("full", "refused", "lied"):
            if drawn < getattr(chances, fate):
                return fate
            drawn -= getattr(chances, fate)
        return "fine"

    def _cut(self, fate: str, write: Callable[[], Any]) -> None:
        before = read_image(self.folder)
        if fate != "cut_before":
            write()
        after = read_image(self.folder)
        self.image = torn(before, after, self._rng) if fate == "cut_torn" else after
        self._on_cut()


class FailingConnection(sqlite3.Connection):
    """A connection whose commits go by its disk. Reads and statements within a transaction are untouched."""

    disk: Disk | None = None

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        disk = self.disk
        if disk is None or not self._commits(sql):
            return super().execute(sql, parameters)
        found: sqlite3.Cursor = disk.commit(self, lambda: super(FailingConnection, self).execute(sql, parameters))
        return found

    def undo(self) -> None:
        """SQLite itself rolls back where a commit fails for lack of space or by an I/O error (sqlite3VdbeHalt)."""
        if self.in_transaction:
            super().execute("ROLLBACK")

    def _commits(self, sql: str) -> bool:
        verb = sql.lstrip()[:6].upper()
        return verb == "COMMIT" or (verb in {"INSERT", "UPDATE", "DELETE"} and not self.in_transaction)


def read_image(folder: Path) -> Image:
    """All files of the folder itself."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def write_image(folder: Path, image: Image) -> None:
    """Make the folder hold exactly these files."""
    folder.mkdir(parents=True)
    for name, content in image.items():
        (folder / name).write_bytes(content)


def ledger_head(image: Image, name: str, table: str) -> tuple[int, str] | None:
    """Number and hash of the last row of a table of ledger rows on a disk; None where there is none."""
    if name not in image:
        return None
    with folder_in_memory("head-") as copy:
        for part in (name, f"{name}-wal"):
            if part in image:
                (Path(copy) / part).write_bytes(image[part])
        with contextlib.closing(sqlite3.connect(Path(copy) / name)) as connection:
            try:
                found = connection.execute(f"SELECT seq, hash FROM {table} ORDER BY seq DESC LIMIT 1").fetchone()  # noqa: S608
            except sqlite3.DatabaseError:
                return None
    return None if found is None else (int(found[0]), str(found[1]))


def torn(before: Image, after: Image, rng: random.Random) -> Image:
    """A state between two: the log in part and the database old, or the log whole and the database in part."""
    logs = [name for name in after if name.endswith("-wal")]
    others = [name for name in after if not name.endswith("-wal") and before.get(name) != after[name]]
    image = dict(before)
    for name in logs:
        image[name] = after[name]
    part = others if others and rng.random() < 0.5 else logs
    for name in part:
        image[name] = torn_file(before.get(name, b""), after[name], rng)
    return image


def torn_file(before: bytes, after: bytes, rng: random.Random) -> bytes:
    """Some of the sectors that differ are new, the others old; where written in order, the last one may be garbled."""
    changed = changed_sectors(before, after)
    if not changed:
        return after
    if rng.random() < 0.7:
        count = rng.randrange(len(changed) + 1)
        made = bytearray(with_sectors(before, after, changed[:count]))
        if count and rng.random() < 0.5:
            stop = min(len(made), (changed[count - 1] + 1) * SECTOR)
            start = _first_written(before, after, changed[count - 1])
            start += rng.randrange(stop - start)
            made[start:stop] = rng.randbytes(stop - start)
        return bytes(made)
    # A log that begins anew has its header synced before any frame (SQLite's walWriteOneFrame and its caller say why).
    anew = after[:LOG_HEADER] + before[LOG_HEADER:]
    return with_sectors(anew, after, [sector for sector in changed if rng.random() < 0.5])


def _first_written(before: bytes, after: bytes, sector: int) -> int:
    """Where in a sector writing began. What lay before it stays whole, or SQLite's "powersafe overwrite" (sqlite.org/
    psow.html), on which its log relies by default, would not hold.
    """
    start = sector * SECTOR
    while start < len(before) and before[start] == after[start]:
        start += 1
    return start


def changed_sectors(before: bytes, after: bytes) -> list[int]:
    """Numbers of the sectors that differ."""
    count = -(-max(len(before), len(after)) // SECTOR)
    return [n for n in range(count) if before[n * SECTOR : (n + 1) * SECTOR] != after[n * SECTOR : (n + 1) * SECTOR]]


def with_sectors(before: bytes, after: bytes, new: Iterable[int]) -> bytes:
    """The old file with these sectors of the new one; a hole that no write reached reads as zeros."""
    made = bytearray(before)
    for sector in new:
        content = after[sector * SECTOR : (sector + 1) * SECTOR]
        end = sector * SECTOR + len(content)
        if len(made) < end:
            made.extend(bytes(end - len(made)))
        made[sector * SECTOR : end] = content
    return bytes(made)


def _error(text: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error
