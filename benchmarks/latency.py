"""Times a shopper feels, on the whole stack: `python -m benchmarks.latency [--json] [--scans 200] [--payments 8]`.

- scan to screen with the network down: from asking the bench to scan to the line in the page's event stream.
  Baseline: the bench's own round trip over HTTP, which is part of that figure.
- approval to receipt: from the till's answer on the broker to the receipt in the page's event stream.
- daemon start to ready: from exec to READY: journal checked, trip restored, screen open.
  Baseline: a bare Python interpreter's start.
"""

from __future__ import annotations

import argparse
import json
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.run_all import machine
from cart.bench.live_stack import LiveStack, started_stack

SKUS = ("0001", "0050", "0056", "0002", "0003", "0004")
UNITS_EACH = 60


def spread(values_s: list[float]) -> dict[str, float]:
    """Milliseconds: p50, p99, largest, and how many."""
    ordered = sorted(values_s)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return {
        "p50_ms": round(1000 * statistics.median(ordered), 2),
        "p99_ms": round(1000 * p99, 2),
        "max_ms": round(1000 * ordered[-1], 2),
        "count": len(ordered),
    }


def has_units(units: int, view: dict[str, Any]) -> bool:
    """Whether the view counts at least so many units."""
    return int(view["units"]) >= units


def scan_to_screen(stack: LiveStack, scans: int) -> dict[str, Any]:
    """Scans with the network down; each adds a unit that the page must show."""
    stack.world("network", up=False)
    stack.until(lambda view: not view["online"], 60)
    took, round_trips = [], []
    for number in range(scans):
        sku = SKUS[(number // UNITS_EACH) % len(SKUS)]
        units = stack.trip()["units"] + 1
        stack.forget_views()
        asked = time.monotonic_ns()
        stack.world("scan", sku=sku)
        answered = time.monotonic_ns()
        shown = stack.first_view(partial(has_units, units))
        took.append((shown - asked) / 1e9)
        round_trips.append((answered - asked) / 1e9)
        time.sleep(0.05)
    stack.world("network", up=True)
    stack.until(lambda view: view["online"], 60)
    found, baseline = spread(took), spread(round_trips)
    return {
        "scan_to_screen": found,
        "baseline_http_round_trip": baseline,
        "target_p99_ms": 100.0,
        "ratio_to_baseline": round(found["p50_ms"] / baseline["p50_ms"], 2),
    }


def approval_to_receipt(payments: int) -> dict[str, Any]:
    """Whole small trips; the till's answers are overheard at the broker."""
    took = []
    with tempfile.TemporaryDirectory() as folder, started_stack(Path(folder)) as stack:
        answers: queue.Queue[int] = queue.Queue()
        listener = mqtt.Client(CallbackAPIVersion.VERSION2)

        def overheard(_client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
            if b'"approved"' in message.payload:
                answers.put(time.monotonic_ns())

        listener.on_message = overheard
        listener.connect("127.0.0.1", stack.broker_port)
        listener.subscribe("store/store-1/cart/cart-1/down/payment/result", qos=1)
        listener.loop_start()
        for _ in range(payments):
            stack.world("scan", sku="0001")
            stack.until(lambda view: len(view["lines"]) == 1)
            thing = stack.world("put_in", sku="0001")["things"][0]["thing"]
            stack.until(lambda view: view["lines"] and view["lines"][0]["state"] == "confirmed")
            stack.forget_views()
            stack.pay()
            shown = stack.first_view(lambda view: view["receipt"] is not None)
            took.append((shown - answers.get(timeout=5)) / 1e9)
            stack.world("take_out", thing=thing)
            stack.until(lambda view: view["phase"] == "idle", 90)
        listener.loop_stop()
        listener.disconnect()
    return {"approval_to_receipt": spread(took), "target_p99_ms": 1000.0}


def start_to_ready(starts: int) -> dict[str, Any]:
    """Restarts after power cuts: the daemon itself says how long after its exec it was ready."""
    took = []
    with tempfile.TemporaryDirectory() as folder, started_stack(Path(folder)) as stack:
        for _ in range(starts):
            killed = stack.daemon_pid()
            stack.world("power_cut", off_s=0.2)
            stack.until_back(killed)
            took.append(float(stack.status()["started_s"]))
    bare = []
    for _ in range(starts):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        bare.append(time.monotonic() - began)
    found, baseline = spread(took), spread(bare)
    return {
        "start_to_ready": found,
        "baseline_bare_python_start": baseline,
        "target_ms": 3000.0,
        "ratio_to_baseline": round(found["p50_ms"] / baseline["p50_ms"], 1),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--scans", type=int, default=200)
    parser.add_argument("--payments", type=int, default=8)
    parser.add_argument("--starts", type=int, default=5)
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as folder, started_stack(Path(folder)) as stack:
        figures |= scan_to_screen(stack, arguments.scans)
    figures |= {"payment": approval_to_receipt(arguments.payments), "start": start_to_ready(arguments.starts)}
    if not arguments.json:
        for name, value in figures.items():
            print(f"{name}: {value}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
