"""The HTML report of played scenarios: steps, and the weight curve with what the cart decided drawn on it.

One file without scripts, that can be mailed. The curve is clipped to what lay in the basket and some room, so that a
glitch of tens of kilograms doesn't flatten it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from cart.bench.decisions import Decision
from cart.bench.player import PlayResult, StepResult

Curve = Sequence[Sequence[float]]
"""(monotonic seconds, measured grams, grams in the basket), rising in time."""

Axis = Callable[[float], float]

WIDTH, HEIGHT = 1120, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 18, 34
LABEL_GAP_PX = 13
LABELS_MAX = 16
HEADROOM = 0.35

STYLE = """
:root { font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; color: #17211e; }
body { margin: 2rem auto; max-width: 74rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.good { color: #0f7a4f; } .bad { color: #b3261e; } .soft { color: #5d6b66; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .6rem; border-top: 1px solid #dde4e0; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.row td { background: #f1f4f2; font-weight: 600; }
svg { width: 100%; height: auto; background: #fff; border: 1px solid #dde4e0; border-radius: 8px; }
svg text { font-size: 11px; fill: #5d6b66; }
.measured { fill: none; stroke: #1d6fd1; stroke-width: 1.4; } .true { fill: none; stroke: #9fb3ab; stroke-width: 3; }
.mark { stroke-width: 1; stroke-dasharray: 2 3; } .mark.good { stroke: #0f7a4f; } .mark.ask { stroke: #c77700; }
.mark.plain { stroke: #8a9691; } text.good { fill: #0f7a4f; } text.ask { fill: #c77700; } .grid { stroke: #eef2f0; }
"""


def write_report(results: Sequence[tuple[PlayResult, Curve]], path: Path) -> None:
    """One HTML file for all played scenarios. Raises OSError when it cannot be written."""
    passed = sum(result.ok for result, _ in results)
    tone = "good" if passed == len(results) else "bad"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Scenarios</title>',
        f"<style>{STYLE}</style></head><body><h1>Scenarios</h1>",
        f'<p class="{tone}">{passed} of {len(results)} passed</p>',
        *(_scenario(result, curve) for result, curve in results),
        "</body></html>\n",
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def _scenario(result: PlayResult, curve: Curve) -> str:
    tone, word = ("good", "passed") if result.ok else ("bad", "failed")
    rows = ", ".join(str(row) for row in result.rows) or "none named"
    return "\n".join(
        [
            f'<h2>{escape(result.scenario)} <span class="{tone}">{word}</span></h2>',
            f'<p class="soft">{escape(result.source)} · situations {rows} · {result.seconds:.1f} s</p>',
            weight_curve(curve, result.decisions, began_s=result.began_s, seconds=result.seconds),
            _steps(result),
            _decisions(result),
        ]
    )


def _steps(result: PlayResult) -> str:
    rows = []
    shown_row = None
    for step in result.steps:
        if step.row != shown_row:
            shown_row = step.row
            rows.append(f'<tr class="row"><td colspan="4">{escape(step.row or "to begin with")}</td></tr>')
        rows.append(_step(step, result.began_s))
    return f"<table><tr><th>at</th><th>step</th><th>outcome</th><th>took</th></tr>{''.join(rows)}</table>"


def _step(step: StepResult, began_s: float) -> str:
    tone = {"passed": "good", "failed": "bad", "skipped": "soft"}[step.outcome]
    detail = f"<br>{escape(step.detail)}" if step.detail else ""
    return (
        f'<tr><td class="n">{step.t_s - began_s:.1f} s</td><td>{escape(step.text)}{detail}</td>'
        f'<td class="{tone}">{step.outcome}</td><td class="n">{step.seconds:.2f} s</td></tr>'
    )


def _decisions(result: PlayResult) -> str:
    rows = "".join(
        f'<tr><td class="n">{decision.t_s - result.began_s:.1f} s</td><td>{escape(decision.text)}</td></tr>'
        for decision in result.decisions
    )
    return f"<details><summary>What the cart decided ({len(result.decisions)})</summary><table>{rows}</table></details>"


def weight_curve(curve: Curve, decisions: Sequence[Decision], *, began_s: float, seconds: float) -> str:
    """The curve as SVG; a line that says so where nothing was measured."""
    points = [point for point in curve if began_s <= point[0] <= began_s + seconds]
    if len(points) < 2:
        return '<p class="soft">No weight was recorded.</p>'
    top_g = max(1.0, *(point[2] for point in points)) * (1 + HEADROOM)
    low_g = -0.12 * top_g

    def x_of(t_s: float) -> float:
        return LEFT + (t_s - began_s) / max(seconds, 1e-9) * (WIDTH - LEFT - RIGHT)

    def y_of(grams: float) -> float:
        clipped = min(top_g, max(low_g, grams))
        return TOP + (top_g - clipped) / (top_g - low_g) * (HEIGHT - TOP - BOTTOM)

    measured = " ".join(f"{x_of(t_s):.1f},{y_of(grams):.1f}" for t_s, grams, _ in points)
    truth = " ".join(f"{x_of(t_s):.1f},{y_of(grams):.1f}" for t_s, _, grams in points)
    return "".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="weight over time">',
            _axes(top_g, seconds, began_s, x_of, y_of),
            f'<polyline class="true" points="{truth}"/><polyline class="measured" points="{measured}"/>',
            *_marks(decisions, x_of),
            "</svg>",
        ]
    )


def _axes(top_g: float, seconds: float, began_s: float, x_of: Axis, y_of: Axis) -> str:
    parts = []
    for grams in _round_steps(top_g):
        y = y_of(grams)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{grams:g} g</text>')
    for second in _round_steps(seconds):
        x = x_of(began_s + second)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{second:g} s</text>')
    return "".join(parts)


def _marks(decisions: Sequence[Decision], x_of: Axis) -> list[str]:
    """A dashed line a decision; labels staggered in rows, so that neighbours stay legible."""
    parts = []
    for index, decision in enumerate(decisions):
        x = x_of(decision.t_s)
        y = TOP + 8 + (index % LABELS_MAX) * LABEL_GAP_PX
        anchor = "end" if x > WIDTH * 0.75 else "start"
        shift = -3 if anchor == "end" else 3
        tone = escape(decision.tone)
        parts.append(
            f'<line class="mark {tone}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text class="{tone}" x="{x + shift:.1f}" y="{y}" text-anchor="{anchor}">{escape(decision.text)}</text>'
        )
    return parts


def _round_steps(top: float) -> list[float]:
    """About five round numbers from 0 to `top`."""
    size = 1.0
    while top / size > 50:
        size *= 10
    step = next(part * size for part in (1, 2, 5, 10) if top / (part * size) <= 6)
    return [number * step for number in range(int(top / step) + 1)]
