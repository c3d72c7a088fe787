"""Four load cells with a converter each, read as one scale.

The four chips run by their own clocks, so their conversions fall at unrelated times. One thread looks at the four data
lines and fetches what is ready. The first chip's clock is the scale's: the other three are brought to its times by a
straight line between their conversions before and after, which costs up to one conversion's wait. `counts` is the mean
of the four: what the same bridges wired in parallel would give.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from drivers.bounded_reader import BoundedReader
from drivers.errors import (
    CellSaturated,
    CellSilent,
    CellStuckLow,
    DriverError,
    Garbled,
    NotReady,
    Saturated,
    StuckLow,
)
from drivers.hx711 import BAD_WORDS_MAX, PinReader
from drivers.protocols import ConverterStatistics, Reading

CORNERS = ("front left", "front right", "rear left", "rear right")
"""The order of the cells everywhere, as seen by whoever pushes the cart."""
KEPT = 4
"""Conversions of each cell. A chip that is faster by a tenth gives two while the slowest gives one."""
TOGETHER = 1 / 25
"""Of a conversion: a stamp is no better than this (`PinReader`), so what is nearer counts as at the same time."""
LOOK_EARLY = 0.95
"""Of a conversion after the last a cell is looked at again: a stamp that was late by chance is made good."""
_DEAD: tuple[tuple[type[DriverError], type[DriverError]], ...] = (
    (NotReady, CellSilent),
    (StuckLow, CellStuckLow),
    (Saturated, CellSaturated),
)


class FourCells(BoundedReader):
    """One reader of four. `t_ns` of a reading is when the first cell's conversion was seen ready."""

    def __init__(self, readers: Sequence[PinReader]) -> None:
        """`readers` in the order of CORNERS; they are closed with this. Raises ValueError unless there are four."""
        if len(readers) != len(CORNERS):
            raise ValueError(f"{len(readers)} readers are not one for each of {', '.join(CORNERS)}")
        super().__init__(readers[0].clock)
        self._readers = tuple(readers)
        self._seen_ns = [0] * len(readers)
        self._kept: list[list[Reading]] = [[] for _ in readers]
        self._waiting_ns: list[int] = []
        """Conversions of the first cell for which another is not far enough yet."""
        self._last_ns: int | None = None
        self._bad_words = 0

    @property
    def statistics(self) -> ConverterStatistics:
        """`read` and `missed` count what all four gave together; all else is the sum over them."""
        four = [reader.statistics for reader in self._readers]
        sums = {
            field.name: sum(getattr(one, field.name) for one in four)
            for field in dataclasses.fields(ConverterStatistics)
        }
        own = self._statistics
        return ConverterStatistics(**{**sums, "read": own.read, "missed": own.missed})

    def figures(self) -> dict[str, float]:
        """Statistics, and the first chip's rate in samples/s; the others' with the corner's name."""
        rates = {
            f"samples_per_second_{corner.replace(' ', '_')}": 1e9 / reader.period_ns
            for corner, reader in zip(CORNERS[1:], self._readers[1:], strict=True)
        }
        return {**super().figures(), "samples_per_second": 1e9 / self._readers[0].period_ns, **rates}

    def _read(self, deadline_ns: int) -> Reading:
        reason: DriverError | None = None
        while True:
            at = self._next_ready(deadline_ns)
            if at is None:
                raise (reason or self._silent()) from None
            self._seen_ns[at] = self._clock.now_ns()
            try:
                reading = self._readers[at].read(0.0)
            except NotReady:
                pass  # its word was thrown away: it is settling
            except (Garbled, Saturated) as error:
                self._forget()
                reason = _of_cell(error, CORNERS[at])
                self._bad_words += 1
                if self._bad_words == BAD_WORDS_MAX:
                    raise reason from None
            else:
                self._kept[at] = [*self._kept[at][1 - KEPT :], reading]
                if at == 0:
                    self._waiting_ns = [*self._waiting_ns[1 - KEPT :], reading.t_ns]
                if (whole := self._whole()) is not None:
                    return whole
            if self._clock.now_ns() >= deadline_ns:
                raise (reason or self._silent()) from None

    def _next_ready(self, deadline_ns: int) -> int | None:
        """The cell whose conversion can be fetched. None when none came; sleeps while nothing can come."""
        clock, readers = self._clock, self._readers
        while True:
            now_ns = clock.now_ns()
            looks_ns = [
                seen + int(LOOK_EARLY * reader.period_ns) for seen, reader in zip(self._seen_ns, readers, strict=True)
            ]
            due = sorted((look_ns, at) for at, look_ns in enumerate(looks_ns) if look_ns <= now_ns)
            for _, at in due:
                if readers[at].ready:
                    return at
            if now_ns >= deadline_ns:
                return None
            next_ns = [look_ns for look_ns in looks_ns if look_ns > now_ns]
            for look_ns, at in due:
                # After two periods nobody needs half a millisecond: a cell that is gone must not cost a core.
                period_ns = readers[at].period_ns
                next_ns.append(now_ns + int((TOGETHER if now_ns < look_ns + 2 * period_ns else 0.5) * period_ns))
            clock.sleep((min(next_ns) - now_ns) / 1e9)

    def _silent(self) -> DriverError:
        """What the cell says that the others wait for; it settles anew when it comes back."""
        at = min(range(len(self._readers)), key=lambda one: self._kept[one][-1].t_ns if self._kept[one] else 0)
        self._forget()
        reader = self._readers[at]
        if not reader.ready:
            try:
                reader.read(0.0)
            except DriverError as error:
                return _of_cell(error, CORNERS[at])
        # This process was kept from its processor, or the cell settles: no cell is dead for that.
        return NotReady("the four cells were not read in time; read again")

    def _whole(self) -> Reading | None:
        """All four at the time of the first cell's oldest conversion that waits, once the others have come so far."""
        near_ns = int(TOGETHER * self._readers[0].period_ns)
        while self._waiting_ns:
            t_ns = self._waiting_ns[0]
            if any(not kept or kept[-1].t_ns < t_ns - near_ns for kept in self._kept):
                return None
            self._waiting_ns.pop(0)
            if all(kept[0].t_ns <= t_ns + near_ns for kept in self._kept):
                return self._together(t_ns, near_ns)
        return None

    def _together(self, t_ns: int, near_ns: int) -> Reading:
        cells = tuple(_at(kept, t_ns, near_ns) for kept in self._kept)
        self._bad_words = 0
        self._statistics.read += 1
        if self._last_ns is not None:
            missed = round((t_ns - self._last_ns) / self._readers[0].period_ns) - 1
            self._statistics.missed += max(0, missed)
        self._last_ns = t_ns
        return Reading(t_ns, round(sum(cells) / len(cells)), cells)

    def _forget(self) -> None:
        """What was read before a fault belongs to no time after it."""
        self._kept = [[] for _ in self._readers]
        self._waiting_ns = []
        self._last_ns = None

    def reset(self) -> None:
        """Power-cycle all four."""
        self._forget()
        for reader in self._readers:
            reader.reset()

    def close(self) -> None:
        """Let go of all pins; twice does no harm."""
        for reader in self._readers:
            reader.close()


def _at(kept: Sequence[Reading], t_ns: int, near_ns: int) -> int:
    """A cell's counts at `t_ns`: of the conversion that is as good as then, else on the line between two."""
    for reading in kept:
        if abs(reading.t_ns - t_ns) <= near_ns:
            return reading.counts
    after = next(reading for reading in kept if reading.t_ns > t_ns)
    before = kept[kept.index(after) - 1]
    share = (t_ns - before.t_ns) / (after.t_ns - before.t_ns)
    return round(before.counts + share * (after.counts - before.counts))


def _of_cell(error: DriverError, corner: str) -> DriverError:
    """The same error with the cell's name; where it means that the cell is dead, it is called so."""
    for kind, dead in _DEAD:
        if isinstance(error, kind):
            return dead(f"{corner} cell: {error}")
    return type(error)(f"{corner} cell: {error}")
