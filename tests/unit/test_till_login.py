"""The staff's page behind its password, and money given back from the command line through it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from cart.sync.connection import Broker
from cart.sync.messages import PaymentRequestMessage
from cart.till import login
from cart.till.login import Login
from cart.till.service import Till
from cart.till.simulated import SimulatedAcquirer
from cart.till.web import create_app
from tests.conftest import free_port

PASSWORD = "twelve letters"  # noqa: S105  # of this test alone


def behind_password(tmp_path: Path, scene: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    async def run() -> None:
        till = Till(Broker(host="127.0.0.1", port=1), "store-1", tmp_path, SimulatedAcquirer(tmp_path))
        transport = httpx.ASGITransport(app=create_app(till, login=Login(PASSWORD), host="till.store"))
        async with httpx.AsyncClient(transport=transport, base_url="https://till.store") as client:
            await scene(client)
        await till.stop()

    asyncio.run(run())


def test_behind_a_password_nobody_sees_or_decides_anything_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "WRONG_S", 0.01)

    async def scene(client: httpx.AsyncClient) -> None:
        for path in ("state", "events"):
            assert (await client.get(f"/api/v1/{path}")).status_code == 401
        for path in ("command", "code", "refund", "mode", "release"):
            assert (await client.post(f"/api/v1/{path}", json={})).status_code == 401
        assert (await client.get("/")).status_code == 200
        assert (await client.post("/api/v1/login", json={"password": "wrong words"})).status_code == 401
        assert (await client.get("/api/v1/state")).status_code == 401
        entered = await client.post("/api/v1/login", json={"password": PASSWORD})
        cookie = entered.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "samesite=strict", "secure"))
        assert (await client.get("/api/v1/state")).json()["password"] is True
        await client.post("/api/v1/logout", json={})
        assert (await client.get("/api/v1/state")).status_code == 401
        bearer = {"authorization": f"Bearer {PASSWORD}"}
        assert (await client.get("/api/v1/state", headers=bearer)).status_code == 200
        assert (await client.get("/api/v1/state", headers={"authorization": "Bearer x"})).status_code == 401
        assert (await client.get("/", headers={"host": "other.store"})).status_code == 400

    behind_password(tmp_path, scene)


def test_wrong_passwords_are_answered_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "WRONG_S", 0.05)

    async def run() -> None:
        gate, began = Login(PASSWORD), time.monotonic()
        assert await asyncio.gather(*(gate.enter("wrong words") for _ in range(4))) == [None] * 4
        assert time.monotonic() - began >= 0.2

    asyncio.run(run())


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--host", "till.store"], "anybody on that network could decide"),
        (["--host", "till.store", "--page-password", "PASSWORD"], "would cross the network readable"),
        (["--host", "0.0.0.0", "--page-password", "PASSWORD"], "name the one address"),  # noqa: S104
        (["--page-password", "SHORT"], "write 12 or more"),
        (["--page-password", "OPEN"], "run chmod 600"),
    ],
)
def test_a_page_that_strangers_could_use_is_refused(tmp_path: Path, options: list[str], why: str) -> None:
    for name, words, mode in (("PASSWORD", PASSWORD, 0o600), ("SHORT", "short", 0o600), ("OPEN", PASSWORD, 0o644)):
        (tmp_path / name).write_text(words)
        (tmp_path / name).chmod(mode)
    given = [str(tmp_path / option) if option.isupper() else option for option in options]
    done = subprocess.run(
        [sys.executable, "-m", "cart", "till", *given], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 2
    assert why in done.stderr
    assert PASSWORD not in done.stderr


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[str, SimulatedAcquirer]]:
    """A till with one payment of 5.00, its page behind a password on loopback."""
    port, up, over = free_port(), threading.Event(), threading.Event()
    acquirers: list[SimulatedAcquirer] = []

    async def serve() -> None:
        acquirers.append(SimulatedAcquirer(tmp_path))
        till = Till(Broker(host="127.0.0.1", port=1), "store-1", tmp_path, acquirers[0])
        till.payments.request(
            PaymentRequestMessage(
                cart_id="cart-1", attempt_id="T.1", trip_id="T", amount_minor=500, currency="EUR",
                basket_hash="ab" * 32, method="card",
            )
        )  # fmt: skip
        app = create_app(till, login=Login(PASSWORD))
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", lifespan="off"))
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve())
        await asyncio.to_thread(until, lambda: server.started)
        up.set()
        await asyncio.to_thread(over.wait)
        server.should_exit = True
        await serving
        await till.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    up.wait(20.0)
    yield f"http://127.0.0.1:{port}/", acquirers[0]
    over.set()
    thread.join(20.0)


def refund(url: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`cart till refund`, with the password as systemd gives it."""
    (folder / "till-password").write_text(PASSWORD)
    return subprocess.run(
        [sys.executable, "-m", "cart", "till", "refund", "T.1", "--page", url, *options],
        capture_output=True, text=True, check=False, env=os.environ | {"CREDENTIALS_DIRECTORY": str(folder)},
    )  # fmt: skip


def test_staff_gives_back_a_part_and_then_the_rest_from_the_command_line(
    running: tuple[str, SimulatedAcquirer], tmp_path: Path
) -> None:
    url, acquirer = running
    for _ in range(2):
        done = refund(url, tmp_path, "--amount", "1.20", "--reason", "sour milk", "--id", "r1")
        assert (done.returncode, done.stderr) == (0, "")
    until(lambda: acquirer.captures() == {"T.1": 380})
    too_much = refund(url, tmp_path, "--amount", "3.81", "--reason", "more")
    assert (too_much.returncode, "no more than 3.80" in too_much.stderr) == (2, True)
    rest = refund(url, tmp_path, "--reason", "all of it", "--json")
    assert json.loads(rest.stdout)["attempt_id"] == "T.1"
    until(lambda: acquirer.captures() == {"T.1": 0})


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--amount", "1.234", "--reason", "x"], "write an amount"),
        (["--amount", "1", "--reason", " "], "say why"),
        (["--reason", "x", "--page", "http://127.0.0.1:1/"], "the till doesn't answer"),
        (["--reason", "x", "--page", "ftp://x"], "write it as http"),
    ],
)
def test_what_can_not_be_given_back_is_said_in_one_line(
    running: tuple[str, SimulatedAcquirer], tmp_path: Path, options: list[str], why: str
) -> None:
    done = refund(running[0], tmp_path, *options)
    assert done.returncode == 2
    assert why in done.stderr
    assert done.stderr.count("\n") == 1
    assert running[1].captures() == {"T.1": 500}


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10.0
    while not true():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.02)
