"""Writing a recording as it happens.

Chunks are closed and forced to disk every `flush_s` of recorded time, so a power cut costs at most that much. Memory is
bounded by one chunk; the index kept for the end of the file is some 200 bytes a chunk (under 10 MB a day).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec
from mcap.writer import CompressionType, Writer

from cart.recordings.format import (
    BODIES,
    CATALOG_ATTACHMENT,
    CONFIG_ATTACHMENT,
    FORMAT_VERSION,
    METADATA_NAME,
    SCALE,
    SCANNER,
    SCHEMAS,
    TOUCH,
    TRUTH_ATTACHMENT,
    Body,
    RecordingError,
    ScaleMessage,
    ScannerMessage,
)

CHUNK_BYTES = 1 << 20
FLUSH_S = 2.0


class RecordingWriter:
    """Writes one recording; use it as a context manager. Raises RecordingError when the file can't be written."""

    def __init__(
        self,
        path: Path,
        *,
        config_toml: str,
        catalog_json: bytes,
        cart_id: str,
        made_by: str,
        notes: Mapping[str, str] | None = None,
        flush_s: float = FLUSH_S,
        replace: bool = False,
    ) -> None:
        self.path = path
        self._flush_ns = round(flush_s * 1e9)
        self._flushed_ns: int | None = None
        self._channels: dict[str, int] = {}
        self._sequence = 0
        self.counts: dict[str, int] = {}
        try:
            self._stream = path.open("wb" if replace else "xb")
        except FileExistsError:
            raise RecordingError(f"{path}: exists already; give another name, or --force to replace it") from None
        except OSError as error:
            raise RecordingError(f"{path}: cannot be written ({error.strerror}); choose another place") from None
        self._writer = Writer(self._stream, chunk_size=CHUNK_BYTES, compression=CompressionType.ZSTD)
        with self._wrapped():
            self._writer.start(library="smart-cart")
            self._writer.add_metadata(
                METADATA_NAME, {**(notes or {}), "version": FORMAT_VERSION, "cart_id": cart_id, "made_by": made_by}
            )
            self._writer.add_attachment(0, 0, CONFIG_ATTACHMENT, "application/toml", config_toml.encode())
            self._writer.add_attachment(0, 0, CATALOG_ATTACHMENT, "application/json", catalog_json)
            self._force()

    def scale(self, t_ns: int, counts: int) -> None:
        """One conversion, at the time it was ready."""
        self.write(SCALE, t_ns, ScaleMessage(counts))

    def scanner(self, t_ns: int, data: bytes) -> None:
        """Bytes as they came in."""
        self.write(SCANNER, t_ns, ScannerMessage(data))

    def touch(self, t_ns: int, action: str, **fields: Any) -> None:
        """A shopper's action; an address typed for a receipt is dropped here."""
        self.write_untyped(TOUCH, t_ns, {"action": action, **fields})

    def write_untyped(self, topic: str, t_ns: int, body: object) -> None:
        """As `write`, checking `body` against the topic; unknown fields are dropped. Raises RecordingError."""
        if topic not in BODIES:
            raise RecordingError(f"{topic} is no topic of a recording; update the cart or the tool, they differ")
        try:
            self.write(topic, t_ns, msgspec.convert(body, BODIES[topic]))
        except msgspec.ValidationError as error:
            raise RecordingError(f"a message on {topic} is wrong ({error}); update the cart or the tool") from None

    def write(self, topic: str, t_ns: int, body: Body) -> None:
        """One message at `t_ns`; times may run back by milliseconds, as parts stamp their own moments."""
        self._sequence += 1
        data = msgspec.json.encode(body)
        with self._wrapped():
            self._writer.add_message(self._channel(topic), t_ns, data, t_ns, self._sequence)
            self.counts[topic] = self.counts.get(topic, 0) + 1
            if self._flushed_ns is None:
                self._flushed_ns = t_ns
            elif t_ns - self._flushed_ns >= self._flush_ns:
                self._flushed_ns = t_ns
                self._force()

    def close(self, *, truth: Mapping[str, Any] | None = None) -> None:
        """Write the index and close. `truth` becomes the attachment truth.json."""
        if self._stream.closed:
            return
        with self._wrapped():
            if truth is not None:
                self._writer.add_attachment(0, 0, TRUTH_ATTACHMENT, "application/json", msgspec.json.encode(truth))
            self._writer.finish()  # type: ignore[no-untyped-call]
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _channel(self, topic: str) -> int:
        known = self._channels.get(topic)
        if known is None:
            name, schema = SCHEMAS[topic]
            schema_id = self._writer.register_schema(name, "jsonschema", schema)
            known = self._channels[topic] = self._writer.register_channel(topic, "json", schema_id)
        return known

    def _force(self) -> None:
        self._writer.flush()  # type: ignore[no-untyped-call]
        os.fsync(self._stream.fileno())

    def _wrapped(self) -> _DiskErrors:
        return _DiskErrors(self.path, self._stream)


class _DiskErrors:
    """Turns an error of the disk into the one line a technician can act on, and gives the file up."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self._path = path
        self._stream = stream

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            with contextlib.suppress(OSError):
                self._stream.close()
            raise RecordingError(
                f"{self._path}: writing failed ({error.strerror}); free space or choose another disk"
            ) from None
