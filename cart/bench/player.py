"""Plays a scenario against a running stack: hands through the world's port, fingers through the screen's, staff through
the till's. Knows nothing that a shopper couldn't see.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

import httpx
import msgspec

from cart.bench.decisions import Decision, View, changes
from cart.bench.matching import mismatch
from cart.bench.scenario import Act, Expect, Row, Scenario, Step, TillStep, TouchStep, Wait

POLL_S = 0.05
HTTP_TIMEOUT_S = 5.0
# Fields of the till's requests that stay text although they look like numbers.
TEXTS = frozenset({"code"})
# What the screen answers to a touch that makes no sense now.
REFUSED = 409
# What a report can still show; a scenario that decides more has a loop in it.
DECISIONS_MAX = 5000


class StepFailed(Exception):
    """The step did not do what it says; the text is one line."""


class StepResult(msgspec.Struct, frozen=True, kw_only=True):
    """`number` counts from 1 in the file, `row` is the heading it stands under; `t_s` is on the machine's monotonic
    clock, when the step began.
    """

    number: int
    row: str
    text: str
    outcome: Literal["passed", "failed", "skipped"]
    detail: str
    t_s: float
    seconds: float


class PlayResult(msgspec.Struct, frozen=True, kw_only=True):
    scenario: str
    source: str
    rows: tuple[int, ...]
    steps: list[StepResult]
    decisions: list[Decision]
    receipt: dict[str, Any] | None
    """The last receipt that was seen on the screen, as in the view."""
    began_s: float
    seconds: float

    @property
    def ok(self) -> bool:
        return all(step.outcome == "passed" for step in self.steps)


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Base addresses, without a slash at the end."""

    screen: str
    world: str
    till: str


