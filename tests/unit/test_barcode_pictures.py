"""`cart barcode --image`: what comes of a picture, whatever the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
import zxingcpp
from PIL import Image as Pillow

from cart.commands import barcode
from cart.core.problem import Problem
from drivers.frame_codes import PictureRefused, read_picture, read_still_codes
from drivers.frame_codes.lines import read_lines
from drivers.frame_codes.localise import Strip
from drivers.frame_codes.scanning import scan

CODE = "5011001234566"


def drawn(text: str = CODE, kind: Any = zxingcpp.BarcodeFormat.EAN13, **options: Any) -> Any:
    code = zxingcpp.create_barcode(text, kind, **options)
    grey = np.array(zxingcpp.write_barcode_to_image(code, scale=3, add_quiet_zones=True))
    return cv2.cvtColor(cv2.copyMakeBorder(grey, 60, 60, 60, 60, cv2.BORDER_CONSTANT, value=(230,)), cv2.COLOR_GRAY2BGR)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    app = typer.Typer()
    app.command("barcode")(barcode.run)
    status = typer.main.get_command(app).main(args=["--json", *arguments], standalone_mode=False)
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("text", "kind", "symbology", "gtin"),
    [
        (CODE, zxingcpp.BarcodeFormat.EAN13, "EAN-13", "05011001234566"),
        ("0036000291452", zxingcpp.BarcodeFormat.EAN13, "UPC-A", "00036000291452"),
        ("96385074", zxingcpp.BarcodeFormat.EAN8, "EAN-8", "00000096385074"),
        ("04252614", zxingcpp.BarcodeFormat.UPCE, "UPC-E", "00042100005264"),
        ("0105011001234566", zxingcpp.BarcodeFormat.DataBarOmni, "GS1 DataBar", "05011001234566"),
        ("15011001234563", zxingcpp.BarcodeFormat.ITF14, "ITF-14", "15011001234563"),
        ("https://id.example.com/01/05011001234566", zxingcpp.BarcodeFormat.QRCode, "QR Code", "05011001234566"),
    ],
)
def test_each_kind_says_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, kind: Any, symbology: str, gtin: str
) -> None:
    file = tmp_path / "code.png"
    cv2.imwrite(str(file), drawn(text, kind))
    status, [record] = told(capsys, "--image", str(file))
    assert (status, record["symbology"], record["gtin"], record["file"]) == (0, symbology, gtin, str(file))


@pytest.mark.parametrize("kind", [zxingcpp.BarcodeFormat.Code128, zxingcpp.BarcodeFormat.DataMatrix])
def test_element_strings_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: Any) -> None:
    file = tmp_path / "code.png"
    cv2.imwrite(str(file), drawn("[01]05011001234566[17]271231[10]AB1", kind, gs1=True))
    status, [record] = told(capsys, "--image", str(file))
    assert status == 0
    assert record["elements"] == {"01": "05011001234566", "17": "271231", "10": "AB1"}


def test_several_pictures_one_without_a_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, blank = tmp_path / "good.png", tmp_path / "blank.png"
    cv2.imwrite(str(good), drawn())
    cv2.imwrite(str(blank), np.full((200, 300, 3), 128, np.uint8))
    status, (first, second) = told(capsys, "--image", str(good), "--image", str(blank))
    assert status == 1
    assert first["gtin"] == "05011001234566"
    assert second["file"] == str(blank)
    assert "take the picture closer" in second["error"]


def test_an_advert_beside_the_product_code_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    advert = drawn("https://www.example.com/win", zxingcpp.BarcodeFormat.QRCode)
    product = drawn()
    advert = cv2.copyMakeBorder(
        advert, 0, product.shape[0] - advert.shape[0], 0, 0, cv2.BORDER_CONSTANT, value=(230, 230, 230)
    )
    file = tmp_path / "both.png"
    cv2.imwrite(str(file), np.hstack([product, advert]))
    status, records = told(capsys, "--image", str(file))
    assert (status, [record["gtin"] for record in records]) == (0, ["05011001234566"])
    cv2.imwrite(str(file), advert)
    status, [record] = told(capsys, "--image", str(file))
    assert status == 1
    assert "without a product number" in record["error"]


def test_what_a_scanner_puts_behind_a_code_is_not_part_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    barcode.run(["]E05011001234566\r\n"], None, None, True)
    assert json.loads(capsys.readouterr().out)["gtin"] == "05011001234566"


def test_neither_text_nor_picture_is_refused() -> None:
    with pytest.raises(Problem, match="--image FILE"):
        barcode.run(None, None, None, False)


def test_a_photograph_lying_on_its_side_by_exif(tmp_path: Path) -> None:
    file = tmp_path / "turned.jpg"
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.fromarray(drawn()[:, :, ::-1].copy()).save(file, exif=exif)
    height, width = drawn().shape[:2]
    assert read_picture(file).shape == (width, height, 3)
    assert [code.text for code in read_still_codes(read_picture(file))] == [CODE]


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tiff", "bmp"])
def test_formats(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"code.{ending}"
    cv2.imwrite(str(file), drawn())
    assert [code.text for code in read_still_codes(read_picture(file))] == [CODE]


def test_sixteen_bits_grey_and_transparent(tmp_path: Path) -> None:
    file = tmp_path / "code.png"
    image = drawn()
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    ink = np.zeros((*grey.shape, 4), np.uint8)
    ink[..., 3] = 255 - grey  # black ink on nothing
    for view in (grey.astype(np.uint16) * 257, grey, ink):
        cv2.imwrite(str(file), view)
        assert [code.text for code in read_still_codes(read_picture(file))] == [CODE]


def test_a_huge_picture(tmp_path: Path) -> None:
    file = tmp_path / "huge.jpg"
    huge = np.full((2400, 3600, 3), 200, np.uint8)
    code = cv2.resize(drawn(), None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    huge[600 : 600 + code.shape[0], 1000 : 1000 + code.shape[1]] = code
    cv2.imwrite(str(file), huge)
    assert [code.text for code in read_still_codes(read_picture(file))] == [CODE]


def test_what_is_no_picture_is_refused_in_one_line(tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    cv2.imwrite(str(whole), drawn())
    for name, content in (("empty.jpg", b""), ("text.jpg", b"hello"), ("cut.png", whole.read_bytes()[:40])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PictureRefused, match="no picture") as refused:
            read_picture(tmp_path / name)
        assert "\n" not in str(refused.value)
    for path in (tmp_path / "absent.jpg", tmp_path):
        with pytest.raises(PictureRefused, match="no file"):
            read_picture(path)
    cv2.imwrite(str(whole), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(PictureRefused, match="too small"):
        read_picture(whole)


def test_a_refused_picture_is_an_error_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "text.jpg"
    file.write_bytes(b"hello")
    status, [record] = told(capsys, "--image", str(file))
    assert status == 2
    assert record["file"] == str(file)
    assert "no picture" in record["error"]
    assert told(capsys, "--image", str(tmp_path / "absent.jpg"))[0] == 2


def test_a_code_is_read_with_its_place() -> None:
    [code] = read_still_codes(drawn())
    assert (code.text, code.symbology) == (CODE, "]E0")
    assert all(50 < x < 400 for x, _ in code.quad)


def soft(image: Any, sigma: float) -> Any:
    """Blurred beyond thresholds, with a little noise."""
    noise = np.random.default_rng(3).normal(0, 3, image.shape)
    return np.clip(cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma) + noise, 0, 255).astype(np.uint8)


def test_light_bars_on_dark_and_inks_that_red_light_tells_apart() -> None:
    assert [code.text for code in read_still_codes(soft(255 - drawn(), 2.4))] == [CODE]
    share = drawn()[..., :1] / 255
    # Brightness 63 on 93 (0.114 B + 0.587 G + 0.299 R), but 20 on 220 in red light.
    green_on_red = share * np.array((30, 40, 220)) + (1 - share) * np.array((40, 90, 20))
    assert [code.text for code in read_still_codes(soft(green_on_red, 2.4))] == [CODE]


def test_a_small_blurred_code_in_a_large_photograph_is_read_at_full_size() -> None:
    large = np.full((1200, 3600, 3), 190, np.uint8)
    code = drawn()
    large[500 : 500 + code.shape[0], 700 : 700 + code.shape[1]] = code
    [found] = read_still_codes(soft(large, 2.0))
    assert found.text == CODE
    assert all(700 < x < 700 + code.shape[1] and 500 < y < 500 + code.shape[0] for x, y in found.quad)


def turned(image: Any, degrees: float, scale: float, size: tuple[int, int], paper: int) -> Any:
    """The image turned and scaled about its middle, in the middle of `size` (height, width) of paper."""
    height, width = image.shape[:2]
    matrix = np.array(cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale), np.float64)
    matrix[:, 2] += (size[1] - width) / 2, (size[0] - height) / 2
    return cv2.warpAffine(image, matrix, size[::-1], flags=cv2.INTER_AREA, borderValue=(paper,) * 3)


def test_a_code_a_tenth_as_wide_as_a_printed_page_is_found() -> None:
    page = np.full((2400, 3200, 3), 128, np.uint8)
    for line in range(60):
        corner = (40 + 53 * (line % 7), 40 + 39 * line)
        cv2.putText(page, "net weight 500 g keep cool", corner, 0, 2.0, (30, 30, 30), 5, cv2.LINE_AA)
    page[1500:2000, 2200:2700] = turned(drawn(), 9, 0.6, (500, 500), 230)
    assert [code.text for code in read_still_codes(soft(page, 1.6))] == [CODE]


def test_light_bars_on_a_dark_label_that_ends_where_its_quiet_zone_does() -> None:
    label = (255 - drawn())[57:-57, 56:-56]
    assert [code.text for code in read_still_codes(soft(turned(label, 3, 1.0, (500, 700), 200), 2.4))] == [CODE]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[01]05011001234566", zxingcpp.BarcodeFormat.Code128),
        ("0105011001234566", zxingcpp.BarcodeFormat.DataBarOmni),
    ],
)
def test_lines_averaged_along_leaning_bars_say_what_grain_hides(text: str, kind: Any) -> None:
    code = drawn(text, kind, **({"gs1": True} if text[0] == "[" else {}))
    grain = np.random.default_rng(1).normal(0, 45, (480, 640, 3))
    blurred = cv2.GaussianBlur(turned(code, 24, 0.7, (480, 640), 200), (0, 0), 1.2)
    image = np.clip(blurred + grain, 0, 255).astype(np.uint8)
    assert scan(image) == []
    assert [found.text for found in read_still_codes(image)] == ["0105011001234566"]


def test_lines_leave_ean_to_the_templates_and_say_nothing_of_paper() -> None:
    grey = np.asarray(cv2.cvtColor(drawn(), cv2.COLOR_BGR2GRAY), np.uint8)
    height, width = grey.shape
    whole = Strip((width / 2, height / 2), (1.0, 0.0), width / 2 - 80, height / 2 - 80, 0.0)
    assert [code.text for code in scan(grey)] == [CODE]
    assert list(read_lines(grey, whole)) == [[], []]
    assert list(read_lines(np.full_like(grey, 200), whole)) == [[], []]
