"""The simulated wires: two small memory-mapped files between the world's process and the cart's.

`Wire` carries what copper would: the load-cell converter's latest conversion, whether it is plugged in and what is
wrong with it, and 64 pin levels. `FrameWire` carries what a lens would: the latest frame. The world writes, the cart's
simulated devices read; only output pins go the other way. The world outlives the daemon, so creating a wire anew keeps
the file (and everybody's mapping of it) and only resets its contents.

No locks: a writer killed in mid-write must not block a cart. Each field is one aligned 8-byte word or one byte, which
the CPU stores whole; a record of several words carries a check word, and a reader takes it again when it doesn't match.
All times are `time.monotonic_ns()`, which all processes of a machine share.
"""

from __future__ import annotations

import enum
import mmap
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

from drivers.errors import DeviceMissing

WIRE_MAGIC = 0x3231_4552_4957_5343  # "CSWIRE12", changed when the layout does
FRAME_MAGIC = 0x3131_4D41_5246_5343
PINS = 64
READ_TRIES_MAX = 1000
"""A record is written in a few µs, but the kernel may stop its writer in mid-record for longer than these take."""
WRITER_PATIENCE_S = 2.0
"""A writer stopped for this long, on any machine, is dead."""


class ScaleFault(enum.IntEnum):
    """What is wrong between load cell, converter and pins."""

    NONE = 0
    UNPLUGGED = 1
    """The converter board is off the connector: nothing drives DOUT, its pull-up keeps it high, never ready."""
    STUCK_LOW = 2
    """DOUT shorted to ground: always 'ready', all bits 0, and low after the gain pulses too."""
    SATURATED_HIGH = 3
    """A broken bridge wire: every word is 0x7FFFFF."""
    SATURATED_LOW = 4
    """A broken bridge wire: every word is 0x800000."""
    DESYNC = 5
    """The chip counts one clock less than the cart gives it: bits shifted by one, DOUT low after the gain pulses."""
    GARBLED = 6
    """A disturbed bit clock: words with wrong bits, a glitch on DOUT where the sync check looks."""
    GAP = 7
    """The chip makes no conversions: DOUT stays high."""
    STUCK_HIGH = 8
    """DOUT shorted to the supply."""
    SPIKE = 9
    """A disturbed word whose sync check passes: wrong by its bit 20, and no reader can tell (real rigs show these)."""


class Conversion(NamedTuple):
    """One conversion: `seq` counts from 1 (0: none yet), `t_ns` when it was ready, signed 24-bit `counts`."""

    seq: int
    t_ns: int
    counts: int


# word indices; a word is 8 bytes
_MAGIC, _DOUT_PIN, _SCK_PIN, _RATE_MHZ, _FAULT, _FAULT_UNTIL, _SEQ = range(7)
_RECORDS = 24  # two records of seq, t_ns, counts and check word, taken in turns
_PIN_BYTES = 16 * 8
_SIZE = 4096
_FLOATING = 2  # a pin byte: 0 low, 1 high, 2 nothing drives it


