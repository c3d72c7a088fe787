"""What the cart decided, read from successive views as a shopper would see it, one line each."""

from __future__ import annotations

from typing import Any

import msgspec

View = dict[str, Any]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """`t_s` on the machine's monotonic clock, when the view that shows it was read."""

    t_s: float
    text: str
    tone: str = "plain"
    """`good`, `ask` or `plain`: how a report colours it."""


def changes(before: View | None, after: View, t_s: float) -> list[Decision]:
    """What became different from one view to the next."""
    old = before or {"phase": None, "lines": [], "interventions": [], "notices": [], "payment": None}
    found: list[Decision] = []
    if old["phase"] != after["phase"]:
        tone = "good" if after["phase"] == "paid" else "plain"
        found.append(Decision(t_s=t_s, text=f"phase {after['phase']}", tone=tone))
    found += _lines(old, after, t_s)
    found += _interventions(old, after, t_s)
    found += _notices(old, after, t_s)
    attempt_before, attempt_now = _attempt(old), _attempt(after)
    if attempt_now and attempt_now != attempt_before:
        found.append(Decision(t_s=t_s, text=f"payment {attempt_now}"))
    return found


def _lines(old: View, new: View, t_s: float) -> list[Decision]:
    before = {line["line"]: line for line in old["lines"]}
    now = {line["line"]: line for line in new["lines"]}
    found = []
    for number, line in now.items():
        was = before.get(number)
        if was is None:
            found.append(Decision(t_s=t_s, text=f"+ {_line(line)}", tone=_line_tone(line)))
        elif (was["units"], was["placed"], was["state"]) != (line["units"], line["placed"], line["state"]):
            found.append(Decision(t_s=t_s, text=_line(line), tone=_line_tone(line)))
    for number, line in before.items():
        if number not in now:
            found.append(Decision(t_s=t_s, text=f"− {line['name']}"))
    return found


def _line(line: View) -> str:
    return f"{line['name']} ×{line['units']} {line['state']} ({line['placed']} in)"


def _line_tone(line: View) -> str:
    return "good" if line["state"] == "confirmed" else "plain"


def _interventions(old: View, new: View, t_s: float) -> list[Decision]:
    before = {item["id"]: item for item in old["interventions"]}
    now = {item["id"]: item for item in new["interventions"]}
    found = []
    for number, item in now.items():
        if number not in before or before[number]["stage"] != item["stage"]:
            found.append(Decision(t_s=t_s, text=f"{item['kind']}: {item['stage']}", tone="ask"))
    for number, item in before.items():
        if number not in now:
            found.append(Decision(t_s=t_s, text=f"{item['kind']} cleared", tone="good"))
    return found


def _notices(old: View, new: View, t_s: float) -> list[Decision]:
    before = {(notice["part"], notice["fault"]) for notice in old["notices"]}
    now = {(notice["part"], notice["fault"]) for notice in new["notices"]}
    lost = [Decision(t_s=t_s, text=f"lost: {part} ({fault})", tone="ask") for part, fault in sorted(now - before)]
    back = [Decision(t_s=t_s, text=f"back: {part} ({fault})", tone="good") for part, fault in sorted(before - now)]
    return lost + back


def _attempt(view: View) -> str:
    payment = view.get("payment")
    return f"{payment['attempt_id'].rsplit('.', 1)[-1]} {payment['state']}" if payment else ""
