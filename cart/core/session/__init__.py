"""The session: a trip's state, and all that may change it.

What its files do:
    session, desk, state                            the composition; what its parts work at; the fold of the ledger
    phases, timers, payment, view                   from idle to paid; what is due when; the attempt; what is shown
    scans, touches, sights, answers, weight         one for each kind of what comes in
    window, extra, foretold, units, shares          what reconciliation and weighing may know of the trip
    moves, learning, revision, counts,
    rummaged, stickers, bags                        what explanations write, and what turns out otherwise
    alone, shown, lost_in, other_name, otherwise,
    word, showings, read_twice, looks               what people show and say
    check                                           the last look before paying
"""

from cart.core.session.session import Session

__all__ = ["Session"]
