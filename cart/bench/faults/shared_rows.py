"""The database that two simulated tills share: a server that keeps what it has committed, and a line to it that breaks.

Real SQLite behind it, as PostgreSQL has no virtual clock; the promises that tills rest on are the same for both
(tests/contract/test_till_database.py). A till whose line breaks dies and comes back, as `cart till` begins anew then.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from cart.bench.faults.machine import Machine
from cart.bench.faults.virtual_time import EPOCH_MS
from cart.till.database import DatabaseFailed, Parameters, SqliteDatabase


class SharedRows(SqliteDatabase):
    """One boot's connection. `shared`: the till takes it for a server that others use, too."""

    shared = True

    def __init__(self, path: Path, machine: Machine) -> None:
        super().__init__(path, exclusive=False, connect=sqlite3.connect)
        self._machine = machine
        self._boot = machine.boot

    def read(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        self._reach()
        return super().read(sql, parameters)

    def write(self, sql: str, parameters: Parameters = ()) -> int:
        with self.transaction("one statement"):
            return super().write(sql, parameters)

    def write_many(self, sql: str, many: Sequence[Parameters]) -> None:
        with self.transaction("statements"):
            super().write_many(sql, many)

    @contextmanager
    def transaction(self, lock: str) -> Iterator[None]:
        """All of it or nothing; whether it was, a till whose line breaks at the end never hears."""
        if self._busy():
            yield
            return
        self._reach()
        with super().transaction(lock):
            yield
            if self._breaks():
                self._lose("in a commit")
        if self._breaks():
            self._lose("after a commit")

    def now_ms(self) -> int | None:
        """The server's clock, which nobody sets."""
        return EPOCH_MS + round(asyncio.get_running_loop().time() * 1000)

    def _breaks(self) -> bool:
        boot = self._boot
        return boot is not None and boot.rng.random() < self._machine.disk_chances.refused / 4

    def _reach(self) -> None:
        if self._boot is None or not self._boot.alive:
            raise DatabaseFailed("the machine has died")
        if self._breaks():
            self._lose("its database was lost")

    def _lose(self, when: str) -> NoReturn:
        self._machine.die(when)
        raise DatabaseFailed("the line to the database is gone")
