"""The entry point: registers the commands and turns every error meant for people into one line."""

from __future__ import annotations

import importlib
import sys
import tempfile
import traceback
from typing import Any

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

# Typer brought click's errors into itself (0.2x) and does not export this one; its base class is what both have.
USAGE_ERROR: Any = typer.BadParameter.__bases__[0]


def build(only: str | None = None) -> typer.Typer:
    """The command line. With `only` that command's module alone is loaded: on a Pi the others cost seconds."""
    app = typer.Typer(help=SUMMARY, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback(help=SUMMARY)(lambda: None)  # a group even with one command in it
    chosen = {only: COMMANDS[only]} if only in COMMANDS else COMMANDS
    for name, module_name in chosen.items():
        module = importlib.import_module(module_name)
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(module.run)
    return app


def main() -> None:
    """Run the command line; exits 0, 1 or 2."""
    try:
        command = typer.main.get_command(build(sys.argv[1] if len(sys.argv) > 1 else None))
        status = command.main(args=sys.argv[1:], prog_name="cart", standalone_mode=False)
    except (Problem, DriverError) as error:
        fail(str(error))
    except USAGE_ERROR as error:
        fail(f"{error.format_message()} Try 'cart --help'.")
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:  # noqa: BLE001  # the last resort: a person gets a line, the report the rest
        fail(f"a fault of the cart's own, {type(error).__name__}: {error}; please report it with {keep_traceback()}")
    sys.exit(status if isinstance(status, int) else 0)


def keep_traceback() -> str:
    """Write the traceback of the error being handled to a file; its path."""
    with tempfile.NamedTemporaryFile("w", prefix="cart-fault-", suffix=".txt", delete=False) as file:
        file.write(traceback.format_exc())
    return file.name


def fail(message: str) -> None:
    """Print one line and leave with status 2."""
    print(f"cart: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


if __name__ == "__main__":
    main()
