"""The one loop around the session: observations in, views out at once, effects out once the journal has committed.

Two tasks. The first hands each observation to the session and shows the new view, so that a line is on the screen
before the SD card has answered (`saving` until then). The second commits the records, in order, and only then carries
out what else the session asked for: nothing leaves the cart, and no payment starts, before it is on disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from cart.core.effects import Effect, Indicate, Record
from cart.core.ledger import (
    AttemptChanged,
    AttemptOpened,
    CouponEntered,
    ItemAdded,
    ItemConfirmed,
    ItemRemoved,
    ItemReopened,
)
from cart.core.observations import AnyObservation, PartChanged, ScaleSample, Tick, Touch
from cart.core.session import Session
from cart.core.view import TripView
from cart.daemon.clock import NS_PER_S, SessionClock

log = logging.getLogger(__name__)

SAMPLES_WAITING_MAX = 800
"""Ten seconds at 80 samples/s. Older samples are dropped first: the weigher treats that as the gap it is."""
LIVE_VIEW_NS = NS_PER_S // 5
"""The live weight is redrawn five times a second; a person reads no faster, and each view costs a millisecond."""
_OF_A_LINE = (ItemAdded, ItemConfirmed, ItemReopened, ItemRemoved)
JOURNAL_RETRY_S = 1.0
"""A full disk is tried again each second; scans are refused meanwhile, so what waits stays small."""


class CoreLoop:
    """Owns the session. All methods run on the event loop's thread."""

    def __init__(
        self,
        session: Session,
        clock: SessionClock,
        *,
        commit: Callable[[Sequence[Record]], Awaitable[None]],
        carry_out: Callable[[Effect], None],
        on_view: Callable[[TripView], None],
        on_committed: Callable[[TripView | None], None],
        commit_errors: tuple[type[Exception], ...],
    ) -> None:
        """`on_committed` hears of each commit, with the view once all that it shows is on disk."""
        self.session = session
        self.view: TripView = session.view()
        self.dropped_samples = 0
        self.beat_ns = 0
        """Monotonic proof of life for the watchdog: session time of the last turn of the loop."""
        self.taps: list[Callable[[AnyObservation], None]] = []
        """Recorders that listen to what goes in."""
        self._clock = clock
        self._commit = commit
        self._carry_out = carry_out
        self._on_view = on_view
        self._on_committed = on_committed
        self._commit_errors = commit_errors
        self._waiting: deque[AnyObservation] = deque()
        self._wake = asyncio.Event()
        self._leaving: asyncio.Queue[list[Effect]] = asyncio.Queue()
        self._uncommitted_lines: dict[int, int] = {}
        self._uncommitted = 0
        self._uncommitted_attempts = 0
        self._last_ns = 0
        self._shown_ns = 0
        self._journal_ok = True

    def submit(self, observation: AnyObservation) -> None:
        """Queue one observation; scale samples are dropped, oldest first, when the loop can't keep up."""
        if isinstance(observation, ScaleSample) and len(self._waiting) > SAMPLES_WAITING_MAX:
            self._drop_oldest_sample()
        self._waiting.append(observation)
        self._wake.set()

    def _drop_oldest_sample(self) -> None:
        for index, waiting in enumerate(self._waiting):
            if isinstance(waiting, ScaleSample):
                del self._waiting[index]
                self.dropped_samples += 1
                return

    def touch(self, touch: Touch) -> str:
        """Decide about a touch at once; the short name of why it came to nothing, "" where it did not."""
        effects = self.decide(touch)
        coupons = [e.event for e in effects if isinstance(e, Record) and isinstance(e.event, CouponEntered)]
        if any(not coupon.accepted for coupon in coupons):
            return "coupon_refused"
        remembered = touch.action == "language" or (touch.action == "pay" and self.session.pay_waits)
        came_to_something = any(not isinstance(effect, Indicate) for effect in effects)
        return "" if came_to_something or remembered else "not_now"

    async def run(self) -> None:
        """Decide and commit until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._decide_for_ever(), name="decide")
            tasks.create_task(self._commit_for_ever(), name="commit")

    async def drain(self) -> None:
        """Wait until everything decided so far is committed and carried out."""
        await self._leaving.join()

    async def _decide_for_ever(self) -> None:
        while True:
            self.beat_ns = self._clock.now_ns()
            if not self._waiting:
                await self._wait_for_work()
            while self._waiting:
                self.decide(self._waiting.popleft())
            await asyncio.sleep(0)

    async def _wait_for_work(self) -> None:
        self._wake.clear()
        deadline_ns = self.session.next_deadline_ns
        # Woken at least twice a second, so that the watchdog's beat never depends on the scale.
        timeout_s = 0.5
        if deadline_ns is not None:
            timeout_s = min(timeout_s, max(0.0, (deadline_ns - self._clock.now_ns()) / NS_PER_S))
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            if deadline_ns is not None and self._clock.now_ns() >= deadline_ns:
                self._waiting.append(Tick(t_ns=self._clock.now_ns()))

    def decide(self, observation: AnyObservation) -> list[Effect]:
        """Hand one observation to the session and queue what comes of it. Returns its effects."""
        if observation.t_ns < self._last_ns:
            # Sources stamp their own moments and arrive out of turn by milliseconds; the session's time only goes on.
            observation = msgspec.structs.replace(observation, t_ns=self._last_ns)
        self._last_ns = observation.t_ns
        for tap in self.taps:
            tap(observation)
        effects = self.session.handle(observation)
        for effect in effects:
            self._uncommitted += isinstance(effect, Record)
            self._uncommitted_attempts += _of_an_attempt(effect)
            if isinstance(effect, Record) and isinstance(effect.event, _OF_A_LINE):
                line = effect.event.line_id
                self._uncommitted_lines[line] = self._uncommitted_lines.get(line, 0) + 1
        if effects:
            self._leaving.put_nowait(effects)
        live_only = not effects and isinstance(observation, ScaleSample)
        if not live_only or observation.t_ns - self._shown_ns >= LIVE_VIEW_NS:
            self._show()
        return effects

    def _show(self) -> None:
        self._shown_ns = self._last_ns
        view = self.session.view()
        if self._uncommitted_lines:
            lines = [
                msgspec.structs.replace(line, saving=True) if line.line in self._uncommitted_lines else line
                for line in view.lines
            ]
            view = msgspec.structs.replace(view, lines=lines)
        if self._uncommitted_attempts:
            view = _as_on_disk(view, self.view)
        if view != self.view:
            self.view = view
            self._on_view(view)

    async def _commit_for_ever(self) -> None:
        while True:
            batches = [await self._leaving.get()]
            while not self._leaving.empty():
                batches.append(self._leaving.get_nowait())
            await self._commit_and_carry_out([effect for batch in batches for effect in batch])
            for _ in batches:
                self._leaving.task_done()

    async def _commit_and_carry_out(self, effects: Sequence[Effect]) -> None:
        """In order: what precedes an effect is on disk before it leaves, what follows it is not yet.

        So a cart that dies between a payment request and the record that it went out sends the same attempt again.
        """
        records: list[Record] = []
        for effect in effects:
            if isinstance(effect, Record):
                records.append(effect)
                continue
            await self._commit_until_done(records)
            records = []
            self._carry_out(effect)
        await self._commit_until_done(records)

    async def _commit_until_done(self, records: Sequence[Record]) -> None:
        while records:
            try:
                await self._commit(records)
            except self._commit_errors as error:
                self._journal_state(ok=False, detail=str(error))
                await asyncio.sleep(JOURNAL_RETRY_S)
            else:
                self._journal_state(ok=True, detail="")
                self._committed(records)
                return

    def _journal_state(self, *, ok: bool, detail: str) -> None:
        if ok == self._journal_ok:
            return
        self._journal_ok = ok
        log.warning("journal: %s", "writes again" if ok else f"cannot write ({detail}); scans are refused until it can")
        self.submit(
            PartChanged(
                t_ns=self._clock.now_ns(), part="journal", ok=ok, fault="" if ok else "cannot_write", detail=detail
            )
        )

    def _committed(self, records: Sequence[Record]) -> None:
        for record in records:
            if isinstance(record.event, _OF_A_LINE):
                line = record.event.line_id
                left = self._uncommitted_lines.pop(line) - 1
                if left:
                    self._uncommitted_lines[line] = left
        self._uncommitted -= len(records)
        self._uncommitted_attempts -= sum(map(_of_an_attempt, records))
        self._show()
        # A total that runs ahead of the disk could outlive it at the broker: nothing is told while more is on its way.
        self._on_committed(None if self._uncommitted else self.view)


def _as_on_disk(view: TripView, shown: TripView) -> TripView:
    """A view while a power cut could still undo an attempt: nobody is told that it is paid, or given back, and walks
    off; and no code of it is there yet that somebody might pay at once.
    """
    if view.phase == "paid":
        view = msgspec.structs.replace(view, phase=shown.phase, payment=shown.payment, receipt=shown.receipt)
    if view.payment is not None:
        view = msgspec.structs.replace(view, payment=msgspec.structs.replace(view.payment, code=None))
    return view


def _of_an_attempt(effect: Effect) -> bool:
    return isinstance(effect, Record) and isinstance(effect.event, AttemptOpened | AttemptChanged)
