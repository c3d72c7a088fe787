"""The staff's page in a real browser: a cart appears, calls, is locked; the acquirer's mode is switched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    with running_till(broker, tmp_path) as url:
        yield url


@contextmanager
def running_till(broker: BrokerProcess, tmp_path: Path, *options: str) -> Iterator[str]:
    port = free_port()
    program = "import typer; from cart.commands.till import run; typer.run(run)"
    process = subprocess.Popen(
        [
            sys.executable, "-c", program, "--broker", broker.address, "--data", str(tmp_path / "till"),
            "--port", str(port), *options,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait(lambda: state(url).get("linked", True))
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
    picture(chromium, "till.png")
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


def ask(broker: BrokerProcess, cart_id: str, attempt: str, amount_minor: int, method: str, **more: Any) -> None:
    fields = {
        "cart_id": cart_id, "attempt_id": f"{attempt}", "trip_id": attempt.partition(".")[0], "method": method,
        "amount_minor": amount_minor, "currency": "EUR", "basket_hash": "ab" * 32,
    }  # fmt: skip
    topic = address("store-1", cart_id).topic("up/payment/request")
    payload = json.dumps(fields | more)
    subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", topic, "-m", payload], check=True)


def test_behind_a_password_staff_log_in_give_a_part_back_and_log_out(
    broker: BrokerProcess, tmp_path: Path, chromium: Chrome
) -> None:
    secret = tmp_path / "password"
    secret.write_text("twelve letters")
    secret.chmod(0o600)
    options = ("--page-password", str(secret), "--ebt-minor", "1209")
    with running_till(broker, tmp_path, *options) as url:
        chromium.get(url)
        look = WebDriverWait(chromium, 10)
        look.until(lambda page: "Log in" in page_text(page))
        assert "Carts" not in page_text(chromium)
        field = chromium.find_element(By.ID, "password")
        field.send_keys("wrong words")
        press(chromium, "Log in")
        look.until(lambda page: "that is not the password" in page_text(page))
        field.clear()
        field.send_keys("twelve letters")
        press(chromium, "Log in")
        look.until(lambda page: "connected to the broker" in page_text(page))
        ask(broker, "cart-1", "T.1", 1500, "ebt", basket_minor=2023, partial=True)
        look.until(lambda page: "a part of" in page_text(page))
        ask(broker, "cart-1", "T.2", 814, "card", basket_minor=2023)
        look.until(lambda page: page_text(page).count("Give back…") == 2)
        press(chromium, "Give back…")
        look.until(lambda page: page.find_element(By.ID, "give-back-amount").is_displayed())
        amount = chromium.find_element(By.ID, "give-back-amount")
        assert amount.get_attribute("value") == "8.14"
        amount.clear()
        amount.send_keys("9")
        chromium.find_element(By.ID, "give-back-reason").send_keys("sour milk")
        press(chromium, "Give back")
        look.until(lambda page: "Type an amount up to" in page_text(page))
        amount.clear()
        amount.send_keys("2.50")
        picture(chromium, "till-refund.png")
        press(chromium, "Give back")
        look.until(lambda page: "2.50 given back" in page_text(page))
        picture(chromium, "till-refunded.png")
        press(chromium, "Log out")
        look.until(lambda page: "Carts" not in page_text(page))


def picture(page: Chrome, name: str) -> None:
    folder = os.environ.get("CART_PICTURES")
    if folder:
        page.save_screenshot(str(Path(folder) / name))
