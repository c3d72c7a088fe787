"""`cart calibrate --temperature`: the undisturbed scale is logged while it warms and cools, then its drift is fitted.

The log, `temperature.jsonl` beside cart.toml, is kept: a run that was interrupted goes on, and a load can be logged
after the empty basket. Readings of another calibration are left out.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import typer

from cart.config import Config
from cart.core.calibration import Calibration, CalibrationRefused, read
from cart.core.calibration_thermal import ThermalFit, WarmReading, fit_thermal
from cart.core.problem import UNREADABLE_JSON, Problem
from cart.core.weighing.cells import combined
from cart.diagnostics.calibration_files import CalibrationFileError, read_history, store
from cart.diagnostics.scale_reading import collect
from drivers.protocols import ScaleReader
from drivers.scale import open_scale_reader
from drivers.thermometer import Thermometer

LOG_FILE = "temperature.jsonl"
EVERY_S = 60.0
"""Temperatures change over minutes; a night is 700 lines."""
TOUCHED_G = 100.0
"""Zero wanders 50 g at worst: beyond this something else lies there than was said."""


class Logged(msgspec.Struct, frozen=True):
    """One line of the log: a reading, and the calibration's number then."""

    event: int
    reading: WarmReading


def run(
    config_path: Path, config: Config, *, load_g: float, hours: float, read_s: float, made_by: str, made_at: str
) -> Calibration:
    """Log for `hours` or until Ctrl-C, fit, and put the fit in force. Raises CalibrationRefused where it can't be."""
    scale = config.scale
    if not scale.thermometer:
        raise Problem('the scale has no thermometer; set [scale] thermometer = "soc" or to a sensor\'s file')
    if load_g > scale.capacity_g:
        raise Problem(f"{load_g:g} g are above the capacity of {scale.capacity_g:g} g; --load is in grams")
    history = read_history(config_path, config)
    current = history.current
    if current is None or not current.made_at:
        raise Problem("calibrate zero and span first with 'cart calibrate'; the drift is reckoned from there")
    log_path = config_path.with_name(LOG_FILE)
    if hours:
        with open_scale_reader(config.gpio.module, scale) as reader:
            _log(reader, config, log_path, event=current.event, load_g=load_g, hours=hours, read_s=read_s)
    readings = read_log(log_path, current.event)
    reference = (
        current.celsius if current.celsius is not None else sum(r.celsius for r in readings) / (len(readings) or 1)
    )
    fit = fit_thermal(readings, counts_per_gram=current.counts_per_gram, reference_celsius=reference)
    made = _with_fit(current, fit, reference, event=history.events + 1, made_at=made_at, made_by=made_by).as_stored()
    store(config_path, history.with_new(made))
    typer.echo(
        f"{fit.readings} readings: {fit.rms_without_g:.2f} g of error without, {fit.rms_with_g:.2f} g with it", err=True
    )
    return made


def read_log(path: Path, event: int) -> list[WarmReading]:
    """The readings of calibration `event`, oldest first. A last line that a power cut left half written is ignored."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CalibrationFileError(f"{path}: cannot be read ({error.strerror}); check its owner") from None
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            logged = msgspec.json.decode(line, type=Logged)
        except UNREADABLE_JSON:
            if number == len(lines):
                continue
            raise CalibrationFileError(
                f"{path}: line {number} is no reading; move the file away and log anew"
            ) from None
        if logged.event == event:
            found.append(logged.reading)
    return found


def _log(
    reader: ScaleReader, config: Config, path: Path, *, event: int, load_g: float, hours: float, read_s: float
) -> None:
    what = f"{load_g:g} g on it" if load_g else "the basket empty"
    typer.echo(f"logging each minute with {what}; let it warm and cool by 5 K, touch nothing; Ctrl-C ends", err=True)
    thermometer = Thermometer(config.scale.thermometer, sysfs=config.power.sysfs)
    until = time.monotonic() + 3600 * hours
    try:
        with path.open("ab") as log:
            while time.monotonic() < until:
                due = time.monotonic() + EVERY_S
                reading = _reading(reader, config, thermometer, load_g=load_g, read_s=read_s)
                log.write(msgspec.json.encode(Logged(event, reading)) + b"\n")
                log.flush()
                gross_g = _gross_g(reading, config)
                typer.echo(f"  {reading.celsius:5.1f} °C  {gross_g - load_g:+7.1f} g", err=True)
                time.sleep(max(0.0, min(due, until) - time.monotonic()))
    except KeyboardInterrupt:
        typer.echo("", err=True)
    except OSError as error:
        raise CalibrationFileError(f"{path}: cannot be written ({error.strerror}); run it with sudo") from None


def _reading(
    reader: ScaleReader, config: Config, thermometer: Thermometer, *, load_g: float, read_s: float
) -> WarmReading:
    known = thermometer.read()
    if known.value is None:
        raise Problem(f"no temperature ({known.reason}); what was logged is kept")
    collected = collect(reader, read_s)
    counts = read(collected.counts).mean_counts
    if collected.cells:
        means = [sum(column) / len(column) for column in zip(*collected.cells, strict=True)]
        counts = combined(means, config.scale.cell_trims)
    found = WarmReading(time.time(), known.value, counts, load_g)
    if abs(_gross_g(found, config) - load_g) > TOUCHED_G:
        raise CalibrationRefused(
            f"it reads {_gross_g(found, config):.0f} g, not {load_g:g} g; put on what --load says, nothing else, and "
            "run this again: what was logged is kept"
        )
    return found


def _gross_g(reading: WarmReading, config: Config) -> float:
    return (reading.counts - config.scale.tare_counts) / config.scale.counts_per_gram


def _with_fit(
    current: Calibration, fit: ThermalFit, reference: float, *, event: int, made_at: str, made_by: str
) -> Calibration:
    return msgspec.structs.replace(
        current,
        event=event,
        made_at=made_at,
        made_by=f"{made_by}, temperature",
        tare_counts=fit.tare_counts,
        zero_g_per_kelvin=fit.zero_g_per_kelvin,
        span_per_kelvin=fit.span_per_kelvin,
        reference_celsius=reference,
        compensated_celsius=(fit.low_celsius, fit.high_celsius),
    )
