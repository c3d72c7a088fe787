"""`cart calibrate`: zero, span and check weights, step by step; nothing changes before all of it was right."""

from __future__ import annotations

import contextlib
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cart.commands import calibrate_temperature
from cart.config import DEFAULT_PATH, Config, load_config
from cart.control_client import ControlClient, NotRunning
from cart.core.calibration import Calibration, CalibrationRefused
from cart.core.calibration_procedure import Ask, CalibrationProcedure
from cart.core.problem import Problem
from cart.diagnostics import certificate
from cart.diagnostics.calibration_files import history_path, read_history, store
from cart.diagnostics.scale_reading import Readings, collect
from drivers.errors import DeviceMissing, DriverError
from drivers.protocols import ScaleReader
from drivers.scale import open_scale_reader
from drivers.thermometer import Thermometer

READ_S = 4.0
SETTLE_S = 2.0
"""After the technician let go: the platform rings for a second, and creep is quickest at first."""

Prompt = Callable[[Ask], None]


def run(
    *,
    config_path: Annotated[Path, typer.Option("--config", help="The cart's configuration.")] = DEFAULT_PATH,
    span_g: Annotated[float | None, typer.Option("--span", help="Reference weight in grams; by default a third of the "
                                                 "capacity.", show_default=False)] = None,
    check_g: Annotated[list[float] | None, typer.Option("--check", help="Check weight in grams, repeatable; "
                                                        "by default half the span.", show_default=False)] = None,
    corner_g: Annotated[float | None, typer.Option("--corner", help="Weight in grams for the four corners; with four "
                                                   "cells by default the span's.", show_default=False)] = None,
    made_by: Annotated[str, typer.Option("--by", help="Role or initials for the history.")] = "technician",
    new_cell: Annotated[bool, typer.Option("--new-cell", help="A cell or converter was changed: the old zero is "
                                           "void.")] = False,
    temperature: Annotated[bool, typer.Option("--temperature", help="Log the undisturbed scale while it warms and "
                                              "cools, and fit what that does to it. Ctrl-C ends the log.")] = False,
    load_g: Annotated[float, typer.Option("--load", min=0.0, help="With --temperature: what lies on it, in "
                                          "grams.")] = 0.0,
    hours: Annotated[float, typer.Option("--hours", min=0.0, help="With --temperature: how long; 0 fits what was "
                                         "logged before.")] = 12.0,
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
    if temperature:
        made = calibrate_temperature.run(
            config_path, config, load_g=load_g, hours=hours, read_s=read_s, made_by=made_by, made_at=_now()
        )
    else:
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
            cells=bool(config.scale.cell_pins),
            new_cell=new_cell,
        )
        prompt = _settle(settle_s) if yes else _ask(settle_s)
        try:
            celsius = _celsius(config)
            with open_scale_reader(config.gpio.module, config.scale) as reader:
                walk(procedure, reader, prompt=prompt, read_s=read_s, again=not yes)
        except (KeyboardInterrupt, typer.Abort, EOFError):
            raise Problem(
                "ended before the last load; nothing was changed, the old calibration stays in force"
            ) from None
        made = procedure.finish(made_at=_now(), made_by=made_by, celsius=celsius)
        made = made.as_stored()
        store(config_path, procedure.history.with_new(made))
    _tell(made, config_path, as_json=as_json)
    return 0


def walk(procedure: CalibrationProcedure, reader: ScaleReader, *, prompt: Prompt, read_s: float, again: bool) -> None:
    """Take all loads. A refused one is asked for `again`, or ends it; so is one that the converter could not give.

    Raises CalibrationRefused or DriverError.
    """
    while (ask := procedure.next) is not None:
        prompt(ask)
        try:
            read: Readings = collect(reader, read_s)
            reading = procedure.take(read.counts, read.cells)
        except (CalibrationRefused, DriverError) as refused:
            if not again or isinstance(refused, DeviceMissing):
                raise
            typer.echo(f"  refused: {refused}", err=True)
        else:
            typer.echo(
                f"  {reading.mean_counts:.0f} counts ± {reading.noise_counts:.0f} from {reading.samples} samples",
                err=True,
            )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _celsius(config: Config) -> float | None:
    """The temperature at which zero and span are taken. Raises Problem where a compensated scale can't tell it."""
    scale = config.scale
    if not scale.thermometer:
        return None
    known = Thermometer(scale.thermometer, sysfs=config.power.sysfs).read()
    if known.value is None and (scale.zero_g_per_kelvin or scale.span_per_kelvin):
        raise Problem(f"the scale's temperature is not known ({known.reason}), and its zero depends on it; mend that")
    return known.value


def _ask(settle_s: float) -> Prompt:
    def prompt(ask: Ask) -> None:
        # Enter pressed while the last load was still read must not answer for this one.
        with contextlib.suppress(termios.error, OSError):
            termios.tcflush(sys.stdin, termios.TCIFLUSH)
        typer.prompt(f"{ask.text}; then press Enter", default="", show_default=False, prompt_suffix=" ")
        typer.echo("  reading, hands off …", err=True)
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
    if made.cell_trims:
        typer.echo(f"  trims of the four cells: {', '.join(f'{trim:.4f}' for trim in made.cell_trims)}")
    if made.compensated_celsius:
        low, high = made.compensated_celsius
        typer.echo(
            f"  {made.zero_g_per_kelvin:+.2f} g and {1e6 * made.span_per_kelvin:+.0f} ppm of the load a kelvin from "
            f"{made.reference_celsius:.1f} °C, between {low:.1f} and {high:.1f} °C"
        )
    e_g = made.checks[0].interval_e_g if made.checks else 0.0
    for error in certificate.of_checks(made.checks, e_g):
        typer.echo(f"  {error.line}")
    if made.repeatability_g is not None:
        typer.echo(f"  the span once more differed by {made.repeatability_g:.2f} g")
    typer.echo(f"calibration {made.event} is stored in {config_path}; the earlier ones in {history_path(config_path)}")
