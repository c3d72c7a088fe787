"""The loop around the session: shown at once, committed before anything leaves, nothing lost when the disk refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cart.core.catalog import Catalog, Item, Tax
from cart.core.effects import Effect, Record, RequestPayment
from cart.core.frozen_basket import till_code
from cart.core.ledger import AttemptOpened, ItemAdded, ItemConfirmed, StaffActed
from cart.core.observations import PartChanged, PaymentAnswer, ScaleSample, Scan, Touch, TripIdDrawn
from cart.core.session import Session
from cart.core.settings import Policy, ScaleSettings
from cart.core.view import TripView
from cart.daemon import core_loop
from cart.daemon.clock import SessionClock
from cart.daemon.core_loop import CoreLoop

MILK = Item(sku="0001", name="Milk", gtins=("05011001234566",), price_minor=149, weight_g=1034.0, weight_sd_g=8.0)


class DiskProblem(Exception):
    """The disk refuses."""


class Shell:
    """Everything around the loop, remembering in which order things happened."""

    def __init__(self) -> None:
        catalog = Catalog(version=1, currency="EUR", locale="en_IE", taxes={"A": Tax(rate_bp=0)}, items=(MILK,))
        session = Session(
            cart_id="cart-1",
            store_id="store-1",
            catalog=catalog,
            scale=ScaleSettings(counts_per_gram=20.0, tare_counts=0),
            policy=Policy(),
            languages=("en",),
        )
        self.log: list[str] = []
        self.views: list[TripView] = []
        self.records: list[Record] = []
        self.refusals = 0
        self.told: list[TripView | None] = []
        self.clock = SessionClock()
        self.release = asyncio.Event()
        self.release.set()
        self.loop = CoreLoop(
            session,
            self.clock,
            commit=self.commit,
            carry_out=self.carry_out,
            on_view=self.views.append,
            on_committed=self.told.append,
            commit_errors=(DiskProblem,),
        )

    async def commit(self, records: Sequence[Record]) -> None:
        await self.release.wait()
        if self.refusals:
            self.refusals -= 1
            raise DiskProblem("disk full")
        self.records += records
        self.log.append(f"committed {len(records)}")

    def carry_out(self, effect: Effect) -> None:
        self.log.append(type(effect).__name__)

    def now(self) -> int:
        return self.clock.now_ns()

    def scan(self) -> None:
        self.loop.submit(Scan(t_ns=self.now(), text="5011001234566", symbology="]E0"))


def run(script: Callable[[Shell], Any]) -> Shell:
    """Run the loop while `script` does things to it."""

    async def whole() -> Shell:
        shell = Shell()
        shell.loop.submit(TripIdDrawn(t_ns=shell.now(), trip_id="t1"))
        task = asyncio.create_task(shell.loop.run())
        async with asyncio.timeout(10):
            await script(shell)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return shell

    return asyncio.run(whole())


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)


def test_a_code_for_the_till_is_shown_only_once_its_attempt_is_on_the_disk() -> None:
    async def script(shell: Shell) -> None:
        shell.loop.submit(PartChanged(t_ns=shell.now(), part="scale", ok=False))
        shell.scan()
        await until(lambda: shell.loop.view.can_checkout)
        shell.loop.touch(Touch(t_ns=shell.now(), action="checkout"))
        await until(lambda: shell.loop.view.phase == "checkout")
        shell.release.clear()
        shell.loop.touch(Touch(t_ns=shell.now(), action="pay", method="till"))
        await until(lambda: shell.loop.view.phase == "paying")
        assert shell.loop.view.payment is not None
        assert (shell.loop.view.payment.state, shell.loop.view.payment.code) == ("handed_to_till", None)
        shell.release.set()
        await until(lambda: shell.loop.view.payment is not None and shell.loop.view.payment.code is not None)

    shell = run(script)
    [opened] = [record.event for record in shell.records if isinstance(record.event, AttemptOpened)]
    assert shell.views[-1].payment is not None
    assert shell.views[-1].payment.code == till_code(opened.attempt_id, opened.amount_minor, "EUR")


def test_paid_is_shown_only_once_it_is_on_the_disk() -> None:
    async def script(shell: Shell) -> None:
        shell.loop.submit(PartChanged(t_ns=shell.now(), part="scale", ok=False))
        shell.scan()
        await until(lambda: shell.loop.view.can_checkout)
        shell.loop.touch(Touch(t_ns=shell.now(), action="checkout"))
        await until(lambda: shell.loop.view.phase == "checkout")
        shell.loop.touch(Touch(t_ns=shell.now(), action="pay", method="card"))
        await until(lambda: "RequestPayment" in shell.log)
        [opened] = [record.event for record in shell.records if isinstance(record.event, AttemptOpened)]
        shell.release.clear()
        shell.loop.submit(
            PaymentAnswer(
                t_ns=shell.now(),
                cart_id="cart-1",
                attempt_id=opened.attempt_id,
                status="approved",
                amount_minor=opened.amount_minor,
                currency=opened.currency,
                basket_hash=opened.basket_hash,
                reference="SIM-1",
            )
        )
        await until(lambda: shell.loop.session.view().phase == "paid")
        assert (shell.loop.view.phase, shell.loop.view.receipt) == ("paying", None)
        shell.release.set()
        await until(lambda: shell.loop.view.phase == "paid")
        assert shell.loop.view.receipt is not None

    shell = run(script)
    [told] = [view for view in shell.told if view is not None and view.phase == "paid"]
    assert told == shell.views[-1]


def test_a_line_is_shown_as_saving_before_the_disk_has_answered_and_not_after() -> None:
    async def script(shell: Shell) -> None:
        await until(lambda: shell.loop.view.trip_id is None)
        shell.release.clear()
        shell.scan()
        await until(lambda: bool(shell.loop.view.lines))
        assert [line.saving for line in shell.loop.view.lines] == [True]
        assert shell.records == []
        shell.release.set()
        await until(lambda: not shell.loop.view.lines[0].saving)

    shell = run(script)
    assert [record.event.sku for record in shell.records if isinstance(record.event, ItemAdded)] == ["0001"]


def test_a_confirmed_line_is_saving_until_that_is_on_the_disk() -> None:
    async def script(shell: Shell) -> None:
        shell.loop.submit(PartChanged(t_ns=shell.now(), part="scale", ok=False))
        shell.scan()
        await until(lambda: bool(shell.loop.view.lines) and not shell.loop.view.lines[0].saving)
        shell.release.clear()
        shell.loop.touch(Touch(t_ns=shell.now(), action="checkout"))
        assert [(line.state, line.saving) for line in shell.loop.view.lines] == [("confirmed", True)]
        shell.release.set()
        await until(lambda: not shell.loop.view.lines[0].saving)
        assert [line.state for line in shell.loop.view.lines] == ["confirmed"]

    shell = run(script)
    assert any(isinstance(record.event, ItemConfirmed) for record in shell.records)


def test_a_refusing_disk_is_tried_again_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_loop, "JOURNAL_RETRY_S", 0.02)
    heard: list[PartChanged] = []

    async def script(shell: Shell) -> None:
        shell.loop.taps.append(lambda o: heard.append(o) if isinstance(o, PartChanged) else None)
        shell.refusals = 3
        shell.scan()
        await until(lambda: len(heard) == 2)
        await shell.loop.drain()

    shell = run(script)
    assert [(change.part, change.ok) for change in heard] == [("journal", False), ("journal", True)]
    added = [record for record in shell.records if isinstance(record.event, ItemAdded)]
    assert len(added) == 1


def test_scans_are_refused_while_the_journal_cannot_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_loop, "JOURNAL_RETRY_S", 0.02)

    async def script(shell: Shell) -> None:
        shell.loop.decide(PartChanged(t_ns=shell.now(), part="journal", ok=False, fault="cannot_write"))
        shell.scan()
        await asyncio.sleep(0.1)

    shell = run(script)
    assert shell.loop.view.lines == []
    assert shell.loop.view.total_minor == 0


def test_what_precedes_an_effect_is_on_disk_and_what_follows_it_is_not() -> None:
    request = RequestPayment("t1.1", "t1", 149, "EUR", "0" * 64, "card")

    async def script(shell: Shell) -> None:
        before = Record(1, StaffActed(command_id="c", action="lock", role="staff", reason=""))
        await shell.loop._commit_and_carry_out([before, request, before, before])

    shell = run(script)
    assert shell.log[-3:] == ["committed 1", "RequestPayment", "committed 2"]


def test_a_flood_of_samples_drops_the_oldest_samples_and_nothing_else() -> None:
    async def script(shell: Shell) -> None:
        for counts in range(core_loop.SAMPLES_WAITING_MAX + 500):
            shell.loop.submit(ScaleSample(t_ns=shell.now(), counts=counts))
        shell.scan()
        await until(lambda: bool(shell.loop.view.lines))

    assert run(script).loop.dropped_samples == 500


def test_time_never_runs_backwards_for_the_session() -> None:
    seen: list[int] = []

    async def script(shell: Shell) -> None:
        now = shell.now()
        shell.loop.decide(Touch(t_ns=now, action="start"))
        effects = shell.loop.decide(Touch(t_ns=now - 10**9, action="help"))
        seen.extend(e.t_ns for e in effects if isinstance(e, Record))
        assert seen
        assert min(seen) >= now

    run(script)


def test_a_touch_that_comes_to_nothing_says_so() -> None:
    async def script(shell: Shell) -> None:
        assert shell.loop.touch(Touch(t_ns=shell.now(), action="pay", method="card")) == "not_now"
        assert shell.loop.touch(Touch(t_ns=shell.now(), action="start")) == ""

    run(script)


def test_no_total_is_told_that_the_disk_does_not_have() -> None:
    async def script(shell: Shell) -> None:
        shell.release.clear()
        shell.scan()
        await until(lambda: bool(shell.loop.view.lines))
        shell.scan()
        await until(lambda: shell.loop.view.units == 2)
        shell.release.set()
        await until(lambda: any(view is not None and view.units == 2 for view in shell.told))
        assert [view.units for view in shell.told if view is not None] == [2]
        assert shell.told[0] is None

    run(script)


def test_a_payment_that_waits_for_rest_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(shell: Shell) -> None:
        refused = Touch(t_ns=shell.now(), action="pay", method="card")
        assert shell.loop.touch(refused) == "not_now"
        monkeypatch.setattr(Session, "pay_waits", True)
        assert shell.loop.touch(refused) == ""

    run(script)
