"""The journal as the cart's loop sees it: awaited, one thread behind it, a named state when the disk fails.

journal = Journal(folder, cart_id="cart-1", boot_id=…)
restored = await journal.open()
await journal.append(records)          # returns when they are on disk
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from itertools import dropwhile
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from cart.core.catalog import Catalog
from cart.core.chain import ChainReport, LedgerRow, Tombstone
from cart.core.effects import Record
from cart.core.ledger import LedgerEvent, TripStarted
from cart.core.problem import Problem
from cart.journal.ledger_file import CATALOGUES_KEPT, Head, LedgerFile
from cart.journal.problems import WHAT_TO_DO, JournalProblem, JournalState
from cart.journal.quarantine import quarantine
from cart.journal.retention import Pruned, prune

QUEUE_MAX: Final = 256
"""Jobs waiting for the disk. The core waits for each commit, so more than a handful means a stalled card."""

RESTORE_ROWS_MAX: Final = 20_000
"""Rows folded at a restart: a 200-line trip leaves about 2,000."""

EARLIER_ROWS_MAX: Final = 200
"""Rows about earlier trips' payments: those of about 30 attempts, as many as are kept to match late answers with."""

T = TypeVar("T")


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What was found at boot. `events` are for `Session.restore`; `last_wall_ms` says when the cart was last alive."""

    events: list[tuple[int, LedgerEvent]]
    trip_id: str
    head: Head
    last_wall_ms: int | None
    earlier: list[tuple[int, LedgerEvent]] = []
    """The latest payments of the trips before, for `Session.restore`: late answers are still matched with them."""
    locked: str
    """Why payment is locked, in words and with what to do; "" where it isn't."""


class AckOutcome(msgspec.Struct, frozen=True):
    """What the store's acknowledgement came to. `cut_back`: the store holds rows that this chain no longer has."""

    cleared: int
    cut_back: bool = False
    foreign: bool = False


