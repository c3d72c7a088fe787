"""spec.md's situations, one test a row: produce, odd codes, light, heavy and bulky things, slopes and lost parts."""

from __future__ import annotations

import msgspec
import pytest

from cart.core.ledger import AgeChecked, InterventionRaised, ItemConfirmed, SecurityNoted, StepExplained
from cart.core.observations import CatalogArrived, DayTold, PartChanged, ScanRefused, StaffCommand
from cart.core.settings import Policy
from tests.unit.shopper import CATALOG, Shopper, gtin, item


@pytest.fixture
def shopper() -> Shopper:
    return Shopper().started()


def staff(shopper: Shopper, action: str, **fields: object) -> None:
    command_id = f"c{shopper.t_ns}.{action}"
    shopper.tell(StaffCommand(t_ns=shopper.t_ns, command_id=command_id, action=action, **fields))  # type: ignore[arg-type]


def test_row_16_leaning_on_the_basket(shopper: Shopper) -> None:
    shopper.scan(1).put(1030.0)
    shopper.put(4000.0, wait_s=0.1).take(4000.0, wait_s=3.0)
    assert shopper.lines == {"S1": (1, "confirmed")}
    assert shopper.events(InterventionRaised) == []


def test_row_16_a_held_lean_asks_nothing_once_it_passes(shopper: Shopper) -> None:
    shopper.scan(1).put(1030.0)
    shopper.put(2345.0, wait_s=4.0).take(2345.0, wait_s=3.0)
    assert shopper.open == []
    assert shopper.lines == {"S1": (1, "confirmed")}


def test_row_17_produce_is_priced_by_its_settled_net_weight(shopper: Shopper) -> None:
    shopper.touch("produce", sku="S9")
    produce = shopper.view.produce
    assert produce is not None
    assert produce.price_minor is None
    shopper.put(612.0)
    assert shopper.lines == {"S9": (1, "confirmed")}
    assert shopper.line(9).weight_g == pytest.approx(612.0, abs=0.5)
    assert shopper.line(9).price_minor == pytest.approx(199 * 0.612, abs=0.6)
    settled = shopper.view.produce
    assert settled is not None
    assert settled.price_minor == shopper.line(9).price_minor


def test_row_17_by_plu(shopper: Shopper) -> None:
    shopper.scan_text("4011").put(350.0)
    assert shopper.lines == {"S9": (1, "confirmed")}


def test_row_17_no_price_below_twenty_intervals(shopper: Shopper) -> None:
    shopper.touch("produce", sku="S9")
    shopper.put(60.0)
    assert shopper.lines == {"S9": (1, "pending")}
    assert shopper.line(9).price_minor == 0
    assert shopper.open == [("wrong_weight", "hint")]
    shopper.put(80.0)
    assert shopper.lines == {"S9": (1, "confirmed")}
    assert shopper.line(9).weight_g == pytest.approx(140.0, abs=1.0)
    assert shopper.open == []


def test_row_17_produce_waits_while_a_scanned_item_goes_in(shopper: Shopper) -> None:
    shopper.scan(3)
    shopper.touch("produce", sku="S9")
    shopper.put(500.4)
    assert shopper.lines == {"S3": (1, "confirmed"), "S9": (1, "pending")}


def test_row_18_weight_in_the_code(shopper: Shopper) -> None:
    shopper.scan_text("(01)" + gtin(2) + "(3103)000300")
    shopper.put(300.5)
    assert shopper.lines == {"S2": (1, "confirmed")}


def test_row_20_unknown_barcode(shopper: Shopper) -> None:
    shopper.scan(999)
    assert shopper.open == [("unknown_barcode", "question")]
    assert shopper.lines == {}
    shopper.scan(999)
    assert len(shopper.open) == 1
    assert not shopper.view.can_checkout
    shopper.answer("unknown_barcode", "put_back")
    assert shopper.open == []


def test_row_20_unknown_and_put_in_is_not_free(shopper: Shopper) -> None:
    shopper.scan(999).put(333.0).answer("unknown_barcode", "put_back")
    assert shopper.open == [("unscanned_item", "hint")]


def test_row_21_recalled_lot(shopper: Shopper) -> None:
    shopper.scan_text("(01)05011001234566(10)BAD")
    assert shopper.open == [("sale_blocked", "question")]
    assert shopper.question("sale_blocked").reason == "recalled"
    assert shopper.lines == {}
    shopper.answer("sale_blocked", "put_back").scan_text("(01)05011001234566(10)GOOD")
    assert shopper.lines == {"S11": (1, "pending")}


def test_row_21_expired(shopper: Shopper) -> None:
    shopper.tell(DayTold(t_ns=shopper.t_ns, day="2026-11-22"))
    shopper.scan_text("(01)05011001234566(17)261121")
    assert shopper.question("sale_blocked").reason == "expired"


def test_row_22_age_check_is_asked_early_and_holds_payment(shopper: Shopper) -> None:
    shopper.scan(8)
    assert shopper.open == [("age_check", "staff")]
    shopper.put(700.0).pay()
    assert shopper.phase() == "checkout"
    staff(shopper, "age_ok", role="floor")
    assert shopper.open == []
    shopper.touch("pay", method="card")
    assert shopper.phase() == "paying"
    assert [e.ok for e in shopper.events(AgeChecked)] == [True]


def test_row_22_refused(shopper: Shopper) -> None:
    shopper.scan(8).put(700.0)
    staff(shopper, "age_refused")
    assert shopper.open == [("sale_blocked", "question")]
    shopper.take(700.0)
    assert shopper.open == []
    assert shopper.lines == {}


