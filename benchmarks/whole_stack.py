"""A running stack for a benchmark: broker, till, world and the real daemon on free ports, and a listener on the screen."""

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

CATALOG = Path(cart.__file__).parent / "demo_catalog" / "catalog.json"


class RunningStack:
    """The stack's addresses as verbs: the world's hands, the shopper's touches, the screen's events with their times."""

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

    def trip(self) -> dict[str, Any]:
        """The view now."""
        return dict(self._client.get(f"{self._stack.addresses.screen}/api/v1/trip").raise_for_status().json())

    def until(self, condition: Callable[[dict[str, Any]], bool], seconds: float = 20.0) -> int:
        """When (monotonic ns) the screen first got a view that fits. Raises TimeoutError."""
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

    def daemon_pid(self) -> int:
        """The daemon's process id, as the world that started it says."""
        state = self._client.get(f"{self._stack.addresses.world}/world").raise_for_status().json()
        return int(state["power"]["daemon_pid"])

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
def started_stack(folder: Path, *, policy: dict[str, float | bool] | None = None) -> Iterator[RunningStack]:
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
        yield RunningStack(stack)
    finally:
        stack.stop()
