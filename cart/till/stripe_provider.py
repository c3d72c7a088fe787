"""Stripe as the till's provider: a saved payment method of the shopper who is paired with the cart, or a card at the
cart's own reader.

Two calls for each attempt. The first makes a PaymentIntent, which moves no money; its id is on disk before the second
confirms it, which does. So an attempt without an id on disk was never captured, and one with an id is asked after by
that id, however long ago Stripe forgot the idempotency key. Both calls bear keys made of the attempt id: repeated, they
act once (docs.stripe.com/api/idempotent_requests). Withdrawn, an intent is cancelled, and Stripe confirms it never
again (docs.stripe.com/payments/paymentintents/lifecycle); what was captured is refunded, as far as Stripe's list of the
intent's refunds says that it wasn't.

A card at a reader (cart/till/stripe_reader.py) is only authorised there; the second call then captures it. So a card
that is tapped after the shopper gave up moves no money.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec
import stripe

from cart.till.database import Database, SqliteDatabase, TillProblem
from cart.till.provider import Charge, Outcome
from cart.till.secret_files import credential, read_secret
from cart.till.stripe_reader import (
    CARD_LOOKS_MAX,
    LOOK_S,
    ReaderPayment,
    is_present,
    make_present,
    stop_reader,
)

TIMEOUT_S: Final = 20.0
"""For one answer of Stripe's; after it the attempt is unknown, and is only asked after."""

CREDENTIAL: Final = "stripe-key"
"""Name of the systemd credential (systemd.exec(5), LoadCredential=)."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS intent (
    key TEXT PRIMARY KEY, id TEXT NOT NULL, withdrawn INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1))
) STRICT
"""

T = TypeVar("T")


class Wallet(msgspec.Struct, frozen=True, kw_only=True):
    """Stripe's ids of a customer and of a payment method saved for them."""

    customer: str
    payment_method: str


