"""A cluster of brokers: a client that loses its node is at another one at once, and no name of a node is misread."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cart.bench.broker import find_mosquitto
from cart.config import ConfigError, parse_config
from cart.sync.connection import Broker, Connection
from tests.conftest import BrokerProcess, free_port
from tests.e2e.small_cart import play, until

pytestmark = [pytest.mark.e2e, pytest.mark.broker]

CONFIG = '[cart]\nid = "cart-1"\n[store]\nid = "store-1"\n[scale]\ncounts_per_gram = 20.0\ntare_counts = 0\n[broker]\n'


@pytest.fixture
def two(broker: BrokerProcess, tmp_path: Path) -> Iterator[tuple[BrokerProcess, BrokerProcess]]:
    executable = find_mosquitto()
    assert executable is not None
    folder = tmp_path / "other"
    folder.mkdir()
    other = BrokerProcess(executable, folder)
    other.start()
    yield broker, other
    other.kill()


def test_who_loses_its_node_is_at_the_other_one_at_once(two: tuple[BrokerProcess, BrokerProcess]) -> None:
    by_address = {f"127.0.0.1:{node.port}": node for node in two}

    async def scene() -> None:
        said: list[tuple[bool, str]] = []
        client = Connection(
            Broker(host="127.0.0.1", port=two[0].port, others=(f"127.0.0.1:{two[1].port}",)), "cart-1",
            subscriptions=["a/#"], on_message=lambda _: None, on_link=lambda up, why: said.append((up, why)),
        )  # fmt: skip
        client.start()
        await until(lambda: client.linked)
        first = client.address
        await asyncio.to_thread(by_address[first].kill)
        await until(lambda: len(said) == 3, 3.0)  # the address alone moves before the word that the link is down
        assert [up for up, _ in said] == [True, False, True]
        assert said[1][1].startswith(first)
        assert client.address != first
        second = client.address
        await asyncio.to_thread(by_address[first].start)
        await asyncio.to_thread(by_address[second].kill)
        await until(lambda: len(said) == 5, 3.0)
        assert (client.linked, client.address) == (True, first)
        await client.stop()

    play(scene())


async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A node that lets all in and refuses each subscription, as one without its cluster does (MQTT 3.1.1, 3.9)."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            kind, length = await reader.readexactly(2)
            packet = await reader.readexactly(length)
            if kind >> 4 == 1:
                writer.write(b"\x20\x02\x00\x00")
            elif kind >> 4 == 8:
                writer.write(b"\x90\x03" + packet[:2] + b"\x80")
    writer.close()


@pytest.mark.parametrize("client_id", ["a", "b", "c", "d"])
def test_who_may_not_read_at_one_node_goes_to_the_next(broker: BrokerProcess, client_id: str) -> None:
    """Wherever it begins: `linked` means that it hears what is for it."""

    async def scene() -> None:
        server = await asyncio.start_server(refusing, "127.0.0.1", 0)
        deaf = server.sockets[0].getsockname()[1]
        said: list[tuple[bool, str]] = []
        client = Connection(
            Broker(host="127.0.0.1", port=deaf, others=(broker.address,), protocol="3.1.1"), client_id,
            subscriptions=["a/#"], on_message=lambda _: None, on_link=lambda up, why: said.append((up, why)),
        )  # fmt: skip
        client.start()
        await until(lambda: client.linked)
        assert (client.address, said) == (broker.address, [(True, "")])
        await client.stop()
        server.close()

    play(scene())


def test_clients_begin_with_one_node_each_by_their_names() -> None:
    broker = Broker(host="n0", others=("n1", "n2:8883"))
    begun = [
        Connection(
            broker, f"cart-store-1-cart-{number}", subscriptions=[], on_message=lambda _: None,
            on_link=lambda _up, _why: None,
        ).address
        for number in range(300)
    ]  # fmt: skip
    shares = [begun.count(node) for node in ("n0:1883", "n1:1883", "n2:8883")]
    assert sum(shares) == 300
    assert min(shares) > 70


@pytest.mark.parametrize(
    ("node", "means"),
    [
        ("broker-2", ("broker-2", 8883)),
        ("broker-2:1883", ("broker-2", 1883)),
        ("10.0.0.7:1", ("10.0.0.7", 1)),
        ("[2001:db8::7]", ("2001:db8::7", 8883)),
        ("[2001:db8::7]:1883", ("2001:db8::7", 1883)),
    ],
)
def test_a_node_is_a_host_with_or_without_a_port(node: str, means: tuple[str, int]) -> None:
    table = parse_config(f'{CONFIG}host = "n"\nport = 8883\nothers = ["{node}"]\n', source="cart.toml").broker
    assert Broker(host=table.host, port=table.port, others=table.others).addresses == [("n", 8883), means]


@pytest.mark.parametrize("wrong", ['others = ["a b"]', 'others = "n1"', 'others = ["mqtt://n1"]', "port = 70000"])
def test_a_node_that_is_none_is_said(wrong: str) -> None:
    with pytest.raises(ConfigError, match="broker"):
        parse_config(f'{CONFIG}host = "n"\n{wrong}\n', source="cart.toml")


def test_a_till_that_loses_its_node_is_at_the_other_one(
    two: tuple[BrokerProcess, BrokerProcess], tmp_path: Path
) -> None:
    log = tmp_path / "till.log"
    command = [
        sys.executable, "-m", "cart", "till", "--broker", ",".join(node.address for node in two), "--data",
        str(tmp_path / "till"), "--port", str(free_port()),
    ]  # fmt: skip

    def linked() -> int:
        return log.read_text().count("linked to the broker")

    async def scene() -> None:
        await until(lambda: linked() == 1, 20.0)
        await asyncio.to_thread(two[1].start)
        await asyncio.to_thread(two[0].kill)
        await until(lambda: linked() == 2, 20.0)

    two[1].kill()
    with log.open("wb") as output:
        till = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        play(scene())
    finally:
        till.kill()
        till.wait()
