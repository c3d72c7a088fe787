"""`cart bench trips`: simulated shoppers drive the real session; how right baskets are, and what that costs people."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from cart.core.problem import Problem

ALL = "all"


def trips(
    *,
    trips: Annotated[int, typer.Option(min=1, help="How many trips of 5 to 60 items.")] = 100,
    seed: Annotated[int, typer.Option(help="The same seed makes the same trips.")] = 1,
    kind: Annotated[str, typer.Option(help="Catalogue: ordinary, twins, mixed, unknown, or all in turn.")] = ALL,
    jobs: Annotated[int, typer.Option(min=1, max=2, help="Processes.")] = 2,
    acts: Annotated[
        str, typer.Option(help="Short trips of these acts instead (comma between them), by honest shoppers.")
    ] = "",
    only: Annotated[int | None, typer.Option(help="Tell one trip by its number, act by act, instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object last.")] = False,
) -> int:
    """Simulated shoppers in virtual time, beside a scan-only cart and a fixed tolerance on the same trips."""
    from cart.bench.trips.figures import summary
    from cart.bench.trips.ranges import KINDS
    from cart.bench.trips.running import run_trips
    from cart.bench.trips.table import table

    kinds = [k for k in KINDS if kind in (ALL, k)]
    if not kinds:
        raise Problem(f"there is no catalogue kind {kind!r}; take one of {', '.join(KINDS)} or {ALL}")
    script = _script(acts)
    if only is not None:
        return _tell(only, seed, kinds[only % len(kinds)], script, as_json=as_json)
    began = time.perf_counter()
    done = []
    for figures in run_trips(trips, seed, kinds, jobs=jobs, script=script):
        done.append(figures)
        if len(done) % 10 == 0:
            typer.echo(f"\r{len(done)} of {trips} trips", err=True, nl=False)
    typer.echo("", err=True)
    result = {"seed": seed, "kinds": list(kinds), **summary(done), "wall_s": round(time.perf_counter() - began, 1)}
    if len(kinds) > 1:
        result["by_kind"] = {k: summary([t for t in done if t.kind == k])["carts"]["cart"] for k in kinds}
    for line in table(result):
        typer.echo(line)
    typer.echo(f"{result['wall_s']} s for {trips} trips, {result['samples']} samples")
    if as_json:
        typer.echo(json.dumps(result))
    return 0


def _script(acts: str) -> tuple[str, ...]:
    from cart.bench.trips.acts import HONEST

    script = tuple(name.strip() for name in acts.split(",") if name.strip())
    unknown = [name for name in script if name not in HONEST]
    if unknown:
        raise Problem(f"there is no act {unknown[0]!r}; take some of {', '.join(HONEST)}")
    return script


def _tell(number: int, seed: int, kind: str, script: tuple[str, ...], *, as_json: bool) -> int:
    import msgspec

    from cart.bench.trips.running import run_trip

    told = run_trip(number, seed, kind, trace=True, script=script)  # type: ignore[arg-type]  # checked by the caller
    for t_ns, line in told.story:
        typer.echo(f"{t_ns / 1e9:9.3f} {line}")
    figures = msgspec.to_builtins(told.figures)
    typer.echo(json.dumps(figures) if as_json else f"{told.figures.problems or 'exact'}")
    return 0
