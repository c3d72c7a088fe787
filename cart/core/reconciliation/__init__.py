"""Reconciliation is inference: settled weight steps, explained by the likeliest things that hands can have done.

`window` holds what is looked at, `moves` what can have been done, `priors` how often it is, `explain` the search,
`rethink` the last few steps explained anew together, `support` how much the weight speaks for what is charged.
"""

from cart.core.reconciliation.explain import explain
from cart.core.reconciliation.explanation import Decision, Explanation
from cart.core.reconciliation.moves import Move
from cart.core.reconciliation.rethink import Again, Settled, rethink, used_by
from cart.core.reconciliation.support import Part, support, support_returned
from cart.core.reconciliation.window import Gone, Inside, Otherwise, Own, Step, Waiting, Window

__all__ = [
    "Again", "Decision", "Explanation", "Gone", "Inside", "Move", "Otherwise", "Own", "Part", "Settled", "Step",
    "Waiting", "Window", "explain", "rethink", "support", "support_returned", "used_by",
]  # fmt: skip
