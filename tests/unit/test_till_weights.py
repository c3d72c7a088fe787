"""What carts learned of weights, merged by the till and sent back: robust, in any order, with where it comes from."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart.__main__ import main
from cart.core.catalog import Catalog, Item, LearnedWeight, Tax
from cart.core.catalog_checks import catalog_warnings
from cart.core.catalog_reading import read_catalog_json
from cart.core.chain import LedgerRow
from cart.core.ledger import ItemConfirmed, ItemRemoved, ItemReopened, LedgerEvent, WeightLearned
from cart.core.observations import CatalogArrived
from cart.sync.connection import Broker
from cart.till.catalog_desk import CatalogDesk
from cart.till.ledger import TillLedger
from cart.till.service import Till
from cart.till.simulated import SimulatedAcquirer
from cart.till.weights import CART_VOTES, Evidence, Merged, Unit, merge, merge_all, with_learned
from tests.unit.shopper import CATALOG as SHOP
from tests.unit.shopper import ITEMS, Shopper

NONE = Item(sku="N", name="Soap", price_minor=300)
WRONG = Item(sku="W", name="Beans", price_minor=100, weight_g=220.0, weight_sd_g=2.0)
FINE = Item(sku="F", name="Milk", price_minor=149, weight_g=1034.0, weight_sd_g=4.0)
CATALOG = Catalog(version=12, currency="EUR", locale="en_IE", taxes={"A": Tax(rate_bp=0)}, items=(NONE, WRONG, FINE))


class Sender:
    """One cart's rows."""

    def __init__(self, cart_id: str, first_ms: int = 0) -> None:
        self.cart_id, self.first_ms = cart_id, first_ms
        self.rows: list[LedgerRow] = []
        self.line = 0

    def say(self, event: LedgerEvent, trip: str = "T1") -> Sender:
        seq = len(self.rows) + 1
        body = msgspec.json.encode(event).decode()
        self.rows.append(
            LedgerRow(
                seq=seq, boot="b", wall_ms=self.first_ms + seq, t_ns=seq, trip_id=trip, body=body,
                prev=f"{seq - 1:064d}", hash=f"{seq:064d}",
            )
        )  # fmt: skip
        return self

    def placed(self, sku: str, weight_g: float, *, units: int = 1, trip: str = "T1", **fields: Any) -> Sender:
        self.line += 1
        known: dict[str, Any] = {"proof": "weighed", "step_ids": (self.line,), "line_id": self.line} | fields
        return self.say(ItemConfirmed(sku=sku, units=units, weight_g=weight_g, **known), trip)

    def learned(self, sku: str, *samples_g: float, vouched: int = 0) -> Sender:
        return self.say(WeightLearned(sku=sku, weight_g=1.0, sd_g=1.0, samples_g=samples_g, vouched=vouched))


def evidence(*senders: Sender) -> Evidence:
    gathered = Evidence()
    for sender in senders:
        for row in sender.rows:
            gathered.take(sender.cart_id, "chain", row)
    return gathered


def merged(*senders: Sender) -> dict[str, Merged]:
    return merge_all(CATALOG, evidence(*senders))


def five_carts(sku: str, weight_g: float) -> list[Sender]:
    return [Sender(f"c{n}").learned(sku, weight_g + n, weight_g - n, vouched=1) for n in range(5)]


def test_a_missing_weight_comes_back_with_where_it_comes_from() -> None:
    found = merged(*five_carts("N", 150.0))["N"]
    assert (found.weight_g, found.units, found.carts, found.vouched, found.catalog_g) == (150.0, 10, 5, 5, None)
    item = with_learned(CATALOG, {"N": found}).items[0]
    assert item.weight_g == 150.0
    assert item.learned is not None
    assert (item.learned.units, item.learned.carts, item.learned.typed_g, item.learned.wrong) == (10, 5, None, False)


def test_a_plainly_wrong_weight_is_flagged_replaced_and_told_by_the_check() -> None:
    found = merged(*five_carts("W", 274.0))
    assert found["W"].wrong
    catalog = with_learned(CATALOG, found)
    assert catalog.items[1].weight_g == 274.0
    assert "220 g was typed, but 10 units on 5 carts weigh 274 g" in [w.what for w in catalog_warnings(catalog)]
    assert with_learned(catalog, {"W": found["W"]}) == catalog  # what was typed stays known


def test_a_well_known_weight_stays_as_typed_however_often_it_is_placed() -> None:
    found = merged(*(Sender(f"c{n}").placed("F", 1034.0 + n).placed("F", 1036.0) for n in range(5)))
    assert (found["F"].wrong, found["F"].units) == (False, 10)
    assert with_learned(CATALOG, found) == CATALOG


