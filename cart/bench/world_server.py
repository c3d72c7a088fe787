"""The world's process: its HTTP port, the bench page, the cart's power switch and network cable.

It outlives the cart's daemon, which is its child where it holds the power switch (`--cart-command`). Usage:
`python -m cart.bench.world_server --config cart.toml --catalog catalog.json`; it prints its port as one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cart.bench.power import PowerSwitch
from cart.bench.relay import NetworkRelay
from cart.bench.verbs import Network, PowerCut, VerbError, read_verb
from cart.bench.world import World, shelf_entry
from cart.core.catalog import Catalog
from cart.core.problem import UNREADABLE_JSON, Problem
from cart.screen.guard import Guard
from cart.screen.server import BodyTooLargeError, QuietServer, listen

PAGE = Path(__file__).parent / "page"
# A raw scan of 30 kB in base64 is the largest honest body.
BODY_BYTES_MAX = 50_000


class WorldServer:
    """The world over HTTP, with the two things that only a process can hold: the switch and the cable."""

    def __init__(
        self, world: World, catalog: Catalog, switch: PowerSwitch, relay: NetworkRelay, links: dict[str, str]
    ) -> None:
        self._world = world
        self._catalog = catalog
        self._switch = switch
        self._relay = relay
        self._links = links
        self._coming_back: asyncio.Task[None] | None = None
        self._cutting = asyncio.Lock()
        routes = [
            Route("/", self._page),
            Route("/world", self._state),
            Route("/world/curve", self._curve),
            Route("/world/picture", self._picture),
            Route("/world/{verb}", self._verb, methods=["POST"]),
            Route("/shelf", self._shelf),
            Mount("/page", StaticFiles(directory=PAGE)),
        ]
        self.app = Starlette(routes=routes, middleware=[Middleware(Guard)])

    async def stop(self) -> None:
        """Switch the cart off properly and drop the cable."""
        if self._coming_back is not None:
            self._coming_back.cancel()
        await asyncio.to_thread(self._switch.switch_off)
        await self._relay.stop()

    async def _page(self, _request: Request) -> Response:
        return FileResponse(PAGE / "index.html", media_type="text/html")

    async def _shelf(self, _request: Request) -> Response:
        catalog = self._catalog
        return _json(
            {
                "currency": catalog.currency,
                "locale": catalog.locale,
                "items": [shelf_entry(item) for item in catalog.items],
            }
        )

    async def _curve(self, _request: Request) -> Response:
        return _json({"points": self._world.curve()})

    async def _picture(self, _request: Request) -> Response:
        return Response(await asyncio.to_thread(self._world.jpeg), media_type="image/jpeg")

    async def _state(self, _request: Request) -> Response:
        died = self._switch.exit_status()
        return _json(
            {
                **self._world.state(),
                "power": {
                    "on": self._switch.on,
                    "switch": self._switch.has_cart,
                    "starts": self._switch.starts,
                    "daemon_exit_status": died,
                },
                "network": {"up": self._relay.up},
                "links": self._links,
            }
        )

    async def _verb(self, request: Request) -> Response:
        try:
            verb = read_verb(request.path_params["verb"], await _body(request))
            if isinstance(verb, Network):
                self._relay.set_up(verb.up)
                facts: dict[str, Any] = {}
            elif isinstance(verb, PowerCut):
                facts = await self._power_cut(verb)
            else:
                facts = self._world.do(verb)
        except VerbError as error:
            return _json({"error": str(error)}, 400)
        except BodyTooLargeError:
            return _json({"error": f"a verb has at most {BODY_BYTES_MAX} bytes; send a shorter one"}, 413)
        return _json({"ok": True, **facts})

    async def _power_cut(self, verb: PowerCut) -> dict[str, Any]:
        if not self._switch.has_cart:
            raise VerbError("power_cut: this world does not hold the cart's power switch; start it by 'cart demo'")
        async with self._cutting:
            if self._coming_back is not None:
                self._coming_back.cancel()
            # The daemon first: it must not live to see its scanner go.
            await asyncio.to_thread(self._switch.cut)
            self._world.power(False)
            self._coming_back = asyncio.create_task(self._power_back(verb.off_s))
        return {"on_again_in_s": verb.off_s}

    async def _power_back(self, off_s: float) -> None:
        await asyncio.sleep(off_s)
        async with self._cutting:
            self._world.power(True)
            self._switch.switch_on()


async def _body(request: Request) -> Any:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > BODY_BYTES_MAX:
            raise BodyTooLargeError
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE_JSON:
        raise VerbError("the body is not JSON; send an object such as {}") from None


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def serve(server: WorldServer, port: int, *, started: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT. Raises ScreenError when the port is taken."""
    sock = listen(port)
    config = uvicorn.Config(
        server.app, log_config=None, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    http = QuietServer(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _leave, http)
    started(sock.getsockname()[1])
    try:
        await http.serve(sockets=[sock])
    finally:
        await server.stop()


def _leave(http: uvicorn.Server) -> None:
    http.should_exit = True


def main() -> None:
    """Read the options, build the world, serve it."""
    from cart.bench.building import build_world, close_world  # after the options: it loads NumPy

    options = _options().parse_args()
    try:
        built = build_world(options.config, options.catalog, seed=options.seed, pictures=options.pictures)
    except Problem as problem:
        sys.exit(f"world: {problem}")
    broker_host, _, broker_port = options.broker.rpartition(":")
    relay = NetworkRelay(broker_host or "127.0.0.1", int(broker_port))
    command = shlex.split(options.cart_command)
    switch = PowerSwitch(command, Path(options.cart_log))
    links = {"screen": options.screen_url, "till": options.till_url}
    server = WorldServer(built.world, built.catalog, switch, relay, links)

    def started(port: int) -> None:
        switch.switch_on()
        sys.stdout.write(json.dumps({"port": port}) + "\n")
        sys.stdout.flush()

    async def run() -> None:
        await relay.start(options.relay_port)
        await serve(server, options.port, started=started)

    try:
        asyncio.run(run())
    finally:
        close_world(built)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cart.bench.world_server", description=__doc__)
    parser.add_argument(
        "--config", type=Path, required=True, help="the cart's cart.toml: pins, ports and files to drive"
    )
    parser.add_argument("--catalog", type=Path, required=True, help="the shelf: catalog.json")
    parser.add_argument("--port", type=int, default=0, help="HTTP port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--broker", default="127.0.0.1:1883", help="HOST:PORT behind the network cable")
    parser.add_argument("--relay-port", type=int, default=0, help="the cable's end at the cart")
    parser.add_argument("--cart-command", default="", help="command line of the daemon, to hold its power switch")
    parser.add_argument("--cart-log", default=os.devnull, help="where the daemon's output goes")
    parser.add_argument("--screen-url", default="")
    parser.add_argument("--till-url", default="")
    parser.add_argument("--seed", type=int, default=1, help="of weights and of the load cell's noise")
    parser.add_argument("--pictures", type=Path, default=None, help="photographs: CLASS/*.jpg, or SKU.jpg files")
    return parser


if __name__ == "__main__":
    main()
