"""People: a shopper who acts on what the screen shows, impatiently, and the member of staff at the till."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any, Final

from cart.bench.faults.machine import Boot, Machine
from cart.bench.faults.programs import PRICES, SimulatedDaemon, code_of
from cart.core.observations import Scan, Touch
from cart.core.view import TripView
from cart.till.ledger import FAILURES, TillProblem
from cart.till.service import Till

REFUSALS_MAX: Final = 5


class Shopper:
    """One cart's shoppers, one after the other. `finish` makes the present one pay and go."""

    def __init__(
        self, cart: Machine, rng: random.Random, *, daemon: Callable[[], SimulatedDaemon | None],
        staffed: Callable[[], tuple[Boot, Till] | None],
    ) -> None:  # fmt: skip
        """`staffed`: a till at which somebody can be served just now."""
        self.finishing = False
        self.done = False
        self.codes_paid: dict[str, int] = {}
        """Code → minor units that a person handed over at the till."""
        self.refunds: dict[str, int] = {}
        """Attempt → how often the till has told staff that its money goes back."""
        self._refusals = 0
        self._cart = cart
        self._rng = rng
        self._daemon = daemon
        self._staffed = staffed

    async def shop(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._rng.uniform(0.05, 1.0) if self._rng.random() < 0.8 else self._rng.uniform(1, 8))
            boot, daemon = self._cart.boot, self._daemon()
            if boot is None or daemon is None:
                continue
            act = self._finish if self.finishing else self._act
            boot.context.run(act, daemon, daemon.core.view)
            if not self.finishing and self._rng.random() < 0.03:
                self._give_back()

    def _act(self, daemon: SimulatedDaemon, view: TripView) -> None:
        dice = self._rng.random()
        self._answer(daemon, view)
        if view.phase in ("idle", "shopping"):
            if dice < 0.6 or not view.lines:
                self._scan(daemon)
            elif dice < 0.7:
                self._touch(daemon, "remove", line=self._rng.choice(view.lines).line)
            elif dice < 0.8:
                self._touch(daemon, "quantity", line=self._rng.choice(view.lines).line, units=self._rng.randrange(1, 5))
            else:
                self._touch(daemon, "checkout")
        elif view.phase == "checkout":
            if dice < 0.75:
                benefits = ["ebt", "ebt"] if "ebt" in view.methods else []
                self._touch(daemon, "pay", method=self._rng.choice(["card", "card", *benefits, "wallet", "till"]))
            elif dice < 0.9:
                self._scan(daemon)
            else:
                self._touch(daemon, "cancel")
        elif view.phase == "paying":
            self._while_paying(daemon, view, dice)
        elif view.phase == "paid" and dice < 0.3:
            self._touch(daemon, "start")

    def _while_paying(self, daemon: SimulatedDaemon, view: TripView, dice: float) -> None:
        if _part_paid(view) and dice < 0.7:
            self._touch(daemon, "pay", method=self._rng.choice(["card", "card", "wallet", "till", "ebt"]))
        elif dice < 0.1:
            self._scan(daemon)
        elif dice < 0.2 or (_part_paid(view) and dice < 0.75):
            self._touch(daemon, "cancel")
        elif dice < 0.27:
            self._touch(daemon, "pay", method="till")
        elif dice < 0.3:
            self._touch(daemon, "pay", method="card")
        elif dice < 0.6:
            self._go_to_till(view)

    def _finish(self, daemon: SimulatedDaemon, view: TripView) -> None:
        """Pay what is in the basket, and nothing more; a shopper whose card is refused again and again walks off."""
        payment = view.payment
        self._refusals += view.phase == "checkout" and payment is not None and payment.state == "declined"
        refused = view.phase == "checkout" and self._refusals > REFUSALS_MAX
        self.done = view.phase in ("idle", "paid") or (view.phase == "shopping" and not view.lines) or refused
        self._answer(daemon, view)
        if view.phase == "shopping" and view.lines:
            self._touch(daemon, "checkout")
        elif view.phase == "checkout" and "card" in view.methods and not refused:
            self._touch(daemon, "pay", method="card")
        elif _part_paid(view):
            self._pay_rest(daemon, view)
        elif view.phase == "paying":
            self._go_to_till(view)

    def _pay_rest(self, daemon: SimulatedDaemon, view: TripView) -> None:
        """By card; whoever's card is refused again and again takes back what was paid, from staff what staff took."""
        payment = view.payment
        self._refusals += payment is not None and payment.state == "declined"
        if self._refusals > REFUSALS_MAX:
            self._touch(daemon, "cancel")
            if any(asked.kind == "help" for asked in view.interventions):
                self._give_back(of_trip=view.trip_id)
        elif "card" in view.methods:
            self._touch(daemon, "pay", method="card")

    def _answer(self, daemon: SimulatedDaemon, view: TripView) -> None:
        for asked in view.interventions:
            if asked.choices:
                self._touch(daemon, "answer", intervention=asked.id, choice=asked.choices[0])

    def _scan(self, daemon: SimulatedDaemon) -> None:
        """One thing, or a handful scanned in a row."""
        for _ in range(self._rng.choice([1, 1, 1, 3])):
            sku = self._rng.choice(list(PRICES))
            daemon.core.submit(Scan(t_ns=daemon.clock.now_ns(), text=code_of(sku), symbology="]E0"))

    def _touch(self, daemon: SimulatedDaemon, action: str, **details: Any) -> None:
        daemon.core.touch(Touch(t_ns=daemon.clock.now_ns(), action=action, **details))  # type: ignore[arg-type]

    def _go_to_till(self, view: TripView) -> None:
        """Staff types the code, takes the money where the till says so, and now and then gives a code back."""
        found, payment = self._staffed(), view.payment
        if found is None or payment is None or payment.code is None:
            return
        boot, service = found
        codes = service.payments.codes
        try:
            if not self.finishing and self._rng.random() < 0.15:
                boot.context.run(codes.release, payment.code)
                return
            boot.context.run(codes.complete, payment.code, payment.amount_minor)
        except TillProblem:
            return
        except FAILURES:
            return  # the page shows an error; whether the money was taken is what the till's record says
        if boot.alive:
            self.codes_paid[payment.code] = payment.amount_minor

    def _give_back(self, *, of_trip: str | None = None) -> None:
        """Staff gives a trip's money back; now and then the same again, whatever the page says. `of_trip`: what was
        paid for it by hand.
        """
        found = self._staffed()
        if found is None:
            return
        boot, service = found
        with contextlib.suppress(TillProblem, *FAILURES):  # the page shows an error, and staff looks at the record
            rows = [row for row in service.ledger.recent() if row.reference]
            if of_trip is not None:
                held = [row for row in rows if (row.method, row.status) == ("till", "approved")]
                rows = [row for row in held if row.attempt_id.startswith(f"{of_trip}.")]
            paid = [row.attempt_id for row in rows]
            if paid:
                attempt_id = self._rng.choice(paid)
                boot.context.run(service.payments.refund, attempt_id, "milk was sour")
                self.refunds[attempt_id] = self.refunds.get(attempt_id, 0) + boot.alive


def _part_paid(view: TripView) -> bool:
    """A part of the basket is paid, and the rest is not being asked for."""
    payment = view.payment
    return (
        view.phase == "paying"
        and payment is not None
        and payment.rest_minor > 0
        and not payment.giving_back
        and payment.state in ("approved", "declined", "cancelled", "voided")
    )
