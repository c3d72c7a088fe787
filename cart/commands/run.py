"""`cart run`: the daemon, as at boot."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from cart.config import DEFAULT_PATH, load_config
from cart.core.problem import Problem
from cart.log_lines import no_card_numbers


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
    for handler in logging.getLogger().handlers:
        handler.addFilter(no_card_numbers)
    settings = load_config(config)
    from cart.daemon.composition import run_daemon

    try:
        run_daemon(settings, config.resolve())
    except Problem:
        raise
    except Exception as error:
        problem = first_problem(error)
        if problem is not None:
            raise problem from None
        # systemd's journal is where a technician looks for what made the cart start again.
        logging.getLogger(__name__).exception("the cart stopped by a fault of its own and is to be started again")
        raise typer.Exit(1) from None


def first_problem(error: BaseException) -> Problem | None:
    """The first error meant for people in a tree of exception groups."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for inner in error.exceptions if (found := first_problem(inner))), None)
    return None
