"""`cart run`, but one of three processes is SIGKILLed at a chosen journal write: `python -m cart.bench.faults.dies_at
PLAN cart.toml`. The harness is cart/bench/faults/kills.py; the daemon itself knows nothing of it.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Literal
from unittest.mock import patch

import msgspec

from cart.config import load_config
from cart.daemon.composition import run_daemon
from cart.journal import ledger_file

When = Literal["before", "after"]
Victim = Literal["daemon", "broker", "till"]


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """SIGKILL `victim` just before or just after the `write`-th commit of the journal (from 1; 0: never).

    Every commit appends one byte to `counted`; `pid` is the victim's process, where it is not the daemon itself.
    """

    victim: Victim
    when: When
    write: int
    counted: str
    pid: int = 0


class _Counting(sqlite3.Connection):
    """Counts commits, and kills at one of them."""

    kill: Kill
    writes = 0

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if sql != "COMMIT":
            return super().execute(sql, parameters)
        _Counting.writes += 1
        due = _Counting.writes == self.kill.write
        if due and self.kill.when == "before":
            self._strike()
        found = super().execute(sql, parameters)
        with Path(self.kill.counted).open("ab") as counted:
            counted.write(b".")
        if due and self.kill.when == "after":
            self._strike()
        return found

    def _strike(self) -> None:
        os.kill(self.kill.pid or os.getpid(), signal.SIGKILL)


class _Sqlite(ModuleType):
    """The module `sqlite3`, with connections that count."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sqlite3, name)

    def connect(self, path: Path, **options: Any) -> sqlite3.Connection:
        """As `sqlite3.connect`."""
        return sqlite3.connect(path, factory=_Counting, **options)


def main(plan: str, config: str) -> None:
    """Run the daemon under the plan, which is JSON."""
    _Counting.kill = msgspec.json.decode(plan, type=Kill)
    path = Path(config)
    with patch.object(ledger_file, "sqlite3", _Sqlite("sqlite3")):
        run_daemon(load_config(path), path.resolve())


if __name__ == "__main__":
    main(*sys.argv[1:])
