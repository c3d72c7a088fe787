"""What a scanned text says: GTINs, produce numbers, GS1 element strings, and weights or prices carried in the code.

One function, `read_barcode`. It never guesses past a wrong check digit and never returns half a reading: it says what
the code is, or raises BarcodeError. The parsing of application identifiers, digital links and UPC-E is biip's;
everything that needs a clock (the century of a date) is left to the caller, see `expiry_date`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

import msgspec
from biip import ParseConfig, ParseError
from biip.gs1_digital_link_uris import GS1DigitalLinkURI
from biip.gs1_element_strings import GS1ElementStrings
from biip.gs1_messages import GS1Message
from biip.upc import Upc

from cart.core.problem import Problem
from cart.core.rcn_layouts import RcnLayout, check_digit, read_variable_measure

TEXT_MAX = 2000
"""A QR code holds 4,296 characters at most and no product code nears half of that; longer is an attack or noise."""

SYMBOLOGIES = {
    # AIM identifiers, ISO/IEC 15424. ]E0 covers EAN-13, UPC-A and UPC-E; `_ean_name` tells them apart by length.
    "]E0": "EAN-13",
    "]E3": "EAN-13",
    "]E4": "EAN-8",
    "]I0": "ITF",
    "]I1": "ITF-14",
    "]C0": "Code 128",
    "]C1": "GS1-128",
    "]e0": "GS1 DataBar",
    "]e1": "GS1 Composite",
    "]e2": "GS1 Composite",
    "]d1": "Data Matrix",
    "]d2": "GS1 DataMatrix",
    "]Q0": "QR Code",
    "]Q1": "QR Code",
    "]Q3": "GS1 QR Code",
    "]J1": "GS1 DotCode",
    "]A0": "Code 39",
    "]A1": "Code 39",
    "]G0": "Code 93",
    "]F0": "Codabar",
    "]L0": "PDF417",
    "]z0": "Aztec",
}
_GS1_MESSAGE_IDS = frozenset({"]C1", "]e0", "]e1", "]e2", "]d2", "]Q3", "]J1"})
_AIM_ID = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_BY_LENGTH = {8: "EAN-8", 12: "UPC-A", 13: "EAN-13", 14: "ITF-14"}
_GTIN_LENGTHS = frozenset(_BY_LENGTH)
_GS = "\x1d"

# The core has no clock, and biip would judge dates by today's: dates are checked here, by `_check_dates`.
_BIIP = ParseConfig(gs1_element_strings_verify_date=False)
_DATE_AIS = ("11", "12", "13", "15", "16", "17", "4324", "4325", "4326", "7003", "7006", "7011", "8008")
_DATES_IN = dict.fromkeys(_DATE_AIS, (0,)) | {"7007": (0, 6)}
"""Where in an identifier's value a date YYMMDD begins (General Specifications, chapter 3)."""

_GRAMS_PER_POUND = 453.59237
"""International yard and pound agreement, 1959; an ounce is a sixteenth of it."""
_NET_WEIGHT_G = {"310": 1000.0, "320": _GRAMS_PER_POUND, "356": 31.1034768, "357": _GRAMS_PER_POUND / 16}
"""Identifiers of a net weight (their fourth digit says the decimals): kilograms, pounds, troy ounces, ounces."""

_WITH_ADD_ON = re.compile(r"97[789][0-9]{10}([0-9]{2}|[0-9]{5})")
"""Serials and books bear add-on symbols (General Specifications, 2.1.3.5); of other numbers a further 2 or 5 digits are
believed only where the scanner says what they are."""
_PRINTED = re.compile(r"(\([0-9]{2,4}\)[^()]+)+")


class BarcodeError(Problem):
    """A text that is no product code, or a misread one: one line that says what to do."""


