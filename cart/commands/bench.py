"""`cart bench run FILE…`: scenarios against the daemon on simulated hardware, with JUnit XML and an HTML report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cart.commands.bench_trips import trips
from cart.core.problem import Problem

if TYPE_CHECKING:
    from cart.bench.player import PlayResult
    from cart.bench.report import Curve
    from cart.bench.scenario import Scenario

NEEDS_EXTRA = "cart bench needs httpx and PyYAML; install them with: pip install 'smart-cart[demo]'"

app = typer.Typer(help="Play scenarios against the whole cart, on simulated hardware.", no_args_is_help=True)
app.command("trips")(trips)


@app.callback()
def bench() -> None:
    """Play scenarios against the whole cart, on simulated hardware."""


@app.command("list")
def list_scenarios() -> None:
    """Name the bundled scenarios."""
    from cart.bench.scenario import bundled, load_scenario

    for name in bundled():
        scenario = load_scenario(name)
        typer.echo(f"{name:28} {scenario.name}")


@app.command("run")
def run_scenarios(
    *,
    files: Annotated[list[str], typer.Argument(help="YAML files, or names of bundled scenarios.")],
    junit: Annotated[Path, typer.Option(help="Where the JUnit XML goes.")] = Path("bench-junit.xml"),
    report: Annotated[Path, typer.Option(help="Where the HTML report goes.")] = Path("bench-report.html"),
    broker: Annotated[str, typer.Option(help="HOST:PORT of a broker that runs already, or embedded.")] = "",
    seed: Annotated[int, typer.Option(help="Of weights and of the load cell's noise.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> int:
    """Play each scenario on a fresh stack. Exit status 1 when a step failed."""
    try:
        from cart.bench.junit import write_junit
        from cart.bench.report import write_report
        from cart.bench.scenario import load_scenario

        scenarios = [load_scenario(name) for name in files]
    except ModuleNotFoundError as error:
        raise Problem(NEEDS_EXTRA) from error
    played = [_play(scenario, broker=broker, seed=seed, quiet=as_json) for scenario in scenarios]
    results = [result for result, _ in played]
    try:
        write_junit(results, junit)
        write_report(played, report)
    except OSError as error:
        raise Problem(
            f"{error.filename}: cannot be written ({error.strerror}); choose another --junit or --report"
        ) from None
    if as_json:
        typer.echo(json.dumps(_summary(results, junit, report)))
    else:
        passed = sum(result.ok for result in results)
        typer.echo(f"{passed} of {len(results)} scenarios passed; {junit} and {report} have the details.")
    return 0 if all(result.ok for result in results) else 1


def _play(scenario: Scenario, *, broker: str, seed: int, quiet: bool) -> tuple[PlayResult, Curve]:
    from cart.bench.demo import DemoOptions, play_on, running_stack
    from cart.commands.demo import Teller

    options = DemoOptions(broker=broker or None, seed=seed, policy=scenario.policy)
    if not quiet:
        typer.echo(f"{scenario.name} ({scenario.source})")
    with running_stack(options) as stack:
        return play_on(stack, scenario, (lambda _step: None) if quiet else Teller())


def _summary(results: list[PlayResult], junit: Path, report: Path) -> dict[str, object]:
    return {
        "scenarios": [
            {
                "name": result.scenario,
                "file": result.source,
                "ok": result.ok,
                "situations": list(result.rows),
                "seconds": round(result.seconds, 3),
                "failed": [f"{step.number}: {step.text}: {step.detail}" for step in result.steps if step.detail],
            }
            for result in results
        ],
        "junit": str(junit),
        "report": str(report),
    }
