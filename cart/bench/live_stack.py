"""A running stack for tests and benchmarks: the real daemon with everything around it, and a listener on its screen."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

import cart
from cart.bench.broker import find_mosquitto, plan_broker
from cart.bench.stack import Stack, StackPlan, free_ports
from cart.control_client import ControlClient
from cart.core.problem import Problem

CATALOG = Path(cart.__file__).parent / "demo_catalog" / "catalog.json"


class LiveStack:
    """The stack's addresses as verbs: the world's hands, the shopper's touches, what the screen showed when."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._client = httpx.Client(timeout=10.0, trust_env=False)
        self.views: queue.Queue[tuple[int, dict[str, Any]]] = queue.Queue()
        """(monotonic ns, view), as the screen's page would get them."""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def world(self, verb: str, **body: Any) -> dict[str, Any]:
        """What hands do; answers the world's facts."""
        answer = self._client.post(f"{self._stack.addresses.world}/world/{verb}", json=body).raise_for_status()
        return dict(answer.json())

    def touch(self, action: str, **fields: Any) -> None:
        """What the shopper does on the screen."""
        self._client.post(
            f"{self._stack.addresses.screen}/api/v1/touch", json={"action": action, **fields}
        ).raise_for_status()

    @property
    def screen_url(self) -> str:
        return self._stack.addresses.screen

    @property
    def bench_url(self) -> str:
        return self._stack.addresses.world

    @property
    def till_url(self) -> str:
        return self._stack.addresses.till

    @property
    def broker_port(self) -> int:
        return self._stack.plan.broker.port

    def physical(self) -> dict[str, Any]:
        """What is physically so."""
        return dict(self._client.get(f"{self._stack.addresses.world}/world").raise_for_status().json())

    def until_back(self, killed_pid: int, seconds: float = 30.0) -> None:
        """Wait for a daemon with another process id that shows a trip. Raises TimeoutError."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            with contextlib.suppress(Problem, httpx.HTTPError):
                if self.daemon_pid() != killed_pid:
                    self.trip()
                    return
            time.sleep(0.05)
        raise TimeoutError(f"the daemon was not back within {seconds:g} s")

    def pay(self, method: str = "card") -> None:
        """Check out, and pay as soon as the cart lets one; it waits itself for a basket that swings then."""
        self.touch("checkout")
        self.until(lambda view: view["phase"] == "checkout" and not view["checkout_waits_for"])
        self.touch("pay", method=method)

    def trip(self) -> dict[str, Any]:
        """The view now."""
        return dict(self._client.get(f"{self._stack.addresses.screen}/api/v1/trip").raise_for_status().json())

    def until(self, condition: Callable[[dict[str, Any]], bool], seconds: float = 20.0) -> int:
        """When (monotonic ns) the screen had a view that fits, the present one counted. Raises TimeoutError."""
        if condition(self.trip()):
            return time.monotonic_ns()
        return self.first_view(condition, seconds)

    def first_view(self, condition: Callable[[dict[str, Any]], bool], seconds: float = 20.0) -> int:
        """When (monotonic ns) the screen got the first fitting view not yet looked at. Raises TimeoutError."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            with contextlib.suppress(queue.Empty):
                t_ns, view = self.views.get(timeout=0.5)
                if condition(view):
                    return t_ns
        raise TimeoutError(f"the screen did not show it within {seconds:g} s; last: {json.dumps(self.trip())[:2000]}")

    def forget_views(self) -> None:
        """Drop what the screen has shown so far."""
        with contextlib.suppress(queue.Empty):
            while True:
                self.views.get_nowait()

    def status(self) -> dict[str, Any]:
        """What `cart status` would say."""
        return ControlClient(self._stack.plan.folder / "journal").status()

    def daemon_pid(self) -> int:
        """The daemon's process id."""
        return int(self.status()["pid"])

    def _listen(self) -> None:
        while True:
            with (
                contextlib.suppress(httpx.HTTPError),
                httpx.Client(timeout=30.0, trust_env=False) as client,
                client.stream("GET", f"{self._stack.addresses.screen}/api/v1/events") as events,
            ):
                for line in events.iter_lines():
                    now_ns = time.monotonic_ns()
                    if line.startswith("data: ") and len(line) > 10:
                        self.views.put((now_ns, json.loads(line[6:])))
            time.sleep(0.2)


@contextlib.contextmanager
def started_stack(folder: Path, *, policy: dict[str, float | bool] | None = None) -> Iterator[LiveStack]:
    """Everything started and ready, stopped at the end."""
    broker_port, screen, bench, till, relay = free_ports(5)
    plan = StackPlan(
        folder=folder,
        catalog=CATALOG,
        broker=plan_broker(None, folder, broker_port, mosquitto=find_mosquitto()),
        screen_port=screen,
        bench_port=bench,
        till_port=till,
        relay_port=relay,
        policy=policy or {},
    )
    stack = Stack(plan)
    try:
        stack.start()
        yield LiveStack(stack)
    finally:
        stack.stop()