class StripeProvider:
    """Intents by attempt id in `stripe.sqlite`; Stripe's blocking library runs in threads."""

    def __init__(
        self,
        store: Path | Database,
        key_file: Path | None,
        wallets: Path | None,
        *,
        readers: Path | None = None,
        url: str = "",
        off_session: bool = True,
    ) -> None:
        """`store` is a folder for `stripe.sqlite`, or the tills' common database. `wallets` is JSON, cart id →
        `Wallet`; `readers` is JSON, cart id → id of the reader that is mounted on it. `off_session`: nobody answers a
        bank's challenge, as on a cart.

        Raises TillProblem where there is no usable key.
        """
        self._wallets = wallets
        self._readers = readers
        self._off_session = off_session
        self._client = stripe.StripeClient(
            _read_key(key_file),
            http_client=stripe.RequestsClient(timeout=TIMEOUT_S),
            max_network_retries=1,
            **({"base_addresses": {"api": url}} if url else {}),  # type: ignore[arg-type]
        )
        self._known: Database = (
            SqliteDatabase(store / "stripe.sqlite", schema=_SCHEMA) if isinstance(store, Path) else store
        )

    async def charge(self, charge: Charge) -> Outcome:
        """Make the intent, note its id, confirm it."""
        reader_id = self._reader(charge.cart_id) if charge.method == "card" else None
        if reader_id is not None:
            return await self._at_reader(charge, reader_id)
        found = self._find(charge.key)
        if found is None:
            wallet = self._wallet(charge.cart_id)
            if wallet is None:
                self._note(charge.key, "", withdrawn=True)
                return Outcome(status="declined", reason="no saved payment method is paired with this cart")
            made = await self._ask(lambda: self._make(charge, wallet))
            self._note(charge.key, made.id)
            found = self._find(charge.key)
        intent_id, withdrawn = found or ("", True)
        if withdrawn or not intent_id:
            return await self.withdraw(charge.key)
        return await self._ask(lambda: self._confirmed(charge, intent_id))

    async def lookup(self, key: str) -> Outcome:
        """The intent's state. Without an id on disk nothing was ever confirmed."""
        found = self._find(key)
        if found is None:
            return Outcome(status="never_seen")
        intent_id, _ = found
        if not intent_id:
            return Outcome(status="cancelled")
        return await self._ask(lambda: _outcome(self._client.v1.payment_intents.retrieve(intent_id)))

    async def withdraw(self, key: str) -> Outcome:
        """Cancel, or refund what was captured."""
        self._note(key, "", withdrawn=True)
        intent_id, _ = self._find(key) or ("", True)
        if not intent_id:
            return Outcome(status="cancelled")
        return await self._ask(lambda: self._stopped(key, intent_id))

    async def refund(self, key: str, refund_id: str, amount_minor: int) -> Outcome:
        """Give back a part, under the refund's own idempotency key."""
        intent_id, _ = self._find(key) or ("", False)
        if not intent_id:
            return Outcome(status="declined", reason="nothing was captured")
        return await self._ask(lambda: self._refunded(key, refund_id, intent_id, amount_minor))

    async def close(self) -> None:
        """Close the record of ids."""
        self._known.close()

    async def _at_reader(self, charge: Charge, reader_id: str) -> Outcome:
        """Ask for a card at the reader until there is an end; captures only what nobody has taken back."""
        if self._find(charge.key) is None:
            made = await self._ask(lambda: make_present(self._client, charge, reader_id))
            self._note(charge.key, made.id)
        intent_id, withdrawn = self._find(charge.key) or ("", True)
        if withdrawn or not intent_id:
            return await self.withdraw(charge.key)
        reader = ReaderPayment(self._client, reader_id, charge.key, intent_id)
        for _ in range(CARD_LOOKS_MAX):
            step = await self._ask(reader.step)
            if (self._find(charge.key) or ("", True))[1]:
                return await self.withdraw(charge.key)
            if step.status == "authorised":
                return _outcome(await self._ask(reader.capture))
            if step.status == "failed":
                return await self._ask(partial(self._declined, charge.key, intent_id, step.reason))
            if step.status == "ended":
                return await self.lookup(charge.key)
            await asyncio.sleep(LOOK_S)
        return await self._ask(lambda: self._declined(charge.key, intent_id, "no card was presented"))

    def _make(self, charge: Charge, wallet: Wallet) -> Any:
        return self._client.v1.payment_intents.create(
            {
                "amount": charge.amount_minor,
                "currency": charge.currency.lower(),
                "customer": wallet.customer,
                "payment_method": wallet.payment_method,
                "capture_method": "automatic",
                "metadata": {"attempt": charge.key, "cart": charge.cart_id},
            },
            {"idempotency_key": charge.key},
        )

    def _confirmed(self, charge: Charge, intent_id: str) -> Outcome:
        try:
            intent = self._client.v1.payment_intents.confirm(
                intent_id,
                {"off_session": True} if self._off_session else {},
                {"idempotency_key": f"{charge.key}/confirm"},
            )
        except stripe.CardError as error:
            return self._declined(charge.key, intent_id, error.code or "declined")
        except stripe.InvalidRequestError:
            intent = self._client.v1.payment_intents.retrieve(intent_id)  # confirmed or cancelled before
        outcome = _outcome(intent)
        if outcome.status == "approved" and intent.amount != charge.amount_minor:
            return msgspec.structs.replace(outcome, said_amount_minor=intent.amount)
        if intent.status == "requires_action":  # the bank wants to hear from the shopper, who can't answer here
            return self._declined(charge.key, intent_id, "authentication_required")
        return outcome

    def _declined(self, key: str, intent_id: str, reason: str) -> Outcome:
        """A refused intent could be confirmed again; cancelled it can't."""
        stopped = self._stopped(key, intent_id)
        if stopped.status in {"cancelled", "declined"}:
            return Outcome(status="declined", reason=reason)
        return stopped

    def _stopped(self, key: str, intent_id: str) -> Outcome:
        intents = self._client.v1.payment_intents
        intent = intents.retrieve(intent_id)
        if intent.status not in {"succeeded", "canceled", "processing"}:
            stop_reader(self._client, intent)
            try:
                intent = intents.cancel(intent_id)
            except stripe.InvalidRequestError:
                intent = intents.retrieve(intent_id)  # it was captured in between
        if intent.status == "canceled":
            return Outcome(status="cancelled")
        if intent.status != "succeeded":
            return Outcome(status="pending", reason=str(intent.status))
        left_minor = intent.amount - sum(one.amount for one in self._given_back(intent_id))
        if left_minor <= 0:
            return Outcome(status="voided", reference=intent_id)
        refund = self._client.v1.refunds.create(
            {"payment_intent": intent_id, "amount": left_minor},
            {"idempotency_key": f"{key}/refund-all/{left_minor}"},
        )
        if refund.status in {"succeeded", "pending"}:
            return Outcome(status="voided", reference=intent_id)
        return Outcome(status="pending", reason=f"refund {refund.status}")

    def _given_back(self, intent_id: str) -> list[Any]:
        """What was refunded, looked at before each refund: idempotency keys are forgotten after a day or so."""
        found = self._client.v1.refunds.list({"payment_intent": intent_id, "limit": 100})
        return [one for one in found.auto_paging_iter() if one.status not in {"failed", "canceled"}]

    def _refunded(self, key: str, refund_id: str, intent_id: str, amount_minor: int) -> Outcome:
        for one in self._given_back(intent_id):
            if getattr(one.metadata, "refund", None) == refund_id:
                return Outcome(status="refunded", reference=one.id)
        try:
            refund = self._client.v1.refunds.create(
                {"payment_intent": intent_id, "amount": amount_minor, "metadata": {"refund": refund_id}},
                {"idempotency_key": f"{key}/refund/{refund_id}"},
            )
        except stripe.InvalidRequestError as error:
            return Outcome(status="declined", reason=error.code or "refused")
        if refund.status in {"failed", "canceled"}:
            return Outcome(status="declined", reason=str(refund.status))
        return Outcome(status="refunded", reference=refund.id)

    def _find(self, key: str) -> tuple[str, bool] | None:
        found = self._known.read("SELECT id, withdrawn FROM intent WHERE key = ?", (key,))
        return next(((str(intent_id), bool(withdrawn)) for intent_id, withdrawn in found), None)

    def _note(self, key: str, intent_id: str, *, withdrawn: bool = False) -> None:
        """What is known of a key only grows: an id stays, and a withdrawal stays."""
        self._known.write(
            "INSERT INTO intent VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
            "id = coalesce(nullif(excluded.id, ''), intent.id), "
            "withdrawn = CASE WHEN excluded.withdrawn = 1 THEN 1 ELSE intent.withdrawn END",
            (key, intent_id, int(withdrawn)),
        )

    def _wallet(self, cart_id: str) -> Wallet | None:
        return _of_cart(self._wallets, cart_id, Wallet)

    def _reader(self, cart_id: str) -> str | None:
        return _of_cart(self._readers, cart_id, str)

    async def _ask(self, work: Callable[[], T]) -> T:
        """In a thread; raises TillProblem, without Stripe's own words, where no answer came."""
        try:
            return await asyncio.to_thread(work)
        except stripe.StripeError as error:
            raise TillProblem(f"Stripe: {type(error).__name__} {error.code or ''}; it is asked again") from None


