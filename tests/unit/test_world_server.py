"""The world's process: its HTTP port, the power switch, the network cable; and what a demo is composed of."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cart.bench.broker import plan_broker
from cart.bench.building import BuiltWorld, build_world, close_world
from cart.bench.children import Child, last_line
from cart.bench.demo import DemoOptions, taken_port
from cart.bench.power import PowerSwitch
from cart.bench.relay import CONNECTIONS_MAX, NetworkRelay
from cart.bench.stack import StackPlan, config_text, free_ports
from cart.bench.world_server import BODY_BYTES_MAX, WorldServer
from cart.config import parse_config
from cart.core.problem import Problem

CATALOG = (
    '{"version":1,"currency":"EUR","locale":"en_IE","taxes":{"A":{"rate_bp":0,"included":true}},"items":['
    '{"sku":"m","name":"Milk","gtins":["05011001234566"],"price_minor":149,"weight_g":1034,"weight_sd_g":5,'
    '"tax":"A","department":"dairy"}]}'
)
# A daemon's stand-in: a process with a child of its own, that writes both numbers and waits.
CART = """
import os, subprocess, time
child = subprocess.Popen(["sleep", "60"])
print(os.getpid(), child.pid, flush=True)
time.sleep(60)
"""


def plan(folder: Path) -> StackPlan:
    return StackPlan(
        folder=folder,
        catalog=folder / "catalog.json",
        broker=plan_broker("127.0.0.1:1", folder, 0, mosquitto=None),
        screen_port=1,
        bench_port=2,
        till_port=3,
        relay_port=4,
        policy={"hint_s": 2.5, "own_thing_needs_staff": True},
    )


@pytest.fixture
def built(tmp_path: Path) -> Iterator[BuiltWorld]:
    (tmp_path / "cart.toml").write_text(config_text(plan(tmp_path)))
    (tmp_path / "catalog.json").write_text(CATALOG)
    made = build_world(tmp_path / "cart.toml", tmp_path / "catalog.json", seed=1)
    yield made
    close_world(made)


class Served:
    """The world's application on a loop of its own, which runs while a request is made."""

    def __init__(self, built: BuiltWorld, command: list[str], log: Path) -> None:
        self.switch = PowerSwitch(command, log)
        links = {"screen": "http://s"}
        server = WorldServer(built.world, built.catalog, self.switch, NetworkRelay("127.0.0.1", 1), links)
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=server.app), base_url="http://127.0.0.1", trust_env=False
        )
        self._runner = asyncio.Runner()

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self._runner.run(self._client.get(path, **options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self._runner.run(self._client.post(path, **options))

    def close(self) -> None:
        self.switch.switch_off()
        self._runner.run(self._client.aclose())
        self._runner.close()


@pytest.fixture
def client(built: BuiltWorld, tmp_path: Path) -> Iterator[Served]:
    made = Served(built, [], tmp_path / "log")
    yield made
    made.close()


@pytest.fixture
def powered(built: BuiltWorld, tmp_path: Path) -> Iterator[Served]:
    made = Served(built, [sys.executable, "-c", CART], tmp_path / "log")
    yield made
    made.close()


def wait_until(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if true():
            return True
        time.sleep(0.02)
    return False


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_verbs_over_http(client: Served) -> None:
    put = client.post("/world/put_in", json={"sku": "m"})
    assert put.status_code == 200
    state = client.get("/world").json()
    assert [thing["sku"] for thing in state["things"]] == ["m"]
    assert state["power"] == {"on": False, "switch": False, "starts": 0, "daemon_exit_status": None}
    assert client.get("/shelf").json()["items"][0]["name"] == "Milk"
    assert client.get("/world/curve").status_code == 200
    assert client.post("/world/network", json={"up": False}).json() == {"ok": True}
    assert client.get("/world").json()["network"] == {"up": False}


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("put_in", b'{"sku":"x"}', "the shelf has no sku"),
        ("put_in", b"{", "not JSON"),
        ("put_in", b"\xff", "not JSON"),
        ("dance", b"{}", "no verb 'dance'"),
        ("power_cut", b"{}", "does not hold the cart's power switch"),
    ],
)
def test_errors_are_400_with_one_line(client: Served, path: str, body: bytes, words: str) -> None:
    answer = client.post(f"/world/{path}", content=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_only_this_machine_and_this_page_may_use_the_port(client: Served) -> None:
    assert client.get("/world", headers={"host": "evil.example"}).status_code == 421
    elsewhere = {"origin": "http://evil.example"}
    assert client.post("/world/put_in", json={"sku": "m"}, headers=elsewhere).status_code == 403
    assert client.post("/world/put_in", content=b" " * (BODY_BYTES_MAX + 1)).status_code == 413
    assert client.get("/world").json()["things"] == []


def test_the_page_and_its_modules_are_served(client: Served) -> None:
    page = client.get("/")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    for name in ("bench.js", "shelf.js", "world.js", "element.js", "bench.css", "icon.svg"):
        assert client.get(f"/page/{name}").status_code == 200


def test_a_power_cut_kills_every_process_of_the_cart_and_starts_it_again(powered: Served, tmp_path: Path) -> None:
    powered.switch.switch_on()
    assert wait_until(lambda: len((tmp_path / "log").read_text().split()) == 2)
    pids = [int(word) for word in (tmp_path / "log").read_text().split()]
    assert powered.post("/world/power_cut", json={"off_s": 0.3}).status_code == 200
    assert powered.get("/world").json()["power"]["on"] is False
    assert wait_until(lambda: all(gone(pid) for pid in pids))
    assert wait_until(lambda: powered.get("/world").json()["power"]["starts"] == 2)
    assert powered.get("/world").json()["power"]["on"] is True


def test_a_daemon_that_leaves_by_itself_is_seen(tmp_path: Path) -> None:
    switch = PowerSwitch([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "log")
    switch.switch_on()
    assert wait_until(lambda: switch.exit_status() == 3)
    switch.cut()
    assert switch.exit_status() is None


def test_a_daemon_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cart.bench.power.STOP_S", 0.2)
    deaf = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    switch = PowerSwitch([sys.executable, "-c", deaf], tmp_path / "log")
    switch.switch_on()
    assert wait_until(lambda: (tmp_path / "log").read_text() != "")
    began = time.monotonic()
    switch.switch_off()
    assert time.monotonic() - began < 5


# -- the network cable ----------------------------------------------------------------------------------------------


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(100):
            writer.write(data.upper())
    writer.close()


async def cable() -> tuple[asyncio.Server, NetworkRelay, int]:
    broker = await asyncio.start_server(echo, "127.0.0.1", 0)
    relay = NetworkRelay("127.0.0.1", broker.sockets[0].getsockname()[1])
    return broker, relay, await relay.start(0)


def test_the_cable_carries_is_cut_and_mended() -> None:
    async def scene() -> list[bytes]:
        broker, relay, port = await cable()
        said: list[bytes] = []
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"one")
        said.append(await reader.read(100))
        relay.set_up(False)
        said.append(await read_end(reader))
        other, other_writer = await asyncio.open_connection("127.0.0.1", port)
        said.append(await read_end(other))
        relay.set_up(True)
        third, third_writer = await asyncio.open_connection("127.0.0.1", port)
        third_writer.write(b"two")
        said.append(await third.read(100))
        for each in (writer, other_writer, third_writer):
            each.transport.abort()
        await relay.stop()
        broker.close()
        return said

    assert asyncio.run(scene()) == [b"ONE", b"", b"", b"TWO"]


async def read_end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(100), 3)
    except ConnectionResetError:
        return b""


def test_a_broker_that_is_away_drops_the_connection_and_connections_are_bounded() -> None:
    async def scene() -> int:
        relay = NetworkRelay("127.0.0.1", free_ports(1)[0])
        port = await relay.start(0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await read_end(reader) == b""
        writer.transport.abort()
        await relay.stop()
        broker, full, port = await cable()
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS_MAX)]
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        refused = await read_end(reader)
        for _, each in [*kept, (reader, writer)]:
            each.transport.abort()
        await full.stop()
        broker.close()
        return len(refused)

    assert asyncio.run(scene()) == 0


