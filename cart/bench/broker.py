"""Which MQTT broker the demo talks to: the one that was named, mosquitto where installed, else the embedded one."""

from __future__ import annotations

import getpass
import shutil
import sys
from pathlib import Path
from typing import Literal

import msgspec

from cart.core.problem import Problem

EMBEDDED = "embedded"
# Debian puts mosquitto where an ordinary user's PATH does not look.
EXTRA_PATH = ("/usr/sbin", "/usr/local/sbin")


class BrokerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker is, and the command that starts it (None: it runs already)."""

    host: str
    port: int
    kind: Literal["named", "mosquitto", "amqtt"]
    command: tuple[str, ...] | None


def find_mosquitto() -> str | None:
    """The program's path, or None where it is not installed."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=":".join(EXTRA_PATH))


def plan_broker(named: str | None, folder: Path, port: int, *, mosquitto: str | None) -> BrokerPlan:
    """The plan for one demo. `named` is HOST or HOST:PORT of a broker that runs already, or `embedded`.

    Raises Problem when `named` is neither.
    """
    if named is not None and named != EMBEDDED:
        host, _, port_text = named.partition(":")
        if not host or not (port_text or "1883").isdigit():
            raise Problem(f"--broker {named}: give HOST, HOST:PORT or {EMBEDDED}")
        return BrokerPlan(host=host, port=int(port_text or 1883), kind="named", command=None)
    if mosquitto is not None and named is None:
        config = folder / "mosquitto.conf"
        # Loopback only, nothing kept: the cart resends whatever the store has not acknowledged.
        # Its own user: a process that changes its user no longer hears that its parent has died (prctl(2)).
        config.write_text(
            f"user {getpass.getuser()}\nlistener {port} 127.0.0.1\nallow_anonymous true\n"
            "persistence false\nset_tcp_nodelay true\n"
            "log_dest stderr\nlog_type error\nlog_type warning\nlog_type notice\n",
            encoding="utf-8",
        )
        return BrokerPlan(host="127.0.0.1", port=port, kind="mosquitto", command=(mosquitto, "-c", str(config)))
    command = (sys.executable, "-m", "cart.bench.embedded_broker", str(port))
    return BrokerPlan(host="127.0.0.1", port=port, kind="amqtt", command=command)
