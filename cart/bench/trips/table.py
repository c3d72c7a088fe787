"""The figures as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_ROWS = (
    ("whole baskets exact, %", "exact_percent", "low"),
    ("questions per 100 items", "questions_per_100_items", "high"),
    ("staff calls per 1,000 trips, age checks aside", "staff_per_1000_trips", "high"),
    ("false accusations per 1,000 trips", "false_accusations_per_1000_trips", "high"),
)
_MONEY = (
    ("value lost per 10,000, honest", "lost_per_10000"),
    ("value overcharged per 10,000", "overcharged_per_10000"),
    ("value lost per 10,000, with cheats", "lost_per_10000_with_cheats"),
)
_TARGETS = {
    "exact_percent": "≥ 99.5",
    "questions_per_100_items": "< 5",
    "staff_per_1000_trips": "< 5",
}
_WHY = {
    "shopper": "shopper's mistake", "catalogue": "its catalogue weight", "beside": "that of a thing beside it",
    "store": "store's rules", "cart": "cart's doubt",
}  # fmt: skip
_NAMES = {"cart": "this cart", "scan_only": "scan only", "fixed_tolerance": "fixed tolerance"}


def table(result: dict[str, Any]) -> list[str]:
    """Markdown: this cart beside the two others and what is aimed at, then by kind of cheat and group of shoppers."""
    carts = result["carts"]
    size = f"{result['trips']} trips, {result['honest']} of them honest, {result['items']} items"
    lines = [
        f"{size}, {result['virtual_hours']} h of shopping; in brackets the 95 % Wilson bound that may be claimed",
        "",
        "| honest shoppers | " + " | ".join(_NAMES[name] for name in carts) + " | target |",
        "|---|" + "---|" * (len(carts) + 1),
    ]
    rows = [
        (label, [_bounded(cart[key], bound) for cart in carts.values()], _TARGETS.get(key, "–"))
        for label, key, bound in _ROWS
    ]
    unconfirmed = _bounded(result["overcharged_unconfirmed_per_1000_trips"], "high")
    rows.append(("overcharged unconfirmed, per 1,000 trips", [unconfirmed, *["–"] * (len(carts) - 1)], "0"))
    rows += [(label, [f"{cart[key]:.1f}" for cart in carts.values()], "–") for label, key in _MONEY]
    noticed = [_bounded(cart["cheats_noticed_percent"]["all over 3 sigma"], "low") for cart in carts.values()]
    rows.append(("cheats over 3 σ noticed, %", noticed, "≥ 99"))
    lines += [f"| {label} | " + " | ".join(cells) + f" | {target} |" for label, cells, target in rows]
    lines += ["", "| cheats noticed, % | " + " | ".join(_NAMES[name] for name in carts) + " | acts |"]
    lines += ["|---|" + "---|" * (len(carts) + 1)]
    for kind, mine in carts["cart"]["cheats_noticed_percent"].items():
        cells = [_bounded(cart["cheats_noticed_percent"][kind], "low") for cart in carts.values()]
        lines.append(f"| {kind.replace('_', ' ')} | " + " | ".join(cells) + f" | {mine['of']} |")
    lines += _asked(result["questions_per_100_items_by_kind_and_cause"])
    lines += _parts("shoppers", result["groups"])
    if len(result["catalogues"]) > 1:
        lines += _parts("catalogue", result["catalogues"])
    lines += ["", *_notes(result)]
    return lines


def cameras(results: dict[str, dict[str, Any]]) -> list[str]:
    """Markdown: this cart on the same trips, a column a camera."""
    carts = {name: result["carts"]["cart"] for name, result in results.items()}
    one = next(iter(results.values()))
    lines = [f"{one['trips']} trips, {one['honest']} of them honest, the same for each camera", ""]
    lines += ["| this cart, with a camera that is | " + " | ".join(carts) + " |", "|---|" + "---|" * len(carts)]
    lines += [
        f"| {label} | " + " | ".join(_bounded(cart[key], bound) for cart in carts.values()) + " |"
        for label, key, bound in _ROWS
    ]
    lines += [
        f"| {label} | " + " | ".join(f"{cart[key]:.1f}" for cart in carts.values()) + " |" for label, key in _MONEY
    ]
    first = next(iter(carts.values()))
    for kind, figure in first["cheats_noticed_percent"].items():
        cells = [_bounded(cart["cheats_noticed_percent"][kind], "low") for cart in carts.values()]
        lines.append(f"| {kind.replace('_', ' ')}, noticed %, of {figure['of']} | " + " | ".join(cells) + " |")
    return lines


def curve(points: Sequence[dict[str, float]]) -> list[str]:
    """Markdown: a row a cost of accusing an honest shopper."""
    head = [key for key in points[0] if key != "accuse_cost"]
    lines = ["| accuse cost | " + " | ".join(key.replace("_", " ") for key in head) + " |"]
    lines.append("|---|" + "---|" * len(head))
    lines += [f"| {p['accuse_cost']:g} | " + " | ".join(f"{p[key]:g}" for key in head) + " |" for p in points]
    return lines


def _asked(kinds: dict[str, dict[str, float]]) -> list[str]:
    """What was asked of honest shoppers, per 100 items, by what the truth was."""
    causes = list(_WHY)
    head = " | ".join(_WHY.values())
    lines = ["", f"| questions per 100 items | {head} | all |", "|---|" + "---|" * (len(_WHY) + 1)]
    rows = [(kind.replace("_", " "), [why[cause] for cause in causes]) for kind, why in kinds.items()]
    rows.append(("all", [sum(why[cause] for why in kinds.values()) for cause in causes]))
    return lines + [f"| {name} | " + " | ".join(f"{n:.2f}" for n in [*row, sum(row)]) + " |" for name, row in rows]


def _parts(head: str, parts: dict[str, Any]) -> list[str]:
    """This cart's honest trips, part by part."""
    labels = [*(label for label, _, _ in _ROWS), "lost per 10,000", "overcharged per 10,000"]
    lines = ["", f"| {head} | trips | " + " | ".join(labels) + " |", "|---|---|" + "---|" * len(labels)]
    for name, figures in parts.items():
        cells = [_bounded(figures[key], bound) for _, key, bound in _ROWS]
        cells += [f"{figures[key]:.1f}" for key in ("lost_per_10000", "overcharged_per_10000")]
        lines.append(f"| {name.replace('_', ' ')} | {figures['trips']} | " + " | ".join(cells) + " |")
    return lines


