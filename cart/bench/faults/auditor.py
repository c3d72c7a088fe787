"""Looks at what a run left behind and says what should not be so. Shares no code with what it checks.

It reads databases with SQL, messages as JSON, and computes hashes and sums itself, from the documented formats alone:
standard library only. Its argument is what any outsider could collect: files after the power went off, what went over
the wire, what the provider captured, and what was promised on the way.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cart.bench.faults.auditor_fold import ENDED, Fold

ACCUSATIONS: Final = frozenset(
    {"ledger_hash_wrong", "ledger_forked", "ledger_rewritten", "chain_cut_back", "trip_paid_before"}
)
"""Notes that the store makes only of a cart that was tampered with or has forgotten an attempt; here none has."""

LEFT_TO_STAFF: Final = "a payment was begun since the ledger was cut back"
"""Why a cart locks that was given an older journal, and had offered a code before the store could tell it."""

CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

REFUNDED: Final = "status = 'voided' AND reason LIKE 'refunded by staff: %'"
"""How the till's table tells what staff gave back."""

TAKEN: Final = "CASE WHEN captured_minor > 0 THEN captured_minor ELSE amount_minor END"
"""What an attempt took: less than it asked for where a benefits card had less."""

FINDINGS_MAX: Final = 20
"""Findings told of one run; one bug makes many."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is left of a run; money in minor units. `sent`: sender, topic, payload, the cart's rows on disk by then."""

    cart_id: str
    journal: Path
    till: Path
    acquirer: Path
    prices: dict[str, int]
    sent: list[tuple[str, str, bytes, int]]
    retained: dict[str, bytes]
    committed: list[tuple[str, int, str]]
    paid_shown: dict[str, int]
    doubled: list[str]
    codes_paid: dict[str, int]
    refunds: dict[str, int]
    """Attempt → how often staff was told that its money goes back."""
    refunded_shown: dict[str, int]
    """Trip → what the receipt on the screen said was refunded."""
    crashes: list[str]
    finished: bool
    benefits: frozenset[str] = frozenset()
    """What a benefits card may pay, by sku."""
    restored: bool = False
    """Somebody has put an older journal in the cart's place."""


@dataclass
class Figures:
    """How much there was to check."""

    rows: int = 0
    trips: int = 0
    trips_paid: int = 0
    paid_in_parts: int = 0
    attempts: int = 0
    captures: int = 0
    refunds: int = 0
    totals: int = 0
    acknowledgements: int = 0


def audit(evidence: Evidence) -> tuple[list[str], Figures]:
    """Findings, worst kind first, and how much was checked."""
    figures = Figures()
    try:
        findings = list(_findings(evidence, figures))
    except (sqlite3.Error, KeyError, ValueError) as error:
        findings = [f"the evidence can't be read: {error!r}"]
    return findings[:FINDINGS_MAX], figures


def _findings(evidence: Evidence, figures: Figures) -> Iterator[str]:
    rows = _rows(
        evidence.journal, "SELECT seq, boot, wall_ms, t_ns, trip_id, body, prev, hash FROM ledger ORDER BY seq"
    )
    fold = Fold(evidence.prices, evidence.benefits)
    for row in rows:
        fold.row(row[0], json.loads(row[5]))
    figures.rows, figures.trips, figures.attempts = len(rows), len(fold.trips), len(fold.attempts)
    figures.trips_paid = sum(bool(trip.receipts) for trip in fold.trips.values())
    figures.paid_in_parts = sum(len(trip.sold) > 1 for trip in fold.trips.values())
    yield from _once_a_trip(evidence)
    locked = _rows(evidence.journal, "SELECT value FROM about WHERE key = 'locked'")
    if evidence.restored and locked and LEFT_TO_STAFF in locked[0][0]:
        return  # two ledgers, neither of them whole; what is sure is that nobody paid twice
    yield from _money(evidence, fold, figures)
    yield from fold.wrong
    yield from _journal(evidence, rows)
    yield from _store(evidence, rows, figures)
    yield from _wire(evidence, fold, figures)
    yield from (f"a program ended by {crash}" for crash in evidence.crashes)
    if not evidence.finished:
        yield "the shopper never came to an end, long after the last fault"


def _money(evidence: Evidence, fold: Fold, figures: Figures) -> Iterator[str]:
    """Captured once and only for what the receipt says; nothing is left open."""
    captured = dict(_rows(evidence.acquirer, "SELECT key, amount_minor FROM tender WHERE status = 'approved'"))
    yield from _by_hand(evidence, captured)
    figures.captures = len(captured)
    given_back = dict(_rows(evidence.till, f"SELECT attempt_id, {TAKEN} FROM attempt WHERE {REFUNDED}"))  # noqa: S608
    figures.refunds = len(given_back)
    yield from _refunds(evidence, fold, given_back, captured)
    yield from _captures(fold, captured, given_back)
    for trip_id, trip in fold.trips.items():
        taken = sum(amount for one, amount in captured.items() if one in trip.attempts)
        back = sum(amount for one, amount in trip.sold.items() if one in given_back)
        billed = sum(receipt["total_minor"] for receipt in trip.receipts)
        if taken + back != billed or len(trip.receipts) > 1:
            yield f"trip {trip_id}: {taken} captured, {back} refunded, {billed} on {len(trip.receipts)} receipts"
    for trip_id, total in evidence.paid_shown.items():
        if trip_id not in fold.trips or [one["total_minor"] for one in fold.trips[trip_id].receipts] != [total]:
            yield f"trip {trip_id} was shown as paid with {total}, and no such receipt is in the ledger"


