"""The simulated world: its verbs move pins, serial bytes and pixels, and it alone holds the truth."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart.bench.basket_scene import HEIGHT, WIDTH
from cart.bench.building import build_world, close_world
from cart.bench.converter import Converter
from cart.bench.eye import Eye
from cart.bench.physics import Physics
from cart.bench.pictures import ProductPictures
from cart.bench.pins import Pins
from cart.bench.platform import Platform
from cart.bench.things import Basket, guessed_aim, label_code, scan_text
from cart.bench.verbs import PutIn, TakeOut, VerbError, read_verb
from cart.bench.world import World
from cart.config import GpioTable, ScannerTable
from cart.core.catalog import Catalog, Item, Tax
from cart.core.problem import Problem
from cart.core.rcn_layouts import RcnLayout, read_variable_measure
from cart.core.settings import ScaleSettings
from drivers.sim.serial_port import SimSerialPort
from drivers.sim.sysfs import SimSysfs
from drivers.sim.wire import FrameWire, ScaleFault, Wire

SETTINGS = ScaleSettings(counts_per_gram=21.5, tare_counts=84213)
PERIOD_NS = 12_500_000
LAYOUT = RcnLayout(pattern="21IIIICVVVVVK", measure="weight", decimals=3)
CATALOG = Catalog(
    version=1,
    currency="EUR",
    locale="en_IE",
    taxes={"A": Tax(rate_bp=0)},
    items=(
        Item(sku="milk", name="Milk", gtins=("05011001234566",), price_minor=149, weight_g=1034.0, weight_sd_g=5.0),
        Item(sku="gum", name="Gum", gtins=("00000020004019",), price_minor=120, weight_g=14.6, weight_sd_g=0.3),
        Item(sku="fish", name="Fish", gtins=("02102010000006",), unit="kg", price_minor=2690),
        Item(sku="pear", name="Pears", plu="4409", unit="kg", price_minor=299),
        Item(sku="odd", name="Odd", gtins=("15011001234563",), price_minor=10),
    ),
    rcn_layouts=(LAYOUT,),
)


class Rig:
    """A world in virtual time: its threads are not started, conversions are made by hand."""

    def __init__(self, folder: Path, **scanner: Any) -> None:
        self.wire = Wire.create(folder / "wires")
        self.frames = FrameWire.create(folder / "frames", width_max=WIDTH, height_max=HEIGHT)
        self.port = SimSerialPort(folder / "scanner")
        self.files = folder / "sys"
        self.pins = Pins(self.wire, GpioTable())
        platform = Platform(SETTINGS, 3, Physics(noise_g=0.1, wander_g=0, glitches_per_hour=0, gaps_per_hour=0))
        self.converter = Converter(platform, self.wire, SETTINGS, each_conversion=self.pins.watch)
        basket = Basket(CATALOG, 5)
        self.eye = Eye(self.frames, basket.item, ProductPictures())
        self.world = World(
            basket=basket,
            converter=self.converter,
            wire=self.wire,
            frames=self.frames,
            eye=self.eye,
            pins=self.pins,
            scanner=self.port,
            scanner_table=ScannerTable(**scanner),
            files=SimSysfs(self.files),
        )
        self.t_ns = time.monotonic_ns()

    def do(self, name: str, **body: Any) -> dict[str, Any]:
        return self.world.do(read_verb(name, body))

    def run(self, seconds: float) -> float:
        """Make conversions for so long; returns the last one in grams."""
        for _ in range(round(seconds * 1e9 / PERIOD_NS)):
            self.t_ns += PERIOD_NS
            self.converter.convert(self.t_ns)
        return (self.wire.conversion().counts - SETTINGS.tare_counts) / SETTINGS.counts_per_gram

    def received(self) -> bytes:
        """What the cart reads from its scanner's port; the kernel passes bytes on in its own time."""
        fd = os.open(self.port.link, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        read = b""
        try:
            while select.select([fd], [], [], 0.1)[0]:
                read += os.read(fd, 65536)
        finally:
            os.close(fd)
        return read

    def close(self) -> None:
        self.port.close()
        self.wire.close()
        self.frames.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def test_what_is_put_in_shows_on_the_wire_and_what_is_taken_out_goes(rig: Rig) -> None:
    assert rig.run(0.5) == pytest.approx(0, abs=3)
    facts = rig.do("put_in", sku="milk", units=2)
    masses = [thing["weight_g"] for thing in facts["things"]]
    assert rig.run(6) == pytest.approx(sum(masses), abs=3)
    assert rig.world.state()["weight_g"] == pytest.approx(sum(masses), abs=0.1)
    gone = rig.do("take_out", sku="milk")["things"][0]["weight_g"]
    assert rig.run(6) == pytest.approx(sum(masses) - gone, abs=3)
    assert len(rig.world.state()["things"]) == 1


def test_what_comes_back_has_the_weight_it_had(rig: Rig) -> None:
    rig.do("put_in", weight_g=812.5, label="bag")
    rig.do("take_out", thing="bag")
    assert rig.world.state()["weight_g"] == 0
    back = rig.do("put_in", thing="bag")["things"][0]
    assert (back["weight_g"], back["sku"]) == (812.5, None)
    assert rig.world.state()["out"] == []


def test_leaning_bumping_rolling_and_moving_leave_the_weight_as_it_was(rig: Rig) -> None:
    rig.do("put_in", weight_g=3000)
    before = rig.run(6)
    rest_s = max(
        rig.do("lean", force_g=4000, seconds=2)["rest_in_s"],
        rig.do("bump")["rest_in_s"],
        rig.do("roll", seconds=2)["rest_in_s"],
        rig.do("move", seconds=1)["rest_in_s"],
    )
    assert rest_s > 1.5
    assert rig.run(rest_s + 4) == pytest.approx(before, abs=6)


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("put_in", {"sku": "nothing"}, "the shelf has no sku 'nothing'"),
        ("take_out", {"sku": "milk"}, "holds 0 of sku 'milk', not 1"),
        ("take_out", {"thing": 9}, "no thing 9 is in the basket"),
        ("put_in", {"thing": "bag"}, "no thing 'bag' was taken out"),
        ("scan", {"sku": "pear"}, "has no barcode; pick it on the screen by name or PLU 4409"),
        ("scan", {"raw_base64": "%%%"}, "not base64"),
        ("show", {"sku": "nothing"}, "no sku"),
    ],
)
def test_what_hands_cannot_do_is_said_in_one_line(rig: Rig, name: str, body: dict[str, Any], words: str) -> None:
    with pytest.raises(VerbError, match=words):
        rig.do(name, **body)
    assert rig.world.state()["things"] == []


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("dance", {}),
        ("put_in", {"sku": "milk", "unit": 1}),
        ("put_in", {"sku": "milk", "units": 0}),
        ("put_in", {"sku": "milk", "units": True}),
        ("put_in", [1]),
        ("unplug", {"part": "wheel"}),
        ("lean", {"seconds": -1}),
        ("scan", {"text": "1", "raw_base64": "MQ=="}),
        ("scan", {"raw_base64": "MQ==", "aim": "]E0"}),
        ("network", {}),
        ("glitch", {"kind": "sparks"}),
        ("put_in", {"thing": 1, "weight_g": 4.0}),
        ("take_out", {"thing": 1, "units": 2}),
    ],
)
def test_bodies_are_strict(name: str, body: Any) -> None:
    with pytest.raises(VerbError) as caught:
        read_verb(name, body)
    assert "\n" not in str(caught.value)


