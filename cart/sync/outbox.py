"""Empties the journal into the store: in order, no faster than the store acknowledges, again until it has.

A row leaves the outbox only when the store says that it holds it. A broker's PUBACK says nothing of the kind: a broker
killed right after it has lost the message. What is in flight is bounded by a window and by a rate, so that a cart that
comes back after a day doesn't crowd out fifty others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from cart.core.chain import LedgerRow
from cart.core.problem import Problem
from cart.sync.messages import LedgerAckMessage

log = logging.getLogger(__name__)

WINDOW_ROWS: Final = 32
"""Rows in flight without the store's acknowledgement: at 20 ms to and fro that is 1,600 rows a second."""

RATE_BYTES_PER_S: Final = 20_000.0
"""A cart's share when 50 of them resend at once over 10 Mbit/s, with a fifth left for everything else."""

BURST_BYTES: Final = 64_000.0
"""A trip's usual rows go at once; only a backlog is paced."""

PAUSE_MIN_S: Final = 0.001
"""A bucket that lacks a millionth of a byte is worth no shorter sleep."""

RESEND_MIN_S: Final = 3.0
RESEND_MAX_S: Final = 60.0


class Acknowledged(Protocol):
    """What the journal makes of an acknowledgement."""

    @property
    def cut_back(self) -> bool: ...
    @property
    def foreign(self) -> bool: ...


class LedgerSource(Protocol):
    """The journal, as far as this needs it."""

    def unacknowledged(self, after_seq: int, limit: int) -> Awaitable[list[LedgerRow]]: ...
    def acknowledge(self, chain: str, seq: int, row_hash: str) -> Awaitable[Acknowledged]: ...
    def owe_again(self, first_seq: int) -> Awaitable[int]: ...
    @property
    def oldest(self) -> tuple[int, str]: ...


class Window:
    """The flow control: what may be sent now, and when to begin again. Times in seconds of any steady clock."""

    def __init__(self) -> None:
        self.sent_seq = 0
        self._in_flight: list[int] = []
        self._resend_s = RESEND_MIN_S
        self._deadline_s: float | None = None
        self._tokens = BURST_BYTES
        self._filled_s = 0.0

    def room(self) -> int:
        """How many more rows may be in flight."""
        return WINDOW_ROWS - len(self._in_flight)

    def pause_s(self, now_s: float, size: int) -> float:
        """0 where `size` bytes may go now, otherwise how long to wait; a larger row than a burst goes in a full one."""
        self._tokens = min(BURST_BYTES, self._tokens + (now_s - self._filled_s) * RATE_BYTES_PER_S)
        self._filled_s = now_s
        lacking = min(float(size), BURST_BYTES) - self._tokens
        return max(PAUSE_MIN_S, lacking / RATE_BYTES_PER_S) if lacking > 0.0 else 0.0

    def sent(self, now_s: float, seq: int, size: int) -> None:
        """A row went out."""
        self._tokens -= size
        self._in_flight.append(seq)
        self.sent_seq = seq
        if self._deadline_s is None:
            self._deadline_s = now_s + self._resend_s

    def acknowledged(self, now_s: float, seq: int) -> None:
        """The store holds everything up to `seq`."""
        before = len(self._in_flight)
        self._in_flight = [waiting for waiting in self._in_flight if waiting > seq]
        if len(self._in_flight) < before:
            self._resend_s = RESEND_MIN_S
            self._deadline_s = now_s + self._resend_s if self._in_flight else None

    def rewind(self) -> None:
        """Begin again with the oldest row that the store has not acknowledged."""
        self.sent_seq = 0
        self._in_flight.clear()
        self._deadline_s = None

    def wait_s(self, now_s: float) -> float | None:
        """Until a resend is due; None while nothing is in flight."""
        return None if self._deadline_s is None else max(0.0, self._deadline_s - now_s)

    def overdue(self, now_s: float) -> bool:
        """True once the store has been silent for too long; the next wait is twice as long."""
        if self._deadline_s is None or now_s < self._deadline_s:
            return False
        self._resend_s = min(RESEND_MAX_S, self._resend_s * 2.0)
        return True


