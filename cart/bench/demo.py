"""Composes a demo from its options: folder, ports, broker, catalogue, stack; plays scenarios on it."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from cart.bench.broker import find_mosquitto, plan_broker
from cart.bench.player import Player, PlayResult, StepResult
from cart.bench.report import Curve
from cart.bench.scenario import Scenario
from cart.bench.stack import Stack, StackPlan, free_ports
from cart.core.problem import Problem

DEMO_CATALOG = Path(__file__).parents[1] / "demo_catalog" / "catalog.json"


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Port 0 takes a free one; no folder means a temporary one, removed at the end."""

    screen_port: int = 0
    bench_port: int = 0
    till_port: int = 0
    broker: str | None = None
    folder: Path | None = None
    catalog: Path = DEMO_CATALOG
    seed: int = 1
    pictures: Path | None = None
    policy: dict[str, float | bool] = {}


@contextmanager
def running_stack(options: DemoOptions) -> Iterator[Stack]:
    """A stack that is ready, stopped at the end whatever happens. Raises Problem, one line, where it does not start."""
    if not options.catalog.is_file():
        raise Problem(f"{options.catalog}: no such catalogue; give a catalog.json with --catalog")
    if options.pictures is not None and not options.pictures.is_dir():
        raise Problem(f"{options.pictures}: no such folder; name one with CLASS/*.jpg, or SKU.jpg files")
    if (taken := taken_port(options)) is not None:
        raise Problem(taken)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="cart-demo-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"{folder}: cannot be made ({error.strerror}); give another --folder") from None
    try:
        stack = Stack(_plan(options, folder.resolve()))
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()
    except Problem:
        # The logs say more than one line can: keep them.
        raise
    except BaseException:
        _remove(options, folder)
        raise
    else:
        _remove(options, folder)


def _remove(options: DemoOptions, folder: Path) -> None:
    if options.folder is None:
        shutil.rmtree(folder, ignore_errors=True)


def taken_port(options: DemoOptions) -> str | None:
    """One line about the first chosen port that another program listens on, None while all are free."""
    chosen = {
        "--screen-port": options.screen_port,
        "--bench-port": options.bench_port,
        "--till-port": options.till_port,
    }
    for option, port in chosen.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                return f"{option} {port} can't be used ({error.strerror}); choose another, or 0 for a free one"
    return None


def _plan(options: DemoOptions, folder: Path) -> StackPlan:
    free = iter(free_ports(5))
    return StackPlan(
        folder=folder,
        catalog=options.catalog.resolve(),
        broker=plan_broker(options.broker, folder, next(free), mosquitto=find_mosquitto()),
        screen_port=options.screen_port or next(free),
        bench_port=options.bench_port or next(free),
        till_port=options.till_port or next(free),
        relay_port=next(free),
        policy=options.policy,
        seed=options.seed,
        pictures=None if options.pictures is None else options.pictures.resolve(),
    )


def play_on(stack: Stack, scenario: Scenario, on_step: Callable[[StepResult], None]) -> tuple[PlayResult, Curve]:
    """Play a scenario on a running stack; also the weight curve for its report."""
    result = Player(stack.addresses, on_step=on_step).play(scenario)
    return result, stack.curve()