def test_the_scanner_sends_what_a_scanner_sends(rig: Rig) -> None:
    assert rig.do("scan", sku="milk") == {"sent": True, "bytes": 17}
    assert rig.received() == b"]E05011001234566\r"
    rig.do("scan", text="hello")
    rig.do("scan", raw_base64="AP8=")
    assert rig.received() == b"]C0hello\r\x00\xff"


def test_prefix_and_suffix_come_from_the_carts_own_table(tmp_path: Path) -> None:
    rig = Rig(tmp_path, prefix="<", suffix=">", aim_ids=False)
    rig.do("scan", sku="gum")
    assert rig.received() == b"<20004019>"
    rig.close()


def test_without_plug_or_power_nothing_is_scanned(rig: Rig) -> None:
    rig.do("unplug", part="scanner")
    assert not rig.port.link.is_symlink()
    assert rig.do("scan", sku="milk")["sent"] is False
    rig.do("plug", part="scanner")
    rig.world.power(False)
    assert rig.do("scan", sku="milk")["sent"] is False
    rig.world.power(True)
    assert rig.received() == b""
    assert rig.do("scan", sku="milk")["sent"] is True


def test_unplugging_the_scale_is_a_fault_of_its_wire_and_not_a_weight(rig: Rig) -> None:
    rig.do("unplug", part="scale")
    assert rig.wire.scale_fault() is ScaleFault.UNPLUGGED
    with pytest.raises(VerbError, match="unplugged"):
        rig.do("glitch")
    assert rig.do("plug", part="scale") == {"changed": True}
    assert rig.wire.scale_fault() is ScaleFault.NONE
    assert rig.do("plug", part="scale") == {"changed": False}