class ScannedCode(msgspec.Struct, frozen=True, kw_only=True):
    """One code, read.

    `gtin` is the number on the code as 14 digits. `other_gtins` are further numbers it may stand for, in the order to
    look them up: the base of a variable-measure number (value 0), or the expansion where the symbology was not told
    and both readings hold. `elements` maps application identifiers to their values as printed; empty for a code
    without any. `weight_g` is net and in grams, `price_minor` in the currency's minor unit, each of one unit, None
    where the code carries none.
    """

    text: str
    symbology: str | None
    kind: Literal["gtin", "rcn", "gs1", "plu"]
    gtin: str | None = None
    other_gtins: tuple[str, ...] = ()
    plu: str | None = None
    item: str | None = None
    """The item reference of a variable-measure number: a store may list it as the produce number."""
    weight_g: float | None = None
    price_minor: int | None = None
    count: int | None = None
    elements: dict[str, str] = {}

    @property
    def lot(self) -> str | None:
        """Batch or lot, application identifier 10."""
        return self.elements.get("10")


def read_barcode(
    text: str,
    symbology: str | None = None,
    *,
    layouts: Sequence[RcnLayout] = (),
    minor_digits: int = 2,
) -> ScannedCode:
    """Read one scan. Raises BarcodeError.

    `symbology` is the AIM identifier with its bracket (`]E0`), None where the scanner sends none; one in front of
    `text` counts too. `layouts` say which restricted numbers carry weights or prices; `minor_digits` are the decimals
    of the store's currency. Without a symbology, digits are taken as what their length and check digit allow.
    """
    if len(text) > TEXT_MAX:
        raise BarcodeError(f"{len(text)} characters are too many for a product code; scan the code of the product")
    text = text.strip(" ")
    if symbology is None and (found := _AIM_ID.match(text)):
        symbology, text = found.group(), text[found.end() :]
    if not text:
        raise BarcodeError("an empty code; scan it again")
    if not text.isascii() or any(not char.isprintable() and char != _GS for char in text):
        raise BarcodeError(f"{_shown(text)} holds characters that no product code has; scan the code of the product")
    if text[:8].lower().startswith(("http://", "https://")):
        return _read_link(text, symbology, minor_digits)
    if text.startswith("("):
        return _read_message(text, symbology, minor_digits, printed=True)
    if symbology in _GS1_MESSAGE_IDS:
        return _read_message(text, symbology, minor_digits)
    if text.isdecimal():
        return _read_digits(text, symbology, layouts, minor_digits)
    if _GS in text or (symbology is None and _opens_with_gtin(text)):
        return _read_message(text, symbology, minor_digits)
    raise BarcodeError(
        f"{_shown(text)} is not a product number; scan the barcode of the product, or pick it on the screen"
    )


def gtin_14(digits: str) -> str:
    """A GTIN-8, -12, -13 or -14 as 14 digits. Raises BarcodeError for another length, other characters, a wrong check
    digit.
    """
    if not (digits.isascii() and digits.isdecimal()):
        raise BarcodeError(f"{_shown(digits)} is not a GTIN: digits only; correct it")
    if len(digits) not in _GTIN_LENGTHS:
        raise BarcodeError(
            f"{_shown(digits)} has {len(digits)} digits and a GTIN 8, 12, 13 or 14; check it for lost zeros"
        )
    if not digits.strip("0"):
        raise BarcodeError(f"{digits} is all zeros and names no product; enter its GTIN")
    right = check_digit(digits[:-1])
    if digits[-1] != right:
        raise BarcodeError(
            f"{digits} ends in the check digit {digits[-1]} where {right} is right; scan again or type it anew"
        )
    return digits.zfill(14)


def expiry_date(code: ScannedCode, today: date) -> date | None:
    """The last day a product may be sold by its code: expiry (AI 17), else use-by in 7003, else None (best before
    never blocks).

    Day 00 is the month's last; the century is GS1's: 49 years back to 50 ahead of `today` (General Specifications,
    7.12).
    """
    value = code.elements.get("17") or code.elements.get("7003", "")[:6]
    if not value:
        return None
    year = today.year - today.year % 100 + int(value[:2])
    if year - today.year > 50:
        year -= 100
    elif year - today.year < -49:
        year += 100
    month, day = int(value[2:4]), int(value[4:6])
    return date(year, month, day or _days_in(month, year))


