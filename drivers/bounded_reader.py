"""What all readers of the load-cell converter share: reads with a deadline, visible to a watchdog, and figures."""

from __future__ import annotations

import abc
import dataclasses
from types import TracebackType
from typing import Self

from drivers.clock import Clock
from drivers.protocols import ConverterStatistics, Reading

READ_TIMEOUT_S = 0.8
"""Longer than the 0.3–0.7 s gaps that sound rigs show at 10 samples/s, short enough to name a fault within a second."""


class BoundedReader(abc.ABC):
    """The half of `ScaleReader` that is the same for all; backends say how a reading is come by."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._statistics = ConverterStatistics()
        self._busy_since_ns: int | None = None

    @property
    def statistics(self) -> ConverterStatistics:
        """A copy."""
        return dataclasses.replace(self._statistics)

    @property
    def busy_since_ns(self) -> int | None:
        """When the read now under way began; None between reads. The kernel's driver takes up to two seconds."""
        return self._busy_since_ns

    def figures(self) -> dict[str, float]:
        """Statistics by name."""
        return self.statistics.figures()

    def read(self, timeout_s: float = READ_TIMEOUT_S) -> Reading:
        """See `ScaleReader.read`."""
        self._busy_since_ns = self._clock.now_ns()
        try:
            return self._read(self._busy_since_ns + round(timeout_s * 1e9))
        finally:
            self._busy_since_ns = None

    @abc.abstractmethod
    def _read(self, deadline_ns: int) -> Reading:
        """The next reading that can be trusted, by `deadline_ns` of the clock. Raises as `ScaleReader.read` says."""

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of pins or files; twice does no harm."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
