"""The wires of a platform on four cells: one `Wire` a converter, the first with the cart's other pins, too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from drivers.sim.wire import Wire

Pins = tuple[int, int]
"""(DOUT, SCK), BCM numbers."""
CELLS_MAX = 4


def create_wires(path: Path | str, pins: Sequence[Pins], *, samples_per_second: float) -> tuple[Wire, ...]:
    """The world's side: as many converters as `pins`, 1 to 4. An earlier world's that are too many are taken away."""
    files = _files(Path(path))
    for surplus in files[len(pins) :]:
        surplus.unlink(missing_ok=True)
    return tuple(
        Wire.create(file, dout_pin=dout, sck_pin=sck, samples_per_second=samples_per_second)
        for file, (dout, sck) in zip(files, pins, strict=False)
    )


def attach_others(path: Path | str) -> tuple[Wire, ...]:
    """The cart's side: the wires of all converters but the first; none on a cart with one summed channel."""
    return tuple(Wire.attach(file) for file in _files(Path(path))[1:] if file.exists())


def _files(first: Path) -> list[Path]:
    return [first, *(first.with_name(f"{first.name}.cell{number}") for number in range(2, CELLS_MAX + 1))]
