"""The states of a payment attempt, and what leads from one to the next. docs/payment.md shows them as a table."""

from __future__ import annotations

from typing import Final, Literal

from cart.core.ledger import AttemptState

Trigger = Literal[
    "sent", "timeout", "restarted", "cancel", "hand_to_till", "give_back",
    "pending", "approved", "declined", "cancelled", "voided", "not_found",
]  # fmt: skip
"""What can happen to an attempt: six things on the cart, and the six words of the till."""

TRANSITIONS: Final[dict[AttemptState, dict[Trigger, AttemptState]]] = {
    "opened": {
        "sent": "pending", "timeout": "unknown", "cancel": "cancelling", "hand_to_till": "handed_to_till",
        "pending": "pending", "approved": "approved", "declined": "declined", "cancelled": "cancelled",
        "voided": "voided", "not_found": "cancelled",
    },
    "pending": {
        "timeout": "unknown", "restarted": "unknown", "cancel": "cancelling", "hand_to_till": "handed_to_till",
        "pending": "pending", "approved": "approved", "declined": "declined", "cancelled": "cancelled",
        "voided": "voided", "not_found": "cancelled",
    },
    "unknown": {
        "cancel": "cancelling", "hand_to_till": "handed_to_till",
        "pending": "unknown", "approved": "approved", "declined": "declined", "cancelled": "cancelled",
        "voided": "voided", "not_found": "cancelled",
    },
    # An approval that crossed the withdrawal on its way changes nothing: the till has been told, and voids it. So no
    # way leads from here to `approved`, not even by a code: the withdrawal may still be on its way.
    "cancelling": {
        "pending": "cancelling", "approved": "cancelling", "declined": "declined", "cancelled": "cancelled",
        "voided": "voided", "not_found": "cancelled",
    },
    # The code may already have been used at a till that this cart can't hear: only the till's word ends it.
    "handed_to_till": {
        "pending": "handed_to_till", "approved": "approved", "declined": "declined", "cancelled": "cancelled",
        "voided": "voided", "not_found": "cancelled",
    },
    # Staff gave the money back: what was sold stays sold, the receipt says what was refunded. Or a part of the basket
    # was paid, and the shopper takes it back before the rest is.
    "approved": {"approved": "approved", "voided": "voided", "give_back": "cancelling"},
    # Late approvals of what had ended without money are withdrawn again until the till says `voided`.
    "declined": {"declined": "declined", "approved": "cancelling", "pending": "declined", "voided": "voided"},
    "cancelled": {
        "cancelled": "cancelled", "not_found": "cancelled", "declined": "cancelled", "pending": "cancelled",
        "approved": "cancelling", "voided": "voided",
    },
    "voided": {
        "voided": "voided", "approved": "voided", "cancelled": "voided", "declined": "voided", "pending": "voided",
        "not_found": "voided",
    },
}  # fmt: skip
"""state → what happened → next state. What stands in no row is no honest part's doing and changes nothing."""

TILL_METHOD: Final = "till"
"""Paid by a person at a till, by the code that the cart shows."""

TERMINAL: Final[frozenset[AttemptState]] = frozenset({"approved", "declined", "cancelled", "voided"})
