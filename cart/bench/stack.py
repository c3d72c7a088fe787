"""A whole stack on this machine: broker, till, world and, behind the world's power switch, the daemon."""

from __future__ import annotations

import shlex
import socket
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec

from cart.bench.broker import BrokerPlan
from cart.bench.children import Child, last_line
from cart.bench.player import Addresses
from cart.core.problem import Problem

# The daemon's own target is 3 s; a busy laptop that also starts three other processes may need several times that.
READY_S = 45.0
POLL_S = 0.1
CART_ID, STORE_ID = "cart-1", "store-1"


class StackError(Problem):
    """Part of the stack does not start or has stopped: one line with its last words."""


class StackPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to start and where. Ports are on 127.0.0.1."""

    folder: Path
    catalog: Path
    broker: BrokerPlan
    screen_port: int
    bench_port: int
    till_port: int
    relay_port: int
    policy: dict[str, float | bool] = {}
    seed: int = 1
    pictures: Path | None = None


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on now. Another program may still take one first; then its user says so."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [int(sock.getsockname()[1]) for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def config_text(plan: StackPlan) -> str:
    """The demo cart's cart.toml."""
    folder = plan.folder
    tables: dict[str, dict[str, Any]] = {
        "cart": {"id": CART_ID},
        "store": {"id": STORE_ID},
        "scale": {"counts_per_gram": 21.5, "tare_counts": 84213, "capacity_g": 30000, "samples_per_second": 80},
        "gpio": {"module": f"sim:{folder / 'wires'}"},
        "scanner": {"port": str(folder / "scanner")},
        "camera": {"source": f"sim:{folder / 'frames'}"},
        "power": {"sysfs": str(folder / "sys")},
        "broker": {"host": "127.0.0.1", "port": plan.relay_port},
        "screen": {"port": plan.screen_port},
        "journal": {"folder": str(folder / "journal")},
        "policy": plan.policy,
    }
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        # JSON's strings, numbers and booleans are TOML's too.
        lines += [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in table.items()]
        lines.append("")
    return "\n".join(lines)


class Stack:
    """Start it with `start`, always `stop` it."""

    def __init__(self, plan: StackPlan) -> None:
        self.plan = plan
        self.addresses = Addresses(
            screen=f"http://127.0.0.1:{plan.screen_port}",
            world=f"http://127.0.0.1:{plan.bench_port}",
            till=f"http://127.0.0.1:{plan.till_port}",
        )
        self._children: list[Child] = []
        self._client = httpx.Client(timeout=2.0, trust_env=False)

    def start(self) -> None:
        """Start everything and wait until the cart is ready. Raises StackError with one line."""
        plan, folder = self.plan, self.plan.folder
        config = folder / "cart.toml"
        config.write_text(config_text(plan), encoding="utf-8")
        (folder / "journal").mkdir(exist_ok=True)
        if plan.broker.command is not None:
            self._children.append(Child("broker", plan.broker.command, folder / "broker.log"))
        elif not self._broker_answers():
            raise StackError(
                f"no broker answers at {plan.broker.host}:{plan.broker.port}; start it there, or leave --broker away"
            )
        self._wait_for(self._broker_answers, "the broker")
        self._children.append(Child("till", self._till_command(), folder / "till.log"))
        self._children.append(Child("world", self._world_command(config), folder / "world.log"))
        self._wait_for(self._cart_ready, "the cart")

    def stop(self) -> None:
        """Stop everything, the world (and with it the cart) first; twice does no harm."""
        while self._children:
            self._children.pop().stop()
        self._client.close()

    def trouble(self) -> str | None:
        """One line about a process that died by itself, None while all is well."""
        for child in self._children:
            if child.exit_status is not None:
                return child.obituary()
        return None

    def cart_trouble(self) -> str | None:
        """One line if the daemon left by itself while its power was on."""
        try:
            power = self._client.get(f"{self.addresses.world}/world").json()["power"]
        except (httpx.HTTPError, ValueError, KeyError):
            return None
        status = power["daemon_exit_status"]
        if status is None:
            return None
        return f"the cart's daemon stopped (status {status}): {last_line(self.plan.folder / 'cart.log')}"

    def curve(self) -> list[list[float]]:
        """Measured and true weight, (monotonic s, g, g); empty where the world does not answer."""
        try:
            points: list[list[float]] = self._client.get(f"{self.addresses.world}/world/curve").json()["points"]
        except (httpx.HTTPError, ValueError, KeyError):
            return []
        return points

    def _broker_answers(self) -> bool:
        try:
            with socket.create_connection((self.plan.broker.host, self.plan.broker.port), timeout=1.0):
                return True
        except OSError:
            return False

    def _cart_ready(self) -> bool:
        try:
            self._client.get(f"{self.addresses.till}/")
            answer = self._client.get(f"{self.addresses.screen}/api/v1/trip")
            if answer.status_code != 200:
                return False
            view = answer.json()
            # Until the scale has come to rest once, nothing says what was in the basket before.
            return bool(view["online"] and view["weight"]["stable"] and not view["notices"])
        except (httpx.HTTPError, ValueError, KeyError):
            return False

    def _wait_for(self, ready: Any, what: str) -> None:
        ends = time.monotonic() + READY_S
        while not ready():
            problem = self.trouble() or self.cart_trouble()
            if problem is not None:
                raise StackError(f"{problem}; its log is in {self.plan.folder}")
            if time.monotonic() > ends:
                raise StackError(f"{what} was not ready within {READY_S:g} s; the logs are in {self.plan.folder}")
            time.sleep(POLL_S)

    def _till_command(self) -> list[str]:
        plan = self.plan
        return [
            *(sys.executable, "-m", "cart", "till"),
            *("--broker", f"{plan.broker.host}:{plan.broker.port}"),
            *("--catalog", str(plan.catalog)),
            *("--port", str(plan.till_port)),
            *("--data", str(plan.folder / "till")),
        ]

    def _world_command(self, config: Path) -> list[str]:
        plan = self.plan
        daemon = [sys.executable, "-m", "cart", "run", "--config", str(config)]
        return [
            *(sys.executable, "-m", "cart.bench.world_server"),
            *("--config", str(config)),
            *("--catalog", str(plan.catalog)),
            *("--port", str(plan.bench_port)),
            *("--broker", f"{plan.broker.host}:{plan.broker.port}"),
            *("--relay-port", str(plan.relay_port)),
            *("--cart-command", shlex.join(daemon)),
            *("--cart-log", str(plan.folder / "cart.log")),
            *("--screen-url", self.addresses.screen),
            *("--till-url", self.addresses.till),
            *("--seed", str(plan.seed)),
            *(("--pictures", str(plan.pictures)) if plan.pictures is not None else ()),
        ]
