"""`cart calibrate`: zero, span and check weights, step by step; nothing changes before all of it was right."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cart.config import DEFAULT_PATH, Config, load_config
from cart.control_client import ControlClient, NotRunning
from cart.core.calibration import (
    Ask,
    Calibration,
    CalibrationProcedure,
    CalibrationRefused,
    CheckResult,
    permissible_error_g,
)
from cart.core.problem import Problem
from cart.diagnostics.calibration_files import history_path, read_history, store
from drivers.errors import DriverError, NotReady
from drivers.protocols import ScaleReader
from drivers.scale import open_scale_reader

READ_S = 4.0
SETTLE_S = 2.0
"""After the technician let go: the platform rings for a second, and creep is quickest at first."""
BAD_READS_MAX = 20

Prompt = Callable[[Ask], None]


def run(
    *,
    config_path: Annotated[Path, typer.Option("--config", help="The cart's configuration.")] = DEFAULT_PATH,
    span_g: Annotated[float | None, typer.Option("--span", help="Reference weight in grams; by default a third of the "
                                                 "capacity.", show_default=False)] = None,
    check_g: Annotated[list[float] | None, typer.Option("--check", help="Check weight in grams, repeatable; "
                                                        "by default half the span.", show_default=False)] = None,
    corner_g: Annotated[float | None, typer.Option("--corner", help="Weight in grams for the four corners.")] = None,
    made_by: Annotated[str, typer.Option("--by", help="Role or initials for the history.")] = "technician",
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: the loads are changed by a machine.")] = False,
    read_s: Annotated[float, typer.Option("--seconds", min=0.5, help="How long each load is read.")] = READ_S,
    settle_s: Annotated[float, typer.Option("--settle", min=0.0, help="Wait before each reading.")] = SETTLE_S,
    undo: Annotated[bool, typer.Option("--undo", help="Go back to the calibration before this one.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Show the kept calibrations and change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the calibration in force as one JSON object.")] = False,
) -> int:  # fmt: skip
    """Walk through zero, span and check weights. Refuses what can't be right; keeps the old calibration."""
    config = load_config(config_path)
    if show:
        return _show(config_path, config, as_json=as_json)
    _refuse_while_running(config)
    if undo:
        return _undo(config_path, config, as_json=as_json)
    if not yes and not sys.stdin.isatty():
        raise Problem(
            "calibrating asks the technician; run it in a terminal, or with --yes where a machine loads the cart"
        )
    span = round(config.scale.capacity_g / 3) if span_g is None else span_g
    procedure = CalibrationProcedure(
        capacity_g=config.scale.capacity_g,
        span_g=span,
        check_g=check_g or [round(span / 2)],
        corner_g=corner_g,
        interval_e_g=config.policy.verification_interval_e_g,
        history=read_history(config_path, config),
    )
    with open_scale_reader(config.gpio.module, config.scale) as reader:
        walk(procedure, reader, prompt=_settle(settle_s) if yes else _ask(settle_s), read_s=read_s, again=not yes)
    made = procedure.finish(made_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), made_by=made_by)
    # As cart.toml can hold it, so that file and history agree to the last digit.
    made = msgspec.structs.replace(made, counts_per_gram=round(made.counts_per_gram, 6))
    store(config_path, procedure.history.with_new(made))
    _tell(made, config_path, as_json=as_json)
    return 0


def walk(procedure: CalibrationProcedure, reader: ScaleReader, *, prompt: Prompt, read_s: float, again: bool) -> None:
    """Take all loads. A refused one is asked for `again`, or ends it. Raises CalibrationRefused or DriverError."""
    while (ask := procedure.next) is not None:
        prompt(ask)
        try:
            reading = procedure.take(collect(reader, read_s))
        except CalibrationRefused as refused:
            if not again:
                raise
            typer.echo(f"  refused: {refused}", err=True)
        else:
            typer.echo(
                f"  {reading.mean_counts:.0f} counts ± {reading.noise_counts:.0f} from {reading.samples} samples",
                err=True,
            )


def collect(reader: ScaleReader, seconds: float) -> list[int]:
    """Counts of the next `seconds`. Raises the driver's error when the converter can't be read."""
    counts: list[int] = []
    bad = 0
    # What the converter has ready is older than the load; its filter needs four conversions to forget.
    for _ in range(4):
        reader.read()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            counts.append(reader.read().counts)
        except NotReady:
            raise
        except DriverError:
            bad += 1
            if bad > BAD_READS_MAX:
                raise
    return counts


def _ask(settle_s: float) -> Prompt:
    def prompt(ask: Ask) -> None:
        typer.prompt(f"{ask.text}; then press Enter", default="", show_default=False, prompt_suffix=" ")
        time.sleep(settle_s)

    return prompt


def _settle(settle_s: float) -> Prompt:
    def prompt(ask: Ask) -> None:
        typer.echo(f"{ask.text}", err=True)
        time.sleep(settle_s)

    return prompt


def _refuse_while_running(config: Config) -> None:
    try:
        ControlClient(Path(config.journal.folder)).status()
    except NotRunning:
        return
    raise Problem("the running cart owns the scale; 'systemctl stop cart' first, and start it again afterwards")


def _undo(config_path: Path, config: Config, *, as_json: bool) -> int:
    history = read_history(config_path, config)
    if len(history.kept) < 2:
        raise Problem(f"{history_path(config_path)}: no earlier calibration is kept; calibrate anew")
    earlier = msgspec.structs.replace(
        history.kept[-2], event=history.events + 1, made_by=f"undo, as event {history.kept[-2].event}"
    )
    store(config_path, history.with_new(earlier))
    _tell(earlier, config_path, as_json=as_json)
    return 0


def _show(config_path: Path, config: Config, *, as_json: bool) -> int:
    history = read_history(config_path, config)
    if as_json:
        typer.echo(msgspec.json.encode(history).decode())
        return 0
    for kept in history.kept:
        mark = "→" if kept is history.current else " "
        typer.echo(
            f"{mark} {kept.event:3}  {kept.made_at or '–':20}  {kept.counts_per_gram:12.6f} counts/g  "
            f"tare {kept.tare_counts:9}  {kept.made_by}"
        )
    return 0


def _tell(made: Calibration, config_path: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(made).decode())
        return
    typer.echo(f"{made.counts_per_gram:.6f} counts/g, tare {made.tare_counts}, noise {made.noise_g:.2f} g")
    for check in made.checks:
        typer.echo(f"  {_certificate(check)}")
    typer.echo(
        f"stored in {config_path}; the earlier ones are kept in {history_path(config_path)}{os.linesep}", nl=False
    )


def _certificate(check: CheckResult) -> str:
    permitted = permissible_error_g(check.load_g, check.interval_e_g)
    where = f" {check.position}" if check.position else ""
    return f"{check.load_g:g} g{where}: {check.error_g:+.2f} g, permitted ±{permitted:g} g"
