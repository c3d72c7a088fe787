"""The journal's database: all its SQL, synchronous, for one thread. `journal.py` gives it that thread.

WAL with `synchronous=FULL`: a commit returns when the log is on disk. `locking_mode=EXCLUSIVE` keeps other processes
out and the log's index in this process's memory, so there is one connection and no memory map; releases of SQLite up to
3.51.2 can corrupt a log that two connections reset (sqlite.org/wal.html, "The WAL-reset bug").
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from cart.core.chain import GENESIS, ChainReport, LedgerRow, Tombstone, check_chain, row_hash
from cart.core.effects import Record
from cart.core.ledger import AttemptOpened, PhaseChanged, ReceiptIssued, TripStarted
from cart.journal.problems import JournalProblem, state_of
from cart.journal.redaction import redact
from cart.migrate import migrate

NAME: Final = "journal.sqlite"
ROW: Final = "seq, boot, wall_ms, t_ns, trip_id, body, prev, hash"
CATALOGUES_KEPT: Final = 3
"""The current one, the one that an open trip began with, and one to go back to."""


class Head(msgspec.Struct, frozen=True):
    """The last committed row of a chain; `seq` 0 before the first."""

    chain: str
    seq: int
    hash: str


class LedgerFile:
    """One open journal. Methods raise JournalProblem; after one, the next call opens the file again and looks."""

    def __init__(self, folder: Path, *, cart_id: str, boot_id: str, new_chain: str, wall_ms: Callable[[], int]) -> None:
        self.path = folder / NAME
        self.cart_id = cart_id
        self.redacted = 0
        self._boot_id = boot_id
        self._new_chain = new_chain
        self._wall_ms = wall_ms
        self._connection: sqlite3.Connection | None = None
        self._doubtful: list[LedgerRow] = []
        self.head = Head("", 0, GENESIS)
        self.oldest = (1, GENESIS)
        self.trip_id = ""

    def open(self) -> None:
        """Open or create, and bring the schema up to date."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, isolation_level=None, timeout=0.2, check_same_thread=False)
        except (sqlite3.Error, OSError) as error:
            raise JournalProblem(state_of(error), str(error)) from None
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA mmap_size = 0")
            connection.execute("PRAGMA foreign_keys = ON")
            migrate(connection, "cart.journal")
            self._connection = connection
            self._learn_identity()
            self._learn_head()
        except sqlite3.Error as error:
            connection.close()
            self._connection = None
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise JournalProblem("io_error", f"another process has {self.path} open; stop it first") from None
            raise JournalProblem(state_of(error), str(error)) from None

    def close(self) -> None:
        """Close; the log is folded into the database. Harmless when closed already."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                connection.close()
            except sqlite3.Error as error:
                raise JournalProblem(state_of(error), str(error)) from None

    def integrity(self) -> ChainReport:
        """SQLite's own check, then the whole chain, and the head against the outbox."""
        connection = self._live()
        try:
            said = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if said != "ok":
                return ChainReport(
                    ok=False, rows=0, deleted=0, head_seq=0, head_hash="", broken_at=0, why=f"SQLite says: {said}"
                )
            return check_chain(self.cart_id, self.head.chain, self._rows("1 = 1"), self.tombstones())
        except sqlite3.Error as error:
            return ChainReport(
                ok=False, rows=0, deleted=0, head_seq=0, head_hash="", broken_at=0, why=f"SQLite says: {error}"
            )

    def append(self, records: Sequence[Record], *, outbox: bool) -> Head:
        """Commit records in order, their outbox rows with them; all or none. Answers the new head."""
        self._settle_doubt()
        rows, trip_id, struck = self._make_rows(records)
        if self._doubtful and _same(self._doubtful, rows):
            self._doubtful = []
            return self.head  # the commit whose answer was lost had reached the disk
        self._doubtful = rows
        connection = self._live()
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                f"INSERT INTO ledger ({ROW}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  # ROW is a constant
                [(r.seq, r.boot, r.wall_ms, r.t_ns, r.trip_id, r.body, r.prev, r.hash) for r in rows],
            )
            if outbox:
                connection.executemany("INSERT INTO outbox VALUES (?)", [(row.seq,) for row in rows])
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(error)
        self._doubtful = []
        self.redacted += struck
        if rows:
            self.head = Head(self.head.chain, rows[-1].seq, rows[-1].hash)
        self.trip_id = trip_id
        return self.head

    def owe_again(self, first_seq: int) -> int:
        """Put acknowledged rows from that one on back into the outbox; answers how many."""
        lost = "seq >= ? AND seq NOT IN (SELECT seq FROM outbox)"
        count = int(self.ask(f"SELECT count(*) FROM ledger WHERE {lost}", first_seq)[0][0])  # noqa: S608
        if count:
            self.write([(f"INSERT INTO outbox SELECT seq FROM ledger WHERE {lost}", (first_seq,))])  # noqa: S608
        return count

    def doubtful_from(self) -> tuple[int, str]:
        """The number of the first row that the store may hold otherwise, and the hash before it: all before were
        acknowledged.
        """
        first = int(self.ask("SELECT coalesce(min(seq), ?) FROM outbox", self.head.seq + 1)[0][0])
        return first, self._hash_before(first)

    def take_back(self, rows: Sequence[LedgerRow]) -> int:
        """Put the store's rows in the place of this file's own from the same number on, in one commit.

        The own ones are kept in `set_aside`; answers how many. Raises JournalProblem where rows don't follow from the
        last one before, or payments among the own rows would be forgotten: nothing is changed then.
        """
        first = rows[0].seq
        # Acknowledgements may have come since the store was asked: what is doubtful now may begin later.
        before = self._hash_before(first)
        own = [row for row in self.rows("seq >= ?", first) if row.hash not in {back.hash for back in rows}]
        report = check_chain(self.cart_id, self.head.chain, rows, after_seq=first - 1, after_hash=before)
        if not report.ok:
            raise JournalProblem("tampered", f"what the store returned doesn't follow from row {first - 1}")
        known = {_terms(event) for event in map(LedgerRow.event, rows) if isinstance(event, AttemptOpened)}
        for event in map(LedgerRow.event, own):
            if isinstance(event, ReceiptIssued) or (isinstance(event, AttemptOpened) and _terms(event) not in known):
                raise JournalProblem("tampered", "a payment was begun since the ledger was cut back")
        kept = "INSERT OR IGNORE INTO set_aside SELECT hash, seq, boot, wall_ms, t_ns, trip_id, body, prev FROM ledger "
        self.write(
            [
                (kept + "WHERE seq >= ?", (first,)),
                ("DELETE FROM outbox WHERE seq >= ?", (first,)),
                ("DELETE FROM ledger WHERE seq >= ?", (first,)),
                *(
                    (f"INSERT INTO ledger ({ROW}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", msgspec.structs.astuple(row))  # noqa: S608
                    for row in rows
                ),
                *(("DELETE FROM set_aside WHERE hash = ?", (row.hash,)) for row in rows),
            ]
        )
        self._learn_head()
        return len(own)

    def _hash_before(self, seq: int) -> str:
        before = self.ask(
            "SELECT hash FROM ledger WHERE seq = ? UNION ALL SELECT last_hash FROM tombstone WHERE last_seq = ?",
            seq - 1,
            seq - 1,
        )
        return str(before[0][0]) if before else GENESIS

    def rows(self, where: str, *parameters: Any, limit: int = -1) -> list[LedgerRow]:
        """Rows by a condition of this module's making, in order of number."""
        try:
            return list(self._rows(where, *parameters, limit=limit))
        except sqlite3.Error as error:
            raise JournalProblem(state_of(error), str(error)) from None

    def write(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Run statements in one transaction."""
        connection = self._live()
        try:
            connection.execute("BEGIN IMMEDIATE")
            for sql, parameters in statements:
                connection.execute(sql, parameters)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(error)

    def ask(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The answer to one question."""
        try:
            return self._live().execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise JournalProblem(state_of(error), str(error)) from None

    def about(self, key: str) -> str:
        """A value of the table `about`, "" where there is none."""
        found = self.ask("SELECT value FROM about WHERE key = ?", key)
        return str(found[0][0]) if found else ""

    def tombstones(self) -> list[Tombstone]:
        """All of them, in order."""
        return [
            Tombstone(
                first_seq=first, last_seq=last, trip_id=trip, prev=prev, first_hash=first_hash, last_hash=last_hash,
                deleted_wall_ms=deleted, signature=signature,
            )
            for first, last, trip, prev, first_hash, last_hash, deleted, signature in self.ask(
                "SELECT first_seq, last_seq, trip_id, prev, first_hash, last_hash, deleted_wall_ms, signature "
                "FROM tombstone ORDER BY first_seq"
            )
        ]  # fmt: skip

    def _live(self) -> sqlite3.Connection:
        if self._connection is None:
            self.open()
        if self._connection is None:
            raise JournalProblem("closed")
        return self._connection

    def _rows(self, where: str, *parameters: Any, limit: int = -1) -> Iterator[LedgerRow]:
        sql = f"SELECT {ROW} FROM ledger WHERE {where} ORDER BY seq LIMIT ?"  # noqa: S608  # `where` is this package's own
        for seq, boot, wall_ms, t_ns, trip_id, body, prev, made in self._live().execute(sql, (*parameters, limit)):
            yield LedgerRow(
                seq=seq, boot=boot, wall_ms=wall_ms, t_ns=t_ns, trip_id=trip_id, body=body, prev=prev, hash=made
            )

    def _make_rows(self, records: Sequence[Record]) -> tuple[list[LedgerRow], str, int]:
        head, trip_id, struck_sum = self.head, self.trip_id, 0
        rows: list[LedgerRow] = []
        for record in records:
            event, struck = redact(record.event)
            struck_sum += struck
            if isinstance(event, TripStarted):
                trip_id = event.trip_id
            row = LedgerRow(
                seq=head.seq + 1, boot=self._boot_id, wall_ms=self._wall_ms(), t_ns=record.t_ns, trip_id=trip_id,
                body=msgspec.json.encode(event).decode(), prev=head.hash, hash="",
            )  # fmt: skip
            row = msgspec.structs.replace(row, hash=row_hash(self.cart_id, head.chain, row))
            rows.append(row)
            head = Head(head.chain, row.seq, row.hash)
            if isinstance(event, PhaseChanged) and event.phase == "idle":
                trip_id = ""
        return rows, trip_id, struck_sum

    def _learn_identity(self) -> None:
        owner = self.about("cart_id")
        if not owner:
            self.write(
                [
                    ("INSERT INTO about VALUES ('cart_id', ?)", (self.cart_id,)),
                    ("INSERT INTO about VALUES ('chain', ?)", (self._new_chain,)),
                ]
            )
        elif owner != self.cart_id:
            raise JournalProblem(
                "closed", f"{self.path} is the journal of {owner}, not of {self.cart_id}; correct [cart] id or move it"
            )

    def _learn_head(self) -> None:
        chain = self.about("chain")
        last = self.ask(
            "SELECT seq, hash FROM (SELECT seq, hash FROM ledger UNION ALL SELECT last_seq, last_hash FROM tombstone) "
            "ORDER BY seq DESC LIMIT 1"
        )
        self.head = Head(chain, *last[0]) if last else Head(chain, 0, GENESIS)
        self.learn_oldest()
        bounds = self.ask(
            "SELECT trip_id, kind FROM ledger WHERE kind = 'trip_started' "
            "OR (kind = 'phase_changed' AND phase = 'idle') ORDER BY seq DESC LIMIT 1"
        )
        self.trip_id = str(bounds[0][0]) if bounds and bounds[0][1] == "trip_started" else ""

    def learn_oldest(self) -> None:
        """The oldest row that is here, and the hash before it; of an empty ledger the row to come."""
        first = self.ask("SELECT seq, prev FROM ledger ORDER BY seq LIMIT 1")
        self.oldest = (int(first[0][0]), str(first[0][1])) if first else (self.head.seq + 1, self.head.hash)

    def _give_up(self, error: sqlite3.Error) -> None:
        """Undo, and distrust the connection after anything but a full disk: what an fsync lost, it never says twice."""
        state = state_of(error)
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                connection.close()
            except sqlite3.Error:
                pass  # the next call opens the file anew, and says what is wrong with it
        raise JournalProblem(state, str(error)) from None

    def _settle_doubt(self) -> None:
        """After an error, find out whether the commit that failed had reached the disk all the same."""
        if self._doubtful:
            self._live()  # opens the file again, unless a read since then already has: its head is the disk's
            if self.head.hash != self._doubtful[-1].hash:
                self._doubtful = []


def _same(written: Sequence[LedgerRow], asked: Sequence[LedgerRow]) -> bool:
    return [(row.t_ns, row.body) for row in written] == [(row.t_ns, row.body) for row in asked]


def _terms(opened: AttemptOpened) -> tuple[str, int, str, str]:
    """What a till knows an attempt by. A ledger that was cut back gives the same id to another basket's attempt."""
    return opened.attempt_id, opened.amount_minor, opened.currency, opened.basket_hash
