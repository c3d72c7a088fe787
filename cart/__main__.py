"""The entry point: registers the commands and turns every error meant for people into one line."""

from __future__ import annotations

import errno
import importlib
import importlib.metadata
import io
import os
import sys
import tempfile
import traceback
from typing import Annotated, Any, NoReturn

import typer

from cart.core.problem import Problem
from drivers.errors import DriverError

# name -> module; a module defines `run` (one command) or `app` (a group of commands).
COMMANDS = {
    "demo": "cart.commands.demo",
    "run": "cart.commands.run",
    "status": "cart.commands.status",
    "diag": "cart.commands.diag",
    "calibrate": "cart.commands.calibrate",
    "record": "cart.commands.record",
    "replay": "cart.commands.replay",
    "score": "cart.commands.score",
    "bench": "cart.commands.bench",
    "catalog": "cart.commands.catalog",
    "barcode": "cart.commands.barcode",
    "audit": "cart.commands.audit",
    "till": "cart.commands.till",
    "provision": "cart.commands.provision",
    "update": "cart.commands.update",
}

SUMMARY = (
    "The smart cart: weighs, scans and sees what goes in, totals it on the cart, takes payment, hands over a receipt."
)

NO_PLACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Why a disk takes no more: nobody's fault but for a person to mend."""

# Typer brought click's errors into itself (0.2x) and does not export this one; its base class is what both have.
USAGE_ERROR: Any = typer.BadParameter.__bases__[0]


def build(only: str | None = None) -> typer.Typer:
    """The command line. With `only` that command's module alone is loaded: on a Pi the others cost seconds."""
    app = typer.Typer(help=SUMMARY, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback(help=SUMMARY)(_options)  # a group even with one command in it
    chosen = {only: COMMANDS[only]} if only in COMMANDS else COMMANDS
    for name, module_name in chosen.items():
        module = importlib.import_module(module_name)
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(module.run)
    return app


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"cart {importlib.metadata.version('smart-cart')}")
        raise typer.Exit


def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Which version this is.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """What stands before a command."""


def main() -> None:
    """Run the command line; exits 0, 1 or 2."""
    try:
        status = _run()
    except (Problem, DriverError) as error:
        fail(str(error))
    except USAGE_ERROR as error:
        asked = error.ctx.command_path if error.ctx is not None else "cart"
        fail(f"{error.format_message() or 'no command is given.'} Try '{asked} --help'.")
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except SystemExit as left:
        if isinstance(left.__context__, BrokenPipeError):  # Typer makes a 1 of it, which would be a failed check
            _unread()
        raise
    except BrokenPipeError:
        _unread()
    except OSError as error:
        if error.errno not in NO_PLACE:
            fail(_fault(error))
        _silence()
        fail(f"nothing more can be written to {error.filename or 'the output'} ({error.strerror}); make room there")
    except Exception as error:  # noqa: BLE001  # the last resort: a person gets a line, the report the rest
        fail(_fault(error))
    sys.exit(status if isinstance(status, int) else 0)


def _run() -> object:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no σ still gets the line
    command = typer.main.get_command(build(sys.argv[1] if len(sys.argv) > 1 else None))
    status = command.main(args=sys.argv[1:], prog_name="cart", standalone_mode=False)
    if sys.stdout is not None:  # closed by who started us
        sys.stdout.flush()
    return status


def _fault(error: Exception) -> str:
    try:
        report = keep_traceback()
    except OSError:
        report = "what you did"
    return f"a fault of the cart's own, {type(error).__name__}: {error}; please report it with {report}"


def _unread() -> NoReturn:
    """Who read the output has seen enough (`| head`): no error."""
    _silence()
    sys.exit(0)


def _silence() -> None:
    """What is still buffered goes nowhere: writing it at the end would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def keep_traceback() -> str:
    """Write the traceback of the error being handled to a file; its path."""
    with tempfile.NamedTemporaryFile("w", prefix="cart-fault-", suffix=".txt", delete=False) as file:
        file.write(traceback.format_exc())
    return file.name


def fail(message: str) -> NoReturn:
    """Print one line and leave with status 2."""
    print(f"cart: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


if __name__ == "__main__":
    main()
