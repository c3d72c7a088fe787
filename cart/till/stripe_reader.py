"""A card at a reader on the cart: Stripe Terminal, driven from the till (docs.stripe.com/terminal, server-driven).

The till asks the reader to take a payment and looks at it until the card is authorised or refused. The reader says what
its last action came to; whether money may be captured is the intent's word alone.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
import stripe

from cart.till.provider import Charge

LOOK_S: Final = 1.0
CARD_LOOKS_MAX: Final = 300
"""Five minutes for a person with a card; the shopper may give up on the cart's screen at any time before."""

BUSY: Final = "terminal_reader_busy"
TYPES: Final = (
    "allowed_payment_method_types"
    if "allowed_payment_method_types" in stripe.PaymentIntent.__annotations__
    else "payment_method_types"
)
"""As the API version that the library speaks calls it."""

MAY_HAVE_HEARD: Final = "terminal_reader_timeout"
"""Stripe's word for a reader that didn't answer: it may have the payment on its screen all the same."""


class Step(msgspec.Struct, frozen=True):
    """`authorised`: a card was, and waits for the capture. `ended`: the intent has an end of its own."""

    status: Literal["waiting", "authorised", "failed", "ended"]
    reason: str = ""


_STEPS: Final = {
    "requires_capture": Step("authorised"),
    "succeeded": Step("ended"),
    "canceled": Step("ended"),
    "processing": Step("waiting"),
}


def make_present(client: stripe.StripeClient, charge: Charge, reader_id: str) -> Any:
    """An intent that a card at a reader pays, captured by a call of its own. No money moves."""
    terms: Any = {
        "amount": charge.amount_minor,
        "currency": charge.currency.lower(),
        TYPES: ["card_present"],
        "capture_method": "manual",
        "metadata": {"attempt": charge.key, "cart": charge.cart_id, "reader": reader_id},
    }
    return client.v1.payment_intents.create(terms, {"idempotency_key": charge.key})


def is_present(intent: Any) -> bool:
    """True for an intent that a card at a reader is to pay."""
    return "card_present" in (getattr(intent, "payment_method_types", None) or ())


class ReaderPayment:
    """One attempt at one reader. Blocking; each method may be called again."""

    def __init__(self, client: stripe.StripeClient, reader_id: str, key: str, intent_id: str) -> None:
        self._client = client
        self._reader_id = reader_id
        self._key = key
        self._intent_id = intent_id
        self._asked = False

    def step(self) -> Step:
        """Look at intent and reader; ask the reader if it has not been. Raises StripeError where nobody answers."""
        intent = self._client.v1.payment_intents.retrieve(self._intent_id)
        known = _STEPS.get(intent.status)
        if known is not None:
            return known
        action = _action(self._client.v1.terminal.readers.retrieve(self._reader_id))
        if action is not None and _intent_of(action) == self._intent_id:
            self._asked = True
            if action.status == "failed":
                return Step("failed", str(action.failure_code or "refused"))
            return Step("waiting")
        if self._asked:
            return Step("failed", "the reader has let go of it")
        return self._ask_reader()

    def capture(self) -> Any:
        """Take what was authorised, once."""
        try:
            return self._client.v1.payment_intents.capture(
                self._intent_id, {}, {"idempotency_key": f"{self._key}/capture"}
            )
        except stripe.InvalidRequestError:
            return self._client.v1.payment_intents.retrieve(self._intent_id)  # captured or cancelled before

    def _ask_reader(self) -> Step:
        try:
            self._client.v1.terminal.readers.process_payment_intent(
                self._reader_id, {"payment_intent": self._intent_id}
            )
        except stripe.InvalidRequestError as error:
            if error.code == BUSY:
                return Step("failed", "the reader is busy")
            if error.code != MAY_HAVE_HEARD:
                return Step("failed", error.code or "refused by the reader")
        self._asked = True
        return Step("waiting")


def stop_reader(client: stripe.StripeClient, intent: Any) -> None:
    """Take a payment off its reader's screen. A reader that can't be told is no matter: its card is never captured."""
    if not is_present(intent):
        return
    reader_id = intent.metadata["reader"]
    try:
        action = _action(client.v1.terminal.readers.retrieve(reader_id))
        if action is not None and action.status == "in_progress" and _intent_of(action) == intent.id:
            client.v1.terminal.readers.cancel_action(reader_id)
    except stripe.InvalidRequestError:
        return


def _action(reader: Any) -> Any:
    return getattr(reader, "action", None)


def _intent_of(action: Any) -> str:
    """Which intent an action is about."""
    about = getattr(action, "process_payment_intent", None)
    return "" if about is None else str(about.payment_intent)