# -- what a demo is made of -----------------------------------------------------------------------------------------


def test_the_demo_carts_config_is_one_the_cart_reads(tmp_path: Path) -> None:
    config = parse_config(config_text(plan(tmp_path)), source="cart.toml")
    assert config.gpio.module == f"sim:{tmp_path}/wires"
    assert config.broker.port == 4
    assert (config.policy.hint_s, config.policy.own_thing_needs_staff) == (2.5, True)
    assert tomllib.loads(config_text(plan(tmp_path)))["scanner"]["port"] == str(tmp_path / "scanner")


def test_the_broker_is_the_named_one_or_mosquitto_or_the_embedded_one(tmp_path: Path) -> None:
    named = plan_broker("store.example:8883", tmp_path, 5, mosquitto="/m")
    assert (named.kind, named.host, named.port, named.command) == ("named", "store.example", 8883, None)
    assert plan_broker("store.example", tmp_path, 5, mosquitto=None).port == 1883
    found = plan_broker(None, tmp_path, 5, mosquitto="/m")
    assert found.command == ("/m", "-c", str(tmp_path / "mosquitto.conf"))
    assert "listener 5 127.0.0.1" in (tmp_path / "mosquitto.conf").read_text()
    assert plan_broker(None, tmp_path, 5, mosquitto=None).kind == "amqtt"
    assert plan_broker("embedded", tmp_path, 5, mosquitto="/m").kind == "amqtt"
    for bad in (":1883", "host:mqtt"):
        with pytest.raises(Problem, match="give HOST, HOST:PORT or embedded"):
            plan_broker(bad, tmp_path, 5, mosquitto=None)


def test_free_ports_are_different_and_can_be_taken() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", ports[0]))


def test_a_port_that_is_taken_is_said_before_anything_starts() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        assert taken_port(DemoOptions(bench_port=port)) == (
            f"--bench-port {port} can't be used (Address already in use); choose another, or 0 for a free one"
        )
    assert taken_port(DemoOptions()) is None


def test_a_child_is_stopped_and_a_dead_one_has_last_words(tmp_path: Path) -> None:
    child = Child("till", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "a.log")
    child.stop()
    assert child.exit_status == -signal.SIGTERM
    dead = Child("till", [sys.executable, "-c", "raise SystemExit('no port')"], tmp_path / "b.log")
    assert wait_until(lambda: dead.exit_status is not None)
    assert dead.obituary() == "the till stopped (status 1): no port"
    dead.stop()


def test_last_words_are_words(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("first\n  | ValueError: no\n  +-----------\n\n")
    assert last_line(log) == "ValueError: no"
    assert last_line(tmp_path / "none.log") == "it said nothing"


def test_every_answer_of_the_world_is_json(client: Served) -> None:
    answers: list[Any] = [client.get("/world"), client.get("/shelf"), client.post("/world/scan", json={"sku": "m"})]
    assert {answer.headers["content-type"] for answer in answers} == {"application/json"}
