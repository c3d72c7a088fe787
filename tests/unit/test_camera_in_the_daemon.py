"""What the camera's process says becomes observations; a code held up is a scan, and one showing is one unit."""

from __future__ import annotations

import pytest

from cart.core.observations import AnyObservation, Look, PartChanged, Scan, ScanRefused
from cart.daemon.child_messages import CodeSeen, DeviceState, ModelState, PictureTaken, Seen
from cart.daemon.clock import SessionClock
from cart.daemon.control import recorded
from cart.daemon.parts import CameraPart
from cart.recordings.format import LOOK, SCAN, LookMessage, ScanMessage
from tests.unit.shopper import Shopper, gtin

MILK_TEXT = "5011001234566"


def camera() -> tuple[CameraPart, list[AnyObservation]]:
    heard: list[AnyObservation] = []
    part = CameraPart(
        "cart.daemon.camera_process", "cart.toml", heard.append, SessionClock(last_event_ns=None, off_s=None)
    )
    return part, heard


def test_a_look_keeps_its_age_and_is_recorded_without_pixels() -> None:
    part, heard = camera()
    part._said(Seen(5_000_000_000, 4_200_000_000, "in", {"Orange": 0.9, "none": 0.1}))
    (look,) = heard
    assert isinstance(look, Look)
    assert look.t_ns - look.frame_t_ns == 800_000_000
    topic, body = recorded(look) or ("", {})
    assert topic == LOOK
    assert set(body) == set(LookMessage.__struct_fields__)


def test_a_code_is_a_scan_that_tells_its_source_and_is_recorded() -> None:
    part, heard = camera()
    part._said(CodeSeen(1, MILK_TEXT, "]E0"))
    (scan,) = heard
    assert isinstance(scan, Scan)
    assert (scan.text, scan.symbology, scan.source) == (MILK_TEXT, "]E0", "camera")
    topic, body = recorded(scan) or ("", {})
    assert topic == SCAN
    assert set(body) == set(ScanMessage.__struct_fields__)
    assert recorded(Scan(t_ns=1, text=MILK_TEXT)) is None, "the scanner's bytes are recorded, not its scans"


@pytest.mark.parametrize(
    ("text", "symbology", "reason"),
    [
        ("a\x1b[2Jb", "]Q0", "characters"),
        ("0101\x1d10x", "]E0", "characters"),
        ("Ü", "]Q0", "characters"),
        ("x" * 600, "]Q0", "too_long"),
        ("  ", "]Q0", "empty"),
    ],
)
def test_codes_pass_the_scanner_s_allow_list(text: str, symbology: str, reason: str) -> None:
    part, heard = camera()
    part._said(CodeSeen(1, text, symbology))
    (refused,) = heard
    assert isinstance(refused, ScanRefused)
    assert refused.reason == reason
    assert refused.shown.isascii()


def test_a_fault_is_told_once_and_a_missing_model_is_no_fault() -> None:
    part, heard = camera()
    part._said(DeviceState(1, ok=True))
    part._said(ModelState(1, ok=False, detail="there is no manifest"))
    assert part.model == "there is no manifest"
    part._said(DeviceState(2, ok=False, fault="dark", detail="it is too dark"))
    part._said(DeviceState(3, ok=False, fault="dark", detail="it is too dark"))
    part._said(DeviceState(4, ok=True))
    assert [(one.ok, one.fault) for one in heard if isinstance(one, PartChanged)] == [
        (True, ""),
        (False, "dark"),
        (True, ""),
    ]
    part._said(ModelState(5, ok=True, detail="81 classes"))
    assert part.model == "ok: 81 classes"


def show(shopper: Shopper, number: int) -> None:
    """Hold a product's code up to the camera."""
    shopper.t_ns += 200_000_000
    shopper.tell(Scan(t_ns=shopper.t_ns, text=gtin(number)[1:], symbology="]E0", source="camera"))


def units(shopper: Shopper) -> int:
    return shopper.session.view().units


def test_a_code_held_up_over_a_still_basket_is_one_unit() -> None:
    shopper = Shopper().wait(2.0)
    show(shopper, 2)
    assert units(shopper) == 1
    show(shopper, 2)
    assert units(shopper) == 1, "it waits to be put in: shown again it is still one"
    shopper.put(250.0).wait(1.0)
    show(shopper, 2)
    assert units(shopper) == 2, "the first is in; this is another"


def test_what_both_readers_read_within_seconds_was_shown_once() -> None:
    shopper = Shopper().wait(2.0)
    show(shopper, 2)
    shopper.scan(2)
    assert units(shopper) == 1
    shopper.scan(2)
    assert units(shopper) == 2, "a second scan by the scanner is a second unit"
    shopper.scan(3)
    show(shopper, 3)
    assert units(shopper) == 3


def test_a_code_in_passing_while_the_basket_moves_is_no_scan() -> None:
    shopper = Shopper().wait(2.0)
    shopper.put(250.0, wait_s=0.05)
    show(shopper, 2)
    assert units(shopper) == 0


def test_pictures_go_nowhere_unless_recorded_and_the_screen_is_told_all_the_while() -> None:
    part, heard = camera()
    pictures: list[tuple[int, bytes]] = []
    part._said(PictureTaken(1, b"jpeg"))
    assert heard == []
    part.record_pictures(lambda t_ns, jpeg: pictures.append((t_ns, jpeg)))
    part._said(DeviceState(2, ok=False, fault="dark", detail="it is too dark"))
    part._said(DeviceState(3, ok=True))
    part._said(PictureTaken(4, b"jpeg"))
    assert [jpeg for _, jpeg in pictures] == [b"jpeg"]
    part.record_pictures(None)
    part._said(PictureTaken(5, b"late"))
    part._said(DeviceState(6, ok=True))
    assert len(pictures) == 1
    told = [(one.ok, one.fault) for one in heard if isinstance(one, PartChanged)]
    assert told == [
        (False, "recorded"),
        (False, "dark"),
        (True, ""),
        (False, "recorded"),
        (True, "missing"),
        (True, ""),
    ]
