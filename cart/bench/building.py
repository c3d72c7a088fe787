"""Builds the world from a cart's own cart.toml, so that both sides agree on every pin, port and file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from cart.bench.basket_scene import HEIGHT, WIDTH
from cart.bench.converter import Converter
from cart.bench.corners import CornerPlatform
from cart.bench.eye import Eye
from cart.bench.pictures import ProductPictures
from cart.bench.pins import Pins
from cart.bench.platform import Platform
from cart.bench.things import Basket
from cart.bench.world import World
from cart.config import Config, load_config
from cart.core.catalog import Catalog
from cart.core.catalog_reading import read_catalog_json
from cart.core.problem import Problem
from drivers.gpio import SIMULATED
from drivers.sim.cells import create_wires
from drivers.sim.serial_port import SimSerialPort
from drivers.sim.sysfs import SimSysfs
from drivers.sim.wire import FrameWire, Wire


class BuiltWorld(msgspec.Struct, kw_only=True):
    """A world that runs, and what must be closed after it."""

    world: World
    catalog: Catalog
    converter: Converter
    eye: Eye
    scanner: SimSerialPort
    wires: tuple[Wire, ...]
    frames: FrameWire


def build_world(config_path: Path, catalog_path: Path, *, seed: int, pictures: Path | None = None) -> BuiltWorld:
    """Create every simulated part and start its threads. `pictures`: a folder of photographs of the products.

    Raises Problem when config, catalogue or photographs can't be read, or when the config names real hardware.
    """
    photographs = ProductPictures(pictures)
    config = load_config(config_path)
    try:
        catalog = read_catalog_json(catalog_path.read_bytes(), str(catalog_path))
    except OSError as error:
        raise Problem(f"{catalog_path}: cannot be read ({error.strerror}); name a catalog.json") from None
    scale = config.scale
    wires = create_wires(
        _simulated(config.gpio.module, "[gpio] module", config_path),
        scale.cell_pins or [(scale.dout_pin, scale.sck_pin)],
        samples_per_second=scale.samples_per_second,
    )
    camera = _simulated(config.camera.source, "[camera] source", config_path)
    frames = FrameWire.create(camera, width_max=WIDTH, height_max=HEIGHT)
    return _start(config, catalog, wires, frames, photographs, seed)


def _start(
    config: Config,
    catalog: Catalog,
    wires: tuple[Wire, ...],
    frames: FrameWire,
    pictures: ProductPictures,
    seed: int,
) -> BuiltWorld:
    wire, *others = wires
    pins = Pins(wire, config.gpio)
    platform = CornerPlatform(config.scale, seed) if others else Platform(config.scale, seed)
    converter = Converter(platform, wire, config.scale, others=others, each_conversion=pins.watch)
    basket = Basket(catalog, seed)
    eye = Eye(frames, basket.item, pictures, seed=seed)
    scanner = SimSerialPort(config.scanner.port)
    world = World(
        basket=basket,
        converter=converter,
        wire=wire,
        frames=frames,
        eye=eye,
        pins=pins,
        scanner=scanner,
        scanner_table=config.scanner,
        files=SimSysfs(config.power.sysfs),
    )
    converter.start()
    eye.start()
    return BuiltWorld(
        world=world, catalog=catalog, converter=converter, eye=eye, scanner=scanner, wires=wires, frames=frames
    )


def close_world(built: BuiltWorld) -> None:
    """Stop the threads, then let go of ports and files."""
    built.converter.stop()
    built.eye.stop()
    built.scanner.close()
    for wire in built.wires:
        wire.close()
    built.frames.close()


def _simulated(value: str, key: str, config_path: Path) -> Path:
    if not value.startswith(SIMULATED):
        raise Problem(f'{config_path}: {key} = "{value}" is real hardware; the world drives only "{SIMULATED}FILE"')
    return Path(value.removeprefix(SIMULATED))
