"""`cart till` and `cart till refund` as they are typed: one line where something can't be, or isn't known."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from cart.commands.till import TillUse, app
from cart.commands.till_refund import NoAnswer

ASKED: list[dict[str, str]] = []


class Page(http.server.BaseHTTPRequestHandler):
    """A till's page whose line breaks when money is to be given back."""

    def do_GET(self) -> None:  # the library's name
        body = json.dumps({"currency": "EUR"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        ASKED.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        pass


@pytest.fixture
def page() -> Iterator[str]:
    ASKED.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def failing(*arguments: str) -> BaseException:
    result = CliRunner().invoke(app, arguments)
    assert result.exception is not None
    return result.exception


def test_a_refund_of_which_nothing_was_heard_is_tried_again_under_its_own_id(page: str) -> None:
    first = failing("refund", "T.1", "--reason", "sour milk", "--amount", "2.50", "--page", page)
    assert isinstance(first, NoAnswer)
    [named] = re.findall(r"try again with --id ([0-9a-f]{16})$", str(first))
    failing("refund", "T.1", "--reason", "sour milk", "--amount", "2.50", "--page", page, "--id", named)
    assert [asked["refund_id"] for asked in ASKED] == [named, named]


@pytest.mark.parametrize("brokers", ["node", "node:x", "node-1:1883,node-2", "node-1:1883,", ":1883", "node:70000"])
def test_a_broker_that_is_none_is_said(brokers: str) -> None:
    problem = failing("--broker", brokers)
    assert isinstance(problem, TillUse)
    assert str(problem) == f"--broker {brokers!r}: write it as HOST:PORT, for example 127.0.0.1:1883"
