"""An auditor with books of its own: what lies in the cart, what was captured, what the receipt says.

It shares no code with the cart: it is told of every hand's movement by the simulated world, knows the price tags,
deposits and offers, and adds up. Goods sold by weight may differ by the scale's maximum permissible error in service
(OIML R 76-1, 3.5.1 and 3.5.2, class III, e = 5 g): 1 e up to 500 e, 2 e up to 2,000 e, 3 e above, at the gross load.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

INTERVAL_G = 5.0
_ERRORS = ((2_500.0, 1.0), (10_000.0, 2.0), (float("inf"), 3.0))


@dataclass(frozen=True, slots=True)
class Tag:
    """A price tag: minor units for a piece, or a kilogram. On offer: basis points off, or `take` for `take_minor`."""

    price_minor: int
    by_weight: bool = False
    deposit_minor: int = 0
    off_bp: int = 0
    take: int = 0
    take_minor: int = 0

    def pieces(self, count: int) -> int:
        """What so many pieces cost, without deposit; a saving is rounded per piece, halves to the shopper."""
        if self.take:
            return count // self.take * self.take_minor + count % self.take * self.price_minor
        return count * (self.price_minor - (self.price_minor * self.off_bp + 5_000) // 10_000)


@dataclass(frozen=True, slots=True)
class Billed:
    """A line as the receipt has it; `price_minor` is what is paid for it, `list_minor` before savings and deposit.

    `list_minor` None: goods by weight, whose list price the receipt tells by weight only.
    """

    sku: str
    units: int
    price_minor: int
    deposit_minor: int = 0
    savings_minor: int = 0
    list_minor: int | None = None


@dataclass(slots=True)
class Verdict:
    """Money in minor units. `lost` and `overcharged` are summed over products, so one can't hide the other."""

    exact: bool = False
    value_minor: int = 0
    captured_minor: int = 0
    lost_minor: int = 0
    overcharged_minor: int = 0
    lost: list[str] = field(default_factory=list)
    overcharged: list[str] = field(default_factory=list)
    unconfirmed: list[str] = field(default_factory=list)
    """Overcharged products of which the shopper never said anything."""
    problems: list[str] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)
    """Product → in which way: `unit missing`, `unit too many`, `price` or `arithmetic`; "" for the whole: `money`."""


