"""What the cart asks of each device. Hardware and simulators pass the same suites in tests/contract."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self


class GpioApi(Protocol):
    """The part of the `RPi.GPIO` API that the cart uses. No edges: they fail on kernels ≥ 6.6."""

    BCM: int
    OUT: int
    IN: int
    PUD_OFF: int
    PUD_UP: int
    PUD_DOWN: int

    def setmode(self, mode: int, /) -> None: ...
    def setwarnings(self, on: bool, /) -> None: ...
    def setup(self, channel: int, direction: int, pull_up_down: int = ..., initial: int = ...) -> None: ...
    def input(self, channel: int, /) -> int: ...
    def output(self, channel: int, level: int, /) -> None: ...
    def cleanup(self, channel: int | Sequence[int] = ..., /) -> None: ...


class Reading(NamedTuple):
    """One conversion of the load-cell converter: `t_ns` when it was seen ready, `counts` −8388607…8388606.

    `cells` are the four corners' own counts at `t_ns` where each has its converter; `counts` is their mean then.
    """

    t_ns: int
    counts: int
    cells: tuple[int, ...] = ()


@dataclasses.dataclass
class ConverterStatistics:
    """Counts since the reader was opened. Every word fetched is in exactly one of `read`, `discarded`, `saturated`,
    `overlong`, `desync`, `stuck_low`, `late` and `garbled`."""

    read: int = 0
    """Returned as readings."""
    discarded: int = 0
    """Thrown away while the converter settled after power-up, reset or a change of gain."""
    saturated: int = 0
    overlong: int = 0
    """The clock was high for 60 µs or more."""
    desync: int = 0
    stuck_low: int = 0
    late: int = 0
    """Fetched so slowly that the next conversion may have fallen into the word."""
    garbled: int = 0
    """Not to be trusted, and the backend cannot say why."""
    missed: int = 0
    """Conversions that nobody fetched in time (not words)."""
    not_ready: int = 0
    """Reads that ran into their deadline (not words)."""
    resets: int = 0

    def figures(self) -> dict[str, float]:
        """Name to number, for status and diagnostics."""
        return {name: float(value) for name, value in dataclasses.asdict(self).items()}


class ScaleReader(Protocol):
    """A load-cell converter. One thread reads; any thread may look at `busy_since_ns`, `statistics` and `figures`."""

    @property
    def statistics(self) -> ConverterStatistics: ...

    @property
    def busy_since_ns(self) -> int | None:
        """When the read now under way began; None between reads. A watchdog kills the process of one that is stuck."""
        ...

    def read(self, timeout_s: float = ...) -> Reading:
        """Wait for the next conversion that can be trusted.

        Bad words on the way are thrown away and counted. Raises NotReady when nothing came for `timeout_s`; Saturated,
        StuckLow, OutOfSync, OverlongClock, LateWord or Garbled when three words in a row were bad, and again each
        `timeout_s` while it lasts. Never returns a number for any of these.
        """
        ...

    def reset(self) -> None:
        """Power-cycle the converter where the backend can; the following words are thrown away until it has settled."""
        ...

    def figures(self) -> dict[str, float]:
        """Statistics and the measured rate, by name."""
        ...

    def close(self) -> None:
        """Let go of the pins or files; twice does no harm."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that the cart uses."""

    def isOpened(self) -> bool: ...  # noqa: N802 - OpenCV's names
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def set(self, prop: int, value: float, /) -> bool: ...
    def release(self) -> None: ...


class SerialPort(Protocol):
    """The part of `serial.Serial` that the scanner uses."""

    def read(self, size: int = 1, /) -> bytes: ...
    @property
    def in_waiting(self) -> int: ...
    def close(self) -> None: ...
