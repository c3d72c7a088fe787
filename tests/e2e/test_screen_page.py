"""The shopper's page in a real browser, over the real server, for every state the cart can be in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from cart.core.view import TripView
from cart.screen.server import TouchReply
from tests.e2e.conftest import resize
from tests.e2e.page_audit import FAINT, NAMELESS, OVERFLOWS, SMALL_OR_HIDDEN_KEYS, SMALL_TARGETS
from tests.e2e.screen_states import MILK, PASTA, STATES, line, question, view
from tests.e2e.show_screen import Showing, showing

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

WAIT_S = 10
ALL_TABLES = """
const done = arguments[0];
import("/page/words.js").then(({ TABLES }) => done(JSON.stringify(TABLES)));
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Showing]:
    with showing() as running:
        yield running


class Page:
    """The page, as a shopper sees and touches it."""

    def __init__(self, driver: Chrome, server: Showing) -> None:
        self.driver = driver
        self.server = server

    def show(self, wanted: TripView) -> None:
        """Publish a view and wait until the page has drawn it."""
        revision = self.server.show(wanted)
        self.until(lambda: self.driver.execute_script("return document.body.dataset.revision") == str(revision))

    def until(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.driver, WAIT_S, poll_frequency=0.03).until(lambda _: condition())

    def one(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def text(self, css: str) -> str:
        return self.one(css).text

    def tap(self, label: str) -> None:
        """Tap the button that shows or is labelled `label`."""
        self.button(label).click()

    def button(self, label: str) -> WebElement:
        shown = self.driver.find_elements(By.CSS_SELECTOR, "button")
        found = [each for each in shown if label in (each.get_attribute("aria-label"), *each.text.split("\n"))]
        assert len(found) == 1, f"{label}: {[each.text for each in shown]}"
        return found[0]

    def said(self) -> dict[str, Any]:
        """The next touch the cart was sent."""
        self.until(lambda: self.server.touches)
        sent: dict[str, Any] = msgspec.to_builtins(self.server.touches.pop(0))
        return sent


@pytest.fixture
def page(chromium: Chrome, server: Showing) -> Iterator[Page]:
    resize(chromium, 1280, 800)
    server.touches.clear()
    server.show(STATES["idle"])
    chromium.get(server.url)
    # A card that still fades in has no text yet, as a browser tells it.
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [REDUCED]})
    shopper = Page(chromium, server)
    shopper.show(STATES["idle"])
    yield shopper
    problems = [entry for entry in chromium.get_log("browser") if "409" not in entry["message"]]  # type: ignore[no-untyped-call]
    assert problems == []


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (800, 480), (800, 1280)])
def test_every_state_is_whole_and_touchable(page: Page, width: int, height: int) -> None:
    resize(page.driver, width, height)
    wrong = {}
    for name, state in STATES.items():
        page.show(state)
        scripts = (SMALL_TARGETS, OVERFLOWS, NAMELESS, FAINT)
        found = [each for script in scripts for each in page.driver.execute_script(script)]
        if found:
            wrong[name] = found
    assert wrong == {}


REDUCED = {"name": "prefers-reduced-motion", "value": "reduce"}


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (800, 480), (800, 1280)])
def test_every_key_can_be_hit_and_the_total_seen(page: Page, width: int, height: int) -> None:
    resize(page.driver, width, height)
    page.show(view())
    page.tap("Coupon")
    page.until(lambda: page.driver.find_elements(By.CSS_SELECTOR, ".key"))
    assert page.driver.execute_script(SMALL_OR_HIDDEN_KEYS) == []
    assert "€20.23" in page.text("header")
    page.tap("Close")
    page.show(STATES["paid"])
    page.tap("Receipt by e-mail")
    page.until(lambda: page.driver.find_elements(By.CSS_SELECTOR, ".key"))
    assert page.driver.execute_script(SMALL_OR_HIDDEN_KEYS) == []