def _once_a_trip(evidence: Evidence) -> Iterator[str]:
    """A trip is paid once, by the provider or by hand, or in parts of one basket; also where the cart has forgotten the
    first time.
    """
    yield from (f"trip {trip} was captured twice at the same time" for trip in evidence.doubled)
    rows = _rows(evidence.till, "SELECT attempt_id, code, status, basket_minor FROM attempt")
    voided = {code for _, code, status, _ in rows if status == "voided"}
    basket = {name: basket_minor for attempt_id, code, _, basket_minor in rows for name in (attempt_id, code)}
    parts: dict[str, list[tuple[int, int]]] = {}
    for code, amount in _rows(evidence.till, "SELECT code, amount_minor FROM paid_code"):
        if code not in voided:
            parts.setdefault(code[:5], []).append((amount, basket.get(code, 0)))
    for key, amount in _rows(evidence.acquirer, "SELECT key, amount_minor FROM tender WHERE status = 'approved'"):
        trip = key.rpartition(".")[0]
        number = int.from_bytes(hashlib.sha256(f"cart-code-2|{trip}".encode()).digest()[:8], "big")
        name = "".join(CROCKFORD[(number >> (5 * place)) & 31] for place in range(5))
        parts.setdefault(name, []).append((amount, basket.get(key, 0)))
    for name, paid in sorted(parts.items()):
        whole = {basket_minor for _, basket_minor in paid}
        fits = len(whole) == 1 and sum(amount for amount, _ in paid) <= max(whole)
        if len(paid) > 1 and not fits:
            yield f"the trip of code {name} was paid {len(paid)} times"


def _refunds(evidence: Evidence, fold: Fold, given_back: dict[str, int], captured: dict[str, int]) -> Iterator[str]:
    """Money goes back once, all of it, and nobody holds it afterwards; no receipt says more, or other, than that."""
    for attempt_id, times in evidence.refunds.items():
        if times > 1:
            yield f"staff was told {times} times that {attempt_id} is given back"
        if attempt_id not in given_back:
            yield f"staff was told that {attempt_id} is given back, and it is not"
    yield from (f"{attempt_id} was given back, and is held" for attempt_id in given_back if attempt_id in captured)
    for attempt_id, attempt in fold.attempts.items():
        if attempt.refunded and given_back.get(attempt_id) != attempt.taken:
            yield f"the cart holds {attempt_id} of {attempt.taken} for refunded, the till {given_back.get(attempt_id)}"
    for trip_id, shown in evidence.refunded_shown.items():
        trip = fold.trips.get(trip_id)
        told = sum(amount for one, amount in trip.sold.items() if fold.attempts[one].shown) if trip else 0
        if shown != told:
            yield f"the receipt of trip {trip_id} said {shown} refunded; the ledger says {told}"


def _by_hand(evidence: Evidence, captured: dict[str, int]) -> Iterator[str]:
    """Adds what people paid by code to `captured`."""
    attempt_of = dict(_rows(evidence.till, "SELECT code, attempt_id FROM attempt WHERE status = 'approved'"))
    by_hand = dict(_rows(evidence.till, "SELECT code, amount_minor FROM paid_code"))
    returned = {code for (code,) in _rows(evidence.till, f"SELECT code FROM attempt WHERE {REFUNDED}")}  # noqa: S608
    for code, amount in by_hand.items():
        if code in returned:
            continue
        attempt_id = attempt_of.get(code)
        if attempt_id is None:
            yield f"{amount} taken by hand for code {code}, and no approved attempt has it"
        elif attempt_id in captured:
            yield f"attempt {attempt_id} was captured by the provider and by hand"
        else:
            captured[attempt_id] = amount
    for code, amount in evidence.codes_paid.items():
        if by_hand.get(code) != amount:
            yield f"a person paid {amount} for code {code}, and the till has forgotten it"


def _captures(fold: Fold, captured: dict[str, int], given_back: dict[str, int]) -> Iterator[str]:
    """Cart and provider agree about every attempt."""
    for attempt_id, amount in captured.items():
        attempt = fold.attempts.get(attempt_id)
        if attempt is None:
            yield f"{amount} captured for {attempt_id}, which is in no ledger of the cart"
        elif attempt.state != "approved":
            yield f"{amount} captured for {attempt_id}, which the cart holds for {attempt.state}"
        elif attempt.taken != amount:
            yield f"{amount} captured for {attempt_id} of {attempt.taken}"
    for attempt_id, attempt in fold.attempts.items():
        if attempt.state == "approved" and attempt_id not in captured and attempt_id not in given_back:
            yield f"{attempt_id} is approved on the cart, and nothing was captured"
        if attempt.state not in ENDED:
            yield f"{attempt_id} is still {attempt.state}, long after the last fault"


