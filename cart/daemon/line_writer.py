"""How a child process speaks to the daemon: one JSON line a message on its standard output."""

from __future__ import annotations

import signal
import time
from typing import BinaryIO

import msgspec

from cart.daemon.child_messages import Alive, ChildMessage

ALIVE_NS = 250_000_000


def ignore_stop_signals() -> None:
    """The daemon ends its children itself; a stop meant for the whole group must not look like a child that died."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


class LineWriter:
    """Writes child messages to standard output, unbuffered: a reading in a buffer is a late reading."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._encoder = msgspec.json.Encoder()
        self._alive_ns = 0

    def say(self, message: ChildMessage) -> None:
        """Write one line; raises BrokenPipeError when the daemon is gone."""
        self._stream.write(self._encoder.encode(message) + b"\n")
        self._stream.flush()

    def alive(self, figures: dict[str, float]) -> None:
        """Say `alive` if it is time to."""
        now_ns = time.monotonic_ns()
        if now_ns - self._alive_ns >= ALIVE_NS:
            self._alive_ns = now_ns
            self.say(Alive(now_ns, figures))
