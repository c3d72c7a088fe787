"""Two other carts on the same trips: one that only scans, and one that weighs as self-checkouts do.

Both are judged from the trip's diary, without what this cart's own questions made the shopper do (`prompted`). The
fixed-tolerance cart is given exact weight steps and perfectly cooperative shoppers: each step must match the last scan
within ±(10 g + 3 %), each removal is asked about, and a right thing that still doesn't fit takes staff.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import msgspec

from cart.bench.trips.ranges import Product
from cart.bench.trips.things import Entry

TOLERANCE_G = 10.0
TOLERANCE_SHARE = 0.03
TOLD_REMOVALS = 0.95
"""How often a shopper of the scanning cart drops the line of what was put back on a shelf."""
SEEN_MISTAKES = 0.5
"""How often a shopper of the scanning cart sees that something stands on the screen once too often."""


class Outcome(msgspec.Struct, kw_only=True):
    """What became of one trip on one cart."""

    questions: int = 0
    staff: int = 0
    accused: int = 0
    noticed: int = 0
    """Bits: act n of the trip's cheats was noticed."""
    charged: dict[str, int] = {}


def scan_only(diary: Sequence[Entry], seed: int) -> Outcome:
    """No scale: what is scanned is charged."""
    rng = random.Random(f"scan only {seed}")
    charged: Counter[str] = Counter()
    for entry in diary:
        if entry.prompted:
            continue
        skus = [sku for sku in entry.skus if sku is not None]
        if entry.kind == "scan":
            surplus = entry.why.startswith(("again by mistake", "and leaves it"))
            if entry.cheat == "wrong_removal":
                charged.subtract(skus)
            elif not surplus or rng.random() >= SEEN_MISTAKES:
                charged.update(skus)
        elif entry.kind == "take_for_good" and not entry.cheat and rng.random() < TOLD_REMOVALS:
            charged.subtract(sku for sku in skus if charged[sku] > 0)
    return Outcome(charged={sku: units for sku, units in charged.items() if units > 0})


class _FixedTolerance:
    """A self-checkout's state machine over one diary."""

    def __init__(self, products: dict[str, Product], cheats: Sequence[tuple[int, int]]) -> None:
        self.products = products
        self.cheats = cheats
        self.out = Outcome()
        self.charged: Counter[str] = Counter()
        self.pending: list[str] = []
        self.taken_g = 0.0
        self.unexpected: list[str] = []

    def named(self, entry: Entry, sku: str) -> None:
        """What was taken out is told by its code; believed if the weight fits."""
        if self._fits(sku, self.taken_g):
            self.charged[sku] -= 1
        else:
            self._notice(entry)

    def scan(self, sku: str) -> None:
        if sku in self.unexpected:
            self.unexpected.remove(sku)
            self.charged[sku] += 1
        else:
            self.pending.append(sku)

    def put(self, entry: Entry) -> None:
        skus = [sku for sku in entry.skus if sku is not None]
        if not skus or entry.why == "back":
            return
        self.corrected()
        if self.pending and self._fits(self.pending[-1], sum(entry.weights_g)):
            self.charged[self.pending.pop()] += 1
            return
        self.out.questions += 1
        self._notice(entry)
        legitimate = bool(self.pending) and all(sku in self.pending for sku in skus)
        if legitimate and not entry.cheat:
            self.out.accused += 1
            self.out.staff += len(skus) == 1
        for sku in skus:
            if sku in self.pending:
                self.pending.remove(sku)
                self.charged[sku] += 1
            else:
                self.unexpected.append(sku)

    def take(self, entry: Entry) -> None:
        self.corrected()
        self.out.questions += 1
        self.taken_g = sum(entry.weights_g)
        if entry.kind == "take_for_good":
            self.charged.subtract(sku for sku in entry.skus if sku is not None and self.charged[sku] > 0)

    def corrected(self) -> None:
        """What was asked about and not scanned since is scanned now."""
        self.charged.update(self.unexpected)
        self.unexpected.clear()

    def end(self) -> Outcome:
        self.corrected()
        self.out.questions += len(self.pending)
        self.out.charged = {sku: units for sku, units in self.charged.items() if units > 0}
        return self.out

    def _fits(self, sku: str, weight_g: float) -> bool:
        mean_g = self.products[sku].item.weight_g
        return mean_g is None or abs(weight_g - mean_g) <= TOLERANCE_G + TOLERANCE_SHARE * mean_g

    def _notice(self, entry: Entry) -> None:
        if entry.cheat:
            for number, (began_ns, ended_ns) in enumerate(self.cheats):
                if began_ns <= entry.t_ns <= ended_ns:
                    self.out.noticed |= 1 << number


def fixed_tolerance(diary: Sequence[Entry], products: dict[str, Product], cheats: Sequence[tuple[int, int]]) -> Outcome:
    """`cheats` are (began, ended) in ns of each act of the trip, in order."""
    cart = _FixedTolerance(products, cheats)
    own_undeclared = 0
    declared = sum(entry.kind == "declared_own" for entry in diary)
    for entry in diary:
        if entry.kind == "put" and entry.skus == (None,):
            declared -= 1
            own_undeclared += declared < 0 and not entry.prompted
        if entry.prompted:
            continue
        skus = [sku for sku in entry.skus if sku is not None]
        if entry.kind == "scan":
            for sku in skus:
                if entry.cheat == "wrong_removal":
                    cart.named(entry, sku)
                else:
                    cart.scan(sku)
        elif entry.kind == "put":
            cart.put(entry)
        elif entry.kind in ("take", "take_for_good"):
            cart.take(entry)
        elif entry.kind == "under":
            cart.out.questions += 1
            for sku in skus:
                if sku in cart.pending:
                    cart.pending.remove(sku)
                cart.charged[sku] += 1
    outcome = cart.end()
    outcome.questions += own_undeclared
    outcome.staff += own_undeclared
    return outcome
