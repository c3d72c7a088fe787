"""Two real `cart till` processes on one PostgreSQL and one mosquitto: the work is shared, and outlives each of them."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cart.core.catalog import Catalog
from cart.core.settings import Policy
from tests.conftest import BrokerProcess
from tests.e2e.small_cart import CATALOG, SmallCart, until, until_empty
from tests.e2e.till_processes import Tills
from tests.postgres_cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.broker]

CARTS = 10
PATIENT = Policy(payment_timeout_s=25.0, payment_query_s=1.0, cancel_grace_s=1.0)
"""Shorter than a real cart's 30 s, and longer than a take-over."""


@pytest.fixture
def tills(tmp_path: Path, broker: BrokerProcess, postgres: Cluster) -> Iterator[Tills]:
    made = Tills(tmp_path, broker.address, postgres.url(f"t{secrets.token_hex(6)}"))
    yield made
    made.stop()


async def both_at_work(tills: Tills, *options: str) -> None:
    for _ in range(2):
        tills.start(*options)
    await until(lambda: all(tills.state(n)["linked"] and tills.state(n)["tills"] == 2 for n in (0, 1)), 60.0)


def play(scene: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 150.0))


async def carts(stack: AsyncExitStack, folder: Path, broker: BrokerProcess) -> list[SmallCart]:
    made = [
        await stack.enter_async_context(SmallCart(folder / f"c{n}", broker, f"cart-{n}", policy=PATIENT))
        for n in range(CARTS)
    ]
    await until(lambda: all(cart.link.linked for cart in made), 30.0)
    for cart in made:
        await cart.start_trip()
    return made


@pytest.mark.parametrize("mqtt", ["5", "3.1.1"])
def test_a_till_killed_in_mid_payments_loses_none_and_doubles_none(
    tills: Tills, tmp_path: Path, broker: BrokerProcess, mqtt: str
) -> None:
    """By shared subscriptions, and by the carts' names where there are none."""

    async def scene() -> None:
        await both_at_work(tills, "--mqtt", mqtt, "--mode", "late", "--late-s", "2")
        async with AsyncExitStack() as stack:
            shop = await carts(stack, tmp_path, broker)
            for number, cart in enumerate(shop):
                await cart.pay(f"T{number}.1", 100 + number)
                if number == CARTS // 2:
                    await until(lambda: len(tills.acquirer.captures()) > 0)
                    tills.processes[0].kill()
            await until(lambda: all(cart.state == "approved" for cart in shop), 60.0)
            assert tills.acquirer.captures() == {f"T{number}.1": 100 + number for number in range(CARTS)}
            for cart in shop:
                await until_empty(cart.journal, 30.0)
            rows = dict(tills.database.read("SELECT cart_id, max(seq) FROM cart_row GROUP BY cart_id"))
            assert rows == {f"cart-{number}": cart.journal.head.seq for number, cart in enumerate(shop)}
            assert tills.database.read("SELECT count(*) FROM security_note") == [(0,)]
            assert len(tills.state(1)["carts"]) == CARTS

    play(scene)


def test_requests_that_a_till_died_with_are_taken_over(tills: Tills, tmp_path: Path, broker: BrokerProcess) -> None:
    """It is frozen while they come, and killed before it can read them: no row tells of them, and no broker does."""

    async def scene() -> None:
        await both_at_work(tills, "--mqtt", "5")
        async with AsyncExitStack() as stack:
            shop = await carts(stack, tmp_path, broker)
            tills.processes[1].send_signal(signal.SIGSTOP)
            for number, cart in enumerate(shop):
                await cart.pay(f"T{number}.1", 100 + number)
            await until(lambda: sum(cart.state == "approved" for cart in shop) >= CARTS // 2 - 1, 20.0)
            assert [cart.state for cart in shop].count("pending") > 0
            tills.processes[1].kill()
            await until(lambda: all(cart.state == "approved" for cart in shop), 20.0)
            assert tills.acquirer.captures() == {f"T{number}.1": 100 + number for number in range(CARTS)}

    play(scene)


def test_the_work_is_shared_every_page_shows_every_cart_and_one_till_publishes(
    tills: Tills, tmp_path: Path, broker: BrokerProcess
) -> None:
    command = ["mosquitto_sub", "-p", str(broker.port), "-t", "store/store-1/catalogue/current"]
    watch = subprocess.Popen(command, stdout=subprocess.PIPE)

    async def scene() -> None:
        await both_at_work(tills)
        async with AsyncExitStack() as stack:
            shop = await carts(stack, tmp_path, broker)
            for number, cart in enumerate(shop):
                await cart.pay(f"T{number}.1", 100 + number)
            await until(lambda: all(cart.state == "approved" for cart in shop), 20.0)
            await until(lambda: all(len(tills.state(n)["carts"]) == CARTS for n in (0, 1)), 20.0)
            assert len(tills.workers()) == 2
            assert min(tills.workers().values()) >= CARTS // 4
            paid = [{row["attempt_id"] for row in tills.state(n)["attempts"]} for n in (0, 1)]
            assert paid[0] == paid[1] == {f"T{number}.1" for number in range(CARTS)}
        watch.terminate()
        output, _ = watch.communicate()
        said = [msgspec.json.decode(line, type=Catalog).version for line in output.splitlines()]
        assert said == [CATALOG.version]

    play(scene)


def test_a_database_that_was_away_is_found_again_and_nothing_that_was_said_is_lost(
    tills: Tills, tmp_path: Path, broker: BrokerProcess, postgres: Cluster
) -> None:
    async def scene() -> None:
        tills.start()
        await until(lambda: bool(tills.state(0)["linked"]), 60.0)
        async with SmallCart(tmp_path / "c", broker, policy=PATIENT) as cart:
            await until(lambda: cart.link.linked)
            await cart.start_trip()
            await cart.pay()
            await until(lambda: cart.state == "approved", 20.0)
            await until_empty(cart.journal)
            postgres.stop()
            await asyncio.sleep(2.0)
            assert tills.processes[0].poll() is None
            postgres.start()
            await cart.start_trip()
            await until(lambda: bool(tills.state(0)["linked"]), 60.0)
            await until_empty(cart.journal, 40.0)
            known = [row["status"] for row in tills.state(0)["attempts"]]
            assert known == ["approved"]
        said = (tmp_path / "till-1.log").read_text()
        assert "Traceback" not in said
        assert "the store's database is lost" in said

    play(scene)


def test_a_password_in_the_url_is_refused_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cart", "till", "--database", "postgresql://till:secret@127.0.0.1:1/x"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "leave the password out" in done.stderr
    assert "secret" not in json.dumps([done.stdout, done.stderr])
