"""Fixtures that several kinds of tests share."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.postgres_cluster import Cluster, executables


class BrokerProcess:
    """A real mosquitto on a free loopback port, that can be killed and started again on the same port."""

    def __init__(self, executable: str, folder: Path) -> None:
        self._executable = executable
        self._configuration = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._configuration.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n"
        )

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._executable, "-c", str(self._configuration)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError(f"mosquitto does not listen:\n{self._log.read_text()}")

    def kill(self) -> None:
        """SIGKILL: what it had not delivered is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """A running mosquitto of this test's own."""
    executable = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if executable is None:
        missing = "needs mosquitto; install the package mosquitto (apt install mosquitto)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    folder = tmp_path / "broker"
    folder.mkdir()
    process = BrokerProcess(executable, folder)
    process.start()
    yield process
    process.kill()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A running PostgreSQL; skipped where server or library isn't installed."""
    folder = executables()
    if folder is None or find_spec("psycopg") is None:
        pytest.skip("needs PostgreSQL: apt install postgresql, pip install 'smart-cart[postgres]'")
    cluster = Cluster(folder)
    yield cluster
    cluster.remove()
