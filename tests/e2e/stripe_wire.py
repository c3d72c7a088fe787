"""What Stripe's API says of Terminal, as far as a till asks: real HTTP, made up after docs.stripe.com/api.

localstripe knows no readers. Intents and readers here go through the states that the reference names; an idempotency
key gets its first answer again. `tap` and `refuse` are a shopper with a card.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

READER = "tmr_1"


class StripeWire:
    """One account with one reader."""

    def __init__(self) -> None:
        self.intents: dict[str, dict[str, Any]] = {}
        self.action: dict[str, Any] | None = None
        self.refunds: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.deaf = False
        """The reader gets what it is told, and Stripe doesn't hear of it."""
        self._answers: dict[str, tuple[int, Any]] = {}
        self._lock = threading.Lock()
        wire = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name that http.server calls
                self._answer({})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                self._answer(dict(parse_qsl(body)))

            def _answer(self, fields: dict[str, str]) -> None:
                status, said = wire.answer(
                    self.command, urlsplit(self.path).path, fields, self.headers.get("Idempotency-Key", "")
                )
                content = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Silence."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def showing(self) -> str:
        """The intent on the reader's screen; "" where it shows none."""
        with self._lock:
            return self._shown()

    def tap(self) -> None:
        """A card that is good for it."""
        with self._lock:
            if self.action is not None and self._shown():
                self.intents[self._shown()]["status"] = "requires_capture"
                self.action["status"] = "succeeded"

    def refuse(self) -> None:
        """A card that the bank refuses."""
        with self._lock:
            if self.action is not None and self._shown():
                self.action |= {"status": "failed", "failure_code": "card_declined"}

    def states(self) -> list[str]:
        with self._lock:
            return [intent["status"] for intent in self.intents.values()]

    def answer(self, method: str, path: str, fields: dict[str, str], key: str) -> tuple[int, Any]:
        with self._lock:
            if key and key in self._answers:
                return self._answers[key]
            said = self._do(method, path.removeprefix("/v1/").split("/"), fields)
            if key and said[0] < 500:
                self._answers[key] = said
            return said

    def _do(self, method: str, path: list[str], fields: dict[str, str]) -> tuple[int, Any]:
        self.asked.append(f"{method} {'/'.join(path[:1] + path[2:])}")
        if path[0] == "terminal":
            return self._reader(path[3] if len(path) > 3 else "", fields)
        if path[0] == "refunds" and method == "GET":
            return 200, {"object": "list", "url": "/v1/refunds", "has_more": False, "data": list(self.refunds)}
        if path[0] == "refunds":
            self.refunds.append({
                "id": f"re_{len(self.refunds)}", "object": "refund", "status": "succeeded",
                "payment_intent": fields["payment_intent"], "amount": int(fields["amount"]),
                "metadata": {"refund": fields.get("metadata[refund]", "")},
            })  # fmt: skip
            return 200, self.refunds[-1]
        if len(path) == 1:
            return 200, self._make(fields)
        intent = self.intents[path[1]]
        act = path[2] if len(path) > 2 else ""
        wanted = {"capture": ("requires_capture", "succeeded"), "cancel": (intent["status"], "canceled")}.get(act)
        if wanted is not None and (intent["status"] != wanted[0] or intent["status"] in {"succeeded", "canceled"}):
            return _refused("payment_intent_unexpected_state")
        if wanted is not None:
            intent["status"] = wanted[1]
        return 200, dict(intent)

    def _make(self, fields: dict[str, str]) -> dict[str, Any]:
        made: dict[str, Any] = {
            "id": f"pi_{len(self.intents)}", "object": "payment_intent", "status": "requires_payment_method",
            "amount": int(fields["amount"]), "currency": fields["currency"], "last_payment_error": None,
            "capture_method": fields["capture_method"],
            "payment_method_types": [value for name, value in fields.items() if "payment_method_types" in name],
            "metadata": {name[9:-1]: value for name, value in fields.items() if name.startswith("metadata[")},
        }  # fmt: skip
        self.intents[made["id"]] = made
        return dict(made)

    def _reader(self, act: str, fields: dict[str, str]) -> tuple[int, Any]:
        if act == "process_payment_intent":
            if self._shown():
                return _refused("terminal_reader_busy")
            about = {"payment_intent": fields["payment_intent"]}
            self.action = {
                "type": act, "status": "in_progress", "failure_code": None, "process_payment_intent": about,
            }  # fmt: skip
            if self.deaf:
                return _refused("terminal_reader_timeout")
        if act == "cancel_action":
            self.action = None
        return 200, {"id": READER, "object": "terminal.reader", "action": self.action}

    def _shown(self) -> str:
        if self.action is None or self.action["status"] != "in_progress":
            return ""
        return str(self.action["process_payment_intent"]["payment_intent"])


def _refused(code: str) -> tuple[int, Any]:
    return 400, {"error": {"type": "invalid_request_error", "code": code, "message": code}}
