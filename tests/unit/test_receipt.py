"""The receipt as a value and as text."""

from __future__ import annotations

from datetime import datetime

import pytest

from cart.catalog_file import demo_catalog
from cart.core.catalog import Catalog, CatalogIndex, Item, Tax
from cart.core.pricing import PricingLine, price_basket
from cart.core.receipt import Receipt, SoldLine, make_receipt
from cart.receipt_text import WORDS, money, receipt_text

DEMO = CatalogIndex(demo_catalog())


def sold(number: int, sku: str, units: int = 1, grams: float | None = None, proof: str = "weighed") -> SoldLine:
    item = DEMO.by_sku[sku]
    line = PricingLine(
        line_id=number, sku=sku, units=units, unit=item.unit, unit_price_minor=item.price_minor, weight_g=grams
    )
    return SoldLine(line, item.name, proof)  # type: ignore[arg-type]


LINES = [
    sold(4, "0001", units=2),
    sold(7, "0028", grams=512.4, proof="shopper"),
    sold(9, "0016", units=6, proof="staff"),
    sold(12, "0050", proof="scanned_only"),
]


def receipt(lines: list[SoldLine] = LINES, *, language: str = "en", staff: int = 1, training: bool = False) -> Receipt:
    basket = price_basket([one.line for one in lines], DEMO)
    return make_receipt(
        lines,
        basket,
        DEMO,
        trip_id="t-7f3a",
        attempt_id="t-7f3a.1",
        store_id="store-1",
        cart_id="cart-1",
        language=language,
        method="wallet",
        reference="R-1",
        staff_interventions=staff,
        training=training,
    )


def test_lines_say_what_was_bought_in_order_and_how_it_came_about() -> None:
    made = receipt(language="de")
    assert [line.name for line in made.lines] == ["Vollmilch 1 l", "Bananen", "Cola Dose 330 ml", "Filterkaffee 250 g"]
    assert [line.proof for line in made.lines] == ["weighed", "shopper", "staff", "scanned_only"]
    assert made.lines[1].weight_g == 512.0
    assert made.lines[2].deposit_minor == 90
    assert made.total_minor == sum(line.price_minor for line in made.lines)
    assert made.savings_minor == 110
    assert (made.currency, made.locale, made.language) == ("EUR", "en_IE", "de")


def test_nobody_watches_from_afar_and_the_receipt_says_so() -> None:
    made = receipt(staff=2)
    assert (made.staff_interventions, made.remote_reviewers) == (2, 0)


def test_a_basket_of_other_lines_is_refused() -> None:
    basket = price_basket([LINES[0].line], DEMO)
    with pytest.raises(KeyError):
        make_receipt(
            LINES,
            basket,
            DEMO,
            trip_id="t",
            attempt_id="t.1",
            store_id="s",
            cart_id="c",
            language="en",
            method="wallet",
            reference="",
            staff_interventions=0,
        )


def test_the_text_in_english() -> None:
    text = receipt_text(receipt(), when=datetime(2026, 11, 22, 16, 5)).splitlines()  # noqa: DTZ001
    assert text == [
        "                 Receipt",
        "store-1                             cart-1",
        "22 Nov 2026, 16:05:00",
        "------------------------------------------",
        "2 × Whole milk 1 l                   €2.98",
        "  2 × €1.49",
        "  scanned and weighed",
        "Bananas                              €0.87",
        "  0.512 kg × €1.69/kg",
        "  confirmed by you",
        "6 × Cola can 330 ml                  €7.50",
        "  6 × €1.10",
        "  deposit in it €0.90",
        "  by staff",
        "Ground coffee 250 g                  €4.39",
        "  saved €1.10",
        "  scanned only",
        "------------------------------------------",
        "TOTAL                               €15.74",
        "You saved                            €1.10",
        "of which tax B 23 % on €6.60         €1.23",
        "Paid: wallet                           R-1",
        "------------------------------------------",
        "Staff were involved once. Nobody watched",
        "your basket from afar.",
        "t-7f3a",
    ]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", ["SUMME", "15,74 €", "0,512 kg × 1,69 €/kg", "gescannt und gewogen", "aus der Ferne"]),
        ("fr", ["TOTAL", "15,74 €", "0,512 kg × 1,69 €/kg", "scanné et pesé", "à distance"]),
        ("es", ["TOTAL", "15,74 €", "0,512 kg × 1,69 €/kg", "escaneado y pesado", "a distancia"]),
        ("cy", ["TOTAL", "scanned and weighed", "from afar"]),
        ("no such language", ["TOTAL", "€15.74", "from afar"]),
    ],
)
def test_the_text_in_the_shoppers_language(language: str, words: list[str]) -> None:
    text = receipt_text(receipt(language=language))
    for word in words:
        assert word in " ".join(text.replace("\u00a0", " ").split()), word


def test_every_language_has_every_word() -> None:
    for language, words in WORDS.items():
        assert words.keys() == WORDS["en"].keys(), language


def test_the_text_stays_within_its_width_and_without_odd_spaces() -> None:
    for language in WORDS:
        text = receipt_text(receipt(language=language), width=42)
        assert max(map(len, text.splitlines())) <= 42, language
        assert "\u202f" not in text


def test_training_and_helpers_are_said() -> None:
    assert "TRAINING" in receipt_text(receipt(training=True))
    assert "No staff were involved." in receipt_text(receipt(staff=0))
    assert "3 times" in receipt_text(receipt(staff=3))


def test_taxes_that_were_added_stand_before_the_total() -> None:
    added = CatalogIndex(
        Catalog(
            version=1,
            currency="USD",
            locale="en_US",
            taxes={"A": Tax(rate_bp=825, included=False)},
            items=(Item(sku="1", name="Milk", price_minor=400),),
        )
    )
    line = PricingLine(line_id=1, sku="1", units=1, unit_price_minor=400)
    made = make_receipt(
        [SoldLine(line, "Milk", "weighed")],
        price_basket([line], added),
        added,
        trip_id="t",
        attempt_id="t.1",
        store_id="s",
        cart_id="c",
        language="en",
        method="wallet",
        reference="",
        staff_interventions=0,
    )
    text = receipt_text(made)
    assert text.index("plus tax A 8.25 % on $4.00") < text.index("TOTAL")
    assert "$4.33" in text


@pytest.mark.parametrize(
    ("minor", "currency", "locale", "digits", "expected"),
    [
        (123456, "EUR", "en_IE", 2, "€1,234.56"),
        (123456, "EUR", "de_AT", 2, "€ 1.234,56"),
        (123456, "EUR", "fr_FR", 2, "1 234,56 €"),
        (500, "JPY", "ja_JP", 0, "￥500"),
        (1500, "KWD", "de_DE", 3, "1,500 KWD"),
    ],
)
def test_money_as_people_write_it(minor: int, currency: str, locale: str, digits: int, expected: str) -> None:
    assert money(minor, currency, locale, digits).replace("\u00a0", " ") == expected
