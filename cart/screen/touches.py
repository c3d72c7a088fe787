"""What a shopper can do on the screen: one frozen struct an action, told apart by `action`, unknown fields refused.

`TouchRequest` is the body of `POST /api/v1/touch`; the page, the recordings' `/touch` channel and the OpenAPI document
share these names.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from cart.core.observations import Touch

Line = Annotated[int, Meta(ge=0, le=2**31 - 1, description="The line's number in the view.")]
# Longer than any SKU, choice or method in use; a bound so that a body stays small.
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]


class TouchBase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="action"):
    """Base of all shopper actions."""


class Start(TouchBase, frozen=True, kw_only=True, tag="start"):
    """Begin a trip without a scan."""


class Language(TouchBase, frozen=True, kw_only=True, tag="language"):
    """Show everything in another language, one of the view's `languages`."""

    language: Annotated[str, Meta(pattern=r"^[a-z]{2,3}([-_][A-Za-z]{2,4})?$")]


class Quantity(TouchBase, frozen=True, kw_only=True, tag="quantity"):
    """Set how many units a line has."""

    line: Line
    units: Annotated[int, Meta(ge=1, le=999)]


class Produce(TouchBase, frozen=True, kw_only=True, tag="produce"):
    """Loose produce was picked; the next thing put in is weighed as that."""

    sku: Name


class Remove(TouchBase, frozen=True, kw_only=True, tag="remove"):
    """Drop a line."""

    line: Line


class OwnBag(TouchBase, frozen=True, kw_only=True, tag="own_bag"):
    """The next thing put in is the shopper's own bag: tare."""


class Answer(TouchBase, frozen=True, kw_only=True, tag="answer"):
    """Answer a question with one of its `choices` or a candidate's `choice`."""

    intervention: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    choice: Name


class Help(TouchBase, frozen=True, kw_only=True, tag="help"):
    """Call somebody."""


class Coupon(TouchBase, frozen=True, kw_only=True, tag="coupon"):
    """Enter a coupon's code."""

    code: Name


class Checkout(TouchBase, frozen=True, kw_only=True, tag="checkout"):
    """Shopping is done."""


class Pay(TouchBase, frozen=True, kw_only=True, tag="pay"):
    """Pay by one of the view's `methods`."""

    method: Name


class Cancel(TouchBase, frozen=True, kw_only=True, tag="cancel"):
    """One step back: out of the checkout, or withdraw the payment."""


class ReceiptTo(TouchBase, frozen=True, kw_only=True, tag="receipt"):
    """Send the receipt to an e-mail address, once. The address is kept nowhere."""

    # RFC 5321 4.5.3.1: a path is 256 octets with its brackets.
    to: Annotated[str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$")]


TouchRequest = (
    Start
    | Language
    | Quantity
    | Produce
    | Remove
    | OwnBag
    | Answer
    | Help
    | Coupon
    | Checkout
    | Pay
    | Cancel
    | ReceiptTo
)


class TouchReply(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a touch. `message`: one line or a short name of the reason, empty when all is well."""

    ok: bool
    message: str = ""


def as_observation(request: TouchRequest, t_ns: int) -> Touch:
    """The touch as the core takes it, at the shell's monotonic `t_ns`."""
    return msgspec.convert({**msgspec.to_builtins(request), "t_ns": t_ns, "observed": "touch"}, Touch)