def _journal(evidence: Evidence, rows: list[tuple[Any, ...]]) -> Iterator[str]:
    """Whole, chained, not locked, and nothing that was once committed is gone."""
    about = dict(_rows(evidence.journal, "SELECT key, value FROM about"))
    if "locked" in about:
        yield f"nobody touched the journal, and it is locked: {about['locked'][:120]}"
    if _rows(evidence.journal, "PRAGMA integrity_check") != [("ok",)]:
        yield "the journal's database is damaged"
    before = "0" * 64
    for number, (seq, boot, wall_ms, t_ns, trip_id, body, prev, made) in enumerate(rows, 1):
        fields = (evidence.cart_id, about["chain"], seq, boot, wall_ms, t_ns, trip_id, prev, body)
        text = "\n".join(["cart-ledger-1", *map(str, fields)])
        if seq != number or prev != before or hashlib.sha256(text.encode()).hexdigest() != made:
            yield f"the chain breaks at row {seq}"
        before = made
    hashes = {row[0]: row[7] for row in rows}
    aside = {made for (made,) in _rows(evidence.journal, "SELECT hash FROM set_aside")}
    if aside and not evidence.restored:
        yield f"{len(aside)} rows were set aside, and nobody had put an older journal in its place"
    for chain, seq, made in evidence.committed:
        if seq and (chain != about["chain"] or hashes.get(seq) != made) and made not in aside:
            yield f"row {seq} was committed, and is gone"


def _store(evidence: Evidence, rows: list[tuple[Any, ...]], figures: Figures) -> Iterator[str]:
    """The store holds what it acknowledged, and in the end everything."""
    held = _rows(
        evidence.till,
        "SELECT seq, boot, wall_ms, t_ns, trip_id, body, prev, hash FROM cart_row WHERE cart_id = ? ORDER BY seq",
        evidence.cart_id,
    )
    hashes = {row[0]: row[7] for row in held}
    for sender, topic, payload, _ in evidence.sent:
        if sender.startswith("till") and topic.endswith("/down/ledger/ack"):
            figures.acknowledgements += 1
            said = json.loads(payload)
            if said["seq"] and hashes.get(said["seq"]) != said["hash"]:
                yield f"the store acknowledged row {said['seq']} and doesn't hold it"
    if held != rows:
        yield f"the store holds {len(held)} rows of the cart's {len(rows)}, or others"
    for cart_id, what, detail in _rows(evidence.till, "SELECT cart_id, what, detail FROM security_note"):
        if what in ACCUSATIONS and not (evidence.restored and what in ("chain_cut_back", "trip_paid_before")):
            yield f"the store accuses {cart_id} of {what}: {detail}"


def _wire(evidence: Evidence, fold: Fold, figures: Figures) -> Iterator[str]:
    """Totals are those of the ledger; money is asked for only by attempts that are on disk."""
    latest: dict[str, Any] = {}
    for sender, topic, payload, on_disk in evidence.sent:
        if sender == "cart" and topic.endswith("/up/total"):
            figures.totals += 1
            latest = json.loads(payload)
            yield from _total(latest, fold, on_disk)
        elif sender == "cart" and topic.endswith("/up/payment/request"):
            asked = json.loads(payload)
            attempt = fold.attempts.get(asked["attempt_id"])
            if attempt is None or attempt.amount != asked["amount_minor"]:
                yield f"money was asked for {asked['attempt_id']}, which is not in the ledger"
            elif attempt.opened_at > on_disk:
                yield f"money was asked for {asked['attempt_id']} before row {attempt.opened_at} was on disk"
    retained = next((body for topic, body in evidence.retained.items() if topic.endswith("/up/total")), None)
    if fold.trips and (retained is None or json.loads(retained) != latest):
        yield "the total that the broker retains is not the cart's last"
    last_trip, _, last_total = fold.after[max(fold.after)]
    if latest and (latest["trip_id"] or "", latest["total_minor"]) != (last_trip, last_total):
        yield f"the last total on the wire is {latest['total_minor']}, that of the ledger {last_total}"


def _total(said: dict[str, Any], fold: Fold, on_disk: int) -> Iterator[str]:
    known = fold.after.get(said["seq"])
    if known is None or said["seq"] > on_disk:
        yield f"a total as of row {said['seq']}, which is not on disk"
    elif (said["trip_id"] or "", said["phase"], said["total_minor"]) != known:
        yield f"a total of {said['total_minor']} ({said['phase']}) as of row {said['seq']}; the ledger says {known[1:]}"


def _rows(database: Path, sql: str, *parameters: str) -> list[tuple[Any, ...]]:
    if not database.exists():
        raise ValueError(f"{database.name} is not there")
    connection = sqlite3.connect(database)
    try:
        return connection.execute(sql, parameters).fetchall()
    finally:
        connection.close()
