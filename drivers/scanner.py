"""The barcode scanner on a serial line (USB-CDC or UART; never a keyboard wedge), through pyserial.

One thread owns the port: it opens it by its stable name, reads, frames, and opens it again when it goes away. Others
take events from a bounded queue.
"""

from __future__ import annotations

import dataclasses
import queue
import termios
import threading
import time
from collections.abc import Callable
from typing import Final

import serial

from drivers.protocols import SerialPort
from drivers.scanner_framing import Frame, Framing, Refused, ScannerFramer

QUEUE_MAX: Final = 256
"""Far more than a shopper scans while the daemon starts; what comes on top is dropped, counted and said."""
REOPEN_S: Final = 0.5
READ_S: Final = 0.1
"""How long a read waits for its first byte: also how late an unfinished code is dropped or `close` is seen."""
CHUNK_MAX: Final = 4096
LOST: Final = (serial.SerialException, OSError, termios.error)
"""Unplugging shows as any of these, by the call it is noticed in."""


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Bytes as they came in, cut anywhere, for recording; `t_ns` is when the first of them was read."""

    t_ns: int
    data: bytes


@dataclasses.dataclass(frozen=True)
class Scanned:
    """A whole code; `t_ns` is that of the chunk that ended it."""

    t_ns: int
    frame: Frame


@dataclasses.dataclass(frozen=True)
class ScanRejected:
    """Bytes that were thrown away."""

    t_ns: int
    refused: Refused


@dataclasses.dataclass(frozen=True)
class PortState:
    """The scanner came (`ok`) or went; `detail` is one line for a technician."""

    t_ns: int
    ok: bool
    fault: str = ""
    detail: str = ""


ScannerEvent = Chunk | Scanned | ScanRejected | PortState


def open_serial(port: str, baudrate: int) -> SerialPort:
    """The port, 8N1, for this process alone. Raises one of LOST."""
    return serial.Serial(port, baudrate, timeout=READ_S, exclusive=True)


class Scanner:
    """Runs from `start` to `close`; `events` holds what happened, in order."""

    def __init__(
        self,
        port: str,
        framing: Framing,
        *,
        baudrate: int = 115200,
        open_port: Callable[[str, int], SerialPort] = open_serial,
        on_event: Callable[[ScannerEvent], None] | None = None,
    ) -> None:
        """`port` is a stable name: /dev/serial/by-id/… or the udev rule's /dev/cart-scanner, not /dev/ttyACM0.

        With `on_event` events go to it instead of the queue, in the scanner's thread: it must not block.
        """
        self.port = port
        self.events: queue.Queue[ScannerEvent] = queue.Queue(QUEUE_MAX)
        self.dropped = 0
        """Events that found the queue full."""
        self._baudrate = baudrate
        self._open_port = open_port
        self._on_event = self._enqueue if on_event is None else on_event
        self._framer = ScannerFramer(framing)
        self._closing = threading.Event()
        self._ok: bool | None = None
        self._thread = threading.Thread(target=self._run, name="scanner", daemon=True)

    def start(self) -> None:
        """Begins to look for the port; a missing one is an event, not an error."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and releases the port, within a second; twice does no harm."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    @property
    def alive(self) -> bool:
        """Whether the thread runs; a supervisor starts a new Scanner when it does not."""
        return self._thread.is_alive()

    def take(self, timeout_s: float) -> ScannerEvent | None:
        """The next event, None after `timeout_s` without one."""
        try:
            return self.events.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                port = self._open_port(self.port, self._baudrate)
            except LOST as error:
                detail = f"no scanner at {self.port} ({_why(error)}): plug it in; check [scanner] port, group dialout"
                self._say_state(ok=False, fault="missing", detail=detail)
                self._closing.wait(REOPEN_S)
                continue
            try:
                self._say_state(ok=True)
                self._read_until_lost(port)
            except LOST as error:
                self._emit_framed(self._framer.drop(), time.monotonic_ns())
                self._say_state(
                    ok=False,
                    fault="lost",
                    detail=f"the scanner at {self.port} went away ({_why(error)}): check its plug",
                )
            finally:
                _close_quietly(port)
            self._closing.wait(REOPEN_S)

    def _read_until_lost(self, port: SerialPort) -> None:
        while not self._closing.is_set():
            data = port.read(1)
            t_ns = time.monotonic_ns()
            if not data:
                self._emit_framed(self._framer.tick(t_ns), t_ns)
                continue
            waiting = min(port.in_waiting, CHUNK_MAX)
            if waiting:
                data += port.read(waiting)
            self._on_event(Chunk(t_ns, data))
            self._emit_framed(self._framer.feed(data, t_ns), t_ns)

    def _emit_framed(self, framed: list[Frame | Refused], t_ns: int) -> None:
        for one in framed:
            self._on_event(Scanned(t_ns, one) if isinstance(one, Frame) else ScanRejected(t_ns, one))

    def _say_state(self, *, ok: bool, fault: str = "", detail: str = "") -> None:
        """Once a change, not once a try."""
        if ok != self._ok:
            self._ok = ok
            self._on_event(PortState(time.monotonic_ns(), ok=ok, fault=fault, detail=detail))

    def _enqueue(self, event: ScannerEvent) -> None:
        try:
            self.events.put_nowait(event)
        except queue.Full:
            self.dropped += 1


def _why(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _close_quietly(port: SerialPort) -> None:
    try:
        port.close()
    except LOST:
        return  # it is gone already