@pytest.mark.parametrize("language", ["de", "fr", "es"])
def test_other_languages_fit_on_the_smallest_screen(page: Page, language: str) -> None:
    resize(page.driver, 800, 480)
    wrong = {}
    for name, state in STATES.items():
        page.show(msgspec.structs.replace(state, language=language))
        found = page.driver.execute_script(SMALL_TARGETS) + page.driver.execute_script(OVERFLOWS)
        if found:
            wrong[name] = found
    assert wrong == {}


def test_each_language_has_every_word(page: Page) -> None:
    tables = json.loads(page.driver.execute_async_script(ALL_TABLES))
    assert set(tables) == {"en", "de", "fr", "es"}
    for table in tables.values():
        assert set(table) == set(tables["en"])
        blanks = {key: placeholders(text) for key, text in table.items()}
        assert blanks == {key: placeholders(text) for key, text in tables["en"].items()}


def placeholders(text: str) -> list[str]:
    return sorted(part.partition("}")[0] for part in text.split("{")[1:])


def test_the_total_and_a_new_line_show_at_once(page: Page) -> None:
    page.show(view(lines=[MILK]))
    assert page.text(".total output") == "€2.68"
    page.show(view(lines=[MILK, PASTA]))
    assert page.text(".total output") == "€6.55"
    assert page.text(".savings") == "You save €0.30"
    assert [each.text for each in page.driver.find_elements(By.CSS_SELECTOR, ".line .what strong")] == [
        PASTA.name,
        MILK.name,
    ]
    assert "1 of 3 in the basket" in page.text(".line.pending")
    assert page.text("#said") == "" or page.one("#said").get_attribute("textContent") == "Total €6.55"


def test_money_and_names_follow_the_language(page: Page) -> None:
    page.show(view(lines=[MILK], language="de"))
    assert "Vollmilch 1 l" in page.text(".lines")
    assert "2,68" in page.text(".total output")
    page.show(view(lines=[MILK], currency="JPY", locale="ja_JP", total_minor=268))
    assert "268" in page.text(".total output")


def test_a_name_is_never_markup(page: Page) -> None:
    page.show(view(lines=[line(1, "<img src=x onerror=alert(1)>", 100)]))
    assert page.text(".line strong") == "<img src=x onerror=alert(1)>"
    assert page.driver.find_elements(By.CSS_SELECTOR, ".line img") == []


def test_quick_taps_count_on_from_what_was_asked(page: Page) -> None:
    page.show(view(lines=[MILK]))
    page.driver.execute_script(
        "for (let n = 0; n < 3; n++) document.querySelector('[aria-label^=\"One more\"]').click()"
    )
    assert [page.said()["units"] for _ in range(3)] == [3, 4, 5]


def test_removing_takes_two_taps(page: Page) -> None:
    page.show(view(lines=[line(1, "Tea", 300)]))
    page.tap("Remove Tea")
    page.until(lambda: page.one(".sure").text == "Remove?")
    assert page.server.touches == []
    page.tap("Remove Tea")
    assert page.said() == {"action": "remove", "line": 1}


def test_answers_are_what_the_cart_offered(page: Page) -> None:
    page.show(STATES["question_unscanned"])
    assert page.text("#question-title") == "Please scan the item you put in"
    labels = [
        each.text.split("\n")[0] for each in page.driver.find_elements(By.CSS_SELECTOR, ".question .choices button")
    ]
    assert labels == [
        "Red lentils 500 g",
        "Chickpeas 400 g tin",
        "Basmati rice 1 kg",
        "It's my own",
        "Everything is scanned",
    ]
    page.tap("Chickpeas 400 g tin")
    assert page.said() == {"action": "answer", "intervention": 1, "choice": "sku:0012"}
    page.tap("It's my own")
    assert page.said()["choice"] == "mine"
    page.tap("Everything is scanned")
    assert page.said()["choice"] == "all_scanned"


def test_the_last_look_asks_what_is_not_in_the_basket(page: Page) -> None:
    page.show(STATES["question_last_look"])
    assert page.text("#question-title") == "One last look"
    page.tap("Sourdough loaf 800 g")
    assert page.said() == {"action": "answer", "intervention": 1, "choice": "line:2"}
    page.tap("They're all in the basket")
    assert page.said()["choice"] == "in_basket"


