"""The till's rows on PostgreSQL, for several tills of one store at once.

Nothing is believed to be on disk before the server has said so: a till refuses a server that answers before it has
written (`synchronous_commit`, `fsync`). A connection that broke is not mended in place: whoever holds rows in memory
begins anew (`lost`), as after a kill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from cart.till.database import AlreadyThere, DatabaseFailed, Parameters, TillProblem
from cart.till.secret_files import credential, read_secret

CREDENTIAL: Final = "database-password"
"""Name of the systemd credential (systemd.exec(5), LoadCredential=)."""

CONNECT_S: Final = 3
STATEMENT_MS: Final = 5000
"""A statement that takes longer fails: the till answers nobody while it waits. Each of them is of a few rows."""

SCHEMA: Final = 2


class PostgresDatabase:
    """One connection. READ COMMITTED: every decision is one UPDATE that names the state it starts from, or lies within
    `transaction`, whose lock is an advisory one.
    """

    shared = True

    def __init__(self, url: str, *, password_file: Path | None = None) -> None:
        """Connects, and makes or checks the tables. Raises TillProblem in one line, without any password."""
        self.lost: Callable[[], None] = lambda: None
        """Called once, when the connection is gone for good."""
        self._gone = False
        self._where = _checked(url)
        try:
            self._connection = psycopg.connect(
                url,
                autocommit=True,
                prepare_threshold=None,  # a pooler between may give each transaction another server connection
                connect_timeout=CONNECT_S,
                keepalives_idle=5,
                keepalives_interval=2,
                keepalives_count=2,
                tcp_user_timeout=STATEMENT_MS,
                options=f"-c statement_timeout={STATEMENT_MS} -c client_encoding=UTF8 "
                "-c default_transaction_isolation=read\\ committed",
                password=_password(password_file),
            )
        except psycopg.Error as error:
            raise TillProblem(
                f"{self._where}: cannot be used ({_line(error)}); check that PostgreSQL runs, the address, the user "
                "and its password file"
            ) from None
        try:
            self._refuse_forgetful()
            self._make_tables()
        except DatabaseFailed as error:
            self.close()
            raise TillProblem(f"{error}; give the user a database of its own") from None
        except TillProblem:
            self.close()
            raise

    def read(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        return self._run(sql, parameters).fetchall()

    def write(self, sql: str, parameters: Parameters = ()) -> int:
        return self._run(sql, parameters).rowcount

    def write_many(self, sql: str, many: Sequence[Parameters]) -> None:
        with self._told(), self._connection.cursor() as cursor:
            cursor.executemany(_marks(sql), many)

    @contextmanager
    def transaction(self, lock: str) -> Iterator[None]:
        if self._busy():
            yield  # within the one around it
            return
        self._run("BEGIN")
        try:
            self._run("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (lock,))
            yield
            self._run("COMMIT")
        finally:
            if not self._gone and self._busy():
                self._run("ROLLBACK")

    def by_index(self, name: str) -> str:  # noqa: ARG002  # its planner knows what is in the table
        return ""

    def now_ms(self) -> int | None:
        return int(self.read("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")[0][0])

    def close(self) -> None:
        self._gone = True
        self._connection.close()

    def _script(self, sql: str) -> None:
        """Several statements, without parameters."""
        with self._told():
            self._connection.execute(sql.encode())

    def _busy(self) -> bool:
        """True within a transaction, failed or not."""
        return self._connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE

    def _run(self, sql: str, parameters: Parameters = ()) -> psycopg.Cursor[Any]:
        with self._told():
            return self._connection.execute(_marks(sql), parameters)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """PostgreSQL's errors as ours; a connection that is gone is told once."""
        if self._gone:
            raise DatabaseFailed(f"{self._where}: no connection")
        try:
            yield
        except psycopg.errors.UniqueViolation as error:
            raise AlreadyThere(_line(error)) from None
        except psycopg.Error as error:
            if self._connection.closed:
                self._gone = True
                self.lost()
            raise DatabaseFailed(f"{self._where}: {_line(error)}") from None

    def _refuse_forgetful(self) -> None:
        for name, wrong in (("synchronous_commit", "off"), ("fsync", "off")):
            if self.read(f"SHOW {name}")[0][0] == wrong:
                raise TillProblem(
                    f"{self._where}: {name} is {wrong}, so a power cut would lose payments; set it to on there"
                )
        if self.read("SHOW server_encoding")[0][0] != "UTF8":
            raise TillProblem(f"{self._where}: not in UTF8; create the database with ENCODING 'UTF8'")

    def _make_tables(self) -> None:
        with self.transaction("schema"):
            self._run("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
            have = self.read("SELECT max(version) FROM schema_version")[0][0] or 0
            if have > SCHEMA:
                raise TillProblem(
                    f"{self._where}: has schema {have}, this release knows {SCHEMA}; install the newer release again"
                )
            folder = resources.files("cart.till") / "migrations_postgres"
            for script in sorted(folder.iterdir(), key=lambda entry: entry.name):
                if script.name.endswith(".sql") and int(script.name[:4]) > have:
                    self._script(script.read_text(encoding="utf-8"))
                    self._run("INSERT INTO schema_version VALUES (?)", (int(script.name[:4]),))


def _checked(url: str) -> str:
    """How a database is named to people. Raises TillProblem for what is no such URL, or bears a password."""
    try:
        found = conninfo_to_dict(url)
    except psycopg.Error:
        raise TillProblem("--database: write it as postgresql://USER@HOST:PORT/NAME") from None
    if found.get("password"):
        raise TillProblem(
            "--database: leave the password out, others see it in the process list; give --database-password FILE, "
            f"systemd's credential {CREDENTIAL}, or ~/.pgpass"
        )
    return f"PostgreSQL at {found.get('host', 'this machine')}:{found.get('port', 5432)}/{found.get('dbname', '')}"


def _password(file: Path | None) -> str | None:
    """Out of a file or systemd's credential; else libpq looks where it always looks."""
    found = file or credential(CREDENTIAL)
    return None if found is None else read_secret(found)


def _marks(sql: str) -> Any:
    return sql.replace("%", "%%").replace("?", "%s")


def _line(error: psycopg.Error) -> str:
    """The first line of what PostgreSQL says, which names no value and no password."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
