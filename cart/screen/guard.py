"""Who may talk to the screen's server, and what a browser may do with the answers.

The server is on loopback, but any page open in a browser on the cart could still reach it: by a name that resolves to
127.0.0.1 (DNS rebinding; refused by the Host header) or by a cross-site POST (refused by Origin).
"""

from __future__ import annotations

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), usb=(), serial=(), payment=()",
    "Cache-Control": "no-store",
}


def host_name(host: str) -> str:
    """The name in a Host header, without its port, lower case."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


class Guard:
    """ASGI middleware: Host allow-list, same origin for whoever sends one, and the headers above on each answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = refuse(scope["method"], Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send_guarded)
        else:
            await refusal(scope, receive, send_guarded)


def refuse(method: str, headers: Headers) -> Response | None:
    """The refusal of a request that comes from elsewhere, or None. A tool without a browser sends no Origin."""
    host = headers.get("host", "")
    if host_name(host) not in HOSTS:
        return problem("this server answers only to 127.0.0.1 and localhost", 421)
    if method in {"GET", "HEAD"}:
        return None
    origin = headers.get("origin")
    if origin is None:
        return None
    if origin.lower() != f"http://{host.lower()}":
        return problem("touches are taken from the cart's own page only", 403)
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return problem("send the touch as application/json", 415)
    return None


def problem(message: str, status: int) -> Response:
    """An error as the interface promises it: JSON `{"error": one line}`."""
    return Response(msgspec.json.encode({"error": " ".join(message.split())}), status, media_type="application/json")