def _of_cart(file: Path | None, cart_id: str, kind: type[T]) -> T | None:
    """A cart's entry in a file, read at each charge. Raises TillProblem where the file can't be used."""
    if file is None:
        return None
    try:
        entries: dict[str, T] = msgspec.json.decode(file.read_bytes(), type=dict[str, kind])  # type: ignore[valid-type]
    except (OSError, msgspec.MsgspecError) as error:
        raise TillProblem(f"{file}: cannot be used ({error}); write cart id → Stripe's ids") from None
    return entries.get(cart_id)


def _outcome(intent: Any) -> Outcome:
    """What an intent's state means (docs.stripe.com/payments/paymentintents/lifecycle)."""
    status: Literal["approved", "declined", "cancelled", "pending"] = "pending"
    if intent.status == "succeeded":
        status = "approved"
    elif intent.status == "canceled":
        status = "declined" if intent.last_payment_error else "cancelled"
    at_reader = status == "pending" and is_present(intent)
    return Outcome(status=status, reference=intent.id, go_on=at_reader)


def _read_key(file: Path | None) -> str:
    """The secret key, from a file that only its owner can read or from systemd."""
    path = file or credential(CREDENTIAL)
    if path is None:
        raise TillProblem(f"no key for Stripe; give --stripe-key FILE, or systemd's credential {CREDENTIAL}")
    key = read_secret(path)
    if not key.startswith(("sk_", "rk_")):
        raise TillProblem(f"{path}: not a secret or restricted key of Stripe (sk_…, rk_…)")
    return key
