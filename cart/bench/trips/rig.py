"""One cart in virtual time: a simulated load cell, scanner bytes and a till around the real session.

Nothing here waits. `pass_until` feeds the session each conversion of the cell up to a moment, and wakes it at its own
deadlines in between, as the daemon's loop does.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import Any

import msgspec

from cart.bench.physics import Physics
from cart.bench.trips.cell import Cell
from cart.core.catalog import Catalog
from cart.core.effects import CancelPayment, DrawTripId, Effect, QueryPayment, Record, RequestPayment
from cart.core.ledger import LedgerEvent
from cart.core.observations import (
    AnyObservation,
    Look,
    PaymentAnswer,
    ScaleSample,
    Scan,
    ScanRefused,
    StaffCommand,
    Tick,
    Touch,
    TripIdDrawn,
)
from cart.core.session import Session
from cart.core.settings import Policy, ScaleSettings
from cart.core.view import TripView
from drivers.scanner_framing import Frame, Framing, ScannerFramer

SECOND_NS = 1_000_000_000
GAP_NS = 100_000_000
"""In a gap this long between two conversions the session's deadlines may fall due."""
TICKS_MAX = 1_000

Heard = Callable[[int, LedgerEvent], None]
Captured = Callable[[str, int], None]


class Rig:
    """`heard` gets every ledger event with its time; `captured` what the till took."""

    def __init__(
        self,
        catalog: Catalog,
        seed: int,
        *,
        policy: Policy | None = None,
        heard: Heard,
        captured: Captured,
        samples_per_second: float = 80.0,
    ) -> None:
        self.rng = random.Random(f"rig {seed}")
        self.scale = ScaleSettings(
            counts_per_gram=round(self.rng.uniform(8.0, 60.0), 1),
            tare_counts=self.rng.randrange(20_000, 250_000),
            samples_per_second=samples_per_second,
        )
        self.physics = Physics.varied(self.rng.randrange(1 << 32))
        self._cell = Cell(self.scale, self.rng.randrange(1 << 32), self.physics)
        self.platform = self._cell.platform
        self.session = Session(
            cart_id="cart-1",
            store_id="store-1",
            catalog=catalog,
            scale=self.scale,
            policy=policy or Policy(),
            languages=["en", "de"],
        )
        self.now_ns = 0
        self.samples = 0
        self.declines = 0
        """How many of the next requests the till declines."""
        self._heard, self._captured = heard, captured
        self._framer = ScannerFramer(Framing())
        self._last_ns = 0
        self._view: TripView | None = None
        self._coming: list[tuple[int, int, PaymentAnswer | Look]] = []
        self._told = 0
        self._attempts: dict[str, str] = {}
        self._trips = 0
        self._tell(TripIdDrawn(t_ns=0, trip_id=f"trip-{seed}-0"))

    @property
    def view(self) -> TripView:
        """What the screen shows now."""
        if self._view is None:
            self._view = self.session.view()
        return self._view

    @property
    def now_s(self) -> float:
        return self.now_ns / 1e9

    def wait(self, seconds: float) -> None:
        self.pass_until(self.now_ns + round(seconds * SECOND_NS))

    def pass_until(self, until_ns: int) -> None:
        """Let virtual time pass: conversions, deadlines, the till's answers."""
        for t_ns, counts in self._cell.until(until_ns):
            if self._coming:
                self._arrive(t_ns)
            if t_ns - self._last_ns > GAP_NS:
                self._advance(t_ns - 1)
            self._last_ns = self.now_ns = t_ns
            self.samples += 1
            effects = self.session.handle(ScaleSample(t_ns=t_ns, counts=counts))
            if effects:
                self._carry_out(effects)
        self._arrive(until_ns)
        self._advance(max(self.now_ns, until_ns))

    def scan(self, text: str, symbology: str = "]E0") -> None:
        """The scanner's bytes, now and then cut in two by the line."""
        data = f"{symbology}{text}\r".encode()
        cut = self.rng.randrange(1, len(data)) if self.rng.random() < 0.4 else len(data)
        for part in (data[:cut], data[cut:]):
            if not part:
                continue
            for framed in self._framer.feed(part, self.now_ns):
                if isinstance(framed, Frame):
                    self._tell(Scan(t_ns=self.now_ns, text=framed.text, symbology=framed.symbology))
                else:
                    self._tell(ScanRefused(t_ns=self.now_ns, reason=framed.reason, shown=framed.shown))
            self.pass_until(self.now_ns + 4_000_000)

    def touch(self, action: str, **fields: Any) -> None:
        """One touch of the screen."""
        self._tell(Touch(t_ns=self.now_ns, action=action, **fields))  # type: ignore[arg-type]

    def staff(self, action: str, **fields: Any) -> None:
        """One command of a member of staff."""
        self._trips += 1
        command_id = f"staff-{self._trips}"
        self._tell(StaffCommand(t_ns=self.now_ns, command_id=command_id, action=action, **fields))  # type: ignore[arg-type]

    def sees(self, looks: list[Look]) -> None:
        """What the camera will say, each at its time."""
        for look in looks:
            self._expect(look)

    # -- inside --------------------------------------------------------------------------------------------------

    def _expect(self, observation: PaymentAnswer | Look) -> None:
        self._told += 1
        heapq.heappush(self._coming, (observation.t_ns, self._told, observation))

    def _arrive(self, until_ns: int) -> None:
        """The till's answers and the camera's looks that are due by then."""
        while self._coming and self._coming[0][0] <= until_ns:
            due_ns, _, observation = heapq.heappop(self._coming)
            self._advance(max(self.now_ns, due_ns))
            self._tell(msgspec.structs.replace(observation, t_ns=self.now_ns))

    def _advance(self, until_ns: int) -> None:
        """Move the clock on, waking the session at its deadlines."""
        for _ in range(TICKS_MAX):
            due_ns = self.session.next_deadline_ns
            if due_ns is None or due_ns > until_ns:
                break
            self.now_ns = max(self.now_ns, due_ns)
            self._tell(Tick(t_ns=self.now_ns))
        self.now_ns = max(self.now_ns, until_ns)

    def _tell(self, observation: AnyObservation) -> None:
        self._view = None
        self._carry_out(self.session.handle(observation))

    def _carry_out(self, effects: list[Effect]) -> None:
        self._view = None
        for effect in effects:
            match effect:
                case Record():
                    self._heard(effect.t_ns, effect.event)
                case DrawTripId():
                    self._trips += 1
                    self._tell(TripIdDrawn(t_ns=self.now_ns, trip_id=f"trip-{self._trips}"))
                case RequestPayment():
                    self._asked(effect)
                case QueryPayment() | CancelPayment():
                    pass  # this till always answers in time
                case _:
                    pass

    def _asked(self, request: RequestPayment) -> None:
        """The till's answer, after a card's second or two; an approval is sometimes sent twice."""
        if request.attempt_id in self._attempts:
            return
        declined = self.declines > 0
        self.declines -= declined
        self._attempts[request.attempt_id] = "declined" if declined else "approved"
        if not declined:
            self._captured(request.attempt_id, request.amount_minor)
        answer = PaymentAnswer(
            t_ns=self.now_ns + round(self.rng.uniform(0.8, 2.5) * SECOND_NS),
            attempt_id=request.attempt_id,
            cart_id="cart-1",
            status="declined" if declined else "approved",
            amount_minor=request.amount_minor,
            currency=request.currency,
            basket_hash=request.basket_hash,
            reference="" if declined else "R1",
        )
        times = 2 if self.rng.random() < 0.05 else 1
        for _ in range(times):
            self._expect(answer)
