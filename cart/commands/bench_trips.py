"""`cart bench trips`: simulated shoppers drive the real session; how right baskets are, and what that costs people."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from cart.core.problem import Problem

if TYPE_CHECKING:
    from cart.bench.trips.cheats import CheatKind
    from cart.bench.trips.eye import Camera
    from cart.bench.trips.ranges import CatalogKind, Range
    from cart.bench.trips.running import TripFigures
    from cart.core.settings import Policy

ALL = "all"


def trips(
    *,
    trips: Annotated[int, typer.Option(min=1, help="How many trips of 5 to 60 items.")] = 100,
    seed: Annotated[int, typer.Option(help="The same seed makes the same trips.")] = 1,
    kind: Annotated[str, typer.Option(help="Catalogue: ordinary, twins, mixed, unknown, or all in turn.")] = ALL,
    camera: Annotated[
        str,
        typer.Option(
            help="on, off, or blind (it names things that are not there); simulated looks, no pixels. "
            "Several, as in on,off: the same trips with each, side by side."
        ),
    ] = "on",
    jobs: Annotated[int, typer.Option(min=1, max=2, help="Processes.")] = 2,
    acts: Annotated[
        str, typer.Option(help="Short trips of these acts instead (comma between them), by honest shoppers.")
    ] = "",
    cheats: Annotated[
        str, typer.Option(help="Every trip cheats in these ways instead (comma between them, one may stand twice).")
    ] = "",
    taught: Annotated[
        int,
        typer.Option(
            min=0,
            help="So many other trips of each kind come first, each on a cart of its own: "
            "the catalogue then holds what they taught the store. 0: as it was typed.",
        ),
    ] = 0,
    plot: Annotated[Path | None, typer.Option(help="Draw the figures into this folder.")] = None,
    only: Annotated[int | None, typer.Option(help="Tell one trip by its number, act by act, instead.")] = None,
    curve: Annotated[
        str, typer.Option(help="Instead: what each cost of accusing brings, for example 2,20,200 (miss_cost is 1).")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object last.")] = False,
) -> int:
    """Simulated shoppers in virtual time, beside a scan-only cart and a fixed tolerance on the same trips."""
    from cart.bench.trips.ranges import KINDS

    eyes = _cameras(camera)
    kinds = [k for k in KINDS if kind in (ALL, k)]
    if not kinds:
        raise Problem(f"there is no catalogue kind {kind!r}; take one of {', '.join(KINDS)} or {ALL}")
    if taught and only is not None:
        raise Problem("--only tells a trip in the catalogue as it was typed; leave --taught out")
    run = _Run(trips, seed, kinds, jobs, _script(acts), eyes[0], _cheating(cheats), taught)
    if len(eyes) > 1 and (curve or only is not None):
        raise Problem("--curve and --only take one --camera")
    if only is not None:
        return _tell(only, run, as_json=as_json)
    if len(eyes) > 1:
        result = _side_by_side(run, eyes)
    else:
        result = _curve(run, _costs(curve), plot) if curve else _table(run, plot)
    if as_json:
        typer.echo(json.dumps(result))
    return 0


class _Run(NamedTuple):
    """What is run."""

    trips: int
    seed: int
    kinds: Sequence[CatalogKind]
    jobs: int
    script: tuple[str, ...]
    camera: Camera
    cheating: tuple[CheatKind, ...]
    taught: int

    def ranges(self) -> list[Range]:
        """Each kind's range as the store believes it by now; none where nothing was taught."""
        from cart.bench.trips.teaching import teach

        found = []
        for kind in self.kinds if self.taught else ():
            lesson = teach(kind, self.seed, self.taught, jobs=self.jobs)
            typer.echo(
                f"{kind}, taught by {lesson.trips} trips: of {lesson.bad_before} products whose weight was missing or "
                f"wrong {lesson.bad_after - lesson.spoilt} still are, {lesson.spoilt} that were right no longer are"
            )
            found.append(lesson.goods)
        return found

    def go(self, policy: Policy | None = None) -> list[TripFigures]:
        from cart.bench.trips.running import run_trips

        done = []
        for figures in run_trips(
            self.trips, self.seed, self.kinds,
            jobs=self.jobs, policy=policy, script=self.script, camera=self.camera,
            cheating=self.cheating, taught=self.ranges(),
        ):  # fmt: skip
            done.append(figures)
            if len(done) % 10 == 0:
                typer.echo(f"\r{len(done)} of {self.trips} trips", err=True, nl=False)
        typer.echo("", err=True)
        return done