def test_row_24_over_capacity(shopper: Shopper) -> None:
    shopper.touch("produce", sku="S9")
    shopper.put(31000.0, wait_s=2.0)
    assert ("over_capacity", "question") in shopper.open
    assert shopper.lines == {"S9": (1, "pending")}
    assert shopper.line(9).price_minor == 0
    shopper.take(31000.0, wait_s=2.5)
    assert shopper.open == []
    assert shopper.lines == {"S9": (1, "pending")}
    shopper.put(400.0)
    assert shopper.lines == {"S9": (1, "confirmed")}


def test_row_25_too_light_to_see(shopper: Shopper) -> None:
    shopper.scan(6)
    assert shopper.lines == {"S6": (1, "confirmed")}
    assert shopper.line(6).proof == "scanned_only"
    shopper.put(3.0).wait(20.0)
    assert shopper.open == []


def test_row_25_has_a_store_limit_and_staff_allows_as_many_again() -> None:
    shopper = Shopper(policy=Policy(light_items_max=5)).started()
    shopper.scan(6, times=5)
    assert shopper.open == []
    shopper.scan(6)
    assert shopper.open == [("light_limit", "staff")]
    open_id = shopper.question("light_limit").id
    shopper.tell(StaffCommand(t_ns=shopper.t_ns, command_id="c", action="resolve", intervention=open_id))
    shopper.scan(6, times=4)
    assert shopper.open == []
    shopper.scan(6)
    assert shopper.open == [("light_limit", "staff")]


def test_row_26_no_catalogue_weight_is_learned_from_the_first(shopper: Shopper) -> None:
    shopper.scan(7).put(444.0)
    assert shopper.lines == {"S7": (1, "confirmed")}
    shopper.scan(7).put(444.5)
    assert shopper.lines == {"S7": (2, "confirmed")}
    shopper.scan(7).put(800.0)
    assert shopper.open == [("wrong_weight", "hint")]


@pytest.mark.parametrize("part", ["network", "battery", "scanner", "camera", "processor"])
def test_row_27_a_lost_part_is_one_notice(shopper: Shopper, part: str) -> None:
    shopper.tell(PartChanged(t_ns=shopper.t_ns, part=part, ok=False))  # type: ignore[arg-type]
    assert [n.part for n in shopper.view.notices] == [part]
    shopper.scan(1).put(1030.0)
    assert shopper.lines == {"S1": (1, "confirmed")}
    shopper.tell(PartChanged(t_ns=shopper.t_ns, part=part, ok=True))  # type: ignore[arg-type]
    assert shopper.view.notices == []


def test_row_27_without_the_scale_scanning_goes_on(shopper: Shopper) -> None:
    shopper.scan(1).put(1030.0)
    shopper.tell(PartChanged(t_ns=shopper.t_ns, part="scale", ok=False))
    shopper.scan(2).tick(60.0)
    assert shopper.open == []
    assert shopper.lines == {"S1": (1, "confirmed"), "S2": (1, "pending")}
    shopper.touch("checkout")
    assert shopper.phase() == "checkout"
    assert shopper.line(2).proof == "scanned_only"


def test_row_31_a_slope_is_no_removal(shopper: Shopper) -> None:
    shopper.scan(10).put(6020.0).scan(10).put(5990.0)
    shopper.take(46.0).wait(12.0)
    assert shopper.lines == {"S10": (2, "confirmed")}
    assert [e for e in shopper.open if e[1] != "hint"] == []
    shopper.put(46.0)
    assert shopper.lines == {"S10": (2, "confirmed")}
    assert shopper.open == []
    assert any("slope" in e.won for e in shopper.events(StepExplained))


def test_row_32_under_the_basket(shopper: Shopper) -> None:
    shopper.scan(10).wait(16.0)
    assert "under_basket" in shopper.question("not_placed").choices
    shopper.answer("not_placed", "under_basket")
    assert shopper.lines == {"S10": (1, "confirmed")}
    assert shopper.line(10).proof == "scanned_only"
    assert shopper.events(ItemConfirmed)[0].weight_g is None


def test_row_32_has_a_store_limit(shopper: Shopper) -> None:
    shopper.scan(10, times=4).wait(16.0).answer("not_placed", "under_basket")
    assert shopper.open == [("not_placed", "staff")]


def test_a_light_thing_can_not_be_said_to_lie_under_the_basket(shopper: Shopper) -> None:
    shopper.scan(2).wait(16.0)
    assert shopper.question("not_placed").choices == ["remove", "in_basket"]


def test_refused_bytes_have_no_effect(shopper: Shopper) -> None:
    shopper.tell(ScanRefused(t_ns=shopper.t_ns, reason="control characters", shown="\\x00"))
    assert shopper.lines == {}
    assert [e.what for e in shopper.events(SecurityNoted)] == ["scan_refused"]


def test_a_new_catalogue_keeps_the_prices_of_open_lines(shopper: Shopper) -> None:

    shopper.scan(2).put(250.0)
    dearer = item(2, 250.0, 2.0, price_minor=999)
    newer = msgspec.structs.replace(CATALOG, version=2, items=(dearer,))
    shopper.tell(CatalogArrived(t_ns=shopper.t_ns, catalog=newer))
    assert shopper.view.total_minor == 102
    shopper.scan(2).put(250.0)
    assert shopper.view.total_minor == 102 + 999
