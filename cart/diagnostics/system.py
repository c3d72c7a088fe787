"""What is no device: configuration, broker, clock, journal, disk, screen."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from cart.diagnostics.check import Bench, Check, Figure, from_status, two_halves

BROKER_WAIT_S = 4.0
DISK_FREE_WARN = 500 << 20
DISK_FREE_FAIL = 50 << 20
"""The journal grows by a few MB a day; below this it stops within days, and SQLite needs room to fold its log."""
JOURNAL_FILE = "journal.sqlite"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def check_config(bench: Bench) -> Check:
    """The file itself; the other checks go on with the example's wiring where it is missing."""
    if bench.config_problem:
        what, todo = two_halves(bench.config_problem)
        return Check(part="config", verdict="fail", summary=what, todo=todo)
    scale = bench.config.scale
    return Check(
        part="config",
        verdict="ok",
        summary=f"{bench.config_path}: {bench.config.cart.id} of {bench.config.store.id}",
        figures={"counts_per_gram": scale.counts_per_gram, "tare_counts": scale.tare_counts},
    )


def check_broker(bench: Bench) -> Check:
    """Connect as a stranger with the cart's own certificate; the daemon's link where one runs."""
    table = bench.config.broker
    if not table.host:
        return Check(
            part="broker",
            verdict="absent",
            summary="none configured; the cart works alone and cannot be paid at",
            todo="set broker.host",
        )
    link = (bench.status or {}).get("link")
    if isinstance(link, dict):
        return _linked(link, table.host)
    for name, file in (("ca_file", table.ca_file), ("cert_file", table.cert_file), ("key_file", table.key_file)):
        if file and not os.access(file, os.R_OK):
            return Check(
                part="broker",
                verdict="fail",
                summary=f"broker.{name} {file} cannot be read",
                todo="put it there, readable by the cart's user",
            )
    began = time.monotonic()
    refused = _try_broker(table)
    figures: dict[str, Figure] = {"answer_s": round(time.monotonic() - began, 3)}
    where = f"{table.host}:{table.port}"
    if refused is None:
        return Check(part="broker", verdict="ok", summary=f"{where} lets this cart in", figures=figures)
    return Check(
        part="broker",
        verdict="fail",
        summary=f"{where}: {refused}",
        todo="check broker.host and broker.port, the network, and that the broker runs",
        figures=figures,
    )


def _linked(link: dict[str, Any], host: str) -> Check:
    if link.get("linked"):
        return Check(part="broker", verdict="ok", summary=f"linked to {host} (MQTT {link.get('protocol', '?')})")
    return Check(
        part="broker",
        verdict="fail",
        summary=f"the running cart has no link to {host}",
        todo="check the network and that the broker runs; the cart tries again by itself",
    )


