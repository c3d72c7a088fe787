"""Scenarios: YAML lists of the world's verbs, shopper's touches, till controls, waits and expectations.

A step is one mapping with one key that names what it does (`scan`, `put_in`, …, `touch`, `till`, `wait`, `expect`), or
`row`, which names the situation that the following steps show. Patterns of `expect` match the view of the trip.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from cart.bench.verbs import VERBS, Verb, VerbError, read_verb
from cart.core.observations import TouchAction
from cart.core.problem import Problem

FOLDER = Path(__file__).parent / "scenarios"
# A scenario a person can still read; more belongs in a second file.
STEPS_MAX = 400


class ScenarioError(Problem):
    """One line: file, step and what to write instead."""


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An unknown key is a typing mistake."""


class Row(Strict, frozen=True, kw_only=True):
    """The situations of the product's table that the following steps show, by number."""

    rows: tuple[int, ...] = ()
    title: str


class Wait(Strict, frozen=True, kw_only=True):
    seconds: Annotated[float, msgspec.Meta(gt=0, le=120)]


class TouchStep(Strict, frozen=True, kw_only=True):
    """A shopper's touch. `line_of` and `about` stand for numbers only the running trip knows: the line of that sku, the
    open intervention of that kind. A refused touch fails the step unless `may_be_refused`.
    """

    action: TouchAction
    line_of: str | None = None
    about: str | None = None
    units: int | None = None
    sku: str | None = None
    choice: str | None = None
    code: str | None = None
    method: str | None = None
    language: str | None = None
    to: str | None = None
    may_be_refused: bool = False


class TillStep(Strict, frozen=True, kw_only=True):
    """A request to the till's own page: what its simulated acquirer does next, or what staff decide there."""

    path: Annotated[str, msgspec.Meta(pattern=r"^/[A-Za-z0-9_/{}-]*$")]
    body: dict[str, Any] = {}


class Expect(Strict, frozen=True, kw_only=True):
    """Within `within_s` the view matches `trip` and does not match `without`, and stays so for `for_s`."""

    trip: dict[str, Any] = {}
    without: dict[str, Any] = {}
    within_s: Annotated[float, msgspec.Meta(gt=0, le=120)] = 3.0
    for_s: Annotated[float, msgspec.Meta(ge=0, le=120)] = 0.0


class Act(Strict, frozen=True, kw_only=True):
    """One of the world's verbs."""

    name: str
    verb: Verb


Step = Row | Wait | TouchStep | TillStep | Expect | Act


class Scenario(Strict, frozen=True, kw_only=True):
    name: str
    about: str
    steps: tuple[Step, ...]
    policy: dict[str, float | bool]
    source: str

    @property
    def rows(self) -> tuple[int, ...]:
        """The situations it shows, in order, each once."""
        return tuple(sorted({row for step in self.steps if isinstance(step, Row) for row in step.rows}))


class _Raw(Strict, frozen=True, kw_only=True):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    about: str = ""
    policy: dict[str, float | bool] = {}
    steps: Annotated[list[Any], msgspec.Meta(min_length=1, max_length=STEPS_MAX)]


SHELL_STEPS: dict[str, type[Strict]] = {
    "row": Row,
    "wait": Wait,
    "touch": TouchStep,
    "till": TillStep,
    "expect": Expect,
}


def read_scenario(text: str, *, source: str) -> Scenario:
    """A scenario from YAML text. Raises ScenarioError with one line that names `source` and the step (from 1)."""
    import yaml  # comes with the extra `demo`; the cart itself never reads YAML

    try:
        raw = msgspec.convert(yaml.safe_load(text), _Raw)
    except (yaml.YAMLError, RecursionError) as error:
        raise ScenarioError(f"{source}: not valid YAML ({' '.join(str(error).split())})") from None
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{source}: {error}; a scenario has name, about, policy and steps") from None
    steps = tuple(_read_step(step, f"{source}: step {number}") for number, step in enumerate(raw.steps, 1))
    return Scenario(name=raw.name, about=raw.about, steps=steps, policy=raw.policy, source=source)


def load_scenario(name_or_path: str) -> Scenario:
    """A scenario from a file, or a bundled one by its name. Raises ScenarioError when there is none."""
    path = Path(name_or_path)
    if not path.is_file():
        path = FOLDER / f"{path.name.removesuffix('.yaml')}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ScenarioError(
            f"{name_or_path}: no such scenario; give a YAML file or one of {', '.join(bundled())}"
        ) from None
    return read_scenario(text, source=path.name)


def bundled() -> list[str]:
    """Names of the scenarios that come with the cart, in order."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def _read_step(raw: Any, where: str) -> Step:
    if not isinstance(raw, dict) or len(raw) != 1:
        raise ScenarioError(f"{where}: one key a step, such as 'scan: {{sku: …}}'; this one is {_shown(raw)}")
    name, body = next(iter(raw.items()))
    try:
        if name in VERBS:
            return Act(name=name, verb=read_verb(name, body))
        kind = SHELL_STEPS.get(name)
        if kind is None:
            known = ", ".join([*SHELL_STEPS, *VERBS])
            raise ScenarioError(f"{where}: no step {_shown(name)}; there are {known}")
        return _check(msgspec.convert(_short_form(name, body), kind), where)
    except VerbError as error:
        raise ScenarioError(f"{where}: {error}") from None
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{where}: {name}: {error}") from None


def _short_form(name: str, body: Any) -> Any:
    """`wait: 2` and `touch: start` are short for a mapping with the one field that matters."""
    if name == "wait" and isinstance(body, int | float) and not isinstance(body, bool):
        return {"seconds": body}
    if name == "touch" and isinstance(body, str):
        return {"action": body}
    return body


def _check(step: Strict, where: str) -> Step:
    if isinstance(step, Expect) and not step.trip and not step.without:
        raise ScenarioError(f"{where}: expect: say what to wait for with trip, or what must be gone with without")
    assert isinstance(step, Row | Wait | TouchStep | TillStep | Expect)  # noqa: S101  (SHELL_STEPS holds only these)
    return step


def _shown(value: Any) -> str:
    return repr(value)[:60]