class Player:
    """Plays one scenario. After the first step that fails, the rest is skipped: it would only fail in turn."""

    def __init__(
        self,
        addresses: Addresses,
        *,
        on_step: Callable[[StepResult], None] = lambda _step: None,
        client: httpx.Client | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._addresses = addresses
        self._on_step = on_step
        self._client = client or httpx.Client(timeout=HTTP_TIMEOUT_S, trust_env=False)
        self._clock = clock
        self._sleep = sleep
        self._view: View | None = None
        self._decisions: list[Decision] = []
        self._receipt: dict[str, Any] | None = None

    def play(self, scenario: Scenario) -> PlayResult:
        """Play it to its end or to its first failure."""
        began_s = self._clock()
        results: list[StepResult] = []
        row, failed = "", False
        for number, step in enumerate(scenario.steps, 1):
            if isinstance(step, Row):
                row = describe(step)
                continue
            t_s = self._clock()
            outcome: Literal["passed", "failed", "skipped"] = "skipped" if failed else "passed"
            detail = ""
            if not failed:
                try:
                    self._do(step)
                except StepFailed as problem:
                    outcome, detail, failed = "failed", str(problem), True
            result = StepResult(
                number=number,
                row=row,
                text=describe(step),
                outcome=outcome,
                detail=detail,
                t_s=t_s,
                seconds=self._clock() - t_s,
            )
            results.append(result)
            self._on_step(result)
        return PlayResult(
            scenario=scenario.name,
            source=scenario.source,
            rows=scenario.rows,
            steps=results,
            decisions=self._decisions,
            receipt=self._receipt,
            began_s=began_s,
            seconds=self._clock() - began_s,
        )

    def _do(self, step: Step) -> None:
        if isinstance(step, Wait):
            self._wait(step.seconds)
        elif isinstance(step, Expect):
            self._expect(step)
        elif isinstance(step, Act):
            self._post(f"{self._addresses.world}/world/{step.name}", msgspec.to_builtins(step.verb))
        elif isinstance(step, TouchStep):
            self._post(f"{self._addresses.screen}/api/v1/touch", self._touch(step), refusable=step.may_be_refused)
        elif isinstance(step, TillStep):
            self._post(f"{self._addresses.till}{self._filled(step.path)}", self._filled_body(step.body))

    def _wait(self, seconds: float) -> None:
        ends_s = self._clock() + seconds
        while (left_s := ends_s - self._clock()) > 0:
            self._look()
            self._sleep(min(4 * POLL_S, left_s))

    def _expect(self, step: Expect) -> None:
        ends_s = self._clock() + step.within_s
        good_since_s: float | None = None
        while True:
            view = self._look()
            now_s = self._clock()
            problem = "the screen does not answer" if view is None else _unmet(step, view)
            if problem is None:
                good_since_s = now_s if good_since_s is None else good_since_s
                if now_s - good_since_s >= step.for_s:
                    return
            elif good_since_s is not None or now_s >= ends_s:
                after = "after it had come true" if good_since_s is not None else f"after {step.within_s:g} s"
                raise StepFailed(f"{after}: {problem}")
            self._sleep(POLL_S)

    def _look(self) -> View | None:
        """The view now; None while the cart is off. What it newly shows goes into the decisions."""
        try:
            answer = self._client.get(f"{self._addresses.screen}/api/v1/trip")
            answer.raise_for_status()
            view: View = answer.json()
        except (httpx.HTTPError, ValueError):
            return None
        if len(self._decisions) < DECISIONS_MAX:
            self._decisions += changes(self._view, view, self._clock())
        self._view = view
        self._receipt = view.get("receipt") or self._receipt
        return view

    def _current(self) -> View:
        view = self._look()
        if view is None:
            raise StepFailed("the screen does not answer")
        return view

    def _touch(self, step: TouchStep) -> dict[str, Any]:
        body = {key: value for key, value in msgspec.to_builtins(step).items() if value is not None}
        del body["may_be_refused"]
        if (sku := body.pop("line_of", None)) is not None:
            lines = [line["line"] for line in self._current()["lines"] if line["sku"] == sku]
            if not lines:
                raise StepFailed(f"no line of sku {sku} is on the screen")
            body["line"] = lines[-1]
        if (kind := body.pop("about", None)) is not None:
            about = [item["id"] for item in self._current()["interventions"] if item["kind"] == kind]
            if not about:
                raise StepFailed(f"no {kind} is on the screen")
            body["intervention"] = about[0]
        return body

    def _filled(self, text: str) -> str:
        """`{trip}`, `{code}`, `{amount}`, `{age_check}`… stand for what only the running trip knows."""
        if "{" not in text:
            return text
        view = self._current()
        payment = view["payment"] or {}
        known = {"{trip}": str(view["trip_id"]), "{attempt}": str(payment.get("attempt_id"))}
        known |= {"{code}": str(payment.get("code")), "{amount}": str(payment.get("amount_minor"))}
        known |= {f"{{{item['kind']}}}": str(item["id"]) for item in view["interventions"]}
        for name, value in known.items():
            text = text.replace(name, value)
        if "{" in text:
            raise StepFailed(f"nothing on the screen stands for {text}")
        return text

    def _filled_body(self, body: dict[str, Any]) -> dict[str, Any]:
        filled: dict[str, Any] = {}
        for key, value in body.items():
            text = self._filled(value) if isinstance(value, str) else value
            filled[key] = int(text) if text != value and key not in TEXTS and str(text).isdigit() else text
        return filled

    def _post(self, url: str, body: Any, *, refusable: bool = False) -> None:
        try:
            answer = self._client.post(url, json=body)
        except httpx.HTTPError as error:
            raise StepFailed(f"{url} does not answer ({type(error).__name__})") from None
        if answer.status_code >= 400 and not (refusable and answer.status_code == REFUSED):
            raise StepFailed(f"{url} answered {answer.status_code}: {' '.join(answer.text.split())[:300]}")


def _unmet(step: Expect, view: View) -> str | None:
    problem = mismatch(step.trip, view)
    if problem is None and step.without and mismatch(step.without, view) is None:
        problem = f"still there: {step.without}"
    return problem


def describe(step: Step) -> str:
    """A step in one line, as it is reported."""
    if isinstance(step, Row):
        rows = ", ".join(str(row) for row in step.rows)
        return f"situation {rows}: {step.title}" if rows else step.title
    if isinstance(step, Wait):
        return f"wait {step.seconds:g} s"
    defaults = {"within_s", "for_s"} if isinstance(step, Expect) else set()
    value = step.verb if isinstance(step, Act) else step
    parts = [
        f"{key} {_brief(part)}"
        for key, part in msgspec.to_builtins(value).items()
        if part not in (None, {}, False) and key not in defaults
    ]
    return f"{_verb_name(step)} {', '.join(parts)}".strip()


def _verb_name(step: Step) -> str:
    names = {TouchStep: "touch", TillStep: "till", Expect: "expect"}
    return step.name if isinstance(step, Act) else names[type(step)]


def _brief(value: Any) -> str:
    return msgspec.json.encode(value).decode().replace('"', "")[:300]