class Journal:
    """Durable events. Every method is a coroutine of one loop, but for the properties."""

    def __init__(
        self,
        folder: Path,
        *,
        cart_id: str,
        boot_id: str = "",
        wall_ms: Callable[[], int] | None = None,
        on_state: Callable[[JournalState, str], None] | None = None,
        sign: Callable[[bytes], str] | None = None,
    ) -> None:
        """`on_state(state, what_to_do)` is called in the loop at every change; `sign` signs tombstones."""
        self._folder = folder
        self._wall_ms = wall_ms or _now_ms
        self._file = LedgerFile(
            folder, cart_id=cart_id, boot_id=boot_id or secrets.token_hex(4), new_chain=secrets.token_hex(8),
            wall_ms=self._wall_ms,
        )  # fmt: skip
        self._on_state = on_state
        self._sign = sign
        self._state: JournalState = "closed"
        self._locked = ""
        self._jobs: queue.Queue[_Job | None] = queue.Queue(QUEUE_MAX)
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> JournalState:
        """`ok`, or why nothing can be recorded."""
        return self._state

    @property
    def locked(self) -> str:
        """Why payment is locked; "" where it isn't."""
        return self._locked

    @property
    def head(self) -> Head:
        """The last committed row."""
        return self._file.head

    @property
    def oldest(self) -> tuple[int, str]:
        """The number of the oldest row that has not gone by age, and the hash before it."""
        return self._file.oldest

    async def open(self) -> Opened:
        """Open, check all of it, and read what to go on with. A journal that fails its check is put aside, a new one
        begun, and payment locked until `cart audit --unlock`. Raises JournalProblem where neither can be opened.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
            self._thread.start()
        opened = await self._call(self._open)
        self._locked = opened.locked
        self._enter("ok")
        return opened

    async def append(self, records: Sequence[Record], *, outbox: bool = True) -> Head:
        """Returns when the records are on disk, all of them; raises JournalProblem when none is.

        The same records may be given again after a failure: a commit that had reached the disk is not doubled.
        """
        if not records:
            return self._file.head
        try:
            head = await self._call(lambda: self._file.append(records, outbox=outbox))
        except JournalProblem as problem:
            self._enter(problem.state)
            raise
        self._enter("ok")
        return head

    async def read_open_trip(self) -> list[tuple[int, LedgerEvent]]:
        """What `Session.restore` needs: from the open trip's start, or, when idle, from the last return to idle."""
        return await self._call(self._read_open_trip)

    async def read_trip(self, trip_id: str) -> list[LedgerRow]:
        """One trip's rows, in order."""
        return await self._call(lambda: self._file.rows("trip_id = ?", trip_id))

    async def unacknowledged(self, after_seq: int, limit: int) -> list[LedgerRow]:
        """Up to `limit` rows after `after_seq` that the store has not acknowledged, in order."""
        return await self._call(
            lambda: self._file.rows("seq IN (SELECT seq FROM outbox WHERE seq > ?)", after_seq, limit=limit)
        )

    async def waiting(self) -> int:
        """How many rows the store has not acknowledged."""
        return await self._call(lambda: int(self._file.ask("SELECT count(*) FROM outbox")[0][0]))

    async def acknowledge(self, chain: str, seq: int, row_hash: str) -> AckOutcome:
        """Clear the outbox up to a row that the store holds, if the store's hash of it is ours."""
        outcome = await self._call(lambda: self._acknowledge(chain, seq, row_hash))
        if outcome.cut_back:
            self._locked = (
                f"row {seq} of this ledger, as the store holds it, is not in the cart's {self.head.seq} rows: "
                "it was cut back"
            )
        return outcome

    async def owe_again(self, first_seq: int) -> int:
        """The store has lost what it had acknowledged from that row on: it is sent again. Answers how many rows."""
        return await self._call(lambda: self._file.owe_again(first_seq))

    async def doubtful_from(self) -> tuple[int, str]:
        """The first row's number that the store may hold otherwise, and the hash of the row before it."""
        return await self._call(self._file.doubtful_from)

    async def take_back(self, rows: Sequence[LedgerRow]) -> int:
        """Put the store's rows in the place of the cart's own; answers how many own ones were set aside.

        What was folded from this ledger is then wrong: fold it anew. Raises JournalProblem where that can't be.
        """
        set_aside = await self._call(lambda: self._file.take_back(rows))
        self._locked = ""
        return set_aside

    async def commands(self, limit: int) -> tuple[list[str], int]:
        """Ids of the latest staff commands that were carried out, oldest first, and the newest row's `wall_ms`."""
        return await self._call(lambda: self._commands(limit))

    async def note_about(self, key: str, value: str) -> None:
        """Keep a fact about this cart's dealings beside the ledger; `about` reads it."""
        await self._call(lambda: self._file.write([("INSERT OR REPLACE INTO about VALUES (?, ?)", (key, value))]))

    async def about(self, key: str) -> str:
        """The value noted, "" where there is none."""
        return await self._call(lambda: self._file.about(key))

    async def store_catalog(self, catalog: Catalog) -> None:
        """Keep a catalogue by its version; the oldest beyond the last few go."""
        body = msgspec.json.encode(catalog)
        keep = "SELECT version FROM catalogue ORDER BY stored_wall_ms DESC, version DESC LIMIT ?"
        await self._call(
            lambda: self._file.write(
                [
                    ("INSERT OR REPLACE INTO catalogue VALUES (?, ?, ?)", (catalog.version, self._wall_ms(), body)),
                    (f"DELETE FROM catalogue WHERE version NOT IN ({keep})", (CATALOGUES_KEPT,)),  # noqa: S608
                ]
            )
        )

    async def read_catalog(self, version: int | None = None) -> Catalog | None:
        """The catalogue of that version, or the one stored last; None where there is none."""
        where = "1 = 1 ORDER BY stored_wall_ms DESC, version DESC LIMIT 1" if version is None else "version = ?"
        parameters = () if version is None else (version,)
        found = await self._call(lambda: self._file.ask(f"SELECT body FROM catalogue WHERE {where}", *parameters))  # noqa: S608
        return msgspec.json.decode(found[0][0], type=Catalog) if found else None

    async def tombstones(self) -> list[Tombstone]:
        """What stands for the trips deleted by age."""
        return await self._call(self._file.tombstones)

    async def prune(self, keep_days: int) -> Pruned:
        """Delete what is older than `keep_days` and acknowledged, leaving tombstones. Never the open trip."""
        return await self._call(lambda: prune(self._file, keep_days, self._wall_ms(), self._sign))

    async def verify(self) -> ChainReport:
        """Check the database and the whole chain, now."""
        return await self._call(self._file.integrity)

    async def close(self) -> None:
        """Finish what waits, close the file, end the thread."""
        if self._thread is None:
            return
        try:
            await self._call(self._file.close)
        finally:
            self._jobs.put(None)
            self._thread.join(timeout=5.0)
            self._thread = None
            self._enter("closed")

    def _enter(self, state: JournalState) -> None:
        if state != self._state:
            self._state = state
            if self._on_state is not None:
                self._on_state(state, WHAT_TO_DO[state])

    async def _call(self, function: Callable[[], T]) -> T:
        if self._thread is None:
            raise JournalProblem("closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        try:
            self._jobs.put_nowait(_Job(function, future, loop))
        except queue.Full:
            self._enter("behind")
            raise JournalProblem("behind") from None
        return await future

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()

    def _open(self) -> Opened:
        try:
            self._file.open()
            report = self._file.integrity()
            damage = report.why
        except JournalProblem as problem:
            if problem.state != "tampered":
                raise
            damage = str(problem)
        if damage:
            self._file.close()
            aside = quarantine(self._folder, self._wall_ms())
            self._file.open()
            note = f"{damage}; the old journal is in {aside}. {WHAT_TO_DO['tampered']}"
            self._file.write([("INSERT OR REPLACE INTO about VALUES ('locked', ?)", (note,))])
        last = self._file.ask("SELECT wall_ms FROM ledger ORDER BY seq DESC LIMIT 1")
        return Opened(
            events=self._read_open_trip(),
            earlier=self._read_earlier_payments(),
            trip_id=self._file.trip_id,
            head=self._file.head,
            last_wall_ms=int(last[0][0]) if last else None,
            locked=self._file.about("locked"),
        )

    def _commands(self, limit: int) -> tuple[list[str], int]:
        ids = self._file.ask(
            "SELECT body ->> '$.command_id' FROM ledger WHERE kind = 'staff_acted' ORDER BY seq DESC LIMIT ?", limit
        )
        newest = self._file.ask("SELECT coalesce(max(wall_ms), 0) FROM ledger WHERE seq = ?", self._file.head.seq)
        return [str(found[0]) for found in reversed(ids)], int(newest[0][0])

    def _read_open_trip(self) -> list[tuple[int, LedgerEvent]]:
        rows = self._file.rows("seq >= ?", self._open_since(), limit=RESTORE_ROWS_MAX)
        return [(row.t_ns, row.event()) for row in rows]

    def _read_earlier_payments(self) -> list[tuple[int, LedgerEvent]]:
        rows = self._file.rows(
            "seq IN (SELECT seq FROM ledger WHERE kind IN ('trip_started', 'attempt_opened', 'attempt_changed') "
            "AND seq < ? ORDER BY seq DESC LIMIT ?)",
            self._open_since(),
            EARLIER_ROWS_MAX,
        )
        events = [(row.t_ns, row.event()) for row in rows]
        # An attempt whose trip's start is cut off by the limit would have no trip.
        return [*dropwhile(lambda found: not isinstance(found[1], TripStarted), events)]

    def _open_since(self) -> int:
        """The row that the open trip, or the idle time, begins with; 0 in an empty ledger."""
        found = self._file.ask(
            "SELECT coalesce(max(seq), 0) FROM ledger WHERE kind = 'trip_started' "
            "OR (kind = 'phase_changed' AND phase = 'idle')"
        )
        return int(found[0][0])

    def _acknowledge(self, chain: str, seq: int, row_hash: str) -> AckOutcome:
        if chain != self._file.head.chain:
            return AckOutcome(0, foreign=True)
        if seq > self._file.head.seq:
            return AckOutcome(0, cut_back=True)
        held = self._file.ask("SELECT hash FROM ledger WHERE seq = ?", seq)
        if seq <= 0 or not held:
            return AckOutcome(0)
        if held[0][0] != row_hash:
            # The store keeps only what follows from row to row: this chain was cut back, and has gone on since.
            return AckOutcome(0, cut_back=True, foreign=True)
        before = self._file.ask("SELECT count(*) FROM outbox WHERE seq <= ?", seq)[0][0]
        if before:
            self._file.write([("DELETE FROM outbox WHERE seq <= ?", (seq,))])
        return AckOutcome(int(before))


class _Job:
    """One call for the journal's thread, and whom to tell."""

    def __init__(
        self, function: Callable[[], Any], future: asyncio.Future[Any], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._function = function
        self._future = future
        self._loop = loop

    def run(self) -> None:
        try:
            result = self._function()
        except Problem as problem:
            self._tell(self._fail, problem)
        except Exception as error:  # noqa: BLE001  # the thread must outlive any one job; the caller gets the error
            self._tell(self._fail, error)
        else:
            self._tell(self._succeed, result)

    def _tell(self, function: Callable[[Any], None], value: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended; nobody waits any more
            self._loop.call_soon_threadsafe(function, value)

    def _succeed(self, value: Any) -> None:
        if not self._future.done():
            self._future.set_result(value)

    def _fail(self, error: Exception) -> None:
        if not self._future.done():
            self._future.set_exception(error)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