class Auditor:
    """Hears everything that happens to one cart from an empty basket on, and judges one payment."""

    def __init__(self, tags: Mapping[str, Tag]) -> None:
        self._tags = tags
        self._there: dict[int, tuple[str, float]] = {}
        self._own_g: dict[int, float] = {}
        self._captures: dict[str, int] = {}
        self._said: set[str] = set()

    def came(self, number: int, sku: str | None, weight_g: float) -> None:
        """A thing lies in or under the cart now; `sku` None: it is the shopper's own."""
        if sku is None:
            self._own_g[number] = weight_g
        elif number in self._there:
            raise ValueError(f"thing {number} is in the cart already")
        else:
            self._there[number] = (sku, weight_g)

    def went(self, number: int) -> None:
        """It was taken away."""
        if self._own_g.pop(number, None) is None:
            del self._there[number]

    def said(self, sku: str) -> None:
        """The shopper answered a question about this product."""
        self._said.add(sku)

    def captured(self, attempt_id: str, amount_minor: int) -> None:
        """The acquirer took money."""
        self._captures[attempt_id] = self._captures.get(attempt_id, 0) + amount_minor

    def judge(self, billed: Iterable[Billed], total_minor: int) -> Verdict:
        """Compare the receipt with what is there and what was taken."""
        verdict = Verdict(captured_minor=sum(self._captures.values()))
        if verdict.captured_minor != total_minor or len([a for a in self._captures.values() if a]) > 1:
            verdict.wrong[""] = "money"
        if len([a for a in self._captures.values() if a]) > 1:
            verdict.problems.append(f"charged {len(self._captures)} times")
        if verdict.captured_minor != total_minor:
            verdict.problems.append(f"captured {verdict.captured_minor}, the receipt says {total_minor}")
        units: dict[str, int] = {}
        money: dict[str, int] = {}
        for line in billed:
            self._line(verdict, line)
            units[line.sku] = units.get(line.sku, 0) + line.units
            money[line.sku] = money.get(line.sku, 0) + line.price_minor
        if sum(money.values()) != total_minor:
            verdict.wrong[""] = "money"
            verdict.problems.append(f"the receipt's lines sum to {sum(money.values())}, its total is {total_minor}")
        there: dict[str, list[float]] = {}
        for sku, weight_g in self._there.values():
            there.setdefault(sku, []).append(weight_g)
        for sku in sorted({*units, *there}):
            self._product(verdict, sku, there.get(sku, []), units.get(sku, 0), money.get(sku, 0))
        verdict.exact = not verdict.problems
        return verdict

    def _line(self, verdict: Verdict, line: Billed) -> None:
        """What a line says must add up by itself: list price less savings plus deposit."""
        before = len(verdict.problems)
        self._adds_up(verdict, line)
        if len(verdict.problems) > before:
            verdict.wrong[line.sku] = "arithmetic"

    def _adds_up(self, verdict: Verdict, line: Billed) -> None:
        deposit_minor = self._tags[line.sku].deposit_minor * line.units
        if line.deposit_minor != deposit_minor:
            verdict.problems.append(f"{line.sku}: deposit {line.deposit_minor}, {deposit_minor} on the tags")
        if line.savings_minor < 0 or line.units < 1:
            verdict.problems.append(f"{line.sku}: {line.units} units, savings of {line.savings_minor}")
        if line.list_minor is None:
            return
        if line.list_minor != self._tags[line.sku].price_minor * line.units:
            verdict.problems.append(f"{line.sku}: listed at {line.list_minor} for {line.units}")
        if line.list_minor - line.savings_minor + line.deposit_minor != line.price_minor:
            verdict.problems.append(f"{line.sku}: the line does not add up to {line.price_minor}")

    def _product(self, verdict: Verdict, sku: str, weights_g: list[float], units: int, paid_minor: int) -> None:
        tag = self._tags[sku]
        low, worth, high = self._worth(tag, weights_g)
        verdict.value_minor += worth
        if len(weights_g) != units:
            verdict.problems.append(f"{sku}: {len(weights_g)} in the cart, {units} paid")
            verdict.wrong[sku] = "unit missing" if units < len(weights_g) else "unit too many"
        elif not low <= paid_minor <= high:
            verdict.problems.append(f"{sku}: paid {paid_minor}, worth {low}…{high}")
            verdict.wrong.setdefault(sku, "price")
        if paid_minor > high:
            verdict.overcharged_minor += paid_minor - worth
            verdict.overcharged.append(sku)
            if sku not in self._said:
                verdict.unconfirmed.append(sku)
        elif paid_minor < low:
            verdict.lost_minor += worth - paid_minor
            verdict.lost.append(sku)

    def _worth(self, tag: Tag, weights_g: list[float]) -> tuple[int, int, int]:
        """The least, the true and the greatest that these may cost."""
        deposit = tag.deposit_minor * len(weights_g)
        if not tag.by_weight:
            exact = tag.pieces(len(weights_g)) + deposit
            return exact, exact, exact
        error_g = self._error_g()
        per_g = tag.price_minor * (10_000 - tag.off_bp) / 10_000_000.0
        spare = 1 if tag.off_bp else 0  # a saving on a weighed line is rounded once more
        low = sum(int(per_g * max(0.0, g - error_g)) - spare for g in weights_g)
        high = sum(math.ceil(per_g * (g + error_g)) + spare for g in weights_g)
        return low + deposit, round(sum(per_g * g for g in weights_g)) + deposit, high + deposit

    def _error_g(self) -> float:
        gross_g = sum(g for _, g in self._there.values()) + sum(self._own_g.values())
        return next(INTERVAL_G * errors for limit_g, errors in _ERRORS if gross_g <= limit_g)
