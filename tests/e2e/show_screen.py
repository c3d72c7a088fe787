"""Look at the screen without a cart.

`python -m tests.e2e.show_screen serve [PORT]` serves the states in turn (a touch shows the next);
`python -m tests.e2e.show_screen shots FOLDER [WIDTHxHEIGHT] [STATE…]` writes a picture of each.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from cart.core.view import TripView
from cart.screen.server import ScreenServer, TouchReply, TouchRequest, ViewFeed
from tests.e2e.conftest import open_chromium
from tests.e2e.screen_states import CATALOG, STATES


class Showing:
    """A screen server in a thread of its own, for a driver in this one."""

    def __init__(self, port: int = 0) -> None:
        self.touches: list[TouchRequest] = []
        self.replies: list[TouchReply] = []
        self.url = ""
        self._port = port
        self._revision = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._feed = ViewFeed(heartbeat_s=0.3)
        self._feed.publish_catalog(CATALOG)
        self._server = ScreenServer(self._feed, self._on_touch, port=self._port)
        self.url = self._server.url
        self._ready.set()
        await self._server.serve()

    async def _on_touch(self, touch: TouchRequest) -> TouchReply:
        self.touches.append(touch)
        return self.replies.pop(0) if self.replies else TouchReply(ok=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._server.stop)
        self._thread.join(10)

    def show(self, view: TripView) -> int:
        """Publish `view` as the newest; its revision is returned."""
        self._revision += 1
        newest = msgspec.structs.replace(view, revision=self._revision)
        self._loop.call_soon_threadsafe(self._feed.publish, newest)
        return self._revision


@contextmanager
def showing(port: int = 0) -> Iterator[Showing]:
    server = Showing(port)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def serve(port: int) -> None:
    with showing(port) as server:
        print(server.url)  # noqa: T201
        for name, view in STATES.items():
            print(name)  # noqa: T201
            server.show(view)
            input("Enter: next state ")


def shots(folder: Path, size: str, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    width, height = (int(number) for number in size.split("x"))
    with showing() as server, tempfile.TemporaryDirectory() as profile:
        driver = open_chromium(Path(profile), width=width, height=height)
        try:
            server.show(STATES["idle"])
            driver.get(server.url)
            for name in names or list(STATES):
                server.show(STATES[name])
                time.sleep(0.5)
                driver.save_screenshot(str(folder / f"{name}-{size}.png"))
            for entry in driver.get_log("browser"):  # type: ignore[no-untyped-call]
                print(entry["message"])  # noqa: T201
        finally:
            driver.quit()


if __name__ == "__main__":
    command, *arguments = sys.argv[1:] or ["serve"]
    if command == "shots":
        shots(Path(arguments[0]), arguments[1] if len(arguments) > 1 else "1280x800", arguments[2:])
    else:
        serve(int(arguments[0]) if arguments else 8090)
