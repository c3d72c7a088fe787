"""The control socket: what it answers, what a recorder gets, and what it never gets."""

from __future__ import annotations

import asyncio
import base64
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cart.core.catalog import Catalog, Tax
from cart.core.observations import PartChanged, ScaleSample, Scan, StaffCommand, Temperature, Touch
from cart.daemon.control import ControlServer, recorded

CATALOG = Catalog(version=3, currency="EUR", locale="en_IE", taxes={"A": Tax(rate_bp=0)}, items=())


async def ask(path: Path, request: bytes) -> Any:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(request)
    answer = await reader.readline()
    writer.close()
    return msgspec.json.decode(answer)


def serve(tmp_path: Path, script: Any) -> Any:
    async def whole() -> Any:
        server = ControlServer(tmp_path / "control.sock", lambda: {"phase": "idle"}, lambda: CATALOG)
        await server.start()
        try:
            async with asyncio.timeout(10):
                return await script(server, tmp_path / "control.sock")
        finally:
            await server.stop()

    return asyncio.run(whole())


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        (b'{"do":"status"}\n', {"phase": "idle"}),
        (b'{"do":"catalog"}\n', msgspec.json.decode(msgspec.json.encode(CATALOG))),
        (b'{"do":"dance"}\n', {"error": "do must be status, catalog or record"}),
    ],
)
def test_what_it_answers(tmp_path: Path, request_line: bytes, answer: Any) -> None:
    async def script(_: ControlServer, path: Path) -> Any:
        return await ask(path, request_line)

    assert serve(tmp_path, script) == answer


def test_nonsense_is_hung_up_on_and_the_next_caller_is_served(tmp_path: Path) -> None:
    async def script(_: ControlServer, path: Path) -> Any:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"\xff\xfe nonsense\n")
        assert await reader.read() == b""
        writer.close()
        return await ask(path, b'{"do":"status"}\n')

    assert serve(tmp_path, script) == {"phase": "idle"}


def test_the_socket_is_for_the_carts_own_user_alone_and_gone_afterwards(tmp_path: Path) -> None:
    async def script(_: ControlServer, path: Path) -> int:
        return stat.S_IMODE((await asyncio.to_thread(path.stat)).st_mode)

    assert serve(tmp_path, script) == 0o600
    assert not (tmp_path / "control.sock").exists()


def test_a_recorder_gets_samples_and_the_scanners_bytes_in_order(tmp_path: Path) -> None:
    async def script(server: ControlServer, path: Path) -> list[Any]:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"do":"record"}\n')
        await writer.drain()
        await asyncio.sleep(0.1)
        server.tap(ScaleSample(t_ns=1, counts=-5))
        server.tap_scanner(2, b"]E0\xff")
        lines = [msgspec.json.decode(await reader.readline()) for _ in range(2)]
        writer.close()
        return lines

    samples, bytes_in = serve(tmp_path, script)
    assert samples == {"topic": "/scale", "t_ns": 1, "body": {"counts": -5}}
    assert base64.b64decode(bytes_in["body"]["data"]) == b"]E0\xff"


def test_a_recording_begins_with_the_temperature_that_was_told_before_it(tmp_path: Path) -> None:
    async def script(server: ControlServer, path: Path) -> list[Any]:
        server.tap(Temperature(t_ns=1, celsius=19.0))
        server.tap(Temperature(t_ns=2, celsius=21.5))
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"do":"record"}\n')
        lines = [msgspec.json.decode(await reader.readline())]
        server.tap(ScaleSample(t_ns=3, counts=-5))
        lines.append(msgspec.json.decode(await reader.readline()))
        writer.close()
        return [(line["topic"], line["body"]) for line in lines]

    assert serve(tmp_path, script) == [("/temperature", {"celsius": 21.5}), ("/scale", {"counts": -5})]


def test_an_address_typed_for_a_receipt_is_never_recorded() -> None:
    assert recorded(Touch(t_ns=1, action="receipt", to="someone@example.org")) == ("/touch", {"action": "receipt"})


def test_lost_parts_and_staff_are_recorded_and_scans_only_as_bytes() -> None:
    lost = PartChanged(t_ns=1, part="scale", ok=False, fault="desync")
    assert recorded(lost) == ("/part", {"part": "scale", "ok": False, "fault": "desync", "detail": ""})
    topic, body = recorded(StaffCommand(t_ns=1, command_id="c1", action="age_ok")) or ("", {})
    assert (topic, body["command_id"]) == ("/staff", "c1")
    assert recorded(Scan(t_ns=1, text="5011001234566")) is None