def test_glitches_pass(rig: Rig) -> None:
    before = rig.run(0.5)
    rig.do("glitch", kind="spike")
    assert abs(rig.run(0.0125) - before) > 4000
    assert rig.run(0.0125) == pytest.approx(before, abs=3)
    rig.do("glitch", kind="stuck_low", samples=2)
    assert rig.wire.scale_fault() is ScaleFault.STUCK_LOW
    rig.run(0.05)
    assert rig.wire.scale_fault() is ScaleFault.NONE


def test_the_light_the_buzzer_and_the_staff_button_are_pins(rig: Rig) -> None:
    table = GpioTable()
    rig.wire.set_pin(table.light_red_pin, True)
    rig.wire.set_pin(table.light_green_pin, True)
    rig.wire.set_pin(table.buzzer_pin, True)
    rig.run(0.05)
    rig.wire.set_pin(table.buzzer_pin, False)
    rig.run(0.05)
    pins = rig.world.state()["pins"]
    assert (pins["light"], pins["buzzer"], pins["beeps"]) == ("amber", True, 1)
    rig.world.power(False)
    assert rig.world.state()["pins"]["light"] == "off"
    rig.do("staff_button", seconds=0.3)
    rig.run(0.1)
    assert rig.wire.pin(table.staff_button_pin) is False
    rig.run(0.4)
    assert rig.wire.pin(table.staff_button_pin) is None


def test_battery_and_temperature_are_files(rig: Rig) -> None:
    rig.do("battery", percent=12)
    rig.do("temperature", celsius=40)
    assert (rig.files / "class/power_supply/battery/capacity").read_text() == "12\n"
    assert (rig.files / "class/thermal/thermal_zone0/temp").read_text() == "64000\n"


def test_the_camera_sees_things_come_and_go(rig: Rig) -> None:
    empty = rig.eye.frame()
    assert empty.shape == (HEIGHT, WIDTH, 3)
    rig.do("put_in", sku="milk")
    rig.do("show", sku="gum", seconds=60)
    time.sleep(1.0)
    changed = np.abs(rig.eye.frame().astype(int) - empty).max(axis=2) > 40
    assert changed.mean() > 0.05
    rig.do("lens", state="covered")
    assert rig.eye.frame().std() < 10
    assert rig.world.state()["lens"] == "covered"
    assert rig.world.jpeg().startswith(b"\xff\xd8")
    rig.do("unplug", part="camera")
    assert rig.frames.plugged is False


