"""The cart's power switch: starts the daemon as a process group of its own and takes it away with SIGKILL.

A power cut gives no process time to say goodbye; SIGKILL of the whole group is the nearest a host comes to it. (What
the disk had cached is not lost here, unlike in a real cut.)
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

# How long a stopped daemon may take to write its last words before it is killed.
STOP_S = 5.0


class PowerSwitch:
    """Holds one child. Without a command it switches nothing, and the cart is started by someone else."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command = list(command)
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None
        self.on = False
        self.starts = 0

    @property
    def has_cart(self) -> bool:
        return bool(self._command)

    def switch_on(self) -> None:
        """Start the daemon; its output goes to the log. Raises OSError when the command cannot be run."""
        self.on = True
        if not self._command:
            return
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.starts += 1

    def cut(self) -> None:
        """SIGKILL the daemon's whole process group, with no warning."""
        self.on = False
        self._end(signal.SIGKILL)

    def switch_off(self) -> None:
        """Ask the daemon to stop, and kill what has not within `STOP_S`."""
        self.on = False
        self._end(signal.SIGTERM)

    def exit_status(self) -> int | None:
        """The daemon's exit status where it left by itself while the power is on; None while it runs."""
        child = self._child  # a cut in another thread takes it away
        if child is None or not self.on:
            return None
        info = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return None if info is None else info.si_status

    def _end(self, number: signal.Signals) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        ends = time.monotonic() + STOP_S
        # WNOWAIT: the leader stays unreaped, so its number still names this group when the group is killed below.
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > ends:
                break
            time.sleep(0.02)
        # Grandchildren (scale, camera) can outlive a daemon that ended badly; none may outlive the power.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
