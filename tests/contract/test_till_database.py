"""What the till's tables promise, on SQLite and on PostgreSQL alike: the same tests for both."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from cart.core.chain import GENESIS, LedgerRow
from cart.core.frozen_basket import till_code
from cart.sync.messages import PaymentQueryMessage, PaymentRequestMessage
from cart.till.attempts import NOBODY, InTheWay
from cart.till.database import Database, DatabaseFailed, SqliteDatabase
from cart.till.ledger import HeadMoved, TillLedger, TillProblem
from cart.till.members import LEASE_MS, Members, owner
from tests.postgres_cluster import Cluster

HASH = "ab" * 32
TERMS: dict[str, Any] = {"cart_id": "cart-1", "amount_minor": 500, "currency": "EUR", "basket_hash": HASH}
CODE = till_code("T.1", 500, "EUR")
Opened = Callable[[], TillLedger]


def request(attempt_id: str = "T.1", **changes: Any) -> PaymentRequestMessage:
    return PaymentRequestMessage(attempt_id=attempt_id, **({"trip_id": "T", "method": "wallet"} | TERMS | changes))


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """Opens a ledger on a fresh store; on PostgreSQL each call is another connection to the same one."""
    opened: list[TillLedger] = []
    if request.param == "postgres":
        from cart.till.postgres import PostgresDatabase

        url = cast("Cluster", request.getfixturevalue("postgres")).url(f"t{secrets.token_hex(6)}")

        def make() -> Database:
            return PostgresDatabase(url)
    else:

        def make() -> Database:
            return SqliteDatabase(tmp_path / "till.sqlite")

    def open_ledger() -> TillLedger:
        opened.append(TillLedger(make()))
        return opened[-1]

    yield open_ledger
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(store: Opened) -> TillLedger:
    return store()


def test_an_attempt_has_one_row_whatever_is_written_after_it(ledger: TillLedger) -> None:
    first = ledger.open_attempt(request(), "pending", worker="a")
    second = ledger.open_attempt(request(amount_minor=1), "at_till", worker="b")
    assert first == second == ledger.attempt("T.1")
    assert (first.status, first.amount_minor, first.worker, first.code) == ("pending", 500, "a", CODE)
    assert ledger.attempt("T.2") is None


def test_a_providers_word_counts_only_while_nobody_asked_it_to_stop(ledger: TillLedger) -> None:
    stops: list[Callable[[str], object]] = [ledger.withdraw, ledger.hand_over]
    for number, stop in enumerate(stops):
        row = ledger.open_attempt(request(f"T.{number}"), "pending")
        stop(row.attempt_id)
        assert not ledger.settle(row, "approved", reference="R", reason="", captured_minor=500)
        assert ledger.attempt(row.attempt_id) != row
    free = ledger.open_attempt(request("T.2"), "pending")
    assert ledger.settle(free, "approved", reference="R", reason="", captured_minor=500)
    assert not ledger.settle(free, "declined", reference="", reason="", captured_minor=500)
    after = ledger.attempt("T.2")
    assert after is not None
    assert (after.status, after.reference, after.taken_minor) == ("approved", "R", 500)


def test_an_attempt_is_taken_back_once_and_never_out_of_a_persons_hands(ledger: TillLedger) -> None:
    ledger.open_attempt(request(), "pending")
    assert [ledger.withdraw("T.1", "why"), ledger.withdraw("T.1")] == [True, False]
    ledger.open_attempt(request("T.2"), "pending")
    ledger.hand_over("T.2")
    assert not ledger.withdraw("T.2")


def test_a_code_is_paid_once_and_with_the_approval_of_its_attempt(ledger: TillLedger) -> None:
    row = ledger.open_attempt(request(method="till"), "at_till")
    paid = ledger.pay_code(CODE, 500, row)
    assert paid is not None
    assert (paid.status, paid.reference) == ("approved", f"TILL-{CODE}")
    with pytest.raises(TillProblem, match="paid already"):
        ledger.pay_code(CODE, 500)


def test_a_payment_by_hand_whose_attempt_is_gone_is_not_written(ledger: TillLedger) -> None:
    row = ledger.open_attempt(request(method="till"), "at_till")
    ledger.change("T.1", ["at_till"], "cancelled")
    with pytest.raises(TillProblem, match="take no money"):
        ledger.pay_code(CODE, 500, row)
    assert ledger.paid_code(CODE) is None


def test_money_of_a_trip_is_in_the_way_of_more_for_it(ledger: TillLedger) -> None:
    ledger.open_attempt(request(), "approved")
    assert ledger.held_for_trip(request("T.2")) == InTheWay("T.1 (approved, 5.00)")
    assert ledger.held_for_code(till_code("T.2", 500, "EUR"), 500) == "T.1 (approved, 5.00)"
    assert ledger.held_for_trip(request("U.1", trip_id="U")) is None


def part(attempt_id: str, amount_minor: int, **changes: Any) -> PaymentRequestMessage:
    return request(attempt_id, **({"amount_minor": amount_minor, "basket_minor": 900, "partial": True} | changes))


def test_parts_of_one_basket_fit_beside_each_other_up_to_what_it_costs(ledger: TillLedger) -> None:
    first = ledger.open_attempt(part("T.1", 600), "pending")
    assert ledger.held_for_trip(part("T.2", 300)) == InTheWay("T.1 (pending, 6.00)")
    assert ledger.settle(first, "approved", reference="R", reason="", captured_minor=400)
    assert ledger.held_for_trip(part("T.2", 500)) is None
    assert ledger.held_for_trip(part("T.2", 501)) == InTheWay("T.1 (approved, 4.00)")
    for other in ({"basket_hash": "cd" * 32}, {"basket_minor": 901}, {"basket_minor": 0}):
        assert ledger.held_for_trip(part("T.2", 300, **other)) == InTheWay("T.1 (approved, 4.00)")
    assert ledger.withdraw("T.1", "refunded by staff: sour") is True
    assert ledger.held_for_trip(part("T.2", 300)) == InTheWay("T.1 (approved, 4.00)", goes_back=True)


def test_the_rest_of_a_basket_is_paid_by_the_code_for_just_that_much(ledger: TillLedger) -> None:
    first = ledger.open_attempt(part("T.1", 600), "pending")
    assert ledger.settle(first, "approved", reference="R", reason="", captured_minor=400)
    rest = till_code("T.2", 500, "EUR")
    assert ledger.held_for_code(rest, 500) is None
    assert ledger.held_for_code(till_code("T.2", 499, "EUR"), 499) == "T.1 (approved, 4.00)"


def test_a_refund_is_one_row_and_never_more_than_is_held(ledger: TillLedger) -> None:
    row = ledger.open_attempt(request(), "pending")
    with pytest.raises(TillProblem, match="nothing is held"):
        ledger.ask_refund("r1", "T.1", 100, "sour")
    ledger.settle(row, "approved", reference="R", reason="", captured_minor=500)
    first = ledger.ask_refund("r1", "T.1", 300, "sour")
    assert ledger.ask_refund("r1", "T.1", 300, "sour") == first
    with pytest.raises(TillProblem, match=r"no more than 2\.00"):
        ledger.ask_refund("r2", "T.1", 201, "sour")
    assert [one.refund_id for one in ledger.open_refunds()] == ["r1"]
    ledger.end_refund(first, "done")
    after = ledger.attempt("T.1")
    assert after is not None
    assert (after.refunded_minor, after.status, after.reason) == (300, "approved", "sour")
    refused = ledger.ask_refund("r2", "T.1", 200, "sour")
    ledger.end_refund(refused, "refused")
    assert ledger.ask_refund("r3", "T.1", 200, "sour").status == "asked"


def chained(first: int, count: int, prev: str) -> list[LedgerRow]:
    rows = []
    for seq in range(first, first + count):
        made = f"{seq:064x}"
        rows.append(
            LedgerRow(seq=seq, boot="b", wall_ms=1, t_ns=1, trip_id="T", body='{"kind":"item_x"}', prev=prev, hash=made)
        )
        prev = made
    return rows


def test_rows_are_kept_only_where_they_follow_what_is_there(ledger: TillLedger) -> None:
    rows = chained(1, 5, GENESIS)
    ledger.keep_rows("cart-1", "c", rows[:3])
    assert ledger.cart_head("cart-1", "c") == (3, rows[2].hash)
    for wrong in (rows[:3], rows[4:], chained(4, 1, "ff" * 32)):
        with pytest.raises(HeadMoved):
            ledger.keep_rows("cart-1", "c", wrong)
    ledger.keep_rows("cart-1", "c", rows[3:])
    assert ledger.cart_rows("cart-1", "c", 1, 9) == rows
    assert [row.seq for _, _, row in ledger.rows_about_weights({("cart-1", "c"): 3})] == [4, 5]


def test_numbers_only_grow(ledger: TillLedger) -> None:
    assert [ledger.next_count("command", least) for least in (50, 50, 3, 60)] == [50, 51, 52, 60]
    assert [ledger.number_of(content, 12) for content in ("a", "a", "b", "a")] == [12, 12, 13, 14]


def test_notes_are_told_newest_first(ledger: TillLedger) -> None:
    for number in range(3):
        ledger.note("cart-1", "forked", f"{number} 100%?")
    assert [note.detail for note in ledger.notes(2)] == ["2 100%?", "1 100%?"]


def test_what_fails_within_a_transaction_leaves_nothing(ledger: TillLedger) -> None:
    def interrupted() -> None:
        with ledger.trip("T.1"):
            ledger.open_attempt(request(), "pending")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert ledger.attempt("T.1") is None
    ledger.open_attempt(request(), "pending")
    assert ledger.attempt("T.1") is not None


def test_an_id_asked_after_first_stays_refused(ledger: TillLedger) -> None:
    ledger.open_attempt(PaymentQueryMessage(attempt_id="T.1", **TERMS), "not_found")
    assert ledger.open_attempt(request(), "pending").status == "not_found"


@pytest.fixture
def two(postgres: Cluster) -> Iterator[tuple[TillLedger, TillLedger]]:
    """Two tills' connections to one database; a till alone holds its SQLite file."""
    from cart.till.postgres import PostgresDatabase

    url = postgres.url(f"t{secrets.token_hex(6)}")
    ledgers = TillLedger(PostgresDatabase(url)), TillLedger(PostgresDatabase(url))
    yield ledgers
    for ledger in ledgers:
        ledger.close()


