"""A cart's ledger on its way to the store and back, over a real mosquitto: nothing lost, doubled, or taken on trust."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from cart.config import BrokerTable, CartTable, Config, ScaleTable, StoreTable
from cart.core.chain import LedgerRow
from cart.core.effects import Record
from cart.core.ledger import GrossNoted
from cart.core.observations import PartChanged
from cart.daemon.clock import SessionClock
from cart.daemon.store_part import StorePart
from cart.journal import Journal
from cart.till.ledger import TillLedger
from cart.till.service import Till
from tests.conftest import BrokerProcess
from tests.e2e.small_cart import SmallCart, at_store, make_till, play, until, until_empty, with_till

pytestmark = [pytest.mark.e2e, pytest.mark.broker]


def test_a_killed_broker_loses_nothing_and_everything_goes_in_order(broker: BrokerProcess, tmp_path: Path) -> None:
    async def scene(till: Till) -> None:
        async with SmallCart(tmp_path / "cart", broker) as cart:
            await until(lambda: cart.link.linked)
            for n in range(120):
                await cart.journal.append([Record(n, GrossNoted(gross_g=float(n), sigma_g=1.0))])
                cart.sender.committed()
                if n in {30, 80}:
                    await asyncio.to_thread(broker.kill)
                if n in {60, 110}:
                    await asyncio.to_thread(broker.start)
            await until_empty(cart.journal, 20.0)
            chain = cart.journal.head.chain
            held = till.ledger.cart_rows("cart-1", chain, 1, 10_000)
            assert [row.seq for row in held] == list(range(1, 121))
            assert held[-1].hash == cart.journal.head.hash
            assert till.ledger.notes() == []

    at_store(broker, tmp_path, scene)


def test_rows_committed_with_no_broker_are_sent_by_the_next_run(broker: BrokerProcess, tmp_path: Path) -> None:
    broker.kill()

    async def scene() -> None:
        async with SmallCart(tmp_path / "cart", broker) as cart:
            for n in range(50):
                await cart.journal.append([Record(n, GrossNoted(gross_g=float(n), sigma_g=1.0))])
            assert not cart.link.linked
        broker.start()
        till = make_till(tmp_path / "till", broker)

        async def back() -> None:
            async with SmallCart(tmp_path / "cart", broker) as cart:
                await until_empty(cart.journal)
                assert till.ledger.cart_head("cart-1", cart.journal.head.chain) == (50, cart.journal.head.hash)

        await with_till(till, back)

    play(scene())


async def an_earlier_head(folder: Path, broker: BrokerProcess) -> Path:
    """A copy of a cart's folder whose ledger lacks a row that the store has acknowledged since."""
    async with SmallCart(folder / "cart", broker) as cart:
        await cart.start_trip()
    earlier = shutil.copytree(folder / "cart", folder / "earlier")
    async with SmallCart(folder / "cart", broker) as cart:
        await cart.carry_out([Record(1, GrossNoted(gross_g=1.0, sigma_g=1.0))])
        await until_empty(cart.journal)
    return earlier


def test_a_ledger_cut_back_to_an_earlier_head_is_found_at_the_first_contact(
    broker: BrokerProcess, tmp_path: Path
) -> None:
    async def scene(_: Till) -> None:
        earlier = await an_earlier_head(tmp_path, broker)
        async with SmallCart(earlier, broker) as cart:
            await until(lambda: "cut back" in cart.journal.locked)

    at_store(broker, tmp_path, scene)


@pytest.mark.parametrize("rows_since", [1, 4])
def test_a_ledger_cut_back_that_has_gone_on_since_is_found_too(
    broker: BrokerProcess, tmp_path: Path, rows_since: int
) -> None:
    async def scene(till: Till) -> None:
        earlier = await an_earlier_head(tmp_path, broker)
        alone = SmallCart(earlier, broker)
        await alone.journal.open()
        for n in range(rows_since):
            await alone.carry_out([Record(n, GrossNoted(gross_g=2.0, sigma_g=1.0))])
        await alone.journal.close()
        async with SmallCart(earlier, broker) as cart:
            await until(lambda: "cut back" in cart.journal.locked)
            assert await cart.journal.waiting() >= rows_since

    at_store(broker, tmp_path, scene)