def _read_digits(text: str, symbology: str | None, layouts: Sequence[RcnLayout], minor_digits: int) -> ScannedCode:
    text = _without_add_on(text, symbology)
    if symbology in {"]E0", "]E3"} and len(text) in {6, 7, 8}:
        return _read_upc_e(text)
    if len(text) in {4, 5} and symbology in {None, "]C0"}:
        return _read_plu(text, symbology)
    if symbology is None and _opens_with_gtin(text):
        return _read_message(text, symbology, minor_digits)
    if symbology is None and len(text) == 8 and (expanded := _expanded_upc_e(text)) is not None:
        return _upc_e_or_ean_8(text, expanded)
    gtin = gtin_14(text)
    name = _ean_name(symbology, len(text))
    if (number := gtin[1:]) and gtin[0] == "0" and len(text) != 8 and number.startswith(("02", "04", "2")):
        return _read_rcn(text, name, gtin, layouts, minor_digits)
    return ScannedCode(text=text, symbology=name, kind="gtin", gtin=gtin)


def _without_add_on(text: str, symbology: str | None) -> str:
    """EAN-13 or UPC-A without its add-on of 2 or 5 digits, which is an issue number or a price and names no product."""
    if symbology == "]E3" and len(text) in {14, 17}:
        return text[:12]
    if (symbology == "]E3" and len(text) in {15, 18}) or (symbology is None and _WITH_ADD_ON.fullmatch(text)):
        return text[:13]
    return text


def _upc_e_or_ean_8(text: str, expanded: str) -> ScannedCode:
    """8 digits of which nobody said whether they are UPC-E: with a 0 in front they are no GTIN-8 but at most a store's
    own number (RCN-8, General Specifications, 2.1.6.1), so that UPC-E comes first.
    """
    try:
        short = gtin_14(text)
    except BarcodeError:
        return ScannedCode(text=text, symbology="UPC-E", kind="gtin", gtin=expanded)
    if text.startswith("0"):
        return ScannedCode(text=text, symbology="UPC-E", kind="gtin", gtin=expanded, other_gtins=(short,))
    return ScannedCode(text=text, symbology="EAN-8", kind="gtin", gtin=short, other_gtins=(expanded,))


def _read_rcn(text: str, name: str | None, gtin: str, layouts: Sequence[RcnLayout], minor_digits: int) -> ScannedCode:
    try:
        measure = read_variable_measure(gtin[1:], layouts, minor_digits=minor_digits)
    except ValueError as error:
        raise BarcodeError(f"{text} was misread: {error}; scan it again") from None
    if measure is None:
        return ScannedCode(text=text, symbology=name, kind="rcn", gtin=gtin)
    return ScannedCode(
        text=text,
        symbology=name,
        kind="rcn",
        gtin=gtin,
        other_gtins=(measure.base,),
        item=measure.item,
        weight_g=measure.weight_g,
        price_minor=measure.price_minor,
        count=measure.count,
    )


def _read_upc_e(text: str) -> ScannedCode:
    gtin = _expanded_upc_e(text)
    if gtin is not None:
        return ScannedCode(text=text, symbology="UPC-E", kind="gtin", gtin=gtin)
    if len(text) == 8:
        # Some scanners send EAN-8 under ]E0 instead of ]E4: believed only with its own check digit.
        return ScannedCode(text=text, symbology="EAN-8", kind="gtin", gtin=gtin_14(text))
    raise BarcodeError(f"{text} is neither UPC-E nor EAN-8; scan it again")


def _expanded_upc_e(text: str) -> str | None:
    try:
        return gtin_14(Upc.parse(text).as_upc_a())
    except (ParseError, BarcodeError):
        return None


def _read_plu(text: str, symbology: str | None) -> ScannedCode:
    """A price look-up number of produce (IFPS): 4 digits, or 5 of which a leading 9 says organic. 04011 is 4011."""
    plu = text[1:] if len(text) == 5 and text[0] == "0" else text
    if not plu.strip("0"):
        raise BarcodeError(f"{text} is no produce number; type the one on the sticker")
    return ScannedCode(text=text, symbology=SYMBOLOGIES.get(symbology or ""), kind="plu", plu=plu)


def _read_link(text: str, symbology: str | None, minor_digits: int) -> ScannedCode:
    try:
        elements = GS1DigitalLinkURI.parse(text.removesuffix("/"), config=_BIIP).element_strings
    except (ParseError, ValueError, ArithmeticError):
        raise BarcodeError(
            f"{_shown(text)} is a web address without a product number; scan the barcode of the product"
        ) from None
    return _from_elements(text, symbology, elements, minor_digits)


