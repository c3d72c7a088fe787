"""The network cable between cart and store: a TCP relay that can be cut.

Cutting it drops what is open and refuses what comes, as a lost access point looks to the cart within a keep-alive.
"""

from __future__ import annotations

import asyncio
import contextlib

# One cart holds one MQTT connection; a few more cover a status command and a restart's overlap.
CONNECTIONS_MAX = 16
CHUNK_BYTES = 16_384


class NetworkRelay:
    """Carries bytes between `listen_port` on loopback and the broker while the network is up."""

    def __init__(self, broker_host: str, broker_port: int) -> None:
        self._broker = (broker_host, broker_port)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.up = True

    async def start(self, listen_port: int) -> int:
        """Listen on 127.0.0.1 (0 picks a free port) and give the port. Raises OSError when it is taken."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", listen_port)
        return int(self._server.sockets[0].getsockname()[1])

    def set_up(self, up: bool) -> None:
        """Cut the network or mend it. A cut drops every open connection at once."""
        self.up = up
        if not up:
            for task in list(self._open):
                task.cancel()

    async def stop(self) -> None:
        """Close the listener and every connection."""
        self.set_up(False)
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.up or len(self._open) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        outward: asyncio.StreamWriter | None = None
        try:
            inward, outward = await asyncio.open_connection(*self._broker)
            await _first_done(_pump(reader, outward), _pump(inward, writer))
        except OSError:
            pass  # the broker is away or a side hung up; the other side sees its connection drop, which is the message
        finally:
            writer.transport.abort()
            if outward is not None:
                outward.transport.abort()


async def _first_done(*pumps: object) -> None:
    tasks = [asyncio.ensure_future(pump) for pump in pumps]  # type: ignore[call-overload]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
