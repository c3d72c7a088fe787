"""Promotions as a store writes them down: one frozen type a kind, told apart by `kind`. How they are applied:
core/offers.py.

Which products: `skus` and `departments` together (a product is meant if either names it). A coupon that names neither
is one on the whole basket.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

Minor = Annotated[int, msgspec.Meta(ge=0, le=10_000_000)]
"""Money in the currency's minor unit. The bound (100,000.00) catches a price typed into the wrong column."""
RateBp = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
"""Basis points: 2000 is 20 %."""
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class PromotionBase(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What all kinds have: an id, and a name for screen and receipt (`names` by language)."""

    id: Id
    name: str = ""
    names: dict[str, str] = {}


class MultiBuy(PromotionBase, frozen=True, kw_only=True, tag="multi_buy"):
    """`take` units of these products, mixed, for `price_minor`; or `take` for the price of `pay`, the cheapest free.

    Exactly one of `price_minor` and `pay` is set. `max_times` bounds how often in one basket; null: any number of
    times.
    """

    skus: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()
    take: Annotated[int, msgspec.Meta(ge=2, le=100)]
    price_minor: Minor | None = None
    pay: Annotated[int, msgspec.Meta(ge=0)] | None = None
    max_times: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Percent(PromotionBase, frozen=True, kw_only=True, tag="percent"):
    """`rate_bp` off each unit, or off a weighed line."""

    skus: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()
    rate_bp: RateBp


class AmountOff(PromotionBase, frozen=True, kw_only=True, tag="amount_off"):
    """`amount_minor` off each unit, or off each kilogram of a weighed line; never below zero."""

    skus: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()
    amount_minor: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]


class Bundle(PromotionBase, frozen=True, kw_only=True, tag="bundle"):
    """One unit out of each of `groups` (lists of SKUs), together for `price_minor`."""

    groups: Annotated[tuple[tuple[str, ...], ...], msgspec.Meta(min_length=2, max_length=8)]
    price_minor: Minor
    max_times: Annotated[int, msgspec.Meta(ge=1)] | None = None


class MemberPrice(PromotionBase, frozen=True, kw_only=True, tag="member_price"):
    """Members pay `price_minor` a unit, or a kilogram."""

    skus: tuple[str, ...]
    price_minor: Minor


class Coupon(PromotionBase, frozen=True, kw_only=True, tag="coupon"):
    """Entered by the shopper as `code`; `amount_minor` or `rate_bp` off, exactly one of them set.

    With `skus` or `departments`: off one unit of these, up to `max_times` units. Without: once off the whole basket.
    It counts only where the goods come to `min_total_minor` or more before any saving.
    """

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    skus: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()
    amount_minor: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    rate_bp: RateBp | None = None
    min_total_minor: Minor = 0
    max_times: Annotated[int, msgspec.Meta(ge=1)] = 1

    @property
    def on_basket(self) -> bool:
        """True where it names no product."""
        return not self.skus and not self.departments


Promotion = MultiBuy | Percent | AmountOff | Bundle | MemberPrice | Coupon


def promotion_faults(promotion: Promotion) -> Iterator[tuple[str, str]]:
    """What a type cannot say: (field, what is wrong)."""
    match promotion:
        case MultiBuy(price_minor=None, pay=None):
            yield "price_minor", "needs price_minor or pay"
        case MultiBuy(price_minor=int(), pay=int()):
            yield "pay", "needs price_minor or pay, not both"
        case MultiBuy(pay=int(pay), take=take) if pay >= take:
            yield "pay", f"pay {pay} must be less than take {take}"
        case Coupon(amount_minor=None, rate_bp=None):
            yield "amount_minor", "needs amount_minor or rate_bp"
        case Coupon(amount_minor=int(), rate_bp=int()):
            yield "rate_bp", "needs amount_minor or rate_bp, not both"
        case Bundle(groups=groups) if not all(groups):
            yield "groups", "each group needs at least one sku"
    if not isinstance(promotion, Coupon) and not skus_of(promotion) and not departments_of(promotion):
        yield "skus", "names no product"


def skus_of(promotion: Promotion) -> tuple[str, ...]:
    """The SKUs it names, groups flattened."""
    if isinstance(promotion, Bundle):
        return tuple(sku for group in promotion.groups for sku in group)
    return promotion.skus


def departments_of(promotion: Promotion) -> tuple[str, ...]:
    """The departments it names; a bundle and a member price name none."""
    return () if isinstance(promotion, Bundle | MemberPrice) else promotion.departments
