"""Keeps one child process running: reads its lines, kills it when stuck, starts it again with growing pauses."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence

import msgspec

from cart.daemon.child_messages import Alive, AnyChildMessage

log = logging.getLogger(__name__)

SILENCE_MAX_S = 3.0
"""A healthy child says `alive` four times a second; twelve missing in a row is a stuck process, not a busy machine."""
START_MAX_S = 15.0
"""OpenCV's import and a camera's opening take seconds on a Pi before the first line."""
PAUSE_FIRST_S = 0.5
PAUSE_MAX_S = 10.0
"""A part that dies at once every time is tried six times a minute: enough to recover, too little to cost a core."""
STEADY_S = 30.0
"""A child that ran this long starts the pauses anew."""
LINE_MAX_BYTES = 65536
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
"""NumPy's linear algebra would start a thread a core for systems of six equations, and each waits by spinning."""


class ChildProcess:
    """One supervised child, `python -m module args`. `on_message` gets what it says, `on_lost` a line when it died."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        on_message: Callable[[AnyChildMessage], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self.name = name
        self.restarts = 0
        self.figures: dict[str, float] = {}
        self._arguments = list(arguments)
        self._extra: tuple[str, ...] = ()
        self._line_max_bytes = LINE_MAX_BYTES
        self._restart_asked = False
        self._on_message = on_message
        self._on_lost = on_lost
        self._decoder = msgspec.json.Decoder(AnyChildMessage)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process else None

    def restart(self, *extra: str, line_max_bytes: int = LINE_MAX_BYTES) -> None:
        """Run it anew with these arguments beside its own, and lines so long: at once, and no loss."""
        self._extra, self._line_max_bytes = extra, line_max_bytes
        self._restart_asked = True
        self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def run(self) -> None:
        """Run until cancelled; the child is gone when this returns."""
        pause_s = PAUSE_FIRST_S
        while True:
            started = time.monotonic()
            reason = await self._run_once()
            if self._restart_asked:
                continue
            log.warning("%s process: %s; starting it again in %.1f s", self.name, reason, pause_s)
            self._on_lost(reason)
            await asyncio.sleep(pause_s)
            self.restarts += 1
            steady = time.monotonic() - started > STEADY_S
            pause_s = PAUSE_FIRST_S if steady else min(pause_s * 2, PAUSE_MAX_S)

    async def _run_once(self) -> str:
        self._restart_asked = False
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *self._arguments,
            *self._extra,
            stdout=asyncio.subprocess.PIPE,
            stdin=asyncio.subprocess.DEVNULL,
            env=os.environ | ENVIRONMENT,
            limit=self._line_max_bytes,
        )
        self._process = process
        try:
            if self._restart_asked:
                return "is started anew"  # asked for while it was being started the old way
            return await self._read_lines(process)
        finally:
            self._kill()
            self._process = None
            await process.wait()

    async def _read_lines(self, process: asyncio.subprocess.Process) -> str:
        stdout = process.stdout
        if stdout is None:
            return "has no output"
        patience_s = START_MAX_S
        while True:
            try:
                async with asyncio.timeout(patience_s):
                    line = await stdout.readline()
            except TimeoutError:
                return f"said nothing for {patience_s:.0f} s and was killed"
            except ValueError:
                return "sent a line that never ended"
            if not line:
                return f"ended with status {await process.wait()}"
            patience_s = SILENCE_MAX_S
            try:
                message = self._decoder.decode(line)
            except msgspec.MsgspecError:
                return "sent a line that is no message"
            if isinstance(message, Alive):
                self.figures = message.figures
            self._on_message(message)
