"""The board of carts: the latest that each one said, for the staff's page. In memory; the broker retains it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from cart.sync.messages import HealthMessage, HelpMessage, StatusMessage, TotalMessage

CARTS_MAX: Final = 2000
"""More than any store has; a forged flood of cart names ends here."""


class CartOnBoard(msgspec.Struct, kw_only=True):
    """One cart; None where it hasn't spoken."""

    cart_id: str
    status: StatusMessage | None = None
    total: TotalMessage | None = None
    health: HealthMessage | None = None
    help: HelpMessage | None = None


class Board:
    """`changed` is called after each change."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._carts: dict[str, CartOnBoard] = {}
        self._changed = changed

    def status(self, message: StatusMessage) -> None:
        self._put(message.cart_id, "status", message)

    def total(self, message: TotalMessage) -> None:
        self._put(message.cart_id, "total", message)

    def health(self, message: HealthMessage) -> None:
        self._put(message.cart_id, "health", message)

    def help(self, message: HelpMessage) -> None:
        self._put(message.cart_id, "help", message)

    def online(self, cart_id: str) -> bool:
        """True where the cart says that it is there."""
        cart = self._carts.get(cart_id)
        return cart is not None and cart.status is not None and cart.status.online

    def carts(self) -> list[CartOnBoard]:
        """Those that wait for staff first, then by name."""
        return sorted(self._carts.values(), key=lambda cart: (not (cart.help and cart.help.calls), cart.cart_id))

    def _put(self, cart_id: str, field: str, value: Any) -> None:
        if cart_id not in self._carts:
            if len(self._carts) >= CARTS_MAX:
                return
            self._carts[cart_id] = CartOnBoard(cart_id=cart_id)
        setattr(self._carts[cart_id], field, value)
        self._changed()
