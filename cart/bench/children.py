"""The processes of a demo: started together, watched, stopped in order, each with a log of its own."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# A process that has not left by then hangs, and is killed.
STOP_S = 8.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOG_TAIL_BYTES = 4000
# Loaded before any fork: a new child must not load anything.
LIBC = ctypes.CDLL(None)


def follow_parent() -> None:
    """In a new child: be told to leave when the parent is gone, even if it was killed. Linux only, elsewhere nothing.

    The kernel watches the parent's thread, so start such children from a thread that stays.
    """
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One process. A session of its own, so that Ctrl-C reaches only the demo, which stops the others in order."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=follow_parent,  # noqa: PLW1509  (one prctl call)
            )

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Ask it to leave; kill its group where it does not."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.terminate()
            self._process.wait(STOP_S)
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def obituary(self) -> str:
        """One line on how it died: its last words where it had any."""
        return f"the {self.name} stopped (status {self.exit_status}): {last_line(self.log)}"


def last_line(log: Path) -> str:
    """The last line of a log that says anything."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    # An exception group ends in a frame of dashes and bars, which says nothing.
    said = [line.strip(" |+-") for line in lines if any(char.isalnum() for char in line)]
    return said[-1][:300] if said else "it said nothing"
