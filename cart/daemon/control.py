"""The control socket: how `cart status` and `cart record` ask the running daemon. One JSON object a line.

Requests: {"do": "status"} answers one object and closes, {"do": "catalog"} the catalogue. {"do": "record"} streams
{"topic", "t_ns", "body"} lines, the bodies as in a recording, until the client leaves. Frames and addresses typed for a
receipt are never streamed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from cart.core.catalog import Catalog
from cart.core.observations import AnyObservation, Look, PartChanged, ScaleSample, Scan, StaffCommand, Touch

log = logging.getLogger(__name__)

REQUEST_MAX_BYTES = 4096
WAITING_MAX = 4000
"""Fifty seconds of scale samples; a recorder that falls further behind is cut off rather than fed gaps."""
REQUEST_TIMEOUT_S = 5.0


RECORDED: Final[dict[type, str]] = {
    ScaleSample: "/scale",
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
    return topic, {key: value for key, value in body.items() if value is not None}


class ControlServer:
    """Serves `path`; `status` and `catalog` make the answers to requests of those names."""

    def __init__(self, path: Path, status: Callable[[], dict[str, Any]], catalog: Callable[[], Catalog]) -> None:
        self._path = path
        self._status = status
        self._catalog = catalog
        self._recorders: set[asyncio.Queue[bytes | None]] = set()
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
        for recorder in self._recorders:
            with contextlib.suppress(asyncio.QueueFull):
                recorder.put_nowait(None)
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    def tap(self, observation: AnyObservation) -> None:
        """Hand one observation to the recorders."""
        if self._recorders and (what := recorded(observation)) is not None:
            self._stream(what[0], observation.t_ns, what[1])

    def tap_scanner(self, t_ns: int, data: bytes) -> None:
        """Hand the scanner's bytes, as they came in, to the recorders."""
        if self._recorders:
            self._stream("/scanner", t_ns, {"data": base64.b64encode(data).decode()})

    def _stream(self, topic: str, t_ns: int, body: dict[str, Any]) -> None:
        line = self._encoder.encode({"topic": topic, "t_ns": t_ns, "body": body}) + b"\n"
        for recorder in list(self._recorders):
            try:
                recorder.put_nowait(line)
            except asyncio.QueueFull:
                self._recorders.discard(recorder)
                log.warning("a recorder fell behind and was cut off")

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
                await self._record(writer)
            else:
                writer.write(b'{"error":"do must be status, catalog or record"}\n')
                await writer.drain()
        except (TimeoutError, ValueError, OSError):
            pass  # the client left or spoke nonsense; nothing of the cart's depends on it
        finally:
            writer.close()

    async def _record(self, writer: asyncio.StreamWriter) -> None:
        lines: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING_MAX)
        self._recorders.add(lines)
        try:
            while (line := await lines.get()) is not None:
                writer.write(line)
                await writer.drain()
        finally:
            self._recorders.discard(lines)