def test_of_two_tills_one_takes_a_dead_ones_work_over(two: tuple[TillLedger, TillLedger]) -> None:
    row = two[0].open_attempt(request(), "pending", worker="dead")
    assert [found.attempt_id for found in two[1].orphans(["a", "b"])] == ["T.1"]
    assert [two[0].take_over(row, "a"), two[1].take_over(row, "b")] == [True, False]
    assert two[1].orphans(["a", "b"]) == []
    two[0].let_go("T.1", "b")
    assert [found.attempt_id for found in two[1].orphans(["b"])] == ["T.1"]
    two[0].let_go("T.1", "a")
    assert two[1].orphans(["b"]) == []
    after = two[1].attempt("T.1")
    assert after is not None
    assert after.worker == NOBODY


def test_of_requests_at_two_tills_for_one_trip_one_finds_it_free(two: tuple[TillLedger, TillLedger]) -> None:
    """The second looks only when the first has written."""
    found: list[InTheWay | None] = []
    inside = threading.Event()

    def later() -> None:
        inside.wait()
        with two[1].trip("T.2"):
            found.append(two[1].held_for_trip(request("T.2")))

    thread = threading.Thread(target=later)
    thread.start()
    with two[0].trip("T.1"):
        inside.set()
        thread.join(0.3)
        assert found == []
        two[0].open_attempt(request(), "pending")
    thread.join()
    assert found == [InTheWay("T.1 (pending, 5.00)")]