class OutboxSender:
    """Runs beside the daemon: `run()` as a task; tell it of commits, acknowledgements and the link."""

    def __init__(
        self,
        source: LedgerSource,
        send: Callable[[LedgerRow], bool],
        *,
        ask: Callable[[str], bool] | None = None,
        on_checked: Callable[[], None] | None = None,
        on_cut_back: Callable[[LedgerAckMessage], Awaitable[None]] | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`send` is `lambda row: link.send_ledger(chain, row)`.

        With `ask(nonce)`, which asks the store how far it holds the chain, nothing is sent before its answer fits this
        ledger; then `on_checked` is called once. `on_cut_back` is awaited at each answer that does not fit.
        """
        self._source = source
        self._send = send
        self._ask = ask
        self._on_checked = on_checked
        self._on_cut_back = on_cut_back
        self._checked = ask is None
        self.nonce = secrets.token_hex(8)
        """Names this run's questions."""
        self._clock_s = clock_s
        self._window = Window()
        self._wake = asyncio.Event()
        self._acks: dict[str, LedgerAckMessage] = {}
        self._linked = False
        self._begin_again = False
        self._ask_due_s = 0.0

    def committed(self) -> None:
        """New rows are in the journal."""
        self._wake.set()

    def acknowledged(self, ack: LedgerAckMessage) -> None:
        """The store spoke; for `StoreLink(on_ack=…)`. Of several, the furthest counts."""
        held = self._acks.get(ack.chain)
        if held is None or ack.seq >= held.seq:
            self._acks = {**dict(list(self._acks.items())[-3:]), ack.chain: ack}
        self._wake.set()

    def link_changed(self, up: bool) -> None:
        """For `StoreLink(on_link=…)`: a new connection begins again with the oldest row."""
        self._linked = up
        self._begin_again = self._begin_again or up
        self._ask_due_s = 0.0
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. Problems of the journal are waited out; it says them itself."""
        while True:
            try:
                pause_s = await self._turn()
            except Problem as problem:
                log.debug("the outbox waits: %s", problem)
                pause_s = RESEND_MIN_S
            # Not wait_for: in Python 3.11 it can swallow a cancellation that comes with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            self._wake.clear()

    async def _turn(self) -> float | None:
        """Take acknowledgements in, send what may be sent; answers how long to sleep at most."""
        acks, self._acks = self._acks, {}
        for ack in acks.values():
            await self._take(ack)
        if not self._linked:
            return None
        if not self._checked:
            self._ask_store()
            return max(0.05, self._ask_due_s - self._clock_s())
        if self._begin_again or self._window.overdue(self._clock_s()):
            self._begin_again = False
            self._window.rewind()
        for row in await self._source.unacknowledged(self._window.sent_seq, max(0, self._window.room())):
            size = len(row.body) + 400  # the envelope
            pause_s = self._window.pause_s(self._clock_s(), size)
            if pause_s > 0.0:
                return pause_s
            if not self._send(row):
                return RESEND_MIN_S
            self._window.sent(self._clock_s(), row.seq, size)
        return self._window.wait_s(self._clock_s())

    async def _take(self, ack: LedgerAckMessage) -> None:
        outcome = await self._source.acknowledge(ack.chain, ack.seq, ack.hash)
        if outcome.cut_back and self._on_cut_back is not None:
            await self._on_cut_back(ack)
        if outcome.foreign or outcome.cut_back:
            log.error("the store's acknowledgement of row %d doesn't fit this ledger", ack.seq)
            return
        if not self._checked and ack.asked == self.nonce:
            self._checked = True
            if self._on_checked is not None:
                self._on_checked()
        self._window.acknowledged(self._clock_s(), ack.seq)
        await self._send_what_lacks(ack)

    async def _send_what_lacks(self, ack: LedgerAckMessage) -> None:
        """What got lost on the way, and what the store held once: its records may be those of an older backup."""
        lacks_from = ack.seq + 1 if ack.resend_from is None and ack.asked == self.nonce else ack.resend_from
        if lacks_from is None:
            return
        if lacks_from < self._source.oldest[0]:
            self._ask_store()  # which says where this ledger begins
            return
        again = await self._source.owe_again(lacks_from)
        if again:
            log.warning("the store has lost %d rows from %d on that it had acknowledged; sent again", again, lacks_from)
        if again or lacks_from <= self._window.sent_seq:
            self._begin_again = True

    def _ask_store(self) -> None:
        if self._ask is not None and self._clock_s() >= self._ask_due_s:
            self._ask(self.nonce)
            self._ask_due_s = self._clock_s() + RESEND_MIN_S
