"""The control socket: how `cart status` and `cart record` ask the running daemon. One JSON object a line.

Requests: {"do": "status"} answers one object and closes, {"do": "catalog"} the catalogue. {"do": "record"} streams
{"topic", "t_ns", "body"} lines, the bodies as in a recording, until the client leaves. Addresses typed for a receipt
are never streamed; frames only to who asks with {"do": "record", "pictures": true} of a cart in maintenance, and no
longer than that lasts.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from cart.core.catalog import Catalog
from cart.core.observations import (
    AnyObservation,
    Look,
    PartChanged,
    ScaleSample,
    Scan,
    StaffCommand,
    Temperature,
    Touch,
)

log = logging.getLogger(__name__)

MAINTENANCE = "maintenance"
REQUEST_MAX_BYTES = 4096
WAITING_MAX = 4000
"""Fifty seconds of scale samples; a recorder that falls further behind is cut off rather than fed gaps."""
PICTURES_BEHIND_MAX = 400
"""Lines that may wait where pictures are among them: five seconds, some 25 pictures, 7 MB."""
REQUEST_TIMEOUT_S = 5.0


RECORDED: Final[dict[type, str]] = {
    ScaleSample: "/scale",
    Temperature: "/temperature",
    Touch: "/touch",
    Look: "/look",
    Scan: "/scan",
    PartChanged: "/part",
    StaffCommand: "/staff",
}


def recorded(observation: AnyObservation) -> tuple[str, dict[str, Any]] | None:
    """Topic and body of what a recording holds of an observation, else None. The scanner's scans are recorded as
    bytes."""
    topic = RECORDED.get(type(observation))
    if topic is None or (isinstance(observation, Scan) and observation.source == "scanner"):
        return None
    body = msgspec.to_builtins(observation)
    # The time is the envelope's; an address typed for a receipt is used once and never written down.
    for left_out in ("observed", "t_ns", "to"):
        body.pop(left_out, None)
    return topic, {key: value for key, value in body.items() if value not in (None, ())}


class Pictures(Protocol):
    """What the server needs of the camera."""

    def record_pictures(self, on_picture: Callable[[int, bytes], None] | None) -> None: ...


class ControlServer:
    """Serves `path`; `status` and `catalog` make the answers to requests of those names, `phase` says the trip's."""

    def __init__(
        self,
        path: Path,
        status: Callable[[], dict[str, Any]],
        catalog: Callable[[], Catalog],
        *,
        phase: Callable[[], str] = lambda: "",
        camera: Pictures | None = None,
    ) -> None:
        self._path = path
        self._status = status
        self._catalog = catalog
        self._phase = phase
        self._camera = camera
        self._with_pictures: asyncio.Queue[bytes | None] | None = None
        self._recorders: set[asyncio.Queue[bytes | None]] = set()
        self._temperature: Temperature | None = None
        """The last: a recording that begins between two must know it, too."""
        self._server: asyncio.Server | None = None
        self._encoder = msgspec.json.Encoder()

    async def start(self) -> None:
        """Bind the socket, for the cart's own user only."""
        self._path.unlink(missing_ok=True)
        umask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=REQUEST_MAX_BYTES)
        finally:
            os.umask(umask)

    async def stop(self) -> None:
        """Close the socket and end all recordings."""
        for recorder in list(self._recorders):
            self._end(recorder)
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    def tap(self, observation: AnyObservation) -> None:
        """Hand one observation to the recorders."""
        if isinstance(observation, Temperature):
            self._temperature = observation
        if self._recorders and (what := recorded(observation)) is not None:
            self._stream(what[0], observation.t_ns, what[1])

    def tap_scanner(self, t_ns: int, data: bytes) -> None:
        """Hand the scanner's bytes, as they came in, to the recorders."""
        if self._recorders:
            self._stream("/scanner", t_ns, {"data": base64.b64encode(data).decode()})

    def _stream(self, topic: str, t_ns: int, body: dict[str, Any]) -> None:
        line = self._line(topic, t_ns, body)
        for recorder in list(self._recorders):
            self._hand(recorder, line, WAITING_MAX if recorder is not self._with_pictures else PICTURES_BEHIND_MAX)

    def _line(self, topic: str, t_ns: int, body: dict[str, Any]) -> bytes:
        return self._encoder.encode({"topic": topic, "t_ns": t_ns, "body": body}) + b"\n"

    def _hand(self, recorder: asyncio.Queue[bytes | None], line: bytes, waiting_max: int) -> None:
        if recorder.qsize() < waiting_max:
            recorder.put_nowait(line)
            return
        log.warning("a recorder fell behind and was cut off")
        self._end(recorder)

    def _end(self, recorder: asyncio.Queue[bytes | None]) -> None:
        """What waits is still sent, then the recorder's connection closes."""
        if recorder in self._recorders:
            self._recorders.discard(recorder)
            recorder.put_nowait(None)

    def phase_changed(self, phase: str) -> None:
        """Pictures are recorded in maintenance and no longer: their recording ends with it."""
        if phase != MAINTENANCE and self._with_pictures is not None:
            self._end(self._with_pictures)
            self._stop_pictures()

    def _stop_pictures(self) -> None:
        self._with_pictures = None
        if self._camera is not None:
            self._camera.record_pictures(None)

    def _picture(self, t_ns: int, jpeg: bytes) -> None:
        if self._with_pictures in self._recorders:
            body = {"data": base64.b64encode(jpeg).decode(), "format": "jpeg", "frame_id": "basket"}
            line = self._encoder.encode({"topic": "/camera", "t_ns": t_ns, "body": body}) + b"\n"
            self._hand(self._with_pictures, line, PICTURES_BEHIND_MAX)

    def _refusal(self) -> str:
        """Why pictures can't be recorded now, in one line; empty where they can."""
        if self._camera is None:
            return "this cart has no camera; name one in camera.source"
        if self._phase() != MAINTENANCE:
            return "pictures are recorded of a cart in maintenance only; have staff put it there, then record again"
        if self._with_pictures is not None:
            return "another recording with pictures is running; stop it first"
        return ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                request = msgspec.json.decode(await reader.readline(), type=dict[str, Any])
            if request.get("do") == "status":
                writer.write(self._encoder.encode(self._status()) + b"\n")
                await writer.drain()
            elif request.get("do") == "catalog":
                writer.write(self._encoder.encode(self._catalog()) + b"\n")
                await writer.drain()
            elif request.get("do") == "record":
                await self._record(reader, writer, pictures=request.get("pictures") is True)
            else:
                writer.write(b'{"error":"do must be status, catalog or record"}\n')
                await writer.drain()
        except (TimeoutError, ValueError, OSError, RecursionError):
            pass  # the client left or spoke nonsense; nothing of the cart's depends on it
        finally:
            writer.close()

    async def _record(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, pictures: bool) -> None:
        if pictures and (refusal := self._refusal()):
            writer.write(self._encoder.encode({"error": refusal}) + b"\n")
            await writer.drain()
            return
        lines: asyncio.Queue[bytes | None] = asyncio.Queue()  # bounded by _hand, which ends it beyond
        self._recorders.add(lines)
        if self._temperature is not None and (what := recorded(self._temperature)) is not None:
            lines.put_nowait(self._line(what[0], self._temperature.t_ns, what[1]))
        if pictures and self._camera is not None:
            log.warning("pictures are being recorded")
            self._with_pictures = lines
            self._camera.record_pictures(self._picture)
        left = asyncio.create_task(self._until_left(reader, lines))
        try:
            while (line := await lines.get()) is not None:
                writer.write(line)
                await writer.drain()
        finally:
            left.cancel()
            self._recorders.discard(lines)
            if self._with_pictures is lines:
                self._stop_pictures()

    async def _until_left(self, reader: asyncio.StreamReader, lines: asyncio.Queue[bytes | None]) -> None:
        """Who has left gets nothing more, also where nothing is to be sent that would tell."""
        with contextlib.suppress(OSError):
            while await reader.read(REQUEST_MAX_BYTES):
                pass  # a recorder has nothing to say
        self._end(lines)
