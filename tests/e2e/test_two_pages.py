"""A person shops and pays with nothing but the bench's page and the cart's screen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from cart.bench.broker import find_mosquitto
from cart.bench.live_stack import LiveStack, started_stack

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.broker, pytest.mark.timeout(180)]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LiveStack]:
    if find_mosquitto() is None:
        message = "needs mosquitto; install the package mosquitto (apt install mosquitto)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with started_stack(tmp_path, policy={"hint_s": 1.0}) as running:
        yield running


def click(page: Chrome, words: str) -> None:
    """Touch the first visible, enabled button that says these words."""

    def touched(browser: Chrome) -> bool:
        for button in browser.find_elements(By.TAG_NAME, "button"):
            if button.is_displayed() and button.is_enabled() and words in (button.text or button.accessible_name):
                browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
                button.click()
                return True
        return False

    WebDriverWait(page, 20, ignored_exceptions=[Exception]).until(touched, f"no button says {words!r}")


def says(page: Chrome, words: str) -> None:
    """Wait until the page says these words."""
    try:
        WebDriverWait(page, 30, ignored_exceptions=[Exception]).until(
            lambda browser: words in browser.find_element(By.TAG_NAME, "body").text
        )
    except TimeoutException:
        pytest.fail(f"the page never says {words!r} but {page.find_element(By.TAG_NAME, 'body').text!r}")


def test_two_pages_are_enough_to_shop_answer_a_question_and_pay(stack: LiveStack, chromium: Chrome) -> None:
    screen = chromium.current_window_handle
    chromium.get(stack.screen_url)
    chromium.switch_to.new_window("tab")
    bench = chromium.current_window_handle
    chromium.get(stack.bench_url)

    click(chromium, "Scan + put in")
    chromium.switch_to.window(screen)
    says(chromium, "In the basket")

    chromium.switch_to.window(bench)
    for button in chromium.find_elements(By.TAG_NAME, "button"):
        if button.text == "Put in" and button.is_displayed():
            button.click()
            break
    chromium.switch_to.window(screen)
    stack.until(lambda view: any(asked["kind"] == "extra_unit" for asked in view["interventions"]))
    stack.until(lambda view: any(asked["stage"] == "question" for asked in view["interventions"]))
    click(chromium, "Yes, add it")
    stack.until(lambda view: view["units"] == 2 and not view["interventions"])

    click(chromium, "Pay")
    stack.until(lambda view: view["phase"] == "checkout" and not view["checkout_waits_for"])
    click(chromium, "Card")
    says(chromium, "Your receipt")
    says(chromium, "Nobody watched remotely")
    receipt = stack.trip()["receipt"]
    assert sorted(line["proof"] for line in receipt["lines"]) == ["shopper"]
    assert receipt["staff_interventions"] == 0
