"""The staff's page and its API, and the board of carts that it shows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from cart.sync.connection import Broker
from cart.sync.messages import (
    Call,
    HelpMessage,
    StatusMessage,
)
from cart.till.service import Till
from cart.till.simulated import SimulatedAcquirer
from cart.till.web import create_app
from tests.unit.till_counter import CODE, settle


class Page:
    """The till's page as a browser on this machine sees it."""

    def __init__(self, till: Till) -> None:
        self._app = create_app(till)

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._ask("GET", path))

    def post(self, path: str, **body: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", path, **body))

    async def _ask(self, method: str, path: str, **body: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8090") as client:
            return await client.request(method, path, **body)


@pytest.fixture
def till(tmp_path: Path) -> Any:
    async def make() -> Till:
        return Till(Broker(host="127.0.0.1", port=1), "store-1", tmp_path, SimulatedAcquirer(tmp_path))

    made = asyncio.run(make())
    yield made
    made.ledger.close()
    asyncio.run(made.provider.close())


def test_the_page_and_its_state_come_with_a_strict_policy(till: Till) -> None:
    page = Page(till)
    shown = page.get("/")
    assert shown.status_code == 200
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert "unsafe" not in shown.headers["content-security-policy"]
    assert page.get("/till.js").headers["content-type"].startswith("text/javascript")
    state = page.get("/api/v1/state").json()
    assert (state["store_id"], state["mode"], state["carts"]) == ("store-1", "approve", [])


def test_the_acquirers_mode_is_switched_from_the_page(till: Till) -> None:
    page = Page(till)
    assert page.post("/api/v1/mode", json={"mode": "silent"}).json() == {"mode": "silent"}
    assert page.get("/api/v1/state").json()["mode"] == "silent"
    refused = page.post("/api/v1/mode", json={"mode": "generous"})
    assert (refused.status_code, "no such mode" in refused.json()["error"]) == (409, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"content-type": "text/plain"},
        {"host": "evil.example"},
    ],
)
def test_another_sites_page_may_not_act(till: Till, headers: dict[str, str]) -> None:
    page = Page(till)
    sent = {"content-type": "application/json"} | headers
    assert page.post("/api/v1/mode", content=b'{"mode":"silent"}', headers=sent).status_code in {400, 403}
    assert page.get("/api/v1/state").json()["mode"] == "approve"


def test_a_decision_for_a_cart_that_is_not_there_says_so(till: Till) -> None:
    page = Page(till)
    reply = page.post("/api/v1/command", json={"cart_id": "cart-9", "action": "lock"})
    assert (reply.status_code, "not connected" in reply.json()["error"]) == (409, True)
    assert page.post("/api/v1/command", content=b"{", headers={"content-type": "application/json"}).status_code == 400


def test_a_code_is_paid_from_the_page(till: Till) -> None:
    page = Page(till)
    assert page.post("/api/v1/code", json={"code": CODE, "amount_minor": 500}).json() == {"attempt": None}
    assert page.post("/api/v1/code", json={"code": CODE, "amount_minor": 500}).status_code == 409


def test_carts_that_call_stand_first_on_the_board(tmp_path: Path) -> None:
    async def scene() -> list[str]:
        till = Till(Broker(host="127.0.0.1", port=1), "store-1", tmp_path, SimulatedAcquirer(tmp_path))
        for cart_id in ("cart-1", "cart-2"):
            till.board.status(StatusMessage(cart_id=cart_id, online=True, reason="started"))
        call = Call(intervention=1, kind="age_check", stage="staff")
        till.board.help(HelpMessage(cart_id="cart-2", calls=[call]))
        await settle()
        await till.stop()
        return [cart.cart_id for cart in till.board.carts()]

    assert asyncio.run(scene()) == ["cart-2", "cart-1"]
