"""The real daemon against the chip model, a pty, a real mosquitto and a real browser."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from cart.bench.live_stack import LiveStack, started_stack

pytestmark = [pytest.mark.e2e, pytest.mark.broker, pytest.mark.timeout(180)]

MILK, COFFEE = "0001", "0050"


def need(program: str, package: str) -> str:
    """The program's path; without it the test is skipped, which CI must not do."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        message = f"needs {program}; install the package {package} (apt install {package})"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LiveStack]:
    """A whole cart of this test's own."""
    need("mosquitto", "mosquitto")
    with started_stack(tmp_path) as running:
        yield running


def confirmed(view: dict[str, Any], count: int) -> bool:
    """Whether `count` lines are all in the basket, and on the disk, and nothing is asked."""
    whole = [line["state"] == "confirmed" and not line["saving"] for line in view["lines"]]
    return len(whole) == count and all(whole) and not view["interventions"]


def shop(stack: LiveStack, sku: str, lines: int) -> None:
    """Scan a product and put it in."""
    stack.world("scan", sku=sku)
    stack.until(lambda view: any(line["sku"] == sku for line in view["lines"]))
    stack.world("put_in", sku=sku)
    stack.until(lambda view: confirmed(view, lines))


def subscribe(stack: LiveStack, folder: Path) -> tuple[subprocess.Popen[bytes], Path]:
    """Everything the cart says, as anyone with mosquitto_sub would see it."""
    output = folder / "heard.jsonl"
    topic = "store/store-1/cart/cart-1/up/#"
    command = [need("mosquitto_sub", "mosquitto-clients"), "-p", str(stack.broker_port), "-v", "-t", topic]
    with output.open("wb") as file:
        return subprocess.Popen(command, stdout=file), output


def heard(output: Path) -> dict[str, list[dict[str, Any]]]:
    """Channel → payloads."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in output.read_text().splitlines():
        topic, _, payload = line.partition(" ")
        found.setdefault(topic.partition("/up/")[2], []).append(json.loads(payload))
    return found


@pytest.mark.browser
def test_a_trip_is_shopped_by_hands_watched_on_the_page_and_by_the_store_paid_and_unloaded(
    stack: LiveStack, chromium: Chrome, tmp_path: Path
) -> None:
    listener, output = subscribe(stack, tmp_path)
    chromium.get(stack.screen_url)
    wait = WebDriverWait(chromium, 20)
    try:
        shop(stack, MILK, 1)
        shop(stack, COFFEE, 2)
        total = stack.trip()["total_minor"]
        shown = f"{total / 100:.2f}"
        wait.until(lambda page: shown in page.find_element(By.TAG_NAME, "body").text)
        stack.pay()
        stack.until(lambda view: view["phase"] == "paid" and view["receipt"] is not None)
        receipt = stack.trip()["receipt"]
        assert receipt["total_minor"] == total
        assert [line["proof"] for line in receipt["lines"]] == ["weighed", "weighed"]
        assert receipt["remote_reviewers"] == 0
        wait.until(lambda page: page.find_element(By.TAG_NAME, "body").text.count(shown) >= 1)
        for thing in stack.physical()["things"]:
            stack.world("take_out", thing=thing["thing"])
        stack.until(lambda view: view["phase"] == "idle", seconds=60)
    finally:
        time.sleep(0.5)
        listener.terminate()
        listener.wait()
    said = heard(output)
    assert {message["total_minor"] for message in said["total"] if message["phase"] == "paid"} == {total}
    requests = said["payment/request"]
    assert [request["amount_minor"] for request in requests] == [total]
    kinds = [row["event"]["kind"] for row in said["ledger"]]
    assert kinds.count("trip_started") == 1
    assert kinds.count("receipt_issued") == 1
    assert [row["seq"] for row in said["ledger"]] == sorted({row["seq"] for row in said["ledger"]})
    assert said["status"][-1]["online"] is True


def test_a_daemon_killed_in_mid_trip_comes_back_with_the_same_trip(stack: LiveStack) -> None:
    shop(stack, MILK, 1)
    stack.world("scan", sku=COFFEE)
    stack.until(lambda view: len(view["lines"]) == 2 and not view["lines"][1]["saving"])
    before = stack.trip()
    killed = stack.daemon_pid()
    stack.world("power_cut", off_s=0.5)
    stack.until_back(killed)
    after = stack.trip()
    for field in ("trip_id", "phase", "total_minor", "units", "lines", "language"):
        assert after[field] == before[field], field
    stack.world("put_in", sku=COFFEE)
    stack.until(lambda view: confirmed(view, 2))


def test_what_is_put_in_while_the_power_is_off_is_asked_about(stack: LiveStack) -> None:
    shop(stack, MILK, 1)
    killed = stack.daemon_pid()
    stack.world("power_cut", off_s=2.0)
    stack.world("put_in", weight_g=840.0, label="a stranger's bottle")
    stack.until_back(killed)
    stack.until(lambda view: any(asked["kind"] == "unscanned_item" for asked in view["interventions"]))
    assert [line["sku"] for line in stack.trip()["lines"]] == [MILK]


def test_a_scale_process_that_is_killed_is_back_and_the_trip_goes_on(stack: LiveStack) -> None:
    shop(stack, MILK, 1)
    os.kill(int(stack.status()["pids"]["scale"]), signal.SIGKILL)
    stack.until(lambda view: any(notice["part"] == "scale" for notice in view["notices"]))
    stack.until(lambda view: not view["notices"] and view["weight"]["stable"])
    shop(stack, COFFEE, 2)


def test_shopping_goes_on_without_a_network_and_payment_waits(stack: LiveStack) -> None:
    stack.world("network", up=False)
    stack.until(lambda view: not view["online"], seconds=60)
    shop(stack, MILK, 1)
    stack.touch("checkout")
    stack.until(lambda view: view["phase"] == "checkout")
    assert "card" not in stack.trip()["methods"]
    stack.world("network", up=True)
    stack.until(lambda view: view["online"] and "card" in view["methods"], seconds=60)
    stack.touch("pay", method="card")
    stack.until(lambda view: view["phase"] == "paid")