def test_an_unknown_choice_is_still_readable(page: Page) -> None:
    page.show(STATES["question_odd"])
    page.tap("Sort it out")
    assert page.said()["choice"] == "sort_it_out"


def test_a_question_can_wait_until_checkout(page: Page) -> None:
    page.show(STATES["question_extra"])
    page.tap("Later")
    page.until(lambda: page.driver.find_elements(By.CSS_SELECTOR, ".strip.later"))
    assert page.driver.find_elements(By.CSS_SELECTOR, ".question") == []
    page.tap("Pay")
    assert page.said() == {"action": "checkout"}
    page.until(lambda: page.driver.find_elements(By.CSS_SELECTOR, ".question"))
    assert "Some items still need to go in the basket." in page.text(".foot")


def test_produce_by_name_and_by_number(page: Page) -> None:
    page.show(view())
    page.tap("Fruit & veg")
    page.until(lambda: len(page.driver.find_elements(By.CSS_SELECTOR, ".tile")) == 14)
    page.tap("ABC")
    for letter in "oma":
        page.tap(letter)
    page.until(
        lambda: [each.text for each in page.driver.find_elements(By.CSS_SELECTOR, ".tile strong")] == ["Tomatoes"]
    )
    page.tap("Close")
    page.tap("Fruit & veg")
    page.one("input").send_keys("4011")
    page.until(lambda: len(page.driver.find_elements(By.CSS_SELECTOR, ".tile")) == 1)
    page.one(".tile").click()
    assert page.said() == {"action": "produce", "sku": "4011"}
    page.until(lambda: page.driver.find_elements(By.CSS_SELECTOR, ".sheet") == [])


def test_what_the_camera_saw_leads_the_produce_and_later_words_move_no_tile(page: Page) -> None:
    def tiles() -> list[str]:
        return [each.text for each in page.driver.find_elements(By.CSS_SELECTOR, ".tile strong")]

    page.show(view())
    page.tap("Fruit & veg")
    page.until(lambda: len(tiles()) == 14)
    by_name = tiles()
    page.show(view(guesses=["4011", "4017"]))
    page.until(lambda: tiles()[:2] != by_name[:2])
    led = tiles()
    assert sorted(led) == sorted(by_name)
    assert [name for name in by_name if name not in led[:2]] == led[2:]
    marked = page.driver.find_elements(By.CSS_SELECTOR, ".tile .guess")
    assert [each.text for each in marked] == ["Camera’s guess"] * 2
    page.show(view(guesses=["4017"]))
    assert tiles() == led
    page.one(".tile").click()
    assert page.said() == {"action": "produce", "sku": "4011"}


def test_the_weight_is_marked_until_it_is_steady(page: Page) -> None:
    page.show(STATES["produce_unstable"])
    assert page.text(".weight") == "0.612 kg"
    assert page.text(".mark") == "Settling…"
    assert page.text(".scale .price") == ""
    page.show(STATES["produce_stable"])
    assert page.text(".mark") == "Steady"
    assert page.text(".scale .price") == "€2.19"


def test_a_refusal_is_told_in_one_line(page: Page) -> None:
    page.show(view())
    page.server.replies.append(TouchReply(ok=False, message="That coupon has ended."))
    page.tap("Coupon")
    page.one("input").send_keys("SPRING")
    page.tap("Use coupon")
    assert page.said() == {"action": "coupon", "code": "SPRING"}
    page.until(lambda: page.text(".toast") == "That coupon has ended.")


def test_paying_and_its_ends(page: Page) -> None:
    page.show(STATES["checkout"])
    page.tap("Phone")
    assert page.said() == {"action": "pay", "method": "wallet"}
    page.show(STATES["paying_unknown"])
    assert "not be charged twice" in page.text("main")
    page.tap("Finish at a till")
    assert page.said() == {"action": "pay", "method": "till"}
    page.show(STATES["checkout_declined"])
    assert "You have not been charged" in page.text("main")
    page.show(STATES["handed_to_till"])
    assert page.text(".code") == "4820 7713"
    assert page.one(".code").rect["height"] > 80