def _read_message(text: str, symbology: str | None, minor_digits: int, *, printed: bool = False) -> ScannedCode:
    """Element strings, as a scanner sends them, or `printed` with brackets round the identifiers, as a person types
    them.
    """
    if printed and not _PRINTED.fullmatch(text):
        # A value may hold brackets itself; where it ends is then anyone's guess.
        raise BarcodeError(f"{_shown(text)} has brackets that are no application identifier's; scan the code instead")
    try:
        message = GS1Message.parse_hri(text, config=_BIIP) if printed else GS1Message.parse(text, config=_BIIP)
    except (ParseError, ValueError, ArithmeticError):
        raise BarcodeError(f"{_shown(text)} breaks the rules of GS1 application identifiers; scan it again") from None
    return _from_elements(text, symbology, message.element_strings, minor_digits)


def _from_elements(text: str, symbology: str | None, strings: GS1ElementStrings, minor_digits: int) -> ScannedCode:
    if not strings:
        raise BarcodeError(f"{_shown(text)} holds nothing; scan it again")
    elements: dict[str, str] = {}
    for string in strings:
        if elements.setdefault(string.ai.ai, string.value) != string.value:
            raise BarcodeError(f"{_shown(text)} gives ({string.ai.ai}) twice with different values; scan it again")
    _check_dates(text, elements)
    gtin = gtin_14(elements["01"]) if "01" in elements else None
    return ScannedCode(
        text=text,
        symbology=SYMBOLOGIES.get(symbology or ""),
        kind="gs1",
        gtin=gtin,
        weight_g=_net_weight_g(elements),
        price_minor=_price_minor(elements, minor_digits),
        elements=elements,
    )


def _net_weight_g(elements: Mapping[str, str]) -> float | None:
    for ai, value in elements.items():
        if len(ai) == 4 and (unit_g := _NET_WEIGHT_G.get(ai[:3])) is not None:
            return int(value) * unit_g / float(10 ** int(ai[3]))
    return None


def _price_minor(elements: Mapping[str, str], minor_digits: int) -> int | None:
    """AI 392n (amount payable of a variable-measure item, n decimals) or 393n (the same after a 3-digit currency)."""
    for ai, value in elements.items():
        if len(ai) == 4 and ai.startswith(("392", "393")):
            amount = int(value[3:] if ai.startswith("393") else value)
            divisor = 10 ** int(ai[3])
            return int((2 * amount * 10**minor_digits + divisor) // (2 * divisor))
    return None


def _check_dates(text: str, elements: Mapping[str, str]) -> None:
    for ai in _DATES_IN.keys() & elements.keys():
        value = elements[ai]
        for date_6 in (value[at : at + 6] for at in _DATES_IN[ai] if at < len(value)):
            # 2000 + yy has the same leap years as every year of GS1's sliding window but 1900 and 2100, which no pack
            # bears.
            month, day = int(date_6[2:4]), int(date_6[4:6])
            if not 1 <= month <= 12 or day > _days_in(month, 2000 + int(date_6[:2])):
                raise BarcodeError(
                    f"{_shown(text)} gives ({ai}) the date {date_6}, which does not exist; scan it again"
                )


def _days_in(month: int, year: int) -> int:
    after = date(year + month // 12, month % 12 + 1, 1)
    return (after - date(year, month, 1)).days


def _opens_with_gtin(text: str) -> bool:
    """True for a message that begins with AI 01 and a right GTIN: the only one believed without a symbology or
    separator.
    """
    return text.startswith("01") and len(text) >= 16 and text[2:16].isdecimal() and check_digit(text[2:15]) == text[15]


def _ean_name(symbology: str | None, length: int) -> str | None:
    if symbology is None or symbology.startswith("]E"):
        return _BY_LENGTH[length]
    return SYMBOLOGIES.get(symbology)


def _shown(text: str) -> str:
    """An excerpt that is safe in a log: escaped, at most 40 characters."""
    return ascii(text if len(text) <= 40 else f"{text[:37]}...")