def _bounded(figure: dict[str, float], bound: str) -> str:
    if not figure["of"]:
        return "–"
    sign = "≥" if bound == "low" else "≤"
    return f"{figure['rate']:.2f} ({sign} {figure[bound]:.2f})"


def _notes(result: dict[str, Any]) -> list[str]:
    def listed(counts: dict[str, int]) -> str:
        return ", ".join(f"{kind} {count}" for kind, count in counts.items()) or "none"

    return [
        f"overcharged baskets paid without the shopper having confirmed the line: {result['overcharged_unconfirmed']}",
        f"what the auditor found, by kind and whose doing: {listed(result['auditor_found'])}",
        f"cheats that the cart named and the shopper denied, counted as noticed: {result['cheats_denied']}",
        f"questions by kind: {listed(result['questions_by_kind'])}",
        f"questions by cause: {listed(result['questions_by_cause'])}",
        f"accusing ones without cause: {listed(result['questions_without_cause'])}",
        f"staff by kind: {listed(result['staff_by_kind'])}",
        "staff calls that the law requires, per 1,000 trips, in none of the rates above: "
        + _bounded(result["staff_by_law_per_1000_trips"], "high"),
        f"answered by touch or scan per 100 items: {result['answered_per_100_items']}",
        f"never paid: {result['never_paid']}; not idle again after unloading: {result['not_idle_again']}",
    ]
