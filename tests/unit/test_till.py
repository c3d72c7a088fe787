"""The till's desks and page with no broker: one charge an attempt, codes paid by hand, ledgers checked first."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from cart.core.chain import GENESIS, LedgerRow, row_hash
from cart.core.frozen_basket import till_code
from cart.core.ledger import GrossNoted
from cart.sync.connection import Broker
from cart.sync.messages import (
    Call,
    HelpMessage,
    LedgerAckMessage,
    PaymentCancelMessage,
    PaymentQueryMessage,
    PaymentRequestMessage,
    PaymentResultMessage,
    StatusMessage,
    ledger_message,
)
from cart.till import payment_desk, service
from cart.till.ledger import AttemptRow, TillLedger, TillProblem
from cart.till.ledger_desk import LedgerDesk
from cart.till.members import Members
from cart.till.payment_desk import PaymentDesk, tidy_code
from cart.till.provider import Outcome
from cart.till.refund_desk import RefundDesk
from cart.till.service import Till
from cart.till.simulated import Mode, SimulatedAcquirer
from cart.till.web import create_app

HASH = "ab" * 32
TERMS: dict[str, Any] = {"cart_id": "cart-1", "amount_minor": 500, "currency": "EUR", "basket_hash": HASH}
CODE = till_code("T.1", 500, "EUR")


def request(attempt_id: str = "T.1", method: str = "wallet", **changes: Any) -> PaymentRequestMessage:
    return PaymentRequestMessage(attempt_id=attempt_id, trip_id="T", method=method, **(TERMS | changes))


class Counter:
    """A desk with its acquirer, and what it said to the carts."""

    def __init__(self, folder: Path, mode: Mode = "approve", late_s: float = 0.05) -> None:
        self.said: list[PaymentResultMessage] = []
        self.charges: list[object] = []
        self.acquirer = SimulatedAcquirer(folder, mode, late_s=late_s, on_charge=self.charges.append)
        self.ledger = TillLedger(folder)
        self.desk = PaymentDesk(self.ledger, self.acquirer, self.said.append, currency="EUR")

    def query(self, attempt_id: str = "T.1") -> None:
        self.desk.query(PaymentQueryMessage(attempt_id=attempt_id, **TERMS))

    def cancel(self, attempt_id: str = "T.1") -> None:
        self.desk.cancel(PaymentCancelMessage(attempt_id=attempt_id, **TERMS))

    def statuses(self) -> list[str]:
        return [result.status for result in self.said]

    async def close(self) -> None:
        await self.desk.close()
        await self.acquirer.close()
        self.ledger.close()


def at_counter(folder: Path, scene: Callable[[Counter], Awaitable[None]], mode: Mode = "approve") -> None:
    async def run() -> None:
        counter = Counter(folder, mode)
        try:
            await scene(counter)
        finally:
            await counter.close()

    asyncio.run(run())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_ten_requests_are_one_charge_and_the_same_reply(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        for _ in range(10):
            counter.desk.request(request())
            await settle()
        assert len(counter.charges) == 1
        assert counter.statuses() == ["pending"] + ["approved"] * 10
        assert counter.acquirer.captures() == {"T.1": 500}

    at_counter(tmp_path, scene)


@pytest.mark.parametrize("changes", [{"amount_minor": 1}, {"cart_id": "cart-2"}, {"basket_hash": "cd" * 32}])
def test_the_same_id_on_other_terms_is_refused_and_noted(tmp_path: Path, changes: dict[str, Any]) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        with pytest.raises(TillProblem, match="other terms"):
            counter.desk.request(request(**changes))
        assert [note.what for note in counter.ledger.notes()] == ["attempt_terms_differ"]
        assert counter.acquirer.captures() == {"T.1": 500}

    at_counter(tmp_path, scene)


@pytest.mark.parametrize(("first", "said"), [("query", "not_found"), ("cancel", "cancelled")])
def test_an_id_asked_after_or_withdrawn_before_it_arrives_is_never_charged(
    tmp_path: Path, first: str, said: str
) -> None:
    async def scene(counter: Counter) -> None:
        {"query": counter.query, "cancel": counter.cancel}[first]()
        counter.desk.request(request())
        await settle()
        assert counter.statuses() == [said, said]
        assert counter.charges == []

    at_counter(tmp_path, scene)


def test_staff_gives_money_back_once_and_says_why(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        with pytest.raises(TillProblem, match="say why"):
            counter.desk.refund("T.1", "  ")
        counter.desk.refund("T.1", "milk was sour")
        with pytest.raises(TillProblem, match="nothing is held"):
            counter.desk.refund("T.1", "once more")
        await settle()
        assert counter.statuses() == ["pending", "approved", "voided"]
        assert counter.said[-1].reason == "refunded by staff: milk was sour"
        assert counter.acquirer.captures() == {}

    at_counter(tmp_path, scene)


def test_a_refund_that_the_power_interrupted_is_carried_on_with_its_reason(tmp_path: Path) -> None:
    async def first(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        counter.ledger.withdraw("T.1", "refunded by staff: milk was sour")

    async def second(counter: Counter) -> None:
        counter.desk.recover()
        await settle()
        assert (counter.said[-1].status, counter.said[-1].reason) == ("voided", "refunded by staff: milk was sour")
        assert counter.acquirer.captures() == {}

    at_counter(tmp_path, first)
    at_counter(tmp_path, second)


def test_money_that_could_not_be_given_back_is_tried_again_though_no_cart_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payment_desk, "GIVE_BACK_AGAIN_S", 0.02)
    withdraw = SimulatedAcquirer.withdraw
    failures = iter([True, True, False])

    async def unreachable(acquirer: SimulatedAcquirer, key: str) -> Outcome:
        if next(failures):
            raise TimeoutError(key)
        return await withdraw(acquirer, key)

    async def scene(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        monkeypatch.setattr(SimulatedAcquirer, "withdraw", unreachable)
        counter.desk.refund("T.1", "milk was sour")
        await asyncio.sleep(0.2)
        assert counter.statuses() == ["pending", "approved", "voided"]
        assert counter.acquirer.captures() == {}

    at_counter(tmp_path, scene)


def test_money_taken_by_hand_is_given_back_by_hand(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request(method="till"))
        counter.desk.complete(CODE, 500)
        counter.desk.refund("T.1", "changed their mind")
        assert counter.statuses() == ["pending", "approved", "voided"]
        with pytest.raises(TillProblem):
            counter.desk.complete(CODE, 500)

    at_counter(tmp_path, scene)


def part(attempt_id: str, amount_minor: int, method: str, *, partial: bool = False) -> PaymentRequestMessage:
    return request(attempt_id, method, amount_minor=amount_minor, basket_minor=900, partial=partial)


def test_a_benefits_card_pays_what_is_on_it_and_another_tender_the_rest(tmp_path: Path) -> None:
    async def scene() -> None:
        said: list[PaymentResultMessage] = []
        acquirer, ledger = SimulatedAcquirer(tmp_path, ebt_minor=350), TillLedger(tmp_path)
        desk = PaymentDesk(ledger, acquirer, said.append, currency="EUR")
        desk.request(part("T.1", 600, "ebt", partial=True))
        await settle()
        assert (said[-1].status, said[-1].amount_minor) == ("approved", 350)
        desk.request(part("T.2", 551, "card"))
        await settle()
        assert (said[-1].status, said[-1].reason) == ("cancelled", "paid before; staff knows")
        desk.request(part("T.3", 550, "card"))
        await settle()
        assert acquirer.captures() == {"T.1": 350, "T.3": 550}
        desk.request(part("T.4", 1, "card"))
        assert said[-1].status == "cancelled"
        desk.cancel(PaymentCancelMessage(attempt_id="T.1", **(TERMS | {"amount_minor": 600})))
        await settle()
        assert (said[-1].attempt_id, said[-1].status, said[-1].amount_minor) == ("T.1", "voided", 350)
        assert acquirer.captures() == {"T.3": 550}
        for closing in (desk, acquirer):
            await closing.close()
        ledger.close()

    asyncio.run(scene())


def test_an_empty_benefits_card_declines_and_a_whole_request_is_never_half_paid(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(part("T.1", 600, "ebt", partial=True))
        await settle()
        assert counter.said[-1].amount_minor == 300
        counter.desk.request(part("T.2", 600, "card"))
        await settle()
        assert counter.acquirer.captures() == {"T.1": 300, "T.2": 600}

    at_counter(tmp_path / "half", scene, "partial")


def test_a_provider_that_captures_another_amount_than_allowed_gives_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = SimulatedAcquirer.charge

    async def short(acquirer: SimulatedAcquirer, asked: Any) -> Outcome:
        return msgspec.structs.replace(await charge(acquirer, asked), captured_minor=499)

    async def scene(counter: Counter) -> None:
        monkeypatch.setattr(SimulatedAcquirer, "charge", short)
        counter.desk.request(request())
        await settle()
        assert (counter.said[-1].status, counter.said[-1].reason) == ("voided", "captured for another amount")
        assert counter.acquirer.captures() == {}

    at_counter(tmp_path, scene)


def test_the_rest_of_a_basket_is_paid_by_code_even_before_its_attempt_is_heard_of(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(part("T.1", 600, "ebt", partial=True))
        await settle()
        with pytest.raises(TillProblem, match="take no money"):
            counter.desk.complete(till_code("T.2", 900, "EUR"), 900)
        assert counter.desk.complete(till_code("T.2", 300, "EUR"), 300) is None
        counter.desk.request(part("T.2", 300, "till"))
        assert (counter.said[-1].attempt_id, counter.said[-1].status) == ("T.2", "approved")

    at_counter(tmp_path, scene)


def test_a_part_is_given_back_once_a_refund_id_and_the_cart_is_told(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        refunds = RefundDesk(counter.ledger, counter.acquirer, counter.desk.say_again, Members(counter.ledger.database))
        for _ in range(3):
            refunds.give_back("T.1", 200, "sour milk", "r1")
            await settle()
        assert counter.acquirer.captures() == {"T.1": 300}
        last = counter.said[-1]
        assert (last.status, last.amount_minor, last.refunded_minor) == ("approved", 500, 200)
        assert last.reason == "refunded by staff: sour milk"
        with pytest.raises(TillProblem, match=r"no more than 3\.00"):
            refunds.give_back("T.1", 301, "sour milk")
        with pytest.raises(TillProblem, match="say why"):
            refunds.give_back("T.1", 1, " ")
        await refunds.close()

    at_counter(tmp_path, scene)


def test_a_refund_that_the_power_interrupted_is_gone_on_with_and_given_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(acquirer: SimulatedAcquirer, key: str, refund_id: str, amount_minor: int) -> Outcome:
        await given(acquirer, key, refund_id, amount_minor)
        raise TimeoutError

    given = SimulatedAcquirer.refund

    async def first(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        monkeypatch.setattr(SimulatedAcquirer, "refund", lost)
        refunds = RefundDesk(counter.ledger, counter.acquirer, counter.desk.say_again, Members(counter.ledger.database))
        refunds.give_back("T.1", 200, "sour milk", "r1")
        await settle()
        assert [refund.status for refund in counter.ledger.open_refunds()] == ["asked"]
        await refunds.close()

    async def second(counter: Counter) -> None:
        monkeypatch.setattr(SimulatedAcquirer, "refund", given)
        refunds = RefundDesk(counter.ledger, counter.acquirer, counter.desk.say_again, Members(counter.ledger.database))
        refunds.take_over()
        await settle()
        assert counter.said[-1].refunded_minor == 200
        assert counter.acquirer.captures() == {"T.1": 300}
        await refunds.close()

    at_counter(tmp_path, first)
    at_counter(tmp_path, second)


def test_a_restart_takes_up_what_was_captured_but_not_written_down(tmp_path: Path) -> None:
    async def first(counter: Counter) -> None:
        counter.acquirer.late_s = 60.0
        counter.desk.request(request())
        await settle()
        assert counter.statuses() == ["pending"]

    async def second(counter: Counter) -> None:
        counter.desk.recover()
        await settle()
        assert counter.statuses() == ["approved"]
        assert counter.charges == []
        assert counter.acquirer.captures() == {"T.1": 500}

    at_counter(tmp_path, first, "late")
    at_counter(tmp_path, second)


def test_a_disk_that_fails_while_a_till_starts_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BEAT_S", 0.01)
    failing = [sqlite3.OperationalError("disk I/O error")]
    take_over = TillLedger.take_over

    def fails_once(ledger: TillLedger, row: AttemptRow, worker: str) -> bool:
        if failing:
            raise failing.pop()
        return take_over(ledger, row, worker)

    monkeypatch.setattr(TillLedger, "take_over", fails_once)

    async def run() -> None:
        left = TillLedger(tmp_path)
        left.open_attempt(request(), "pending")
        left.close()
        till = Till(Broker(host="127.0.0.1", port=1), "store", tmp_path, SimulatedAcquirer(tmp_path))
        till.start()
        row = till.ledger.attempt("T.1")
        while row is not None and row.status == "pending":
            await asyncio.sleep(0.01)
            row = till.ledger.attempt("T.1")
        await till.stop()
        assert row is not None
        assert row.status == "approved"

    asyncio.run(asyncio.wait_for(run(), 20.0))
    assert failing == []


def test_a_withdrawal_during_a_late_approval_gives_the_money_back(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        counter.cancel()
        await asyncio.sleep(0.2)
        assert counter.statuses()[-1] == "voided"
        assert counter.acquirer.captures() == {}
        counter.desk.request(request())
        await settle()
        assert counter.acquirer.captures() == {}

    at_counter(tmp_path, scene, "late")


def test_a_withdrawal_of_what_was_approved_gives_it_back_once(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        for _ in range(3):
            counter.cancel()
            await settle()
        assert counter.statuses()[-3:] == ["voided", "voided", "voided"]
        assert counter.said[-1].reason == "late_approval"

    at_counter(tmp_path, scene)


def test_a_code_handed_over_waits_for_a_person_and_is_paid_once(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request(method="till"))
        counter.query()
        assert counter.statuses() == ["pending", "pending"]
        counter.desk.complete(CODE.lower().replace("-", " "), 500)
        assert counter.said[-1].status == "approved"
        with pytest.raises(TillProblem, match="is approved"):
            counter.desk.complete(CODE, 500)
        counter.cancel()
        assert counter.said[-1].status == "approved"

    at_counter(tmp_path, scene)


def test_a_code_paid_before_the_till_heard_of_it_is_approved_when_it_does(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        assert counter.desk.complete(CODE, 500) is None
        with pytest.raises(TillProblem, match="paid already"):
            counter.desk.complete(CODE, 500)
        counter.query()
        counter.desk.request(request(method="till"))
        await settle()
        assert counter.statuses() == ["approved", "approved"]
        assert counter.charges == []

    at_counter(tmp_path, scene)


@pytest.mark.parametrize("lost", ["approved", "declined", "silent"])
@pytest.mark.parametrize("method", ["till", "card"])
def test_a_cart_that_forgot_an_attempt_is_not_paid_again_by_a_code_of_the_same_number(
    tmp_path: Path, lost: str, method: str
) -> None:
    async def scene(counter: Counter) -> None:
        counter.acquirer.mode = {"declined": "decline", "silent": "silent"}.get(lost, "approve")  # type: ignore[assignment]
        counter.desk.request(request())
        await settle()
        with pytest.raises(TillProblem, match=r"this trip has T\.1"):
            counter.desk.complete(till_code("T.1", 750, "EUR"), 750)
        with pytest.raises(TillProblem, match="on other terms"):
            counter.desk.request(request(method=method, amount_minor=750))
        assert len(counter.charges) == 1

    at_counter(tmp_path, scene)


def test_money_is_held_once_a_trip_whichever_attempt_asks(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request("T.2"))
        await settle()
        with pytest.raises(TillProblem, match=r"this trip has T\.2 \(approved, 5\.00\)"):
            counter.desk.complete(CODE, 500)
        for method in ("card", "till"):
            counter.desk.request(request("T.3", method=method))
        await settle()
        assert counter.statuses()[-2:] == ["cancelled", "cancelled"]
        assert counter.acquirer.captures() == {"T.2": 500}
        assert [note.what for note in counter.ledger.notes()] == ["trip_paid_before"]
        counter.desk.refund("T.2", "wrong basket")
        await settle()
        assert counter.desk.complete(CODE, 500) is None

    at_counter(tmp_path, scene)


def test_a_trip_paid_by_a_code_nobody_has_heard_of_is_neither_charged_nor_paid_by_another(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.complete(CODE, 500)
        with pytest.raises(TillProblem, match="this trip has"):
            counter.desk.complete(till_code("T.1", 750, "EUR"), 750)
        with pytest.raises(TillProblem, match="this trip has"):
            counter.desk.complete(till_code("T.2", 500, "EUR"), 500)
        counter.desk.request(request("T.2"))
        counter.desk.request(request(amount_minor=750))
        await settle()
        assert counter.statuses() == ["cancelled", "cancelled"]
        assert counter.charges == []

    at_counter(tmp_path, scene)


def test_a_second_code_of_a_trip_counts_once_the_first_attempt_ended_without_money(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.acquirer.mode = "decline"
        counter.desk.request(request())
        await settle()
        assert counter.desk.complete(till_code("T.2", 500, "EUR"), 500) is None
        counter.desk.request(request("T.2", method="till"))
        await settle()
        assert counter.statuses() == ["pending", "declined", "approved"]

    at_counter(tmp_path, scene)


def test_a_mistyped_code_or_amount_takes_no_money(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        with pytest.raises(TillProblem, match="don't belong together"):
            counter.desk.complete(CODE, 501)
        with pytest.raises(TillProblem, match="eight characters"):
            counter.desk.complete("123", 500)
        assert counter.ledger.paid_code(CODE) is None

    at_counter(tmp_path, scene)


def test_a_code_given_back_unpaid_frees_the_cart(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request(method="till"))
        counter.desk.release(CODE)
        assert counter.said[-1].status == "cancelled"
        with pytest.raises(TillProblem, match="no attempt waits"):
            counter.desk.release(CODE)

    at_counter(tmp_path, scene)


def test_handing_over_stops_a_silent_provider_first(tmp_path: Path) -> None:
    async def scene(counter: Counter) -> None:
        counter.desk.request(request())
        await settle()
        counter.desk.request(request(method="till"))
        await settle()
        row = counter.ledger.attempt("T.1")
        assert row is not None
        assert (row.status, row.method) == ("at_till", "till")
        counter.acquirer.set_mode("approve")
        await settle()
        assert counter.acquirer.captures() == {}

    at_counter(tmp_path, scene, "silent")


def test_codes_are_read_as_people_type_them() -> None:
    assert tidy_code(" 4f7k2q 9d ") == "4F7K2Q-9D"
    assert tidy_code("O1IL2Q9D") == "01112Q-9D"


def test_a_second_till_on_the_same_folder_is_told_so(tmp_path: Path) -> None:
    first = TillLedger(tmp_path)
    with pytest.raises(TillProblem, match="no other till"):
        TillLedger(tmp_path)
    first.close()


def chain(count: int, cart_id: str = "cart-1") -> list[LedgerRow]:
    rows: list[LedgerRow] = []
    for seq in range(1, count + 1):
        row = LedgerRow(
            seq=seq, boot="b", wall_ms=0, t_ns=seq, trip_id="", prev=rows[-1].hash if rows else GENESIS, hash="",
            body=msgspec.json.encode(GrossNoted(gross_g=float(seq), sigma_g=1.0)).decode(),
        )  # fmt: skip
        rows.append(msgspec.structs.replace(row, hash=row_hash(cart_id, "c0", row)))
    return rows


def receive(folder: Path, rows: list[LedgerRow]) -> tuple[list[LedgerAckMessage], list[str], int]:
    """Feed rows to a ledger desk; answers its acknowledgements, security notes, and how far it holds the chain."""
    acks: list[LedgerAckMessage] = []

    async def run() -> tuple[list[str], int]:
        ledger = TillLedger(folder)
        desk = LedgerDesk(ledger, acks.append)
        for row in rows:
            desk.receive(ledger_message("cart-1", "c0", row))
        desk.flush()
        held = ledger.cart_head("cart-1", "c0")[0]
        notes = [note.what for note in ledger.notes()]
        ledger.close()
        return notes, held

    notes, held = asyncio.run(run())
    return acks, notes, held


def test_rows_are_committed_then_acknowledged_together(tmp_path: Path) -> None:
    rows = chain(5)
    acks, notes, held = receive(tmp_path, rows)
    assert [(ack.seq, ack.hash, ack.resend_from) for ack in acks] == [(5, rows[-1].hash, None)]
    assert (notes, held) == ([], 5)


def test_a_gap_is_asked_for_and_repeats_are_harmless(tmp_path: Path) -> None:
    rows = chain(5)
    acks, notes, held = receive(tmp_path, [rows[0], rows[0], rows[3], rows[0]])
    assert [(ack.seq, ack.resend_from) for ack in acks] == [(1, 2)]
    assert (notes, held) == ([], 1)


def test_a_row_that_was_changed_or_forked_is_noted_and_not_acknowledged(tmp_path: Path) -> None:
    good = chain(2)
    changed = msgspec.structs.replace(good[1], body=good[1].body.replace("2.0", "9.0"))
    acks, notes, held = receive(tmp_path, [good[0], changed])
    assert [ack.seq for ack in acks] == [1]
    assert (notes, held) == (["ledger_hash_wrong"], 1)
    fork = msgspec.structs.replace(good[1], prev="0" * 64)
    fork = msgspec.structs.replace(fork, hash=row_hash("cart-1", "c0", fork))
    assert receive(tmp_path, [fork])[1:] == (["ledger_forked", "ledger_hash_wrong"], 1)


class Page:
    """The till's page as a browser on this machine sees it."""

    def __init__(self, till: Till) -> None:
        self._app = create_app(till)

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._ask("GET", path))

    def post(self, path: str, **body: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", path, **body))

    async def _ask(self, method: str, path: str, **body: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8090") as client:
            return await client.request(method, path, **body)


@pytest.fixture
def till(tmp_path: Path) -> Any:
    async def make() -> Till:
        return Till(Broker(host="127.0.0.1", port=1), "store-1", tmp_path, SimulatedAcquirer(tmp_path))

    made = asyncio.run(make())
    yield made
    made.ledger.close()
    asyncio.run(made.provider.close())


def test_the_page_and_its_state_come_with_a_strict_policy(till: Till) -> None:
    page = Page(till)
    shown = page.get("/")
    assert shown.status_code == 200
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert "unsafe" not in shown.headers["content-security-policy"]
    assert page.get("/till.js").headers["content-type"].startswith("text/javascript")
    state = page.get("/api/v1/state").json()
    assert (state["store_id"], state["mode"], state["carts"]) == ("store-1", "approve", [])


def test_the_acquirers_mode_is_switched_from_the_page(till: Till) -> None:
    page = Page(till)
    assert page.post("/api/v1/mode", json={"mode": "silent"}).json() == {"mode": "silent"}
    assert page.get("/api/v1/state").json()["mode"] == "silent"
    refused = page.post("/api/v1/mode", json={"mode": "generous"})
    assert (refused.status_code, "no such mode" in refused.json()["error"]) == (409, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"content-type": "text/plain"},
        {"host": "evil.example"},
    ],
)
def test_another_sites_page_may_not_act(till: Till, headers: dict[str, str]) -> None:
    page = Page(till)
    sent = {"content-type": "application/json"} | headers
    assert page.post("/api/v1/mode", content=b'{"mode":"silent"}', headers=sent).status_code in {400, 403}
    assert page.get("/api/v1/state").json()["mode"] == "approve"


