"""The shopper's screen over HTTP, on loopback: the page, the view as JSON and as server-sent events, and touches.

`docs/screen.md` describes it, `openapi.json` beside this file specifies it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cart.core.problem import UNREADABLE_JSON, Problem
from cart.screen.feed import ViewFeed
from cart.screen.guard import Guard, problem
from cart.screen.touches import TouchReply, TouchRequest, as_observation

__all__ = ["ScreenError", "ScreenServer", "TouchReply", "TouchRequest", "ViewFeed", "as_observation", "create_app"]

FOLDER = Path(__file__).parent
PAGE = FOLDER / "page"
OPENAPI = FOLDER / "openapi.json"

# The longest honest touch (an e-mail address of 254 characters) is under 400 bytes.
BODY_BYTES_MAX = 2048
# Longer than a stalled SD card holds a commit; then the shopper is told instead of left waiting.
TOUCH_TIMEOUT_S = 10.0
# A browser opens up to six connections, and a kiosk has one page.
CONNECTIONS_MAX = 32
RETRY_MS = 1000

OnTouch = Callable[[TouchRequest], Awaitable[TouchReply]]


class ScreenError(Problem):
    """The screen can't be served; one line says what to do."""


class Screen:
    """The endpoints, over one feed and one taker of touches."""

    def __init__(self, feed: ViewFeed, on_touch: OnTouch) -> None:
        self._feed = feed
        self._on_touch = on_touch
        self._decode = msgspec.json.Decoder(TouchRequest).decode
        self._encode = msgspec.json.Encoder().encode

    async def page(self, _request: Request) -> Response:
        return FileResponse(PAGE / "index.html", media_type="text/html")

    async def openapi(self, _request: Request) -> Response:
        return FileResponse(OPENAPI, media_type="application/json")

    async def trip(self, _request: Request) -> Response:
        view = self._feed.view_json
        if view is None:
            return problem("the cart is still starting; ask again in a second", 503)
        return Response(view, media_type="application/json")

    async def produce(self, _request: Request) -> Response:
        return Response(self._feed.produce_json, media_type="application/json")

    async def events(self, _request: Request) -> Response:
        if self._feed.full:
            return problem("too many readers of this screen; close one of them", 503)
        return StreamingResponse(server_sent(self._feed), media_type="text/event-stream")

    async def touch(self, request: Request) -> Response:
        try:
            body = await read_body(request)
            touch = self._decode(body)
        except BodyTooLargeError:
            return problem(f"a touch has at most {BODY_BYTES_MAX} bytes; send only the fields of its action", 413)
        except UNREADABLE_JSON as error:
            return problem(f"{error}; /api/v1/openapi.json has the fields of each action", 400)
        except ClientDisconnect:
            return problem("the sender went away", 400)
        try:
            async with asyncio.timeout(TOUCH_TIMEOUT_S):
                reply = await self._on_touch(touch)
        except TimeoutError:
            return problem("the cart did not answer in time; try again", 503)
        return Response(self._encode(reply), 200 if reply.ok else 409, media_type="application/json")


class BodyTooLargeError(Exception):
    """More came in than any touch has."""


async def read_body(request: Request) -> bytes:
    """The body, read no further than its limit. Raises BodyTooLargeError."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise BodyTooLargeError
    return bytes(body)


async def server_sent(feed: ViewFeed) -> AsyncGenerator[bytes, None]:
    """The feed as `text/event-stream` (WHATWG HTML, 9.2): events `view` and `beat`, the latter so that the page hears
    a server that hangs, which a comment line would not let it."""
    yield b"retry: %d\n\n" % RETRY_MS
    async with contextlib.aclosing(feed.follow()) as views:
        async for view in views:
            yield b"event: beat\ndata: {}\n\n" if view is None else b"event: view\ndata: " + view + b"\n\n"


async def http_problem(request: Request, error: Exception) -> Response:
    """Starlette's own refusals (404, 405) in the shape of all others."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "something went wrong"
    return problem(f"{detail}: {request.method} {request.url.path}; see /api/v1/openapi.json", status)


async def crash_problem(_request: Request, _error: Exception) -> Response:
    """A fault of ours: the log has the traceback (Starlette raises it again), the page one calm line."""
    return problem("the cart had a problem with that; try again or ask for help", 500)


def create_app(feed: ViewFeed, on_touch: OnTouch) -> Starlette:
    """The whole HTTP application. `on_touch` runs in the server's loop and answers what became of the touch."""
    screen = Screen(feed, on_touch)
    routes = [
        Route("/", screen.page),
        Route("/api/v1/trip", screen.trip),
        Route("/api/v1/events", screen.events),
        Route("/api/v1/touch", screen.touch, methods=["POST"]),
        Route("/api/v1/catalog/produce", screen.produce),
        Route("/api/v1/openapi.json", screen.openapi),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard)],
        exception_handlers={HTTPException: http_problem, Exception: crash_problem},
    )


class QuietServer(uvicorn.Server):
    """uvicorn inside somebody else's loop: the signals stay the daemon's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ScreenServer:
    """`create_app` served on 127.0.0.1 in the running loop. `port` 0 takes a free one; `url` says which."""

    def __init__(self, feed: ViewFeed, on_touch: OnTouch, *, port: int) -> None:
        self._feed = feed
        self._app = create_app(feed, on_touch)
        self._socket = listen(port)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self._server: QuietServer | None = None

    async def serve(self) -> None:
        """Serve until `stop`. Raises nothing on a normal end."""
        config = uvicorn.Config(
            self._app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_graceful_shutdown=2,
        )
        self._server = QuietServer(config)
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Let `serve` end; streams end at once."""
        self._feed.close()
        if self._server is not None:
            self._server.should_exit = True
        else:
            self._socket.close()


def listen(port: int) -> socket.socket:
    """A socket bound to loopback and nothing else. Raises ScreenError when the port is taken."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError as error:
        sock.close()
        raise ScreenError(
            f"the screen can't use port {port} ({error.strerror}); stop what uses it or set [screen] port"
        ) from None
    return sock