@pytest.mark.parametrize("carts", [1, 2], ids=["one cart", "too few units"])
def test_little_evidence_stays_on_its_cart(carts: int) -> None:
    few = [Sender(f"c{n}").learned("N", *[150.0] * (9 if carts == 1 else 2)) for n in range(carts)]
    found = merged(*few)
    assert not found["N"].enough
    assert with_learned(CATALOG, found) == CATALOG


def test_units_of_all_weights_are_nobodys_weight() -> None:
    """A thing too light to be seen: each time something else was weighed for it."""
    other_g = (30.0, 140.0, 225.0, 480.0, 900.0, 1500.0)
    known = merged(*(Sender(f"cart-{n}").learned("N", weight_g) for n, weight_g in enumerate(other_g)))
    assert not known["N"].agreed
    assert with_learned(CATALOG, known).items[0].weight_g is None


def test_one_cart_has_no_more_than_its_votes() -> None:
    """Nine wrong units on one cart against two right ones on each of two others."""
    loud = Sender("loud").learned("N", *[900.0] * 9)
    found = merged(loud, Sender("a").learned("N", 150.0, 151.0), Sender("b").learned("N", 149.0, 150.0))
    assert found["N"].votes == pytest.approx(CART_VOTES + 4)
    assert 149.0 <= found["N"].weight_g <= 151.0
    assert not found["N"].agreed  # 3 of 7 votes: a person has to look


def test_what_shares_a_step_or_was_taken_back_is_no_unit() -> None:
    shared = Sender("c").placed("N", 150.0, step_ids=(7,)).placed("F", 1034.0, step_ids=(7,))
    assert evidence(shared).products() == {}
    removed = ItemRemoved(line_id=9, sku="F", units=1, weight_g=1034.0, reason="taken_out", step_ids=(1,))
    assert evidence(Sender("c").placed("N", 150.0).say(removed)).products() == {}
    reopened = ItemReopened(line_id=1, sku="N", units=1, weight_g=150.0, reason="revised")
    assert evidence(Sender("c").placed("N", 150.0).say(reopened)).products() == {}


def test_only_the_newest_units_of_a_cart_count() -> None:
    cart = Sender("c")
    for number in range(30):
        cart.placed("F", 1000.0 + number, trip=f"T{number}")
    weights = [unit.weight_g for unit in evidence(cart).products()["F"]["c"]]
    assert weights == [1029.0 - n for n in range(9)]


def test_two_units_of_one_step_are_two_units() -> None:
    units = evidence(Sender("c").placed("F", 2070.0, units=2)).products()["F"]["c"]
    assert [unit.weight_g for unit in units] == [1035.0, 1035.0]


def units_of(weights: list[float], cart: int) -> list[Unit]:
    return [Unit(cart, number, 0, weight_g, vouched=False) for number, weight_g in enumerate(weights)]


GOOD = st.lists(st.lists(st.floats(297.0, 303.0), min_size=1, max_size=9), min_size=4, max_size=9)


