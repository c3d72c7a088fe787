"""A basket paid by benefits and a card: real daemon, broker, till and browser, on a catalogue that names such goods."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from cart.bench import live_stack
from cart.bench.live_stack import LiveStack, started_stack
from tests.e2e.test_whole_cart import COFFEE, MILK, need, shop

pytestmark = [pytest.mark.e2e, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveStack]:
    """Milk may be paid for with benefits, coffee may not."""
    need("mosquitto", "mosquitto")
    catalog = json.loads(live_stack.CATALOG.read_bytes())
    for item in catalog["items"]:
        item["ebt"] = item["sku"] == MILK
    changed = tmp_path / "benefits.json"
    changed.write_text(json.dumps(catalog))
    monkeypatch.setattr(live_stack, "CATALOG", changed)
    with started_stack(tmp_path) as running:
        yield running


def attempts(stack: LiveStack) -> list[dict[str, Any]]:
    state = httpx.get(f"{stack.till_url.rstrip('/')}/api/v1/state", trust_env=False)
    return list(state.json()["attempts"])


def press(page: Chrome, label: str) -> None:
    look = WebDriverWait(page, 15)
    found = f"//button[not(@disabled)][.//span[normalize-space()='{label}']]"
    look.until(lambda shown: shown.find_elements(By.XPATH, found))[0].click()


def press_until(page: Chrome, label: str, stack: LiveStack, condition: Callable[[dict[str, Any]], bool]) -> None:
    press(page, label)
    try:
        stack.until(condition, 25.0)
    except TimeoutError:
        pytest.fail(f"{label!r} was pressed, and the cart shows {json.dumps(stack.trip())}")


def test_benefits_pay_the_milk_and_a_card_the_coffee(stack: LiveStack, chromium: Chrome) -> None:
    chromium.get(stack.screen_url)
    shop(stack, MILK, 1)
    shop(stack, COFFEE, 2)
    stack.until(lambda view: view["can_checkout"])
    stack.touch("checkout")
    stack.until(lambda view: view["phase"] == "checkout" and not view["checkout_waits_for"])
    milk_minor, total_minor = stack.trip()["ebt_minor"], stack.trip()["total_minor"]
    assert 0 < milk_minor < total_minor
    rest_minor = total_minor - milk_minor
    press_until(chromium, "EBT card", stack, lambda view: (view["payment"] or {}).get("rest_minor") == rest_minor)
    WebDriverWait(chromium, 10).until(lambda page: "pay the rest" in page.find_element(By.TAG_NAME, "body").text)
    folder = os.environ.get("CART_PICTURES")
    if folder:
        chromium.save_screenshot(str(Path(folder) / "split.png"))
    press_until(chromium, "Card", stack, lambda view: view["phase"] == "paid")
    receipt = stack.trip()["receipt"]
    assert [(one["method"], one["amount_minor"]) for one in receipt["tenders"]] == [
        ("ebt", milk_minor),
        ("card", total_minor - milk_minor),
    ]
    rows = sorted(attempts(stack), key=lambda row: str(row["attempt_id"]))
    assert [(row["status"], row["amount_minor"], row["basket_minor"]) for row in rows] == [
        ("approved", milk_minor, total_minor),
        ("approved", total_minor - milk_minor, total_minor),
    ]