def _table(run: _Run, plot: Path | None) -> dict[str, Any]:
    from cart.bench.trips.figures import summary
    from cart.bench.trips.table import table

    began = time.perf_counter()
    done = run.go()
    wall_s = round(time.perf_counter() - began, 1)
    result = {
        "seed": run.seed,
        "kinds": list(run.kinds),
        "camera": run.camera,
        "taught": run.taught,
        **summary(done),
        "wall_s": wall_s,
    }
    for line in table(result):
        typer.echo(line)
    typer.echo(f"{wall_s} s for {run.trips} trips, {result['cpu_s']} s of processor, {result['samples']} samples")
    if plot is not None:
        from cart.bench.trips.pictures import draw

        typer.echo(f"picture: {draw(result, plot)}")
    return result


def _cameras(named: str) -> list[Camera]:
    from cart.bench.trips.eye import CAMERAS

    eyes = [known for name in named.split(",") for known in CAMERAS if known == name.strip()]
    if len(eyes) != len(named.split(",")) or len(set(eyes)) != len(eyes):
        raise Problem(f"--camera {named!r}: take one of {', '.join(CAMERAS)}, or several of them with commas between")
    return eyes


def _side_by_side(run: _Run, eyes: list[Camera]) -> dict[str, Any]:
    """What a camera brings: the same people, carts and goods with each."""
    from cart.bench.trips.figures import summary
    from cart.bench.trips.table import cameras

    results: dict[str, dict[str, Any]] = {eye: summary(run._replace(camera=eye).go()) for eye in eyes}
    for line in cameras(results):
        typer.echo(line)
    return {"seed": run.seed, "kinds": list(run.kinds), "cameras": results}


def _curve(run: _Run, costs: list[float], plot: Path | None) -> dict[str, Any]:
    """The operating curve: the same trips with each cost of accusing an honest shopper."""
    from cart.bench.trips.figures import operating_point
    from cart.bench.trips.table import curve
    from cart.core.settings import Policy

    points = [operating_point(cost, run.go(Policy(accuse_cost=cost))) for cost in costs]
    for line in curve(points):
        typer.echo(line)
    if plot is not None:
        from cart.bench.trips.pictures import draw_curve

        typer.echo(f"picture: {draw_curve(points, plot)}")
    return {"seed": run.seed, "kinds": list(run.kinds), "camera": run.camera, "trips": run.trips, "curve": points}


def _costs(curve: str) -> list[float]:
    try:
        costs = [float(cost) for cost in curve.split(",")]
    except ValueError:
        raise Problem(f"--curve takes numbers with commas between them, not {curve!r}") from None
    if min(costs) <= 0:
        raise Problem("--curve takes numbers above zero")
    return costs


def _script(acts: str) -> tuple[str, ...]:
    from cart.bench.trips.acts import HONEST

    script = tuple(name.strip() for name in acts.split(",") if name.strip())
    unknown = [name for name in script if name not in HONEST]
    if unknown:
        raise Problem(f"there is no act {unknown[0]!r}; take some of {', '.join(HONEST)}")
    return script


def _cheating(named: str) -> tuple[CheatKind, ...]:
    from cart.bench.trips.cheats import CHEATS

    names = [name.strip() for name in named.split(",") if name.strip()]
    unknown = [name for name in names if name not in CHEATS]
    if unknown:
        raise Problem(f"there is no cheat {unknown[0]!r}; take some of {', '.join(CHEATS)}")
    return tuple(kind for name in names for kind in CHEATS if kind == name)


def _tell(number: int, run: _Run, *, as_json: bool) -> int:
    import msgspec

    from cart.bench.trips.running import run_trip

    kind = run.kinds[number % len(run.kinds)]
    told = run_trip(number, run.seed, kind, trace=True, script=run.script, camera=run.camera, cheating=run.cheating)
    for t_ns, line in told.story:
        typer.echo(f"{t_ns / 1e9:9.3f} {line}")
    figures = msgspec.to_builtins(told.figures)
    typer.echo(json.dumps(figures) if as_json else f"{told.figures.problems or 'exact'}")
    return 0