def _try_broker(table: Any) -> str | None:
    """None when the broker accepts, else why not."""
    said: list[str] = []
    answered = threading.Event()
    version = paho.MQTTv311 if table.protocol == "3.1.1" else paho.MQTTv5
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"diag-{os.getpid()}", protocol=version)
    if table.ca_file:
        client.tls_set(table.ca_file, table.cert_file or None, table.key_file or None)

    def connected(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            said.append(f"it refuses this cart: {reason}")
        answered.set()

    client.on_connect = connected
    try:
        client.connect(table.host, table.port, keepalive=10)
    except (OSError, ValueError) as error:
        return (error.strerror if isinstance(error, OSError) else None) or str(error)
    client.loop_start()
    try:
        if not answered.wait(BROKER_WAIT_S):
            return f"it does not answer within {BROKER_WAIT_S:.0f} s"
    finally:
        client.disconnect()
        client.loop_stop()
    return said[0] if said else None


def check_clock(bench: Bench) -> Check:  # noqa: ARG001 - all checks are called alike
    """The day decides about expiry dates, and the wall clock stands on receipts. The trip itself needs neither."""
    year = time.gmtime().tm_year
    chip = Path("/dev/rtc0").exists()
    synchronised = _synchronised()
    figures: dict[str, Figure] = {"year": year, "clock_chip": chip, "synchronised": synchronised}
    if year < 2025:
        return Check(
            part="clock",
            verdict="fail",
            summary=f"the machine believes it is {year}",
            todo="connect the network so that it can set its clock; fit a battery to the clock chip",
            figures=figures,
        )
    if synchronised is False:
        return Check(
            part="clock",
            verdict="warn",
            summary="not synchronised",
            todo="'timedatectl set-ntp true', and let the store's network reach a time server",
            figures=figures,
        )
    summary = (
        "synchronised" if synchronised else f"{time.strftime('%Y-%m-%d %H:%M')}, no service to ask if that is right"
    )
    return Check(part="clock", verdict="ok", summary=summary, figures=figures)


def _synchronised() -> bool | None:
    """What systemd-timedated says; None where there is none."""
    try:
        answer = subprocess.run(
            ["timedatectl", "show", "-p", "NTPSynchronized", "--value"],
            capture_output=True,
            text=True,
            timeout=3,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(answer.stdout.strip()) if answer.returncode == 0 else None


def check_journal(bench: Bench) -> Check:
    """The folder can be written and the database is sound. The chain itself is `cart audit`'s."""
    folder = Path(bench.config.journal.folder)
    said = from_status(bench, "journal")
    if said is not None:
        return said
    if not folder.is_dir():
        return Check(
            part="journal",
            verdict="fail",
            summary=f"no folder {folder}",
            todo=f"'sudo install -d -o cart -g cart -m 0750 {folder}', or correct journal.folder",
        )
    if not os.access(folder, os.W_OK):
        return Check(
            part="journal", verdict="fail", summary=f"{folder} cannot be written", todo="run this as the cart's user"
        )
    file = folder / JOURNAL_FILE
    if not file.exists():
        return Check(part="journal", verdict="ok", summary=f"{folder} is ready; nothing is journalled yet")
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=1.0)) as connection:
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        answer = str(error)
    if answer != "ok":
        return Check(
            part="journal",
            verdict="fail",
            summary=f"{file}: {answer}",
            todo="keep a copy of it, then run 'cart audit'; payment stays locked until it is settled",
        )
    return Check(
        part="journal",
        verdict="ok",
        summary=f"{file} is sound",
        todo="",
        figures={"bytes": file.stat().st_size},
    )


def check_disk(bench: Bench) -> Check:
    """Room where the journal is."""
    folder = Path(bench.config.journal.folder)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    figures: dict[str, Figure] = {"free_bytes": free, "folder": str(folder)}
    summary = f"{free / (1 << 30):.1f} GB free at {folder}"
    if free < DISK_FREE_WARN:
        verdict = "fail" if free < DISK_FREE_FAIL else "warn"
        todo = "delete recordings and old logs: 'journalctl --vacuum-size=50M'"
        return Check(
            part="disk", verdict="fail" if verdict == "fail" else "warn", summary=summary, todo=todo, figures=figures
        )
    return Check(part="disk", verdict="ok", summary=summary, figures=figures)


def check_screen(bench: Bench) -> Check:
    """The page's port, and a browser to show it."""
    port = bench.config.screen.port
    browser = next((name for name in BROWSERS if shutil.which(name)), None)
    figures: dict[str, Figure] = {"port": port, "browser": browser}
    serving = _answers(port)
    if bench.status is not None and not serving:
        return Check(
            part="screen",
            verdict="fail",
            summary=f"the running cart serves no page on port {port}",
            todo="see 'journalctl -u cart'",
            figures=figures,
        )
    if bench.status is None and serving:
        return Check(
            part="screen",
            verdict="fail",
            summary=f"another program already uses port {port}",
            todo="stop it, or set another screen.port",
            figures=figures,
        )
    if browser is None:
        return Check(
            part="screen",
            verdict="warn",
            summary="no Chromium to show the page",
            todo="'sudo apt install chromium'",
            figures=figures,
        )
    state = "served" if serving else "free"
    return Check(part="screen", verdict="ok", summary=f"port {port} is {state}, {browser} shows it", figures=figures)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
