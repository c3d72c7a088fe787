"""The staff's page: carts live, calls for help, codes paid at the till, money given back, the acquirer's mode.

On loopback as it comes; elsewhere behind a password, over TLS (cart/commands/till.py sees to that).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from typing import Annotated, Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from cart.core.problem import Problem
from cart.till.ledger import FAILURES, TillProblem
from cart.till.login import COOKIE, SESSION_S, Login
from cart.till.service import Till
from cart.till.simulated import MODES, SimulatedAcquirer

log = logging.getLogger(__name__)

BODY_MAX_BYTES: Final = 4096
"""The longest decision is a few hundred bytes."""

HEARTBEAT_S: Final = 10.0
"""A comment down an idle event stream, so that a dead page is noticed."""

PAGE_S: Final = 0.5
"""At most twice a second to a page: 500 carts change the board hundreds of times a second, and a state of them costs
milliseconds that payments need.
"""

WEIGHTS_SHOWN: Final = 50

PAGE: Final = {"index.html": "text/html", "till.css": "text/css", "till.js": "text/javascript"}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def create_app(till: Till, *, login: Login | None = None, host: str = "127.0.0.1") -> Starlette:
    """The page and its API, for a browser that calls this machine `host`. Without a `login` only on loopback."""
    gate = login or Login()

    async def state(_: Request) -> Response:
        return _json(_state(till) | {"password": gate.required})

    async def events(request: Request) -> Response:
        return StreamingResponse(_stream(till, request), media_type="text/event-stream")

    async def enter(request: Request) -> Response:
        name = await gate.enter(msgspec.json.decode(await _body(request), type=LoginBody).password)
        if name is None:
            return _json({"error": "that is not the password"}, 401)
        answer = _json({})
        answer.set_cookie(
            COOKIE, name, max_age=int(SESSION_S), httponly=True, samesite="strict",
            secure=request.url.scheme == "https",
        )  # fmt: skip
        return answer

    async def leave(request: Request) -> Response:
        gate.leave(request.headers)
        return _json({})

    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        return await _guard(gate, request, call_next)

    routes = [
        Route("/", _file("index.html")),
        *[Route(f"/{name}", _file(name)) for name in PAGE if name != "index.html"],
        Route("/api/v1/state", state),
        Route("/api/v1/events", events),
        Route("/api/v1/command", _action(lambda body: _command(till, body)), methods=["POST"]),
        Route("/api/v1/mode", _action(lambda body: _mode(till, body)), methods=["POST"]),
        Route("/api/v1/code", _action(lambda body: _code(till, body)), methods=["POST"]),
        Route("/api/v1/release", _action(lambda body: _release(till, body)), methods=["POST"]),
        Route("/api/v1/login", _told(enter), methods=["POST"]),
        Route("/api/v1/logout", leave, methods=["POST"]),
        Route("/api/v1/refund", _action(lambda body: _refund(till, body)), methods=["POST"]),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", host])
    return Starlette(routes=routes, middleware=[hosts, Middleware(BaseHTTPMiddleware, dispatch=guard)])


async def _guard(gate: Login, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """No other site's page may act here (Fetch Metadata, and JSON that no plain form can send), and no stranger."""
    if request.method == "POST":
        json = request.headers.get("content-type", "").split(";")[0] == "application/json"
        if not json or request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return _json({"error": "only this page may do that; open the till's own address"}, 403)
        origin = request.headers.get("origin")
        if origin is not None and origin != f"{request.url.scheme}://{request.headers.get('host')}":
            return _json({"error": "only this page may do that; open the till's own address"}, 403)
    open_to_all = not request.url.path.startswith("/api/") or request.url.path == "/api/v1/login"
    if open_to_all or gate.knows(request.headers):
        response = await call_next(request)
    else:
        response = _json({"error": "log in first, with the page's password"}, 401)
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
            await asyncio.sleep(PAGE_S)
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


class LoginBody(msgspec.Struct, forbid_unknown_fields=True):
    password: str


class RefundBody(msgspec.Struct, forbid_unknown_fields=True):
    """`amount_minor` None: all that is left. The same `refund_id` again is the same refund."""

    attempt_id: str
    reason: str
    amount_minor: int | None = None
    refund_id: Annotated[str, msgspec.Meta(max_length=64)] = ""


def _refund(till: Till, body: bytes) -> Any:
    asked = msgspec.json.decode(body, type=RefundBody)
    return {"attempt": till.give_back(asked.attempt_id, asked.reason, asked.amount_minor, asked.refund_id)}


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
    return {"attempt": till.payments.codes.complete(asked.code, asked.amount_minor)}


def _release(till: Till, body: bytes) -> Any:
    return {"attempt": till.payments.codes.release(msgspec.json.decode(body, type=ReleaseBody).code)}


def _action(act: Callable[[bytes], Any]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return _json(act(await _body(request)))

    return _told(endpoint)


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX_BYTES:
            raise TooLong("too long; reload the page")
    return body


class TooLong(Problem):
    """More than any decision has."""


def _told(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """What can't be done is said in one line."""

    async def told(request: Request) -> Response:
        try:
            return await endpoint(request)
        except TooLong as problem:
            return _json({"error": str(problem)}, 413)
        except (msgspec.MsgspecError, RecursionError) as error:
            return _json({"error": f"{error}; reload the page"}, 400)
        except Problem as problem:
            return _json({"error": str(problem)}, 409)
        except FAILURES:
            log.exception("the till's rows could not be read or written")
            return _json(
                {"error": "the till can't reach its rows; look whether it is booked before you try again"}, 503
            )

    return told


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_: Request) -> Response:
        return Response((resources.files("cart.till") / "page" / name).read_bytes(), media_type=PAGE[name])

    return endpoint


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
