"""The simulated wires keep what is written, whole, between two mappings of one file."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.errors import DeviceMissing
from drivers.sim import wire as wire_module
from drivers.sim.wire import Conversion, FrameWire, ScaleFault, Wire


def test_conversion_crosses_between_mappings(tmp_path: Path) -> None:
    with (
        Wire.create(tmp_path / "w", dout_pin=7, sck_pin=8, samples_per_second=10) as world,
        Wire.attach(tmp_path / "w") as cart,
    ):
        assert cart.conversion() == Conversion(0, 0, 0)
        assert (cart.dout_pin, cart.sck_pin, cart.samples_per_second) == (7, 8, 10.0)
        assert world.convert(-84213, 12345) == 1
        assert cart.conversion() == Conversion(1, 12345, -84213)
        assert cart.seq == 1


@pytest.mark.parametrize(("counts", "clamped"), [(9_000_000, 8388607), (-9_000_000, -8388608)])
def test_conversion_is_clamped_to_the_converters_range(tmp_path: Path, counts: int, clamped: int) -> None:
    with Wire.create(tmp_path / "w") as world:
        world.convert(counts)
        assert world.conversion().counts == clamped


def test_fault_lasts_for_as_many_words_as_said(tmp_path: Path) -> None:
    with Wire.create(tmp_path / "w") as world:
        world.set_scale_fault(ScaleFault.GARBLED, words=2)
        seen = []
        for _ in range(4):
            world.convert(1)
            seen.append(world.scale_fault())
        assert seen == [ScaleFault.GARBLED, ScaleFault.GARBLED, ScaleFault.NONE, ScaleFault.NONE]
        world.set_scale_fault(ScaleFault.STUCK_LOW)
        world.convert(1)
        assert world.scale_fault() is ScaleFault.STUCK_LOW


def test_pins_float_until_driven(tmp_path: Path) -> None:
    with Wire.create(tmp_path / "w") as world, Wire.attach(tmp_path / "w") as cart:
        assert [cart.pin(23), cart.pin(63)] == [None, None]
        world.set_pin(23, False)
        cart.set_pin(17, True)
        assert [cart.pin(23), world.pin(17)] == [False, True]
        world.set_pin(23, None)
        assert cart.pin(23) is None
        with pytest.raises(ValueError, match="BCM"):
            world.set_pin(64, True)


def test_creating_again_keeps_old_mappings_alive(tmp_path: Path) -> None:
    with Wire.create(tmp_path / "w") as first, Wire.attach(tmp_path / "w") as cart:
        first.convert(5)
        with Wire.create(tmp_path / "w") as second:
            assert cart.seq == 0
            second.convert(6)
            assert cart.conversion().counts == 6


@pytest.mark.parametrize("content", [None, b"", b"garbage" * 1000])
def test_what_is_no_wire_is_refused_with_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "w"
    if content is not None:
        path.write_bytes(content)
    for kind in (Wire, FrameWire):
        with pytest.raises(DeviceMissing, match="cart demo"):
            kind.attach(path)


@pytest.mark.parametrize("words_written", [0, 1, 2, 3])
def test_a_writer_stopped_in_mid_record_leaves_the_last_one(tmp_path: Path, words_written: int) -> None:
    with Wire.create(tmp_path / "w") as world, Wire.attach(tmp_path / "w") as cart:
        world.convert(5, 1000)
        record = wire_module._RECORDS  # where conversion 2 would go
        world.words[record + 3] = ~0
        for word in range(words_written):
            world.words[record + word] = 2 + word
        assert cart.conversion() == Conversion(1, 1000, 5)


def test_a_torn_record_is_never_a_conversion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "WRITER_PATIENCE_S", 0.01)
    with Wire.create(tmp_path / "w") as world, Wire.attach(tmp_path / "w") as cart:
        world.convert(5, 1000)
        world.words[wire_module._RECORDS + 4 + 2] = 6
        with pytest.raises(DeviceMissing, match="died"):
            cart.conversion()


def test_a_torn_frame_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "WRITER_PATIENCE_S", 0.01)
    with FrameWire.create(tmp_path / "f", width_max=2, height_max=2) as world, FrameWire.attach(tmp_path / "f") as cart:
        world.show(bytes(12), 2, 2)
        world.words[world._slot(0)] = -1  # the writer has begun with this slot again
        with pytest.raises(DeviceMissing, match="died"):
            cart.frame()


def test_frames_cross_and_go_when_unplugged(tmp_path: Path) -> None:
    with FrameWire.create(tmp_path / "f", width_max=8, height_max=4) as world, FrameWire.attach(tmp_path / "f") as cart:
        assert cart.frame() is None
        for n in range(1, 8):
            assert world.show(bytes([n]) * (8 * 4 * 3), 8, 4, t_ns=n) == n
            frame = cart.frame()
            assert frame is not None
            assert (frame.seq, frame.t_ns, frame.width, frame.height) == (n, n, 8, 4)
            assert frame.pixels == bytes([n]) * 96
        world.show(b"\x01\x02\x03", 1, 1)
        small = cart.frame()
        assert small is not None
        assert small.pixels == b"\x01\x02\x03"
        world.plugged = False
        assert cart.frame() is None
        with pytest.raises(ValueError, match="BGR"):
            world.show(b"12", 1, 1)
        with pytest.raises(ValueError, match="BGR"):
            world.show(bytes(9 * 4 * 3), 9, 4)