class _Mapped:
    """A memory-mapped file, seen as 8-byte words and as bytes."""

    def __init__(self, path: Path, size: int, magic: int, *, create: bool) -> None:
        self.path = path
        flags = os.O_RDWR | (os.O_CREAT if create else 0)
        try:
            fd = os.open(path, flags, 0o600)
        except OSError as error:
            raise DeviceMissing(f"{path}: no simulated wire ({error.strerror}); start 'cart demo' first") from None
        try:
            if create:
                os.ftruncate(fd, size)
            elif os.fstat(fd).st_size < size:
                raise DeviceMissing(f"{path}: not a simulated wire (too short); start 'cart demo' first")
            self._map = mmap.mmap(fd, 0)
        finally:
            os.close(fd)
        # explicit Any: a cast memoryview's element type is int, which typeshed cannot say on all supported versions
        self.words: Any = memoryview(self._map)[: len(self._map) // 8 * 8].cast("q")
        self.bytes = memoryview(self._map)
        if not create and self.words[_MAGIC] != magic:
            self.close()
            raise DeviceMissing(f"{path}: not a simulated wire of this version; start 'cart demo' again")

    def close(self) -> None:
        """Unmap; twice does no harm. The file stays."""
        self.words.release()
        self.bytes.release()
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _tries() -> Iterator[None]:
    """Tries at a whole record: at once as a rule, then with pauses, until the writer must be dead."""
    for _ in range(READ_TRIES_MAX):
        yield
    give_up_s = time.monotonic() + WRITER_PATIENCE_S
    while time.monotonic() < give_up_s:
        time.sleep(0.0005)
        yield


class Wire(_Mapped):
    """The load-cell converter's and the pins' wires. One writer a field: the world, or for an output pin the cart."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        super().__init__(path, _SIZE, WIRE_MAGIC, create=create)

    @classmethod
    def create(cls, path: Path | str, *, dout_pin: int = 5, sck_pin: int = 6, samples_per_second: float = 80.0) -> Wire:
        """The world's side. The pins (BCM numbers) are where the simulated converter is soldered."""
        wire = cls(Path(path), create=True)
        words = wire.words
        words[_MAGIC] = 0  # nobody attaches to a half-made wire
        words[_DOUT_PIN], words[_SCK_PIN] = dout_pin, sck_pin
        words[_RATE_MHZ] = round(samples_per_second * 1000)
        wire.bytes[_PIN_BYTES : _PIN_BYTES + PINS] = bytes([_FLOATING]) * PINS
        wire.set_scale_fault(ScaleFault.NONE)
        wire._store(Conversion(0, 0, 0))
        words[_MAGIC] = WIRE_MAGIC
        return wire

    @classmethod
    def attach(cls, path: Path | str) -> Wire:
        """The cart's side. Raises DeviceMissing when there is no such wire."""
        return cls(Path(path))

    @property
    def dout_pin(self) -> int:
        return int(self.words[_DOUT_PIN])

    @property
    def sck_pin(self) -> int:
        return int(self.words[_SCK_PIN])

    @property
    def samples_per_second(self) -> float:
        """What the converter's RATE pin is tied to (10 or 80); the world must make conversions at this rate."""
        return int(self.words[_RATE_MHZ]) / 1000

    def convert(self, counts: int, t_ns: int | None = None) -> int:
        """The world: a conversion is ready. Clamps to the converter's 24 bits. Returns its `seq`."""
        seq = int(self.words[_SEQ]) + 1
        clamped = max(-8388608, min(8388607, counts))
        self._store(Conversion(seq, time.monotonic_ns() if t_ns is None else t_ns, clamped))
        return seq

    def _store(self, conversion: Conversion) -> None:
        """Writes the older of two records, then points to it: a writer stopped in between leaves the last one whole."""
        words = self.words
        at = _RECORDS + 4 * (conversion.seq & 1)
        words[at + 3] = ~0
        words[at], words[at + 1], words[at + 2] = conversion
        words[at + 3] = conversion.seq ^ conversion.t_ns ^ conversion.counts
        words[_SEQ] = conversion.seq

    def conversion(self) -> Conversion:
        """The cart: the latest conversion; the chip overwrites what nobody fetched, so may this."""
        words = self.words
        for _ in _tries():
            at = _RECORDS + 4 * (words[_SEQ] & 1)
            seq, t_ns, counts = words[at], words[at + 1], words[at + 2]
            if words[at + 3] == seq ^ t_ns ^ counts:
                return Conversion(seq, t_ns, counts)
        raise DeviceMissing(f"{self.path}: the simulated world died while writing; start 'cart demo' again")

    @property
    def seq(self) -> int:
        """Sequence number of the latest conversion, one word: cheap to poll."""
        return int(self.words[_SEQ])

    def set_scale_fault(self, fault: ScaleFault, *, words: int | None = None) -> None:
        """The world: break the converter, until cleared, or for the next `words` conversions."""
        until = 0 if words is None else int(self.words[_SEQ]) + words
        self.words[_FAULT_UNTIL] = until
        self.words[_FAULT] = int(fault)

    def scale_fault(self, seq: int | None = None) -> ScaleFault:
        """What is wrong with the converter now (for conversion `seq`, by default the latest)."""
        until = self.words[_FAULT_UNTIL]
        if until and (self.words[_SEQ] if seq is None else seq) > until:
            return ScaleFault.NONE
        return ScaleFault(self.words[_FAULT])

    def set_pin(self, pin: int, level: bool | None) -> None:
        """Drive a pin (BCM number) low or high; None lets go of it, so that its pull resistor wins."""
        self._check_pin(pin)
        self.bytes[_PIN_BYTES + pin] = _FLOATING if level is None else int(level)

    def pin(self, pin: int) -> bool | None:
        """The level somebody drives the pin to; None when nobody does."""
        self._check_pin(pin)
        level = self.bytes[_PIN_BYTES + pin]
        return None if level == _FLOATING else bool(level)

    @staticmethod
    def _check_pin(pin: int) -> None:
        if not 0 <= pin < PINS:
            raise ValueError(f"pin {pin} is not in 0…{PINS - 1} (BCM numbers)")


class Frame(NamedTuple):
    """One picture: `seq` from 1, `t_ns` when it was exposed, rows top down, 3 bytes a pixel: blue, green, red."""

    seq: int
    t_ns: int
    width: int
    height: int
    pixels: bytes


_PLUGGED, _LATEST = 1, 2
_SLOT_WORDS = 4  # seq, t_ns, width, height
_SLOTS = 3  # the writer is two frames away from a slot when a reader has begun to copy it
_FRAME_HEADER = 4096


class FrameWire(_Mapped):
    """The latest frame, in one of three slots. A torn copy is noticed by its slot's `seq` and taken again."""

    def __init__(self, path: Path, *, pixels_max: int = 0, create: bool = False) -> None:
        super().__init__(path, _FRAME_HEADER + _SLOTS * pixels_max * 3, FRAME_MAGIC, create=create)

    @classmethod
    def create(cls, path: Path | str, *, width_max: int = 640, height_max: int = 480) -> FrameWire:
        """The world's side; frames may have any size up to width_max × height_max pixels."""
        wire = cls(Path(path), pixels_max=width_max * height_max, create=True)
        words = wire.words
        words[_MAGIC] = 0
        words[_PLUGGED], words[_LATEST] = 1, -1
        for slot in range(_SLOTS):
            words[wire._slot(slot)] = 0
        words[_MAGIC] = FRAME_MAGIC
        return wire

    @classmethod
    def attach(cls, path: Path | str) -> FrameWire:
        """The cart's side. Raises DeviceMissing when there is no such wire."""
        return cls(Path(path))

    @property
    def plugged(self) -> bool:
        """Whether the camera is on its connector."""
        return bool(self.words[_PLUGGED])

    @plugged.setter
    def plugged(self, plugged: bool) -> None:
        self.words[_PLUGGED] = int(plugged)

    @property
    def seq(self) -> int:
        """Sequence number of the latest frame, 0 before the first."""
        latest = self.words[_LATEST]
        return 0 if latest < 0 else int(self.words[self._slot(latest)])

    def show(self, pixels: bytes | memoryview, width: int, height: int, t_ns: int | None = None) -> int:
        """The world: a frame is exposed. Raises ValueError when size and pixels disagree or it is too large."""
        size = width * height * 3
        if len(pixels) != size or size > self._slot_bytes:
            raise ValueError(
                f"{len(pixels)} bytes are no {width}×{height} BGR frame of at most {self._slot_bytes} bytes"
            )
        words = self.words
        seq, slot = self.seq + 1, (words[_LATEST] + 1) % _SLOTS
        at = self._slot(slot)
        words[at] = -1
        start = _FRAME_HEADER + slot * self._slot_bytes
        self.bytes[start : start + size] = pixels
        words[at + 1] = time.monotonic_ns() if t_ns is None else t_ns
        words[at + 2], words[at + 3] = width, height
        words[at] = seq
        words[_LATEST] = slot
        return seq

    def frame(self) -> Frame | None:
        """The cart: a copy of the latest frame; None before the first, or when the camera is unplugged."""
        words = self.words
        for _ in _tries():
            slot = words[_LATEST]
            if slot < 0 or not words[_PLUGGED]:
                return None
            at = self._slot(slot)
            seq, t_ns, width, height = words[at : at + _SLOT_WORDS]
            start = _FRAME_HEADER + slot * self._slot_bytes
            pixels = bytes(self.bytes[start : start + width * height * 3])
            if seq > 0 and words[at] == seq:
                return Frame(seq, t_ns, width, height, pixels)
        raise DeviceMissing(f"{self.path}: the simulated world died while writing; start 'cart demo' again")

    @staticmethod
    def _slot(slot: int) -> int:
        return 16 + slot * _SLOT_WORDS

    @property
    def _slot_bytes(self) -> int:
        return (len(self.bytes) - _FRAME_HEADER) // _SLOTS
