"""Codes that people pay by hand at the till, or staff gives back unpaid: once a trip, and for the right amount.

Money taken by hand and the approval that it stands for are one commit; a code may be paid before the till has heard of
its attempt.
"""

from __future__ import annotations

from collections.abc import Callable

from cart.core.frozen_basket import code_check
from cart.till.ledger import AttemptRow, TillLedger, TillProblem


class CodeDesk:
    """`say` tells a cart what an attempt's row says."""

    def __init__(self, ledger: TillLedger, say: Callable[[AttemptRow], object], *, currency: str) -> None:
        self._ledger = ledger
        self._say = say
        self._currency = currency

    def complete(self, code: str, amount_minor: int) -> AttemptRow | None:
        """A person has paid this code at the till. Answers the attempt, None while the till hasn't heard of it.

        Raises TillProblem where code and amount don't belong together, it was paid or taken back before, or money for
        the same trip is held or may come: a cart whose ledger was cut back has forgotten that it asked.
        """
        code = tidy_code(code)
        if code_check(code[:6], amount_minor, self._currency) != code[7:]:
            raise TillProblem("code and amount don't belong together; read both again from the cart's screen")
        with self._ledger.trip_of_code(code):
            row = self._ledger.attempt_of_code(code)
            if row is not None and row.status != "at_till":
                raise TillProblem(f"this attempt is {row.status}; take no money for it, and look at the cart's screen")
            if row is not None and row.amount_minor != amount_minor:
                raise TillProblem("the cart asks for another amount; read it again from the cart's screen")
            held = self._ledger.held_for_code(code, amount_minor)
            if held is not None:
                raise TillProblem(f"this trip has {held} already; take no money before the cart is connected again")
            after = self._ledger.pay_code(code, amount_minor, row)
        if after is not None:
            self._say(after)
        return after

    def release(self, code: str) -> AttemptRow:
        """Give a code back unpaid, so that the shopper can pay on the cart. Raises TillProblem."""
        row = self._ledger.attempt_of_code(tidy_code(code))
        if row is None or row.status != "at_till":
            raise TillProblem("no attempt waits under this code; read it again from the cart's screen")
        after = self._ledger.change(row.attempt_id, ["at_till"], "cancelled", reason="released by staff")
        if after is None or after.status != "cancelled":
            raise TillProblem("the attempt is gone; look at the cart's screen")
        self._say(after)
        return after


def tidy_code(typed: str) -> str:
    """A code as typed → as shown: capitals, the letters that Crockford reads as digits, one hyphen."""
    bare = typed.upper().replace("-", "").replace(" ", "").translate(str.maketrans("ILO", "110"))
    if len(bare) != 8:
        raise TillProblem("a code has eight characters, like 4F7K2Q-9D; read it again from the cart's screen")
    return f"{bare[:6]}-{bare[6:]}"
