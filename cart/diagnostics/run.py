"""Which checks there are, and one run over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from cart.config import ConfigError, load_config
from cart.control_client import ControlClient, ControlError, NotRunning
from cart.core.problem import Problem
from cart.diagnostics.check import UNCONFIGURED, Bench, Check, two_halves
from cart.diagnostics.devices import check_camera, check_pins, check_power, check_scanner
from cart.diagnostics.model import check_model
from cart.diagnostics.scale import check_scale
from cart.diagnostics.system import (
    check_broker,
    check_clock,
    check_config,
    check_disk,
    check_journal,
    check_screen,
)

PARTS: dict[str, Callable[[Bench], Check]] = {
    "config": check_config,
    "scale": check_scale,
    "scanner": check_scanner,
    "camera": check_camera,
    "pins": check_pins,
    "power": check_power,
    "broker": check_broker,
    "clock": check_clock,
    "journal": check_journal,
    "disk": check_disk,
    "screen": check_screen,
    "model": check_model,
}
"""In the order a technician would go through them."""

THOROUGH_S = 10.0
"""Samples of a scale that was asked for by name: long enough for the noise's second digit."""


def prepare(config_path: Path, *, part: str | None = None) -> Bench:
    """Read the configuration and ask whether a daemon runs. Raises Problem for an unknown part."""
    if part is not None and part not in PARTS:
        raise Problem(f"there is no part {part!r}; choose one of {', '.join(PARTS)}")
    config, problem = UNCONFIGURED, ""
    try:
        config = load_config(config_path)
    except ConfigError as error:
        problem = str(error)
    status = None
    try:
        status = ControlClient(Path(config.journal.folder)).status()
    except NotRunning:
        status = None
    except ControlError:
        if part is None:
            raise
    bench = Bench(config_path=config_path, config=config, config_problem=problem, status=status)
    if part is not None:
        bench = msgspec.structs.replace(bench, thorough=True, seconds=THOROUGH_S if part == "scale" else bench.seconds)
    return bench


def checks(bench: Bench, part: str | None = None) -> Iterator[Check]:
    """One check after another, as they are done. A check that breaks is itself a failure, never a traceback."""
    for name, check in PARTS.items():
        if part is None or part == name:
            try:
                yield check(bench)
            except Problem as error:
                what, todo = two_halves(str(error))
                yield Check(part=name, verdict="fail", summary=what, todo=todo)
            except Exception as error:  # noqa: BLE001 - a broken part must not hide the others
                yield Check(
                    part=name,
                    verdict="fail",
                    summary=f"the check itself broke: {type(error).__name__}: {error}",
                    todo="report this line with the part's make and model",
                )
