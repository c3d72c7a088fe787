"""The staff's page, on loopback: carts live, calls for help, codes paid at the till, the simulated acquirer's mode."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from cart.core.problem import Problem
from cart.till.ledger import TillProblem
from cart.till.service import Till
from cart.till.simulated import MODES, SimulatedAcquirer

BODY_MAX_BYTES: Final = 4096
"""The longest decision is a few hundred bytes."""

HEARTBEAT_S: Final = 10.0
"""A comment down an idle event stream, so that a dead page is noticed."""

WEIGHTS_SHOWN: Final = 50

PAGE: Final = {"index.html": "text/html", "till.css": "text/css", "till.js": "text/javascript"}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def create_app(till: Till) -> Starlette:
    """The page and its API. Serve it on 127.0.0.1 only."""

    async def state(_: Request) -> Response:
        return _json(_state(till))

    async def events(request: Request) -> Response:
        return StreamingResponse(_stream(till, request), media_type="text/event-stream")

    routes = [
        Route("/", _file("index.html")),
        *[Route(f"/{name}", _file(name)) for name in PAGE if name != "index.html"],
        Route("/api/v1/state", state),
        Route("/api/v1/events", events),
        Route("/api/v1/command", _action(lambda body: _command(till, body)), methods=["POST"]),
        Route("/api/v1/mode", _action(lambda body: _mode(till, body)), methods=["POST"]),
        Route("/api/v1/code", _action(lambda body: _code(till, body)), methods=["POST"]),
        Route("/api/v1/release", _action(lambda body: _release(till, body)), methods=["POST"]),
        Route("/api/v1/refund", _action(lambda body: _refund(till, body)), methods=["POST"]),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    return Starlette(routes=routes, middleware=[hosts, Middleware(BaseHTTPMiddleware, dispatch=_guard)])


async def _guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """No other site's page may act here (Fetch Metadata, and JSON that no plain form can send)."""
    if request.method == "POST":
        json = request.headers.get("content-type", "").split(";")[0] == "application/json"
        if not json or request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return _json({"error": "only this page may do that; open the till's own address"}, 403)
        origin = request.headers.get("origin")
        if origin is not None and origin != f"http://{request.headers.get('host')}":
            return _json({"error": "only this page may do that; open the till's own address"}, 403)
    response = await call_next(request)
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


def _state(till: Till) -> dict[str, Any]:
    provider = till.provider
    return {
        "revision": till.revision,
        "store_id": till.store_id,
        "currency": till.currency,
        "linked": till.linked,
        "tills": len(till.members.alive),
        "now_wall_ms": time.time_ns() // 1_000_000,
        "mode": provider.mode if isinstance(provider, SimulatedAcquirer) else None,
        "modes": MODES if isinstance(provider, SimulatedAcquirer) else [],
        "carts": till.board.carts(),
        "attempts": till.ledger.recent(30),
        "security": till.ledger.notes(20),
        "catalogue": _catalogue(till),
    }


def _catalogue(till: Till) -> dict[str, Any] | None:
    """What carts have learned of weights, the plainly wrong ones first; no more than a person looks through."""
    desk = till.catalogue
    return None if desk is None else {"version": desk.current.version, "weights": desk.weights()[:WEIGHTS_SHOWN]}


async def _stream(till: Till, request: Request) -> AsyncIterator[bytes]:
    seen = -1
    while not await request.is_disconnected():
        if till.revision != seen:
            seen = till.revision
            yield b"data: " + msgspec.json.encode(_state(till)) + b"\n\n"
        else:
            yield b": here\n\n"
        try:
            async with asyncio.timeout(HEARTBEAT_S), till.changed:
                while till.revision == seen:
                    await till.changed.wait()
        except TimeoutError:
            continue


class CommandBody(msgspec.Struct, forbid_unknown_fields=True):
    cart_id: str
    action: str
    intervention: int | None = None
    line: int | None = None
    choice: str | None = None
    reason: str = ""


class ModeBody(msgspec.Struct, forbid_unknown_fields=True):
    mode: str


class CodeBody(msgspec.Struct, forbid_unknown_fields=True):
    code: str
    amount_minor: int


class ReleaseBody(msgspec.Struct, forbid_unknown_fields=True):
    code: str


class RefundBody(msgspec.Struct, forbid_unknown_fields=True):
    attempt_id: str
    reason: str


def _refund(till: Till, body: bytes) -> Any:
    asked = msgspec.json.decode(body, type=RefundBody)
    return {"attempt": till.payments.refund(asked.attempt_id, asked.reason)}


def _command(till: Till, body: bytes) -> Any:
    asked = msgspec.structs.asdict(msgspec.json.decode(body, type=CommandBody))
    return till.command(asked.pop("cart_id"), asked.pop("action"), **asked)


def _mode(till: Till, body: bytes) -> Any:
    asked = msgspec.json.decode(body, type=ModeBody)
    mode = next((known for known in MODES if known == asked.mode), None)
    if mode is None or not isinstance(till.provider, SimulatedAcquirer):
        raise TillProblem(f"no such mode; one of {', '.join(MODES)}, and only of the simulated acquirer")
    till.provider.set_mode(mode)
    return {"mode": mode}


def _code(till: Till, body: bytes) -> Any:
    asked = msgspec.json.decode(body, type=CodeBody)
    return {"attempt": till.payments.complete(asked.code, asked.amount_minor)}


def _release(till: Till, body: bytes) -> Any:
    return {"attempt": till.payments.release(msgspec.json.decode(body, type=ReleaseBody).code)}


def _action(act: Callable[[bytes], Any]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_MAX_BYTES:
                return _json({"error": "too long; reload the page"}, 413)
        try:
            return _json(act(body))
        except msgspec.MsgspecError as error:
            return _json({"error": f"{error}; reload the page"}, 400)
        except Problem as problem:
            return _json({"error": str(problem)}, 409)

    return endpoint


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_: Request) -> Response:
        return Response((resources.files("cart.till") / "page" / name).read_bytes(), media_type=PAGE[name])

    return endpoint


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
