"""The brokers that the fleet is measured on: one mosquitto, or three NATS servers with JetStream as one cluster."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Protocol

from cart.bench.broker import EXTRA_PATH, find_mosquitto
from cart.bench.stack import free_ports

START_MAX_S = 60.0
"""A cluster elects a leader before it takes connections."""


class Brokers(Protocol):
    """What carts may connect to; `ports[n]` is node n's."""

    name: str
    ports: list[int]

    def start(self) -> None: ...
    def kill_node(self) -> None: ...
    def start_node(self) -> None: ...
    def cpu_s(self) -> float: ...
    def stop(self) -> None: ...


class _Nodes:
    """Processes, one a node; the last one is killed and started again on request."""

    def __init__(self, name: str, ports: list[int], commands: list[list[str]], folder: Path) -> None:
        self.name = name
        self.ports = ports
        self._commands = commands
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        self._gone_s = 0.0

    def start(self) -> None:
        """Returns when every node takes connections."""
        self._running = [self._spawn(node) for node in range(len(self._commands))]
        for node in range(len(self.ports)):
            self._await(node)

    def kill_node(self) -> None:
        """SIGKILL of the last node: what it held in memory is lost."""
        self._gone_s += _cpu_s(self._running[-1].pid)
        self._running[-1].kill()
        self._running[-1].wait()

    def start_node(self) -> None:
        """The killed node comes back."""
        self._running[-1] = self._spawn(len(self._commands) - 1)

    def cpu_s(self) -> float:
        """Processor time of all nodes so far."""
        return self._gone_s + sum(_cpu_s(process.pid) for process in self._running)

    def stop(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()

    def _spawn(self, node: int) -> subprocess.Popen[bytes]:
        with (self._folder / f"node-{node}.log").open("ab") as log:
            return subprocess.Popen(self._commands[node], stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _await(self, node: int) -> None:
        end_s = time.monotonic() + START_MAX_S
        while time.monotonic() < end_s:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.ports[node])) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError(f"{self.name}: node {node} takes no connections; see {self._folder}/node-{node}.log")


def mosquitto(folder: Path) -> Brokers | None:
    """As systemd/mosquitto.conf.example has it, without TLS; None where it is not installed."""
    program = find_mosquitto()
    if program is None:
        return None
    (port,) = free_ports(1)
    config = folder / "mosquitto.conf"
    config.write_text(
        f"user {getpass.getuser()}\nlistener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        "set_tcp_nodelay true\nmax_queued_messages 1000\nlog_type error\n"
    )
    return _Nodes("mosquitto", [port], [[program, "-c", str(config)]], folder)


def nats_cluster(folder: Path) -> Brokers | None:
    """Three nodes; MQTT's own streams are kept on all three (docs.nats.io, MQTT). None where it is not installed."""
    program = shutil.which("nats-server") or shutil.which("nats-server", path=":".join(EXTRA_PATH))
    if program is None:
        return None
    ports = free_ports(9)
    clients, routes, mqtt = ports[:3], ports[3:6], ports[6:]
    urls = ", ".join(f'"nats://127.0.0.1:{route}"' for route in routes)
    commands = []
    for node in range(3):
        config = folder / f"nats-{node}.conf"
        config.write_text(
            f'server_name: "node-{node}"\nlisten: "127.0.0.1:{clients[node]}"\n'
            f'jetstream {{ store_dir: "{folder / f"store-{node}"}" }}\n'
            f'mqtt {{ listen: "127.0.0.1:{mqtt[node]}" }}\n'
            f'cluster {{ name: "store", listen: "127.0.0.1:{routes[node]}", routes: [{urls}] }}\n'
        )
        commands.append([program, "-c", str(config)])
    return _Nodes("nats", mqtt, commands, folder)


def _cpu_s(pid: int) -> float:
    """Processor time of a process, user and system (proc(5), fields 14 and 15 of stat, in hundredths)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / 100.0
