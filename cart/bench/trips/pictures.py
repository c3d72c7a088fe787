"""The figures as a picture: this cart beside the others, each rate with its 95 % interval. Needs the extra `plots`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cart.core.problem import Problem

TARGETS = {
    "exact_percent": 99.5,
    "questions_per_100_items": 5.0,
    "staff_per_1000_trips": 5.0,
    "false_accusations_per_1000_trips": None,
}
_TITLES = {
    "exact_percent": "whole baskets exact, %",
    "questions_per_100_items": "questions per 100 items",
    "staff_per_1000_trips": "staff calls per 1,000 trips",
    "false_accusations_per_1000_trips": "trips with a false accusation, per 1,000",
}


def draw(result: dict[str, Any], folder: Path) -> Path:
    """Four panels: carts, then groups of shoppers on this cart. Raises Problem without matplotlib."""
    plt = _pyplot()
    figure, panels = plt.subplots(2, 2, figsize=(13, 8))
    bars = {**result["carts"], **result["groups"]}
    names = ["this cart", *(name.replace("_", " ") for name in list(bars)[1:])]
    colours = ["tab:blue"] + ["tab:gray"] * (len(result["carts"]) - 1) + ["tab:cyan"] * len(result["groups"])
    for axis, (key, target) in zip(panels.flat, TARGETS.items(), strict=True):
        rates = [bar[key] for bar in bars.values()]
        below = [max(0.0, rate["rate"] - rate["low"]) for rate in rates]
        above = [max(0.0, rate["high"] - rate["rate"]) if rate["of"] else 0.0 for rate in rates]
        axis.bar(names, [rate["rate"] for rate in rates], yerr=[below, above], color=colours, capsize=4)
        if target is not None:
            axis.axhline(target, color="tab:red", linestyle="--", label=f"target {target:g}")
            axis.legend(fontsize=8)
        axis.set_title(_TITLES[key])
        axis.tick_params(axis="x", rotation=35)
        axis.grid(visible=True, axis="y", alpha=0.3)
    figure.suptitle(
        f"{result['trips']} simulated trips, {result['honest']} honest, {result['items']} items, camera "
        f"{result['camera']}; with 95 % intervals\nblue: this cart; grey: other carts on the same trips; "
        "turquoise: this cart by group of shoppers"
    )
    figure.tight_layout()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trips.png"
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def draw_curve(points: list[dict[str, float]], folder: Path) -> Path:
    """Left: false accusations of honest shoppers against value lost, a point a cost of accusing. Right: what each cost
    brings besides.
    """
    plt = _pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.5))
    across = [point["false_accusations_per_1000_trips"] for point in points]
    up = [point["lost_per_10000_with_cheats"] for point in points]
    left.plot(across, up, "o-")
    for point, x, y in zip(points, across, up, strict=True):
        left.annotate(f"{point['accuse_cost']:g}", (x, y), textcoords="offset points", xytext=(6, 6))
    left.set_xlabel("trips with a false accusation, per 1,000")
    left.set_ylabel("value lost per 10,000, with cheats")
    left.set_title("accuse_cost against a miss_cost of 1")
    costs = [point["accuse_cost"] for point in points]
    for key, label in (
        ("exact_percent", "whole baskets exact, %"),
        ("cheats_noticed_percent", "cheats over 3 σ noticed, %"),
        ("questions_per_100_items", "questions per 100 items"),
    ):
        right.plot(costs, [point[key] for point in points], "o-", label=label)
    right.set_xscale("log")
    right.set_xlabel("accuse_cost")
    right.legend(fontsize=8)
    for axis in (left, right):
        axis.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trips-operating-curve.png"
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _pyplot() -> Any:
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise Problem("--plot needs matplotlib; install it with: pip install 'smart-cart[plots]'") from error
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt
