"""Every payload of the protocol: JSON, UTF-8, ids and correlation inside. Readers ignore fields they don't know.

Money is integer minor units, weights grams, times milliseconds of the Unix clock where people read them. No message
holds a name, a card or a face; an address for a receipt is in `ReceiptMessage` alone, sent once and never kept.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from cart.core.card_numbers import redact_text
from cart.core.chain import GENESIS, LedgerRow
from cart.core.effects import CancelPayment, QueryPayment, RequestPayment
from cart.core.ledger import InterventionKind, Phase, Stage
from cart.core.observations import PaymentAnswer, StaffCommand
from cart.core.problem import Problem
from cart.core.receipt import Receipt
from cart.core.view import TripView

PAYLOAD_MAX_BYTES: Final = 256 * 1024
"""Of any message but the catalogue: the total of a 1,000-line basket is about 120 kB."""

CATALOGUE_MAX_BYTES: Final = 64 * 1024 * 1024
"""100,000 items are about 30 MB."""

RETURNED_MAX: Final = 50
"""Rows in one message of returned ones; fewer where they are large."""

RETURNED_MAX_BYTES: Final = 128 * 1024
"""From here on a message of returned rows takes no more: one row has at most as much again."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Nonce = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{0,32}$")]
Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Amount = Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
Text = Annotated[str, msgspec.Meta(max_length=500)]
NO_CARD: Final = r"^(?![\s\S]*[0-9](?:[ -]?[0-9]){13})"
"""Refuses 14 or more digits in a row, by fours or not: no card number passes as a word of staff (ISO/IEC 7812-1)."""
_LONG_NUMBER: Final = re.compile(r"[0-9](?:[ -]?[0-9]){13,}")
Said = Annotated[str, msgspec.Meta(max_length=500, pattern=NO_CARD)]
"""What a person typed."""
KeyId = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{16})?$")]
Signature = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{128})?$")]
"""Ed25519, hex; empty where the store doesn't sign."""

M = TypeVar("M")


class BadMessage(Problem):
    """A payload that is not what its topic says."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base: which cart a message is of or for."""

    cart_id: Id


class SignedMessage(Message, frozen=True, kw_only=True):
    """Base of what the store says to a cart; cart/sync/signatures.py says what the signature covers."""

    key_id: KeyId = ""
    signature: Signature = ""


class StatusMessage(Message, frozen=True, kw_only=True):
    """`up/status`, retained. Birth at each connection; the broker publishes the death (`lost`) as the cart's will."""

    online: bool
    reason: Literal["started", "back", "stopped", "lost"]
    boot: str = ""
    chain: str = ""
    head_seq: int = 0
    head_hash: str = ""
    catalog_version: int | None = None


class TotalLine(msgspec.Struct, frozen=True, kw_only=True):
    line: int
    sku: str
    name: str
    units: int
    price_minor: int
    state: Literal["pending", "confirmed"]


class TotalMessage(Message, frozen=True, kw_only=True):
    """`up/total`, retained: the basket as the shopper sees it. `seq`: the ledger row that it is the fold of. `locked`:
    staff has locked the cart.
    """

    trip_id: str | None
    phase: Phase
    units: int
    total_minor: int
    savings_minor: int
    currency: str
    lines: list[TotalLine]
    seq: int
    locked: bool = False