@pytest.mark.parametrize("rows_since", [0, 3])
def test_what_a_ledger_cut_back_has_lost_comes_back_from_the_store(
    broker: BrokerProcess, tmp_path: Path, rows_since: int
) -> None:
    """Boot on an older copy: the daemon's part gets the lost rows, the journal takes them, own ones are set aside."""

    async def scene(till: Till) -> None:
        folder = tmp_path / "cart"
        async with SmallCart(folder, broker) as cart:
            await cart.start_trip()
            await until_empty(cart.journal)
        earlier = shutil.copytree(folder, tmp_path / "earlier")
        async with SmallCart(folder, broker) as cart:
            for n in range(70):  # more than a page
                await cart.carry_out([Record(n, GrossNoted(gross_g=float(n), sigma_g=1.0))])
            await until_empty(cart.journal, 20.0)
            truth = [row.hash for row in await cart.journal.read_trip("T")]
        journal = Journal(earlier, cart_id="cart-1")
        await journal.open()
        for n in range(rows_since):
            await journal.append([Record(n, GrossNoted(gross_g=-1.0, sigma_g=1.0))])
        returned = await boot_until_returned(journal, broker)
        assert [note.what for note in till.ledger.notes()] == ["chain_cut_back"]
        assert await journal.take_back(returned) == rows_since
        assert [row.hash for row in await journal.read_trip("T")] == truth
        assert (await journal.verify()).ok
        assert await journal.waiting() == 0
        await journal.close()
        async with SmallCart(earlier, broker) as cart:
            await cart.carry_out([Record(1, GrossNoted(gross_g=5.0, sigma_g=1.0))])
            await until_empty(cart.journal)
            assert till.ledger.cart_head("cart-1", cart.journal.head.chain)[1] == cart.journal.head.hash

    at_store(broker, tmp_path, scene)


async def weigh(cart: SmallCart, count: int) -> None:
    for n in range(count):
        await cart.carry_out([Record(n, GrossNoted(gross_g=float(n), sigma_g=1.0))])
    await until_empty(cart.journal)


@pytest.mark.parametrize("asks", [False, True])
def test_a_store_put_back_to_yesterdays_records_gets_the_rows_since_again(
    broker: BrokerProcess, tmp_path: Path, *, asks: bool
) -> None:
    """While the cart runs, and at its next boot."""
    today, yesterday = tmp_path / "till", tmp_path / "yesterday"

    async def scene() -> None:
        async with SmallCart(tmp_path / "cart", broker) as cart:
            await with_till(make_till(today, broker), lambda: weigh(cart, 20))
            shutil.copytree(today, yesterday)
            await with_till(make_till(today, broker), lambda: weigh(cart, 20))
            if not asks:
                await with_till(make_till(yesterday, broker), lambda: weigh(cart, 1))
        if asks:
            async with SmallCart(tmp_path / "cart", broker, asks=True) as cart:
                await with_till(make_till(yesterday, broker), lambda: weigh(cart, 1))
        ledger = TillLedger(yesterday)
        chain = cart.journal.head.chain
        assert [row.seq for row in ledger.cart_rows("cart-1", chain, 1, 100)] == list(range(1, 42))
        assert ledger.notes() == []
        ledger.close()

    play(scene())


@pytest.mark.parametrize(("backup", "kept"), [(True, 3), (False, 0)])
def test_a_store_that_lost_what_carts_have_deleted_by_age_goes_on_and_tells_staff(
    broker: BrokerProcess, tmp_path: Path, *, backup: bool, kept: int
) -> None:
    day_ms, back = 86_400_000, tmp_path / "back"

    async def scene() -> None:
        async with SmallCart(tmp_path / "cart", broker, wall_ms=0) as cart:
            await with_till(make_till(tmp_path / "till", broker), lambda: weigh(cart, 3))
            if backup:
                shutil.copytree(tmp_path / "till", back)
            await with_till(make_till(tmp_path / "till", broker), lambda: weigh(cart, 5))
        async with SmallCart(tmp_path / "cart", broker, wall_ms=31 * day_ms, asks=True) as cart:
            await with_till(make_till(tmp_path / "till", broker), lambda: weigh(cart, 2))
            assert (await cart.journal.prune(30)).rows == 8
            till = make_till(back, broker)
            await with_till(till, lambda: weigh(cart, 1))
        ledger = TillLedger(back)
        held = ledger.cart_rows("cart-1", cart.journal.head.chain, 1, 100)
        assert [row.seq for row in held] == [*range(1, kept + 1), 9, 10, 11]
        assert [(note.what, note.detail) for note in ledger.notes()] == [
            ("rows_lost", f"{kept + 1} to 8 are held nowhere")
        ]
        ledger.close()

    play(scene())


async def boot_until_returned(journal: Journal, broker: BrokerProcess) -> list[LedgerRow]:
    """The daemon's side of the store on this journal, until it is given back what the journal has lost."""
    returned: list[LedgerRow] = []
    told: list[Any] = []
    config = Config(
        cart=CartTable(id="cart-1"), store=StoreTable(id="store-1"),
        scale=ScaleTable(counts_per_gram=1.0, tare_counts=0),
        broker=BrokerTable(host="127.0.0.1", port=broker.port, keepalive_s=5),
    )  # fmt: skip

    async def committed() -> None:
        return None

    part = StorePart(
        config, journal, SessionClock(), boot_id="b", decide=told.append, committed=committed,
        on_catalog=lambda _: None, on_returned=returned.extend, health=lambda: ({}, {}),
    )  # fmt: skip
    running = asyncio.create_task(part.run())
    await until(lambda: bool(returned), 20.0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    networks = [one.fault for one in told if isinstance(one, PartChanged) and one.part == "network" and not one.ok]
    assert networks[0] == "offline"
    assert not any(isinstance(one, PartChanged) and one.part == "network" and one.ok for one in told)
    return returned
