"""`cart demo`: a whole cart on this one machine, with no hardware. A person shops and pays on two pages."""

from __future__ import annotations

import os
import signal
import sys
import time
import webbrowser
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from cart.core.problem import Problem

if TYPE_CHECKING:
    from cart.bench.player import PlayResult, StepResult
    from cart.bench.scenario import Scenario
    from cart.bench.stack import Stack

WATCH_S = 0.5
NEEDS_EXTRA = "cart demo needs httpx and PyYAML; install them with: pip install 'smart-cart[demo]'"


def run(
    *,
    script: Annotated[str, typer.Option(help="Play this scenario: a YAML file, or a bundled one's name.")] = "",
    exit_: Annotated[bool, typer.Option("--exit", help="Leave when the scenario is over.")] = False,
    screen_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the shopper's screen; 0 takes a free one.")
    ] = 0,
    bench_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the bench page.")] = 0,
    till_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the till's page.")] = 0,
    broker: Annotated[str, typer.Option(help="HOST:PORT of a broker that runs already, or embedded.")] = "",
    folder: Annotated[Path | None, typer.Option(help="Keep everything here, for the next time too.")] = None,
    catalog: Annotated[Path | None, typer.Option(help="Another catalog.json than the demo's.")] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Photographs for the camera to see: CLASS/*.jpg or SKU.jpg; else drawn ones.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights and of the load cell's noise.")] = 1,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the pages in a browser.")] = True,
) -> int:
    """Run simulated hardware, the real daemon, a broker, the till and the pages on this machine."""
    if exit_ and not script:
        raise Problem("--exit goes with --script FILE; without a script the demo runs until Ctrl-C")
    try:
        from cart.bench.demo import DEMO_CATALOG, DemoOptions, running_stack
        from cart.bench.scenario import load_scenario

        scenario = load_scenario(script) if script else None
    except ModuleNotFoundError as error:
        raise Problem(NEEDS_EXTRA) from error
    options = DemoOptions(
        screen_port=screen_port,
        bench_port=bench_port,
        till_port=till_port,
        broker=broker or None,
        folder=folder,
        catalog=catalog or DEMO_CATALOG,
        seed=seed,
        pictures=pictures,
        policy={} if scenario is None else scenario.policy,
    )
    signal.signal(signal.SIGTERM, _leave)
    status = 0
    with running_stack(options) as stack:
        _welcome(stack)
        if open_ and not exit_ and _has_display():
            webbrowser.open(stack.addresses.screen)
            webbrowser.open(stack.addresses.world)
        if scenario is not None:
            status = _play(stack, scenario)
        if not exit_:
            _watch(stack)
    return status


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _has_display() -> bool:
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _welcome(stack: Stack) -> None:
    addresses = stack.addresses
    typer.echo("The cart is ready.")
    typer.echo(f"  the cart's screen     {addresses.screen}/")
    typer.echo(f"  the shopper's hands   {addresses.world}/")
    typer.echo(f"  the till              {addresses.till}/")
    typer.echo(f"  {f'broker ({stack.plan.broker.kind})':21} {stack.plan.broker.host}:{stack.plan.broker.port}")


def _play(stack: Stack, scenario: Scenario) -> int:
    """Play it, say each step, print the receipt that was paid. 0 if everything came as the scenario expects."""
    from cart.bench.demo import play_on

    typer.echo(f"\n{scenario.name}")
    result, _ = play_on(stack, scenario, Teller())
    typer.echo("")
    if not result.ok:
        skipped = sum(step.outcome == "skipped" for step in result.steps)
        why = stack.trouble() or stack.cart_trouble() or "the trip did not go as the scenario expects"
        typer.echo(f"Failed: {why}; {skipped} steps were not played.")
        return 1
    _print_receipt(result)
    rows = f", {len(result.rows)} situations" if result.rows else ""
    typer.echo(f"All {len(result.steps)} steps came as expected{rows}.")
    return 0


class Teller:
    """One line a step that was played, under its heading; a failed one says what was seen instead."""

    def __init__(self) -> None:
        self._heading = ""

    def __call__(self, step: StepResult) -> None:
        if step.outcome == "skipped":
            return
        if step.row != self._heading:
            self._heading = step.row
            typer.echo(f" {step.row}")
        _say_step(step)


def _say_step(step: StepResult) -> None:
    mark = "ok    " if step.outcome == "passed" else "FAILED"
    typer.echo(f"  {mark} {step.seconds:6.2f} s  {step.text}")
    if step.detail:
        typer.echo(f"          {step.detail}")


def _print_receipt(result: PlayResult) -> None:
    if result.receipt is None:
        return
    import msgspec

    from cart.core.receipt import Receipt
    from cart.receipt_text import receipt_text

    typer.echo(receipt_text(msgspec.convert(result.receipt, Receipt)))


def _watch(stack: Stack) -> None:
    """Until Ctrl-C, or until a process dies by itself: then raises Problem with its last words."""
    said = ""
    try:
        typer.echo("Ctrl-C stops everything.")
        while True:
            if (problem := stack.trouble()) is not None:
                raise Problem(f"{problem}; start the demo again")
            trouble = stack.cart_trouble() or ""
            if trouble and trouble != said:
                typer.echo(f"{trouble} (cut its power on the bench page to start it again)", err=True)
            said = trouble
            time.sleep(WATCH_S)
    except KeyboardInterrupt:
        typer.echo("\nStopping.")
