"""Words read from profiles that no threshold can read, and what is not believed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import zxingcpp

from benchmarks.frame_code_pictures import PHONE, picture
from cart.core.rcn_layouts import check_digit
from drivers.frame_codes import read_still_codes
from drivers.frame_codes.bars import BarReading
from drivers.frame_codes.scanning import FrameCode, upc_e
from drivers.frame_codes.symbols import EAN8, EAN13, UPCE, Symbol
from drivers.frame_codes.template_decoder import Blur, Fit, Floats, openings, search
from drivers.frame_codes.trust import Candidate, believed, certain
from drivers.video_codes import read_codes

PX = 2.0


def seen(symbol: Symbol, pattern: int, digits: list[int], blur: float) -> Floats:
    """A profile of two pixels a module with fifteen modules of paper on each side, blurred by `blur` modules, noisy."""
    bits = symbol.bits(pattern, digits)
    x = np.arange(int((symbol.modules + 30) * PX) * 8) / 8 / PX - 15
    inside = (x >= 0) & (x < symbol.modules)
    fine = np.where(inside, bits[np.clip(x.astype(int), 0, symbol.modules - 1)], 0.0)
    kernel = np.exp(-0.5 * (np.arange(-200, 201) / 8 / PX / blur) ** 2)
    soft = np.convolve(fine, kernel / kernel.sum(), "same").reshape(-1, 8).mean(1)
    return np.asarray(soft + np.random.default_rng(5).normal(0, 0.02, len(soft)))


def best(symbol: Symbol, profile: Floats) -> Fit:
    opening = openings(symbol, profile, [(15 * PX + 1, (15 + symbol.modules) * PX - 1)])
    return search(opening, profile)


@pytest.mark.parametrize("blur", [0.4, 0.8, 1.1])
def test_a_word_is_read_through_blur_of_a_module(blur: float) -> None:
    digits = [int(digit) for digit in "011001234566"]
    fit = best(EAN13, seen(EAN13, 5, digits, blur))
    assert fit.text == "5011001234566"
    assert fit.explained > 0.98
    assert fit.margin > 20
    assert best(EAN8, seen(EAN8, 0, [9, 6, 3, 8, 5, 0, 7, 4], blur)).text == "96385074"
    assert best(UPCE, seen(UPCE, 4, [4, 2, 5, 2, 6, 1], blur)).text == "04252614"


def test_the_word_read_always_checks() -> None:
    rng = np.random.default_rng(1)
    for _ in range(3):
        text = best(EAN13, rng.uniform(0, 1, 260)).text
        assert text[-1] == check_digit(text[:-1])


def test_noise_explains_little() -> None:
    profile = np.random.default_rng(2).uniform(0, 1, 260)
    assert best(EAN13, profile).explained < 0.85


def test_an_edge_goes_from_light_to_dark_in_each_shape() -> None:
    for blur in (Blur(0.6), Blur(0.6, "disk"), Blur(0.6, "line")):
        steps = [round(blur.edge(distance), 9) for distance in np.linspace(-4, 4, 81)]
        assert steps == sorted(steps)
        assert (round(steps[0], 6), round(steps[40], 6), round(steps[-1], 6)) == (0.0, 0.5, 1.0)


@pytest.mark.parametrize(
    ("whole", "short"),
    [
        ("0042100005264", "04252614"),
        ("0012345000065", "01234565"),
        ("0036000291452", None),
        ("0012000003455", "01234505"),
    ],
)
def test_upc_e_is_the_short_form_of_upc_a(whole: str, short: str | None) -> None:
    assert upc_e(whole) == short


GOOD = BarReading("EAN-13", "5011001234566", 40.0, 8, 8, 0.0, 0.97, 0.95, True, 0.6, 2.0)
SQUARE = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))


def code(text: str) -> FrameCode:
    return FrameCode(text, "]E0", SQUARE)


def test_two_words_in_one_place_are_both_refused() -> None:
    one, other = code("5011001234566"), code("5011001234573")
    alone = Candidate(one, {1}, [GOOD])
    assert certain(GOOD)
    assert believed([alone]) == [one]
    assert believed([alone, Candidate(other, {2}, [GOOD])]) == []


def test_votes_without_templates_must_be_several_and_unrivalled() -> None:
    one, other = code("5011001234566"), code("5011001234573")
    assert believed([Candidate(one, {1, 2})]) == []
    assert believed([Candidate(one, {1, 2, 3})]) == [one]
    assert believed([Candidate(one, {1, 2, 3}), Candidate(other, {1})]) == []


def test_the_left_half_of_a_long_code_is_no_upc_e() -> None:
    """By templates and by zxing-cpp it is 14323548 and 14323058: of number system 1, as all halves are."""
    tilted = picture(31, 178, family=PHONE)
    assert {code.text for code in read_still_codes(tilted.image)} == {"8432305301049"}
    assert tilted.gtins == {"08432305301049"}


def test_a_upc_e_of_number_system_1_is_none() -> None:
    drawn = zxingcpp.write_barcode_to_image(zxingcpp.create_barcode("1432354", zxingcpp.BarcodeFormat.UPCE), scale=4)
    image = cv2.cvtColor(cv2.copyMakeBorder(np.array(drawn), 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=(255,)), 8)
    assert [one.text for one in zxingcpp.read_barcodes(image)] != []
    assert read_still_codes(np.asarray(image, np.uint8)) == []
    assert read_codes(np.asarray(image, np.uint8)) == []


def test_hard_pictures_are_read_or_passed_over_never_misread() -> None:
    right = 0
    for number in range(3):
        one = picture(41, number, "EAN-13")
        texts = {found.text.zfill(14) for found in read_still_codes(one.image)}
        assert texts <= one.gtins
        right += bool(texts)
    assert right >= 2
    damaged = picture(41, 7, "damaged")
    assert read_still_codes(damaged.image) == []
