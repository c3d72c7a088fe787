"""What reads bytes that somebody else made, as functions of one byte string: for hypothesis (tests/property/
test_fuzz.py) and for a coverage-guided fuzzer (benchmarks/fuzz.py).

A target may raise `Problem` and nothing else, and a problem is words for people: no control character of the input
gets into a terminal by it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from cart.config import parse_config
from cart.core.catalog import Tax
from cart.core.catalog_reading import read_catalog_csv, read_catalog_json
from cart.core.frozen_basket import till_code
from cart.core.problem import Problem
from cart.recordings.reading import open_recording
from cart.recordings.writing import RecordingWriter
from cart.sync import messages
from cart.sync.describe import TYPES
from cart.sync.topics import parse
from cart.till.code_desk import tidy_code
from drivers.scanner_framing import Frame, ScannerFramer, may_hold

ROOT: Final = Path(__file__).parents[1]
CHANNELS: Final = sorted(TYPES)
RECORDINGS: Final = Path("/dev/shm")  # noqa: S108  # where it exists: a fuzzer writes thousands of files a second

HASH: Final = "ab" * 32
TERMS: Final = {
    "cart_id": "cart-1", "attempt_id": "T.1", "amount_minor": 500, "currency": "EUR", "basket_hash": HASH,
}  # fmt: skip
SAMPLES: Final[Mapping[str, dict[str, Any]]] = {
    "up/payment/request": {**TERMS, "trip_id": "T", "method": "card", "basket_minor": 900, "partial": True},
    "up/payment/query": TERMS,
    "down/payment/result": {**TERMS, "status": "approved", "reference": "R-1", "reason": "", "refunded_minor": 1},
    "down/command": {
        "cart_id": "cart-1", "command_id": "c1", "action": "lock", "counter": 1, "issued_ms": 1, "expires_ms": 2,
    },
    "up/status": {"cart_id": "cart-1", "online": True, "reason": "started", "boot": "b", "chain": "c0", "head_seq": 3},
    "up/health": {"cart_id": "cart-1", "parts": {"scale": "ok"}, "figures": {"battery_percent": 93.5}},
    "up/ledger": {
        "cart_id": "cart-1", "chain": "c0", "seq": 1, "boot": "b", "wall_ms": 1, "t_ns": 2, "trip_id": "T",
        "body": '{"kind":"security_noted","what":"x","detail":"y"}', "prev": HASH, "hash": HASH,
    },
}  # fmt: skip
"""Messages to begin with; what is wrong about one is a beginning, too."""


def scanner(data: bytes) -> None:
    """Pieces as a serial port hands them over, with time passing in between."""
    framer, t_ns, at = ScannerFramer(), 0, 0
    found: list[Any] = []
    while at < len(data):
        size = data[at] % 37 + 1
        found += framer.feed(data[at + 1 : at + 1 + size], t_ns)
        t_ns += data[at] * 10_000_000
        found += framer.tick(t_ns)
        at += size + 1
    for one in [*found, *framer.drop()]:
        if isinstance(one, Frame):
            may_hold(one.text, one.symbology)
        else:
            assert one.shown.isprintable(), one


def payload(data: bytes) -> None:
    """The first byte says which channel; then as link and till take it in."""
    if not data:
        return
    message = messages.decode(data[1:], TYPES[CHANNELS[data[0] % len(CHANNELS)]])
    messages.encode(message)
    if isinstance(message, messages.LedgerMessage):
        messages.ledger_row(message).event()
    if isinstance(message, messages.PaymentResultMessage):
        messages.payment_answer(0, message)
    if isinstance(message, messages.CommandMessage):
        messages.staff_command(0, message)


def topic(data: bytes) -> None:
    """Whose message it is."""
    parse(data.decode("utf-8", "surrogateescape"))


def code(data: bytes) -> None:
    """A till code as staff types it."""
    tidy_code(data.decode("utf-8", "replace"))


def catalog(data: bytes) -> None:
    """`catalog.json`, from a file or from the store."""
    read_catalog_json(data, "catalog.json")


def table(data: bytes) -> None:
    """A table of items."""
    read_catalog_csv(data, "items.csv", taxes={"A": Tax(rate_bp=0)})


def config(data: bytes) -> None:
    """`cart.toml`."""
    parse_config(data.decode("utf-8", "replace"), source="cart.toml")


def recording(data: bytes) -> None:
    """A recording, read from end to end."""
    with tempfile.TemporaryDirectory(dir=RECORDINGS if RECORDINGS.is_dir() else None) as folder:
        path = Path(folder) / "fuzzed.mcap"
        path.write_bytes(data)
        opened = open_recording(path)
        opened.truth()
        opened.truth_events()
        for _ in opened.messages():
            pass


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "scanner": scanner, "payload": payload, "topic": topic, "code": code, "catalog": catalog, "table": table,
    "config": config, "recording": recording,
}  # fmt: skip


def one_input(target: str, data: bytes) -> None:
    """Raises where a target did what it may not."""
    try:
        TARGETS[target](data)
    except Problem as problem:
        said = str(problem).replace("\n", " ")
        assert said.isprintable(), said


@cache
def beginnings(target: str) -> tuple[bytes, ...]:
    """Inputs that mean something, the first of them fine, to be changed from."""
    if target == "recording":
        return (small_recording(),)
    return {
        "scanner": (b"\x20]E05011001234566\r", b"\x05AB\r\x7f\x0a5011001234566\r\n", b"\xffhttps://id.example/01/05\r"),
        "payload": tuple(
            bytes([CHANNELS.index(channel)]) + msgspec.json.encode(SAMPLES.get(channel, {"cart_id": "cart-1"}))
            for channel in sorted(CHANNELS, key=lambda channel: channel not in SAMPLES)
        ),
        "topic": (b"store/store-1/cart/cart-1/up/total", b"store/store-1/catalogue/current"),
        "code": (till_code("T.1", 500, "EUR").encode(), b" fc9wp1 42"),
        "catalog": (small_catalog(), b'{"version":1}'),
        "table": (b"sku;name;gtins;price_minor;tax;weight_g\n1;Milk;5011001234566;149;A;1034.0\n", b"sku,name\n"),
        "config": ((ROOT / "systemd" / "cart.toml.example").read_bytes(), b'[cart]\nid = "cart-1"\n'),
    }[target]


def small_recording() -> bytes:
    """One sample, one code, one touch."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "begun.mcap"
        toml = "[scale]\ncounts_per_gram = 20.0\ntare_counts = 0\n"
        with RecordingWriter(path, config_toml=toml, catalog_json=small_catalog(), cart_id="c", made_by="f") as writer:
            writer.scale(1, 2)
            writer.scanner(2, b"5011001234566\r")
            writer.touch(3, "checkout")
        return path.read_bytes()


def small_catalog() -> bytes:
    """Three items of the demonstration's catalogue, with all that stands beside them."""
    whole = json.loads((ROOT / "cart" / "demo_catalog" / "catalog.json").read_bytes())
    return msgspec.json.encode({**whole, "items": whole["items"][:3]})
