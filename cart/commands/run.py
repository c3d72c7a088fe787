"""`cart run`: the daemon, as at boot."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from cart.config import DEFAULT_PATH, load_config
from cart.core.problem import Problem


def run(
    config: Annotated[Path, typer.Option(help="The cart's configuration.")] = DEFAULT_PATH,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run the cart: the daemon that systemd starts at boot. Ends on SIGTERM."""
    level = logging.getLevelNamesMapping().get(log_level.upper())
    if level is None:
        raise Problem(f"--log-level {log_level}: use debug, info, warning or error")
    # journald adds the time; a line a person reads says what, not when.
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    settings = load_config(config)
    from cart.daemon.composition import run_daemon

    try:
        run_daemon(settings, config.resolve())
    except ExceptionGroup as group:
        for error in group.exceptions:
            if isinstance(error, Problem):
                raise error from None
        raise
