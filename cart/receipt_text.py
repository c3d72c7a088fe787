"""The receipt as plain text, for a printer, a mail or a terminal, in the shopper's language.

Amounts and dates are written as the language does in the store's country (babel); the words are below, for the
languages the screen offers. A language without words here gets English words and its own numbers.
"""

from __future__ import annotations

import textwrap
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime
from babel.numbers import format_currency, format_decimal

from cart.core.catalog import minor_digits
from cart.core.receipt import Receipt, ReceiptLine, ReceiptTax

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "receipt": "Receipt",
        "training": "TRAINING, NOT A SALE",
        "refunded": "Refunded",
        "weighed": "scanned and weighed",
        "scanned_only": "scanned only",
        "shopper": "confirmed by you",
        "staff": "by staff",
        "saved": "saved",
        "deposit": "deposit in it",
        "total": "TOTAL",
        "you_saved": "You saved",
        "included_tax": "of which tax",
        "added_tax": "plus tax",
        "on": "on",
        "paid": "Paid",
        "helped": "Staff were involved {count} times.",
        "helped_once": "Staff were involved once.",
        "alone": "No staff were involved.",
        "unwatched": "Nobody watched your basket from afar.",
    },
    "de": {
        "receipt": "Kassenbon",
        "training": "ÜBUNG, KEIN VERKAUF",
        "refunded": "Erstattet",
        "weighed": "gescannt und gewogen",
        "scanned_only": "nur gescannt",
        "shopper": "von Ihnen bestätigt",
        "staff": "vom Personal",
        "saved": "gespart",
        "deposit": "darin Pfand",
        "total": "SUMME",
        "you_saved": "Sie haben gespart",
        "included_tax": "darin Steuer",
        "added_tax": "zuzüglich Steuer",
        "on": "auf",
        "paid": "Bezahlt",
        "helped": "Das Personal war {count}-mal beteiligt.",
        "helped_once": "Das Personal war einmal beteiligt.",
        "alone": "Es war kein Personal beteiligt.",
        "unwatched": "Niemand hat Ihren Korb aus der Ferne beobachtet.",
    },
    "fr": {
        "receipt": "Ticket de caisse",
        "training": "EXERCICE, PAS UNE VENTE",
        "refunded": "Remboursé",
        "weighed": "scanné et pesé",
        "scanned_only": "scanné seulement",
        "shopper": "confirmé par vous",
        "staff": "par le personnel",
        "saved": "économisé",
        "deposit": "dont consigne",
        "total": "TOTAL",
        "you_saved": "Vous avez économisé",
        "included_tax": "dont taxe",
        "added_tax": "plus taxe",
        "on": "sur",
        "paid": "Payé",
        "helped": "Le personnel est intervenu {count} fois.",
        "helped_once": "Le personnel est intervenu une fois.",
        "alone": "Aucune intervention du personnel.",
        "unwatched": "Personne n'a regardé votre panier à distance.",
    },
    "es": {
        "receipt": "Tique de compra",
        "training": "PRÁCTICA, NO ES UNA VENTA",
        "refunded": "Reembolsado",
        "weighed": "escaneado y pesado",
        "scanned_only": "solo escaneado",
        "shopper": "confirmado por usted",
        "staff": "por el personal",
        "saved": "ahorro",
        "deposit": "depósito incluido",
        "total": "TOTAL",
        "you_saved": "Ha ahorrado",
        "included_tax": "impuesto incluido",
        "added_tax": "más impuesto",
        "on": "sobre",
        "paid": "Pagado",
        "helped": "El personal intervino {count} veces.",
        "helped_once": "El personal intervino una vez.",
        "alone": "El personal no intervino.",
        "unwatched": "Nadie observó su cesta a distancia.",
    },
}


@lru_cache(maxsize=64)
def number_locale(locale: str, language: str) -> Locale:
    """How to write numbers: the language in the store's country, else the language, else the store's locale, else
    English.
    """
    territory = locale.replace("-", "_").partition("_")[2]
    for name in (f"{language}_{territory}", language, locale, "en"):
        try:
            return Locale.parse(name, sep="_")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en")


def money(minor: int, currency: str, locale: str | Locale, digits: int = 2) -> str:
    """An amount of minor units as people write it; non-breaking spaces are the ordinary kind, which printers know."""
    known = number_locale(locale, locale.partition("_")[0]) if isinstance(locale, str) else locale
    text: str = format_currency(Decimal(minor).scaleb(-digits), currency, locale=known)
    return text.replace("\u202f", "\u00a0")