@settings(deadline=None, max_examples=200)
@given(GOOD, st.integers(0, 2), st.lists(st.floats(0.1, 9000.0), min_size=1, max_size=9), st.randoms())
def test_order_does_not_matter_and_a_third_of_bad_carts_moves_nothing_far(
    good: list[list[float]], bad_carts: int, bad: list[float], rng: random.Random
) -> None:
    bad_carts = min(bad_carts, (len(good) - 1) // 3)
    carts = {f"g{n}": units_of(weights, n) for n, weights in enumerate(good)}
    carts |= {f"b{n}": units_of(bad[:1], 100 + n) for n in range(bad_carts)}
    shuffled = list(carts.items())
    rng.shuffle(shuffled)
    first, again = merge(NONE, carts), merge(NONE, dict(shuffled))
    assert first is not None
    assert first == again
    votes_good = sum(min(CART_VOTES, len(weights)) for weights in good[: 9 - bad_carts])
    if bad_carts < votes_good / 2:
        assert 297.0 <= first.weight_g <= 303.0


@settings(deadline=None, max_examples=100)
@given(st.permutations(range(5)), st.integers(0, 4), st.floats(1.0, 9000.0))
def test_one_wrong_placement_poisons_nothing_whoever_speaks_first(order: list[int], where: int, bad_g: float) -> None:
    carts = [Sender(f"c{n}").learned("N", 150.0 + n, 150.5 + n) for n in range(5)]
    carts[where] = Sender(f"c{where}").learned("N", 150.0 + where, bad_g)
    found = merged(*(carts[n] for n in order))
    assert found == merged(*carts)
    assert 149.0 <= found["N"].weight_g <= 156.0
    assert found["N"].enough


def kept(folder: Path, senders: list[Sender]) -> TillLedger:
    ledger = TillLedger(folder, wall_ms=lambda: 1)
    for sender in senders:
        ledger.keep_rows(sender.cart_id, "chain", sender.rows)
    return ledger


def test_the_till_publishes_a_newer_version_only_when_something_was_learned(tmp_path: Path) -> None:
    out: list[Catalog] = []
    ledger = kept(tmp_path, [])
    desk = CatalogDesk(ledger, CATALOG, out.append)
    desk.learn()
    desk.learn()
    assert [c.version for c in out] == [12]
    for sender in five_carts("W", 274.0):
        ledger.keep_rows(sender.cart_id, "chain", sender.rows)
    desk.learn()
    assert [(c.version, c.items[1].weight_g) for c in out] == [(12, 220.0), (13, 274.0)]
    assert [(row.sku, row.wrong, row.published) for row in desk.weights()] == [("W", True, True)]
    restarted: list[Catalog] = []
    CatalogDesk(ledger, CATALOG, restarted.append).learn()
    assert [c.version for c in restarted] == [13]
    corrected = msgspec.structs.replace(WRONG, weight_g=274.0)
    mended = msgspec.structs.replace(CATALOG, version=13, items=(NONE, corrected, FINE))
    CatalogDesk(ledger, mended, restarted.append).learn()
    assert (restarted[-1].version, restarted[-1].items[1].learned) == (14, None)
    ledger.close()


def test_a_catalogue_signed_elsewhere_goes_out_as_it_is(tmp_path: Path) -> None:
    ledger = kept(tmp_path, five_carts("W", 274.0))
    desk = CatalogDesk(ledger, CATALOG, None)
    desk.learn()
    assert desk.current is CATALOG
    assert [(row.sku, row.wrong, row.published) for row in desk.weights()] == [("W", True, False)]
    ledger.close()


def test_the_till_tells_its_page(tmp_path: Path) -> None:
    from cart.till.web import _catalogue

    kept(tmp_path, five_carts("N", 150.0)).close()

    async def told() -> dict[str, Any]:
        till = Till(
            Broker(host="127.0.0.1", port=1),
            "store-1",
            tmp_path,
            SimulatedAcquirer(tmp_path, "approve"),
            catalog=CATALOG,
        )
        found = _catalogue(till)
        till.ledger.close()
        await till.provider.close()
        assert found is not None
        return found

    found = asyncio.run(told())
    assert (found["version"], [row.sku for row in found["weights"]]) == (13, ["N"])


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["cart", "catalog", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_command_flags_and_writes_the_next_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(tmp_path, five_carts("W", 274.0)).close()
    typed, following = tmp_path / "catalog.json", tmp_path / "next.json"
    typed.write_bytes(msgspec.json.encode(CATALOG))
    assert command(monkeypatch, "learn", str(typed), "--till", str(tmp_path), "--out", str(following)) == 1
    assert "220 g typed, units weigh 274" in capsys.readouterr().out
    catalog = read_catalog_json(following.read_bytes(), "next.json")
    assert (catalog.version, catalog.items[1].weight_g) == (13, 274.0)
    assert command(monkeypatch, "show", str(following), "--find", "Beans", "--json") == 0
    assert '"typed_g":220.0' in capsys.readouterr().out
    assert command(monkeypatch, "learn", str(typed), "--till", str(tmp_path / "nowhere")) == 2
    assert "no till's ledger there" in capsys.readouterr().err


def test_a_cart_prefers_what_all_carts_learned_to_what_it_learned_alone() -> None:
    shopper = Shopper(SHOP).started()
    shopper.scan(7).put(444.0).scan(7).put(444.5)
    told = LearnedWeight(units=10, carts=5)
    learned = [
        msgspec.structs.replace(i, weight_g=520.0, weight_sd_g=3.0, learned=told) for i in ITEMS if i.sku == "S7"
    ]
    items = (*(i for i in ITEMS if i.sku != "S7"), *learned)
    following = msgspec.structs.replace(SHOP, version=SHOP.version + 1, items=items)
    shopper.tell(CatalogArrived(t_ns=shopper.t_ns, catalog=following))
    shopper.scan(7).put(520.4)
    assert shopper.line(7).state == "confirmed"
    assert shopper.open == []
