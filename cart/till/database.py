"""Where the till's rows lie: one SQL text for SQLite and PostgreSQL, `?` for a parameter. Synchronous; what a method
has changed is on disk when it returns, or at the end of the transaction around it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from cart.core.problem import Problem
from cart.migrate import migrate

Parameters = Sequence[str | int | None]


class TillProblem(Problem):
    """Something at the till that a person must put right."""


class DatabaseFailed(Exception):
    """A statement was not carried out, or nobody knows whether it was: what depends on it is not acknowledged."""


class AlreadyThere(Exception):
    """A row of this key is there; nothing was written."""


FAILURES: Final = (sqlite3.Error, DatabaseFailed)
"""What a database may raise at any time. SQLite's own errors pass through."""


class Database(Protocol):
    """One connection, for one thread."""

    shared: bool
    """True where other tills may write to it at the same time."""

    def read(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """All rows of a SELECT, or of a statement with RETURNING."""
        ...

    def write(self, sql: str, parameters: Parameters = ()) -> int:
        """Carry out; answers how many rows it changed. Raises AlreadyThere for a key that is taken."""
        ...

    def write_many(self, sql: str, many: Sequence[Parameters]) -> None:
        """The same statement for each of `many`."""
        ...

    def transaction(self, lock: str) -> AbstractContextManager[None]:
        """All of it or nothing; nobody else is in one of the same `lock` meanwhile. Within another, a part of it."""
        ...

    def by_index(self, name: str) -> str:
        """Words after a table's name that make SQLite take this index; nothing where the planner is trusted."""
        ...

    def now_ms(self) -> int | None:
        """The database's own clock, one for all tills; None: there is but one till, and it has its own."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class SqliteDatabase:
    """A file that one till alone holds open (`locking_mode = EXCLUSIVE`), or several hands of one machine (`exclusive`
    False). WAL and `synchronous=FULL`.
    """

    shared = False

    def __init__(
        self,
        path: Path,
        *,
        schema: str | None = None,
        exclusive: bool = True,
        connect: Callable[..., sqlite3.Connection] | None = None,
    ) -> None:
        """Opens or creates the file; without a `schema` of its own it gets this package's. Raises TillProblem."""
        connection: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._connection = (connect or sqlite3.connect)(
                path, isolation_level=None, timeout=0.3 if exclusive else 5.0, check_same_thread=False
            )
            if exclusive:
                self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            if schema is None:
                migrate(self._connection, "cart.till")
            else:
                self._connection.execute(schema)
        except (sqlite3.Error, OSError) as error:
            if connection is not None:
                connection.close()
            raise TillProblem(
                f"{path}: cannot be opened ({error}); check the folder's permissions, and that no other till uses it "
                "(several tills share a PostgreSQL database, --database)"
            ) from None

    def read(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, parameters).fetchall()

    def write(self, sql: str, parameters: Parameters = ()) -> int:
        try:
            return self._connection.execute(sql, parameters).rowcount
        except sqlite3.IntegrityError as error:
            raise AlreadyThere(str(error)) from None

    def write_many(self, sql: str, many: Sequence[Parameters]) -> None:
        try:
            self._connection.executemany(sql, many)
        except sqlite3.IntegrityError as error:
            raise AlreadyThere(str(error)) from None

    @contextmanager
    def transaction(self, lock: str) -> Iterator[None]:  # noqa: ARG002  # SQLite has one writer at a time
        if self._busy():
            yield  # within the one around it
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        finally:
            if self._busy():  # SQLite has rolled back by itself after some errors
                self._connection.execute("ROLLBACK")

    def _busy(self) -> bool:
        return self._connection.in_transaction

    def by_index(self, name: str) -> str:
        return f"INDEXED BY {name}"

    def now_ms(self) -> int | None:
        return None

    def close(self) -> None:
        self._connection.close()
