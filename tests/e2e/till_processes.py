"""Processes of `cart till` on one PostgreSQL, and their store as somebody else sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.conftest import free_port
from tests.e2e.small_cart import CATALOG


class Tills:
    """Processes of `cart till`, and their store as somebody else sees it."""

    def __init__(self, folder: Path, broker: str, url: str) -> None:
        """`broker` is its address."""
        from cart.till.postgres import PostgresDatabase
        from cart.till.simulated import SimulatedAcquirer

        self._folder = folder
        self._broker = broker
        self._url = url
        self.catalog = folder / "catalog.json"
        self.catalog.write_bytes(msgspec.json.encode(CATALOG))
        self.processes: list[subprocess.Popen[bytes]] = []
        self.ports: list[int] = []
        self.database = PostgresDatabase(url)
        self.acquirer = SimulatedAcquirer(self.database)

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        self.ports.append(free_port())
        program = "import typer; from cart.commands.till import run; typer.run(run)"
        with (self._folder / f"till-{len(self.ports)}.log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(
                    [
                        sys.executable, "-c", program, "--broker", self._broker, "--database", self._url,
                        "--catalog", str(self.catalog), "--port", str(self.ports[-1]), *options,
                    ],
                    stdout=log, stderr=log,
                )
            )  # fmt: skip
        return self.processes[-1]

    def state(self, number: int) -> Any:
        try:
            return httpx.get(f"http://127.0.0.1:{self.ports[number]}/api/v1/state", timeout=5).json()
        except httpx.TransportError:
            return {"linked": False, "carts": [], "tills": 0}

    def workers(self) -> dict[str, int]:
        """Till → attempts that it has worked on last."""
        return dict(self.database.read("SELECT worker, count(*) FROM attempt GROUP BY worker"))

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.database.close()
