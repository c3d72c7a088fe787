"""Patterns over the trip's view: what a scenario expects to see."""

from __future__ import annotations

from typing import Any

BOUNDS = frozenset({"min", "max"})


def mismatch(pattern: Any, value: Any, where: str = "trip") -> str | None:
    """None where `value` matches `pattern`, otherwise one line that says what differs.

    A mapping matches when each of its keys does; `{min: a, max: b}` a number between them; a list when each of its
    patterns matches an entry of its own (`[]` only an empty list); `~` matches null; anything else itself.
    """
    if isinstance(pattern, dict):
        bounds = bool(pattern) and pattern.keys() <= BOUNDS
        return _bounds(pattern, value, where) if bounds else _keys(pattern, value, where)
    if isinstance(pattern, list):
        return _entries(pattern, value, where)
    if pattern != value or isinstance(pattern, bool) != isinstance(value, bool):
        return f"{where} is {_short(value)}, not {_short(pattern)}"
    return None


def _keys(pattern: dict[str, Any], value: Any, where: str) -> str | None:
    if not isinstance(value, dict):
        return f"{where} is {_short(value)}"
    for key, wanted in pattern.items():
        problem = mismatch(wanted, value[key], f"{where}.{key}") if key in value else f"{where} has no {key}"
        if problem is not None:
            return problem
    return None


def _bounds(pattern: dict[str, Any], value: Any, where: str) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{where} is {_short(value)}, not a number"
    low, high = pattern.get("min", value), pattern.get("max", value)
    return None if low <= value <= high else f"{where} is {value}, not within {low}…{high}"


def _entries(patterns: list[Any], value: Any, where: str) -> str | None:
    if not isinstance(value, list):
        return f"{where} is {_short(value)}, not a list"
    if not patterns:
        return f"{where} is not empty: {_short(value)}" if value else None
    owner: dict[int, int] = {}  # entry of `value` -> index of the pattern that has it
    for index, pattern in enumerate(patterns):
        if not _assign(index, patterns, value, owner, set()):
            return f"{where} has no entry of its own for {_short(pattern)}: {_short(value)}"
    return None


def _assign(index: int, patterns: list[Any], value: list[Any], owner: dict[int, int], seen: set[int]) -> bool:
    """Augmenting path of bipartite matching (Kuhn), so that a loose pattern does not take a strict one's entry."""
    for entry, candidate in enumerate(value):
        if entry in seen or mismatch(patterns[index], candidate) is not None:
            continue
        seen.add(entry)
        if entry not in owner or _assign(owner[entry], patterns, value, owner, seen):
            owner[entry] = index
            return True
    return False


def _short(value: Any) -> str:
    if isinstance(value, list):
        inner = ", ".join(_short(entry) for entry in value[:6])
        return f"[{inner}{', …' if len(value) > 6 else ''}]"
    if isinstance(value, dict):
        keys = ("line", "sku", "units", "placed", "state", "kind", "stage", "weight_g", "price_minor", "part", "fault")
        shown = {key: value[key] for key in keys if value.get(key) is not None} or value
        return str(shown)[:200]
    return repr(value)[:200]
