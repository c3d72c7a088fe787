"""The staff's page in a real browser: a cart appears, calls, is locked; the acquirer's mode is switched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from cart.core.frozen_basket import till_code
from cart.sync.topics import Channel, address
from tests.conftest import BrokerProcess, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.broker, pytest.mark.browser]

CART = address("store-1", "cart-1")


@pytest.fixture
def till_url(broker: BrokerProcess, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    program = "import typer; from cart.commands.till import run; typer.run(run)"
    process = subprocess.Popen(
        [
            sys.executable, "-c", program, "--broker", broker.address, "--data", str(tmp_path / "till"),
            "--port", str(port),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait(lambda: state(url)["linked"])
        yield url
    finally:
        process.kill()
        process.wait()


def state(url: str) -> Any:
    try:
        return httpx.get(f"{url}/api/v1/state", timeout=2).json()
    except httpx.TransportError:
        return {"linked": False}


def wait(true: Any) -> None:
    end = time.monotonic() + 15.0
    while not true():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.05)


def tell(broker: BrokerProcess, channel: Channel, message: dict[str, Any]) -> None:
    payload = json.dumps({"cart_id": "cart-1"} | message)
    command = ["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-r", "-t", CART.topic(channel), "-m", payload]
    subprocess.run(command, check=True)


def page_text(page: Chrome) -> str:
    return page.find_element(By.TAG_NAME, "body").text


def press(page: Chrome, label: str) -> None:
    page.find_element(By.XPATH, f"//button[normalize-space()='{label}']").click()


def test_staff_see_a_cart_and_decide(till_url: str, broker: BrokerProcess, chromium: Chrome) -> None:
    name = '<img src=x onerror="document.title=1">Wine'
    tell(broker, "up/status", {"online": True, "reason": "started"})
    total = {
        "trip_id": "T", "phase": "shopping", "units": 1, "total_minor": 1234, "savings_minor": 0, "currency": "EUR",
        "seq": 1, "lines": [{"line": 1, "sku": "1", "name": name, "units": 1, "price_minor": 1234, "state": "pending"}],
    }  # fmt: skip
    tell(broker, "up/total", total)
    tell(broker, "up/help", {"calls": [{"intervention": 3, "kind": "age_check", "stage": "staff", "name": name}]})
    watch = subprocess.Popen(
        ["mosquitto_sub", "-p", str(broker.port), "-t", CART.topic("down/command"), "-C", "2", "-W", "20"],
        stdout=subprocess.PIPE,
    )
    chromium.get(till_url)
    look = WebDriverWait(chromium, 10)
    look.until(lambda page: "Age check" in page_text(page) and "12.34" in page_text(page))
    assert chromium.title == "Till"
    press(chromium, "Old enough")
    look.until(lambda page: "Said so to the cart." in page_text(page))
    press(chromium, "Lock")
    look.until(lambda page: "Locked." in page_text(page))
    tell(broker, "up/total", total | {"locked": True})
    look.until(lambda page: "Release" in page_text(page))
    press(chromium, "silent")
    wait(lambda: state(till_url)["mode"] == "silent")
    folder = os.environ.get("CART_PICTURES")
    if folder:
        chromium.save_screenshot(str(Path(folder) / "till.png"))
    decided = [json.loads(line) for line in watch.communicate(timeout=20)[0].splitlines()]
    assert [(one["action"], one["intervention"]) for one in decided] == [("age_ok", 3), ("lock", None)]
    log = chromium.get_log("browser")  # type: ignore[no-untyped-call]
    assert not [entry for entry in log if entry["level"] == "SEVERE" and "favicon" not in entry["message"]]


def test_a_code_is_paid_with_the_amount_as_shown(till_url: str, chromium: Chrome) -> None:
    chromium.get(till_url)
    look = WebDriverWait(chromium, 10)
    look.until(lambda page: "connected to the broker" in page_text(page))
    code = till_code("T.1", 1234, "EUR")
    chromium.find_element(By.ID, "code").send_keys(code.lower())
    chromium.find_element(By.ID, "amount").send_keys("12.35")
    press(chromium, "Paid")
    look.until(lambda page: "don't belong together" in page_text(page))
    amount = chromium.find_element(By.ID, "amount")
    amount.clear()
    amount.send_keys("12.34")
    press(chromium, "Paid")
    look.until(lambda page: "The cart hears of it" in page_text(page))