def test_a_decision_for_a_cart_that_is_not_there_says_so(till: Till) -> None:
    page = Page(till)
    reply = page.post("/api/v1/command", json={"cart_id": "cart-9", "action": "lock"})
    assert (reply.status_code, "not connected" in reply.json()["error"]) == (409, True)
    assert page.post("/api/v1/command", content=b"{", headers={"content-type": "application/json"}).status_code == 400


def test_a_code_is_paid_from_the_page(till: Till) -> None:
    page = Page(till)
    assert page.post("/api/v1/code", json={"code": CODE, "amount_minor": 500}).json() == {"attempt": None}
    assert page.post("/api/v1/code", json={"code": CODE, "amount_minor": 500}).status_code == 409


def test_carts_that_call_stand_first_on_the_board(tmp_path: Path) -> None:
    async def scene() -> list[str]:
        till = Till(Broker(host="127.0.0.1", port=1), "store-1", tmp_path, SimulatedAcquirer(tmp_path))
        for cart_id in ("cart-1", "cart-2"):
            till.board.status(StatusMessage(cart_id=cart_id, online=True, reason="started"))
        call = Call(intervention=1, kind="age_check", stage="staff")
        till.board.help(HelpMessage(cart_id="cart-2", calls=[call]))
        await settle()
        await till.stop()
        return [cart.cart_id for cart in till.board.carts()]

    assert asyncio.run(scene()) == ["cart-2", "cart-1"]