def test_a_basket_that_swings_swallows_no_touch_and_the_page_says_what_is_waited_for(page: Page) -> None:
    page.show(STATES["checkout_settling"])
    assert "Weighing – please let the basket rest." in page.text("main")
    page.tap("Card")
    assert page.said() == {"action": "pay", "method": "card"}
    page.show(STATES["checkout_pays_when_still"])
    assert "Card starts by itself as soon as the basket rests." in page.text("main")
    pressed = page.driver.find_elements(By.CSS_SELECTOR, ".method[aria-pressed='true']")
    assert [each.text for each in pressed] == ["Card"]


def test_nothing_can_be_paid_while_something_waits(page: Page) -> None:
    page.show(STATES["checkout_waits"])
    assert "Someone will check your age." in page.text("main")
    assert all(not each.is_enabled() for each in page.driver.find_elements(By.CSS_SELECTOR, ".method"))


def test_the_receipt_says_how_each_line_came_about(page: Page) -> None:
    page.show(STATES["paid"])
    shown = page.text(".receipt")
    for words in (
        "scanned and weighed",
        "scanned only",
        "confirmed by you",
        "Nobody watched remotely.",
        "A person helped once.",
    ):
        assert words in shown
    assert "You can unload now." in page.text("aside")


def test_a_receipt_is_mailed_once_and_the_address_forgotten(page: Page) -> None:
    page.show(STATES["paid"])
    page.tap("Receipt by e-mail")
    page.one("input").send_keys("someone@example")
    assert not page.button("Send").is_enabled()
    page.tap(".")
    for letter in "org":
        page.tap(letter)
    page.tap("Send")
    assert page.said() == {"action": "receipt", "to": "someone@example.org"}
    page.until(lambda: "Sent." in page.text(".mailed"))
    assert "someone" not in page.driver.page_source
    assert page.driver.find_elements(By.XPATH, "//button[contains(., 'e-mail')]") == []


def test_the_next_shopper_finds_nothing_of_the_last(page: Page) -> None:
    page.show(STATES["paid"])
    page.tap("Text size")
    page.until(lambda: page.driver.execute_script("return document.documentElement.dataset.text") == "large")
    page.show(STATES["idle"])
    page.until(lambda: page.driver.execute_script("return document.documentElement.dataset.text") == "normal")


def test_a_new_question_takes_the_focus_but_not_from_a_field(page: Page) -> None:
    page.show(view())
    page.show(view(interventions=[question("unknown_barcode", ["put_back"])]))
    assert page.driver.switch_to.active_element.get_attribute("id") == "question-title"
    page.show(view())
    page.tap("Coupon")
    page.one("input").send_keys("AB")
    page.show(view(interventions=[question("unknown_barcode", ["put_back"], number=2)]))
    assert page.driver.switch_to.active_element.tag_name == "input"
    assert page.one("input").get_attribute("value") == "AB"


def test_keys_of_a_scanner_do_nothing(page: Page) -> None:
    page.show(view())
    before = page.text("#app")
    page.one("body").send_keys("5011001234566")
    assert page.text("#app") == before
    assert page.server.touches == []


def test_a_total_is_not_shown_as_live_without_the_cart(chromium: Chrome) -> None:
    with showing() as first:
        first.show(view())
        chromium.get(first.url)
        page = Page(chromium, first)
        page.until(lambda: page.text(".total output") == "€20.23")
    page.until(lambda: page.driver.find_elements(By.CSS_SELECTOR, ".lost"))
    assert page.text(".total output") == "–"
    assert page.one(".all").get_attribute("inert") is not None
    port = int(first.url.rstrip("/").rpartition(":")[2])
    with showing(port) as second:
        page.server = second
        second.show(view(lines=[MILK]))
        page.until(lambda: page.text(".total output") == "€2.68")
        assert page.driver.find_elements(By.CSS_SELECTOR, ".lost") == []
    chromium.get_log("browser")  # type: ignore[no-untyped-call]