class HealthMessage(Message, frozen=True, kw_only=True):
    """`up/health`, retained: part → `ok` or the name of its fault; figures such as `battery_percent`."""

    parts: dict[str, str]
    figures: dict[str, float] = {}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that waits for staff."""

    intervention: int
    kind: InterventionKind
    stage: Stage
    name: str | None = None
    line: int | None = None
    choices: list[str] = []
    reason: str = ""


class HelpMessage(Message, frozen=True, kw_only=True):
    """`up/help`, retained: all that waits for staff on this cart now; empty when nothing does."""

    calls: list[Call]


class LedgerMessage(Message, frozen=True, kw_only=True):
    """`up/ledger`: one ledger row. The hash covers the bytes of `event` as sent (cart/core/chain.py)."""

    chain: Id
    seq: Annotated[int, msgspec.Meta(ge=1)]
    boot: str
    wall_ms: int
    t_ns: int
    trip_id: str
    prev: Hash
    hash: Hash
    event: msgspec.Raw


class LedgerAskMessage(Message, frozen=True, kw_only=True):
    """`up/ledger/ask`: how far does the store hold this chain? Answered by `down/ledger/ack`; with `after_seq`, by a
    page of the rows after that one, too. `oldest_seq` is the oldest row that the cart holds, `oldest_prev` the hash
    before it: what was before that went by age, once it had been acknowledged. A store that has lost rows before it
    goes on from there.
    """

    chain: Id
    asked: Nonce
    after_seq: Annotated[int, msgspec.Meta(ge=0)] | None = None
    oldest_seq: Annotated[int, msgspec.Meta(ge=1)] = 1
    oldest_prev: Hash = GENESIS


class LedgerReturnMessage(Message, frozen=True, kw_only=True):
    """`down/ledger/return`: rows that the cart has lost, in order, as the store holds them. Not signed: each hash
    covers the row before, and the last one is that of a signed `down/ledger/ack`.
    """

    chain: Id
    rows: Annotated[list[LedgerMessage], msgspec.Meta(max_length=RETURNED_MAX)]


class LedgerAckMessage(SignedMessage, frozen=True, kw_only=True):
    """`down/ledger/ack`: the store holds all rows up to `seq`, whose hash is `hash`; `resend_from` asks for missing
    ones. `seq` beyond the cart's own head says that the cart's chain was cut back. `asked` is that of the question that
    this answers, so that an old answer is none; empty where nobody asked.
    """

    chain: Id
    seq: Annotated[int, msgspec.Meta(ge=0)]
    hash: Hash
    resend_from: int | None = None
    asked: Nonce = ""


class PaymentRequestMessage(Message, frozen=True, kw_only=True):
    """`up/payment/request`: charge once for this attempt id. `method` `till`: a person will pay at a till by code.

    One of several tenders: `basket_minor` is what the frozen basket costs, all tenders together; 0: the amount is all
    of it. `partial`: a smaller approval is taken, too, and the rest asked of another tender.
    """

    attempt_id: Id
    trip_id: Id
    amount_minor: Amount
    currency: Currency
    basket_hash: Hash
    method: Annotated[str, msgspec.Meta(max_length=32, pattern=NO_CARD)]
    basket_minor: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] = 0
    partial: bool = False


class PaymentQueryMessage(Message, frozen=True, kw_only=True):
    """`up/payment/query`: what became of it? An id never seen is refused from then on (`not_found`)."""

    attempt_id: Id
    amount_minor: Amount
    currency: Currency
    basket_hash: Hash


class PaymentCancelMessage(PaymentQueryMessage, frozen=True, kw_only=True):
    """`up/payment/cancel`: withdraw it; what was or is still captured is voided. An id never seen is refused."""


class PaymentResultMessage(SignedMessage, frozen=True, kw_only=True):
    """`down/payment/result`: the till's word. The frozen terms come back with it and must all match; the amount may be
    smaller where the request was `partial`, and is then what was captured. `refunded_minor`: what staff has given back
    of an `approved` attempt so far.
    """

    attempt_id: Id
    status: Literal["pending", "approved", "declined", "cancelled", "voided", "not_found"]
    amount_minor: Amount
    currency: Currency
    basket_hash: Hash
    reference: Annotated[str, msgspec.Meta(max_length=64)] = ""
    reason: Text = ""
    refunded_minor: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] = 0


class CommandMessage(SignedMessage, frozen=True, kw_only=True):
    """`down/command`: a decision of staff. `command_id` makes it happen once; `role` is never a name.

    Where the store signs, `counter` only grows for a key, and after `expires_ms` (Unix clock) it is worth nothing.
    """

    command_id: Id
    action: Literal[
        "age_ok", "age_refused", "resolve", "void_line", "void_trip", "lock", "release", "maintenance", "training"
    ]
    intervention: int | None = None
    line: int | None = None
    choice: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    role: Annotated[str, msgspec.Meta(max_length=64, pattern=NO_CARD)] = "staff"
    reason: Said = ""
    counter: Annotated[int, msgspec.Meta(ge=0)] = 0
    issued_ms: int = 0
    expires_ms: int = 0


class SignedCatalogue(msgspec.Struct, frozen=True, kw_only=True):
    """`catalogue/current` of a store that signs. The signature covers the bytes of `catalogue` as sent."""

    store_id: Id
    key_id: KeyId
    issued_ms: int
    expires_ms: int
    signature: Signature
    catalogue: msgspec.Raw


class ReceiptMessage(Message, frozen=True, kw_only=True):
    """`up/receipt`: send this receipt to this address, once. Neither side keeps the address."""

    to: Annotated[str, msgspec.Meta(max_length=254)]
    receipt: Receipt


def encode(message: msgspec.Struct) -> bytes:
    """The payload of a message."""
    return msgspec.json.encode(message)


def decode(payload: bytes, kind: type[M]) -> M:
    """Raises BadMessage, in one escaped line, for anything that is not a `kind`."""
    if len(payload) > PAYLOAD_MAX_BYTES:
        raise BadMessage(f"{len(payload)} bytes, more than the {PAYLOAD_MAX_BYTES} allowed; ignored")
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage(f"{error}: {shown(payload)}; ignored") from None


def shown(payload: bytes) -> str:
    """An excerpt that is safe in a log: ASCII, on one line, without control characters and long numbers."""
    return ascii(_LONG_NUMBER.sub("[number]", redact_text(payload[:80].decode("utf-8", "replace"))[0]))


def ledger_message(cart_id: str, chain: str, row: LedgerRow) -> LedgerMessage:
    """A journal row as it goes out."""
    return LedgerMessage(
        cart_id=cart_id, chain=chain, seq=row.seq, boot=row.boot, wall_ms=row.wall_ms, t_ns=row.t_ns,
        trip_id=row.trip_id, prev=row.prev, hash=row.hash, event=msgspec.Raw(row.body.encode()),
    )  # fmt: skip


def ledger_row(message: LedgerMessage) -> LedgerRow:
    """A row as it came in; its hash is not checked yet."""
    return LedgerRow(
        seq=message.seq, boot=message.boot, wall_ms=message.wall_ms, t_ns=message.t_ns, trip_id=message.trip_id,
        body=bytes(message.event).decode(), prev=message.prev, hash=message.hash,
    )  # fmt: skip


def payment_request(cart_id: str, effect: RequestPayment) -> PaymentRequestMessage:
    return PaymentRequestMessage(cart_id=cart_id, **msgspec.structs.asdict(effect))


def payment_query(cart_id: str, effect: QueryPayment) -> PaymentQueryMessage:
    return PaymentQueryMessage(cart_id=cart_id, **msgspec.structs.asdict(effect))


def payment_cancel(cart_id: str, effect: CancelPayment) -> PaymentCancelMessage:
    return PaymentCancelMessage(cart_id=cart_id, **msgspec.structs.asdict(effect))


def payment_answer(t_ns: int, message: PaymentResultMessage) -> PaymentAnswer:
    return PaymentAnswer(t_ns=t_ns, **_plain(message, PaymentAnswer))


def staff_command(t_ns: int, message: CommandMessage) -> StaffCommand:
    return StaffCommand(t_ns=t_ns, **_plain(message, StaffCommand))


def _plain(message: SignedMessage, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The fields that the core knows, without what was only needed on the way."""
    return {name: value for name, value in msgspec.structs.asdict(message).items() if name in kind.__struct_fields__}


def total_message(cart_id: str, view: TripView, seq: int) -> TotalMessage:
    """What the store sees of the view: no language, no intervention, no payment detail."""
    return TotalMessage(
        cart_id=cart_id,
        trip_id=view.trip_id,
        phase=view.phase,
        units=view.units,
        total_minor=view.total_minor,
        savings_minor=view.savings_minor,
        currency=view.currency,
        lines=[
            TotalLine(
                line=line.line, sku=line.sku, name=line.name, units=line.units, price_minor=line.price_minor,
                state=line.state,
            )
            for line in view.lines
        ],
        seq=seq,
        locked=view.locked,
    )  # fmt: skip


def help_message(cart_id: str, view: TripView) -> HelpMessage:
    """The calls for staff that are open in the view."""
    return HelpMessage(
        cart_id=cart_id,
        calls=[
            Call(
                intervention=asked.id, kind=asked.kind, stage=asked.stage, name=asked.name, line=asked.line,
                choices=asked.choices, reason=asked.reason,
            )
            for asked in view.interventions
            if asked.stage == "staff"
        ],
    )  # fmt: skip
