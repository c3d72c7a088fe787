"""Reconciliation is inference: settled weight steps, explained by the likeliest things that hands can have done.

`window` holds what is looked at, `moves` what can have been done, `priors` how often it is, `explain` the search.
"""

from cart.core.reconciliation.explain import explain
from cart.core.reconciliation.explanation import Decision, Explanation
from cart.core.reconciliation.moves import Move
from cart.core.reconciliation.window import Gone, Inside, Own, Step, Waiting, Window

__all__ = ["Decision", "Explanation", "Gone", "Inside", "Move", "Own", "Step", "Waiting", "Window", "explain"]
