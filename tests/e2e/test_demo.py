"""`cart demo` and `cart bench` as a person starts them: whole stacks in processes of their own."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CART = (sys.executable, "-m", "cart")
FAILING = """
name: Expects too much
steps:
  - scan: {sku: "0001"}
  - expect: {trip: {phase: paid}, within_s: 0.5}
  - wait: 30
"""


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CART, *arguments], capture_output=True, text=True, timeout=150, check=False, cwd=cwd)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_scenario_through_two_power_cuts_ends_with_the_receipt() -> None:
    done = run("demo", "--script", "30-power-cut", "--exit")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"TOTAL +€5\.88", done.stdout)
    assert "All 17 steps came as expected" in done.stdout
    ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", done.stdout)]
    assert len(ports) == 4
    assert [port for port in ports if listens(port)] == []


@pytest.mark.timeout(320)
def test_the_whole_trip_ends_paid_and_every_situation_as_it_should() -> None:
    """Its waits are those of a shopper; a machine that is starved for seconds may try once more."""
    done = run("demo", "--script", "00-whole-trip", "--exit")
    if done.returncode == 1:
        done = run("demo", "--script", "00-whole-trip", "--exit")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "steps came as expected, 23 situations" in done.stdout


def test_a_scenario_that_fails_on_the_embedded_broker_says_where_and_both_reports_do_too(tmp_path: Path) -> None:
    script = tmp_path / "failing.yaml"
    script.write_text(FAILING)
    reports = ("--junit", "j.xml", "--report", "r.html")
    done = run("bench", "run", str(script), "--json", "--broker", "embedded", *reports, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    failed = json.loads(done.stdout)["scenarios"][0]["failed"]
    assert failed == ["2: expect trip {phase:paid}: after 0.5 s: trip.phase is 'shopping', not 'paid'"]
    suite = ET.parse(tmp_path / "j.xml").getroot()[0]  # noqa: S314  (just written)
    assert (suite.get("failures"), suite.get("skipped")) == ("1", "1")
    assert "0 of 1 passed" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    # A shell's background jobs ignore Ctrl-C, and with them a test run that was started so.
    heeding = ("env", "--default-signal=INT")
    with subprocess.Popen(
        [*heeding, *CART, "demo", "--no-open", "--folder", str(tmp_path / "demo")], stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        said = ""
        while "Ctrl-C" not in said and (line := demo.stdout.readline()):
            said += line
        ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", said)]
        assert [listens(port) for port in ports] == [True] * 4
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0
    assert [port for port in ports if listens(port)] == []
    assert (tmp_path / "demo" / "cart.toml").exists()


def test_a_demo_that_is_killed_takes_its_processes_along(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*CART, "demo", "--no-open", "--folder", str(tmp_path / "demo")], stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        said = ""
        while "Ctrl-C" not in said and (line := demo.stdout.readline()):
            said += line
        demo.kill()
    ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", said)]
    ends = time.monotonic() + 15
    while any(listens(port) for port in ports) and time.monotonic() < ends:
        time.sleep(0.1)
    assert [port for port in ports if listens(port)] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--exit",), "--exit goes with --script"),
        (("--script", "no-such-trip"), "no such scenario; give a YAML file or one of 00-whole-trip"),
        (("--broker", "127.0.0.1:1"), "no broker answers at 127.0.0.1:1"),
        (("--catalog", "none.json"), "none.json: no such catalogue"),
        (("--folder", "/proc/cart-demo"), "cannot be made"),
        (("--bench-port", "99999999"), "less than or equal to 65535"),
    ],
)
def test_bad_use_is_one_line_and_status_2(arguments: tuple[str, ...], words: str) -> None:
    done = run("demo", "--no-open", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
