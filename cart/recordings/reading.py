"""Reading a recording, also one that a power cut ended in the middle of a record.

Two passes: the first walks the record headers without unpacking anything (attachments and where the chunks lie), the
second yields messages in order of `log_time`, holding one chunk (and what overlaps with it) in memory at a time.
Everything up to the first damage is used, nothing after it, and `Recording.warnings` says so.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Attachment, Channel, Chunk, McapRecord, Message, Metadata
from mcap.stream_reader import breakup_chunk

from cart.core.catalog import Catalog
from cart.core.catalog_reading import read_catalog_json
from cart.core.problem import UNREADABLE_JSON
from cart.recordings.format import (
    BODIES,
    CATALOG_ATTACHMENT,
    CONFIG_ATTACHMENT,
    FORMAT_VERSION,
    METADATA_NAME,
    OBSERVED_TOPICS,
    TRUTH,
    TRUTH_ATTACHMENT,
    Body,
    RecordedSettings,
    RecordingError,
    Truth,
    TruthEvent,
    read_settings,
)

MAGIC = b"\x89MCAP0\r\n"
RECORD_BYTES_MAX = 256 << 20  # A catalogue of 100,000 items is 30 MB; a chunk with minutes of frames as much.
RECORD_HEAD = struct.Struct("<BQ")
CRC_BYTES = 4  # An attachment's last field: CRC-32 of all before it.
CHUNK_HEAD = struct.Struct("<QQQ")

DAMAGE = (McapError, ValueError, OverflowError, struct.error, zstandard.ZstdError, RuntimeError)
"""What the library and the decompressors raise on damaged bytes (lz4 raises plain RuntimeError)."""


class RecordedMessage(NamedTuple):
    topic: str
    t_ns: int
    body: Body


class _Span(NamedTuple):
    """Where messages lie in the file: one chunk, or one message outside of any."""

    begin_ns: int
    end_ns: int
    offset: int
    length: int
    opcode: int


class Recording:
    """An opened recording. Its file is opened anew for each pass, so it can be read any number of times."""

    def __init__(self, path: Path) -> None:
        """Raises RecordingError when the file is no recording or what replay needs is missing from it."""
        self.path = path
        self.warnings: list[str] = []
        self.metadata: dict[str, str] = {}
        self._attachments: dict[str, bytes] = {}
        self._damaged: set[str] = set()
        self._spans: list[_Span] = []
        self._channels: dict[int, Channel] = {}
        self.complete = False
        try:
            with path.open("rb") as stream:
                self._survey(stream)
        except FileNotFoundError:
            raise RecordingError(f"{path}: no such file; give the path of an .mcap recording") from None
        except OSError as error:
            raise RecordingError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
        if not self.complete:
            self.warnings.append(f"{path}: cut short; using what is readable up to the cut")
        self._spans.sort(key=lambda span: (span.begin_ns, span.offset))
        version = self.metadata.get("version", FORMAT_VERSION)
        if version != FORMAT_VERSION:
            raise RecordingError(f"{path}: format version {version}, this cart reads {FORMAT_VERSION}; update the cart")
        self.settings: RecordedSettings = read_settings(self.attachment(CONFIG_ATTACHMENT), source=str(path))
        self.catalog: Catalog = read_catalog_json(self.attachment(CATALOG_ATTACHMENT), f"{path}: {CATALOG_ATTACHMENT}")

    def attachment(self, name: str) -> bytes:
        """The attachment's bytes; raises RecordingError when it is not there, or its checksum is wrong."""
        found = self._attachments.get(name)
        if found is None:
            cause = "cut short before it" if not self.complete else "missing from it"
            raise RecordingError(f"{self.path}: attachment {name} is {cause}; record it again with 'cart record'")
        if name in self._damaged:
            raise RecordingError(
                f"{self.path}: attachment {name} is damaged; copy the file anew from where it was made"
            )
        return found

    def truth(self) -> Truth | None:
        """The attachment `truth.json`; None where there is none. For scoring only."""
        if TRUTH_ATTACHMENT not in self._attachments:
            return None
        try:
            return msgspec.json.decode(self.attachment(TRUTH_ATTACHMENT), type=Truth)
        except UNREADABLE_JSON as error:
            raise RecordingError(
                f"{self.path}: its {TRUTH_ATTACHMENT} is wrong ({error}); make the recording again"
            ) from None

    def truth_events(self) -> list[TruthEvent]:
        """What really happened, in order of when it came to rest. For scoring only."""
        events = [message.body for message in self.messages({TRUTH}) if isinstance(message.body, TruthEvent)]
        return sorted(events, key=lambda event: event.rest_ns)

    def messages(self, topics: Collection[str] = OBSERVED_TOPICS) -> Iterator[RecordedMessage]:
        """Messages of `topics` in order of time (file order where times are equal).

        A message that is not what its topic promises is left out, as a cart would do without it, and a warning at the
        end counts them; of the truth each one matters, so there it raises RecordingError.
        """
        decoders = {topic: msgspec.json.Decoder(BODIES[topic]) for topic in topics}
        first_ns: int | None = None
        wrong, first_wrong = 0, ""
        for message in self._ordered():
            channel = self._channels.get(message.channel_id)
            if channel is None or channel.topic not in decoders:
                continue
            if first_ns is None:
                first_ns = message.log_time
            try:
                body = decoders[channel.topic].decode(message.data)
            except UNREADABLE_JSON as error:
                at_s = (message.log_time - first_ns) / 1e9
                said = f"the message on {channel.topic} at {at_s:.3f} s is wrong ({error})"
                if channel.topic == TRUTH:
                    raise RecordingError(f"{self.path}: {said}; correct what wrote it and record again") from None
                wrong, first_wrong = wrong + 1, first_wrong or said
                continue
            yield RecordedMessage(channel.topic, message.log_time, body)
        if wrong:
            more = f", and {wrong - 1} more" if wrong > 1 else ""
            self._warn(f"{first_wrong}{more}; left out, correct what wrote it")

    def _warn(self, said: str) -> None:
        """Once, however often the messages are read."""
        warning = f"{self.path}: {said}"
        if warning not in self.warnings:
            self.warnings.append(warning)

    def _survey(self, stream: IO[bytes]) -> None:
        magic = stream.read(len(MAGIC))
        if magic != MAGIC:
            what = "is empty" if not magic else "is not an MCAP recording"
            raise RecordingError(f"{self.path}: {what}; make one with 'cart record --out FILE'")
        size = stream.seek(0, io.SEEK_END)
        offset = stream.seek(len(MAGIC))
        while offset + RECORD_HEAD.size <= size:
            opcode, length = RECORD_HEAD.unpack(stream.read(RECORD_HEAD.size))
            offset += RECORD_HEAD.size
            if opcode == Opcode.FOOTER:
                self.complete = True
                return
            if length > size - offset or length > RECORD_BYTES_MAX:
                return
            try:
                self._note(opcode, stream, offset, length)
            except DAMAGE:
                return
            offset = stream.seek(offset + length)

    def _note(self, opcode: int, stream: IO[bytes], offset: int, length: int) -> None:
        if opcode == Opcode.CHUNK:
            begin_ns, end_ns, _ = CHUNK_HEAD.unpack(stream.read(CHUNK_HEAD.size))
            self._spans.append(_Span(begin_ns, end_ns, offset, length, opcode))
        elif opcode == Opcode.MESSAGE:
            message = Message.read(_section(stream, length), length)
            self._spans.append(_Span(message.log_time, message.log_time, offset, length, opcode))
        elif opcode == Opcode.CHANNEL:
            self._define(Channel.read(_section(stream, length)))
        elif opcode == Opcode.ATTACHMENT:
            content = stream.read(length)
            attachment = Attachment.read(ReadDataStream(io.BytesIO(content)))
            self._attachments.setdefault(attachment.name, attachment.data)
            crc = int.from_bytes(content[-CRC_BYTES:], "little")
            if crc not in {0, zlib.crc32(content[:-CRC_BYTES])}:  # 0: whoever wrote it reckoned none
                self._damaged.add(attachment.name)
        elif opcode == Opcode.METADATA:
            metadata = Metadata.read(_section(stream, length))
            if metadata.name == METADATA_NAME:
                self.metadata = metadata.metadata

    def _define(self, channel: Channel) -> None:
        if channel.topic in BODIES and channel.message_encoding != "json":
            raise RecordingError(
                f"{self.path}: {channel.topic} is encoded as {channel.message_encoding!r}, not json; convert it to json"
            )
        self._channels[channel.id] = channel

    def _ordered(self) -> Iterator[Message]:
        """All messages by time; holds one span and what overlaps with it."""
        waiting: list[Message] = []
        last_ns = 0
        with self.path.open("rb") as stream:
            for span in self._spans:
                cut = next((i for i, held in enumerate(waiting) if held.log_time >= span.begin_ns), len(waiting))
                for message in waiting[:cut]:
                    last_ns = message.log_time
                    yield message
                waiting = waiting[cut:]
                try:
                    found = [r for r in self._load(stream, span) if isinstance(r, Message)]
                except DAMAGE as error:
                    self._warn(f"damaged ({error}); using what is readable up to there")
                    break
                if any(message.log_time < last_ns for message in found):
                    raise RecordingError(
                        f"{self.path}: a chunk's messages are older than it says; repair it with 'mcap recover'"
                    )
                waiting = sorted([*waiting, *found], key=lambda message: message.log_time)
        yield from waiting

    def _load(self, stream: IO[bytes], span: _Span) -> list[McapRecord]:
        stream.seek(span.offset)
        section = _section(stream, span.length)
        if span.opcode == Opcode.MESSAGE:
            return [Message.read(section, span.length)]
        chunk = Chunk.read(section)
        if chunk.uncompressed_size > RECORD_BYTES_MAX:
            raise ValueError(f"a chunk of {chunk.uncompressed_size} bytes")
        records = breakup_chunk(chunk, validate_crc=True)
        for record in records:
            if isinstance(record, Channel):
                self._define(record)
        return records


def open_recording(path: Path) -> Recording:
    """Raises RecordingError (one line) when `path` is no recording, or CatalogError when its catalogue is wrong."""
    return Recording(path)


def _section(stream: IO[bytes], length: int) -> ReadDataStream:
    return ReadDataStream(io.BytesIO(stream.read(length)))
