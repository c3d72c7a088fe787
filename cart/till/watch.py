"""What every till has heard being asked for, whichever of them was to answer it.

A broker doesn't hand a message on that a till died with: mosquitto drops what a shared subscriber had not acknowledged.
So each till remembers for a while which requests it heard, and the leader takes up those of which no row tells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from cart.sync.messages import PaymentRequestMessage

TAKEN_UP_AFTER_S: Final = 3.0
"""A till that is at work has written its row within milliseconds; an attempt waits 30 s before its cart asks."""

KNOWN_S: Final = 30.0
"""Long enough for a new leader to be found, and no longer than the cart waits: then it asks by itself."""

REQUESTS_MAX: Final = 2000
"""The largest store's carts, four times over; the oldest goes first, and its cart asks for it."""


class Watch:
    """For one event loop. `now_s` is its clock."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._heard: dict[str, tuple[float, PaymentRequestMessage]] = {}

    def hear(self, request: PaymentRequestMessage) -> None:
        """Remember it from the first time on."""
        self._heard.setdefault(request.attempt_id, (self._now_s(), request))
        while len(self._heard) > REQUESTS_MAX:
            del self._heard[next(iter(self._heard))]

    def due(self) -> list[PaymentRequestMessage]:
        """What was heard long enough ago; forgets what is older than anybody waits for."""
        now_s = self._now_s()
        for attempt_id in [key for key, (heard_s, _) in self._heard.items() if now_s - heard_s > KNOWN_S]:
            del self._heard[attempt_id]
        return [request for heard_s, request in self._heard.values() if now_s - heard_s >= TAKEN_UP_AFTER_S]

    def done(self, attempt_ids: Collection[str]) -> None:
        """These have rows."""
        for attempt_id in attempt_ids:
            self._heard.pop(attempt_id, None)