def receipt_text(receipt: Receipt, *, when: datetime | None = None, width: int = 42) -> str:
    """The receipt, `width` characters wide (42 is what an 80 mm printer prints). `when`: local time of the payment."""
    words = WORDS.get(receipt.language, WORDS["en"])
    locale = number_locale(receipt.locale, receipt.language)
    digits = minor_digits(receipt.currency)

    def amount(minor: int) -> str:
        return money(minor, receipt.currency, locale, digits)

    text = [words["receipt"].center(width).rstrip(), _between(receipt.store_id, receipt.cart_id, width)]
    if when is not None:
        text.append(format_datetime(when, "medium", locale=locale).replace("\u202f", " "))
    if receipt.training:
        text.append(words["training"].center(width).rstrip())
    text.append("-" * width)
    for line in receipt.lines:
        text += _line_text(line, words, locale, receipt.currency, width)
    text.append("-" * width)
    added = [tax for tax in receipt.taxes if not tax.included]
    contained = [tax for tax in receipt.taxes if tax.included and tax.rate_bp]
    text += [_tax_text(tax, words, locale, receipt.currency, width) for tax in added]
    text.append(_between(words["total"], amount(receipt.total_minor), width))
    if receipt.savings_minor:
        text.append(_between(words["you_saved"], amount(receipt.savings_minor), width))
    text += [_tax_text(tax, words, locale, receipt.currency, width) for tax in contained]
    if len(receipt.tenders) < 2:
        text.append(_between(f"{words['paid']}: {receipt.method}", receipt.reference, width))
    for tender in receipt.tenders if len(receipt.tenders) > 1 else ():
        text.append(_between(f"{words['paid']}: {tender.method}", amount(tender.amount_minor), width))
        text.append(f"  {tender.reference}")
    if receipt.refunded_minor:
        text.append(_between(words["refunded"], amount(receipt.refunded_minor), width))
    text.append("-" * width)
    text += textwrap.wrap(_people(receipt, words), width)
    text.append(receipt.trip_id)
    return "\n".join(text) + "\n"


def _line_text(line: ReceiptLine, words: dict[str, str], locale: Locale, currency: str, width: int) -> list[str]:
    digits = minor_digits(currency)

    def amount(minor: int) -> str:
        return money(minor, currency, locale, digits)

    name = f"{line.units} × {line.name}" if line.units > 1 else line.name
    text = _name_and_price(name, amount(line.price_minor), width)
    if line.unit == "kg" and line.weight_g is not None:
        kilograms = format_decimal(Decimal(round(line.weight_g)).scaleb(-3), "0.000", locale=locale)
        text.append(f"  {kilograms} kg × {amount(line.unit_price_minor)}/kg")
    elif line.units > 1:
        text.append(f"  {line.units} × {amount(line.unit_price_minor)}")
    if line.savings_minor:
        text.append(f"  {words['saved']} {amount(line.savings_minor)}")
    if line.deposit_minor:
        text.append(f"  {words['deposit']} {amount(line.deposit_minor)}")
    text.append(f"  {words[line.proof]}")
    return text


def _tax_text(tax: ReceiptTax, words: dict[str, str], locale: Locale, currency: str, width: int) -> str:
    digits = minor_digits(currency)
    rate = format_decimal(Decimal(tax.rate_bp).scaleb(-2), "#,##0.##", locale=locale)
    base = tax.gross_minor if tax.included else tax.gross_minor - tax.tax_minor
    label = words["included_tax"] if tax.included else words["added_tax"]
    left = f"{label} {tax.tax} {rate} % {words['on']} {money(base, currency, locale, digits)}"
    return _between(left, money(tax.tax_minor, currency, locale, digits), width)


def _people(receipt: Receipt, words: dict[str, str]) -> str:
    if receipt.staff_interventions == 0:
        helped = words["alone"]
    elif receipt.staff_interventions == 1:
        helped = words["helped_once"]
    else:
        helped = words["helped"].format(count=receipt.staff_interventions)
    return f"{helped} {words['unwatched']}" if receipt.remote_reviewers == 0 else helped


def _between(left: str, right: str, width: int) -> str:
    """Left and right on one line; right alone on the next where both do not fit."""
    space = width - len(left) - len(right)
    return f"{left}{' ' * space}{right}" if space >= 1 else f"{left}\n{right.rjust(width)}"


def _name_and_price(name: str, price: str, width: int) -> list[str]:
    rows = textwrap.wrap(name, max(10, width - len(price) - 1)) or [""]
    return [_between(rows[0], price, width), *(f"  {row}" for row in rows[1:])]