def test_who_is_not_seen_is_dead_and_the_first_to_come_leads(two: tuple[TillLedger, TillLedger]) -> None:
    members = [Members(ledger.database) for ledger in two]
    for one in members:
        one.beat()
    assert members[0].beat()
    assert members[0].alive == members[1].alive == {members[0].me, members[1].me}
    assert [one.leads for one in members] == [True, False]
    assert members[0].elsewhere(members[1].me)
    two[0].database.write("UPDATE member SET seen_ms = seen_ms - ? WHERE name = ?", (LEASE_MS + 500, members[0].me))
    assert members[1].beat()
    assert members[1].alive == {members[1].me}
    assert members[1].leads
    members[1].leave()
    members[0].beat()
    assert members[0].alive == {members[0].me}


def test_a_connection_that_is_gone_is_told_once_and_ends_everything(two: tuple[TillLedger, TillLedger]) -> None:
    told: list[int] = []
    database: Any = two[0].database
    database.lost = lambda: told.append(1)
    backend = database.read("SELECT pg_backend_pid()")[0][0]
    two[1].database.read("SELECT pg_terminate_backend(?)", (backend,))
    for _ in range(2):
        with pytest.raises(DatabaseFailed):
            two[0].attempt("T.1")
    assert told == [1]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://till:secret@127.0.0.1:1/x", "leave the password out"),
        ("postgresql://till@127.0.0.1:1/x", "check that PostgreSQL runs"),
        ("oracle://x", "write it as postgresql://"),
    ],
)
def test_what_can_not_be_used_is_said_in_one_line_without_the_password(url: str, why: str) -> None:
    postgres = pytest.importorskip("cart.till.postgres")
    with pytest.raises(TillProblem, match=why) as caught:
        postgres.PostgresDatabase(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_answers_before_it_has_written_is_refused(postgres: Cluster) -> None:
    from cart.till.postgres import PostgresDatabase

    url = postgres.url(f"t{secrets.token_hex(6)}")
    opened = PostgresDatabase(url)
    opened.write("ALTER DATABASE " + opened.read("SELECT current_database()")[0][0] + " SET synchronous_commit = off")
    opened.close()
    with pytest.raises(TillProblem, match="synchronous_commit is off"):
        PostgresDatabase(url)


def test_a_cart_stays_with_its_till_when_another_one_goes() -> None:
    tills, carts = ["a", "b", "c"], [f"cart-{number}" for number in range(600)]
    before = {cart: owner(cart, tills) for cart in carts}
    assert all(150 < list(before.values()).count(till) < 250 for till in tills)
    after = {cart: owner(cart, ["c", "a"]) for cart in carts}
    assert all(after[cart] == before[cart] for cart in carts if before[cart] != "b")
