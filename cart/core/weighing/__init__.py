"""Weighing: converter words to settled weight steps and named faults."""

from cart.core.weighing.events import LiveWeight, ScaleFault, ScaleFaultKind, WeighingEvent, WeightStep
from cart.core.weighing.odds import Foretold
from cart.core.weighing.weigher import Weigher

__all__ = ["Foretold", "LiveWeight", "ScaleFault", "ScaleFaultKind", "Weigher", "WeighingEvent", "WeightStep"]