def test_weights_of_units_vary_as_the_catalogue_says() -> None:
    basket = Basket(CATALOG, 1)
    weights = [thing.weight_g for _ in range(12) for thing in basket.put(PutIn(sku="milk", units=24))]
    mean = sum(weights) / len(weights)
    spread = (sum((weight - mean) ** 2 for weight in weights) / len(weights)) ** 0.5
    assert mean == pytest.approx(1034, abs=1)
    assert spread == pytest.approx(5, rel=0.2)
    with pytest.raises(VerbError, match="holds 300 things"):
        basket.put(PutIn(sku="milk", units=24))


def test_a_product_without_a_known_weight_still_weighs_something() -> None:
    basket = Basket(CATALOG, 1)
    weights = [basket.put(PutIn(sku="odd"))[0].weight_g for _ in range(5)]
    assert max(weights) < 1.3 * min(weights)
    assert min(weights) > 90


def test_the_newest_of_a_sku_comes_out_first() -> None:
    basket = Basket(CATALOG, 1)
    numbers = [basket.put(PutIn(sku="milk"))[0].thing for _ in range(3)]
    assert [thing.thing for thing in basket.take(TakeOut(sku="milk", units=2))] == numbers[1:]


def test_codes_have_their_symbology() -> None:
    assert scan_text("05011001234566") == ("5011001234566", "]E0")
    assert scan_text("00000020004019") == ("20004019", "]E4")
    assert scan_text("15011001234563") == ("15011001234563", "]I1")
    assert [guessed_aim(text) for text in ("5011001234566", "20004019", "abc")] == ["]E0", "]E4", "]C0"]


@given(st.integers(10, 99_999))
def test_a_counters_label_reads_back_as_the_weight_it_was_made_for(weight_g: int) -> None:
    code = label_code("02102010000006", LAYOUT, weight_g, 2690)
    read = read_variable_measure(code[1:], [LAYOUT])
    assert read is not None
    assert read.weight_g == pytest.approx(weight_g)
    assert read.base == "02102010000006"


def test_the_labelled_piece_is_the_one_put_in() -> None:
    basket = Basket(CATALOG, 2)
    code = basket.code_of("fish")
    assert basket.code_of("fish") == code
    read = read_variable_measure(code[1:], [LAYOUT])
    assert read is not None
    assert basket.put(PutIn(sku="fish"))[0].weight_g == pytest.approx(read.weight_g)
    assert basket.code_of("fish") != code


def test_a_world_is_built_from_the_carts_own_config(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.json"
    catalog.write_text(
        '{"version":1,"currency":"EUR","locale":"en_IE","taxes":{"A":{"rate_bp":0,"included":true}},'
        '"items":[{"sku":"m","name":"M","gtins":["05011001234566"],"price_minor":1,"tax":"A","department":"d"}]}'
    )
    text = (
        '[cart]\nid="c"\n[store]\nid="s"\n[scale]\ncounts_per_gram=21.5\ntare_counts=84213\n'
        f'[scanner]\nport="{tmp_path}/scanner"\n[power]\nsysfs="{tmp_path}/sys"\n[camera]\nsource="sim:{tmp_path}/f"\n'
    )
    config = tmp_path / "cart.toml"
    config.write_text(text)
    with pytest.raises(Problem, match=r"\[gpio\] module = \"RPi.GPIO\" is real hardware"):
        build_world(config, catalog, seed=1)
    config.write_text(f'{text}[gpio]\nmodule="sim:{tmp_path}/w"\n')
    built = build_world(config, catalog, seed=1)
    try:
        seen_by = time.monotonic() + 5
        while (built.wires[0].seq < 8 or built.frames.seq < 1) and time.monotonic() < seen_by:
            time.sleep(0.01)
        assert built.wires[0].seq >= 8
        assert built.frames.seq >= 1
        assert len(built.world.curve()) >= 1
    finally:
        close_world(built)
