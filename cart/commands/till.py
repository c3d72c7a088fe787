"""`cart till`: the store's side on one machine, with a page for staff."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from cart.core.catalog import Catalog
from cart.core.catalog_reading import read_catalog_json
from cart.core.problem import Problem
from cart.sync.connection import Broker
from cart.till.service import Till
from cart.till.simulated import MODES, Mode, SimulatedAcquirer
from cart.till.web import create_app


class TillUse(Problem):
    """An option that can't be used."""


def run(
    *,
    broker: Annotated[str, typer.Option(help="The broker, as HOST:PORT.", metavar="HOST:PORT")] = "127.0.0.1:1883",
    catalog: Annotated[
        Path | None, typer.Option(help="The catalogue to publish (catalog.json).", metavar="FILE")
    ] = None,
    store: Annotated[str, typer.Option(help="The store's id, as in the carts' [store] id.")] = "store-1",
    port: Annotated[int, typer.Option(help="Port of the staff's page on 127.0.0.1.")] = 8090,
    data: Annotated[Path, typer.Option(help="Folder of the till's ledger.", metavar="FOLDER")] = Path("till-data"),
    mode: Annotated[str, typer.Option(help=f"How the simulated acquirer behaves: {', '.join(MODES)}.")] = "approve",
    late_s: Annotated[float, typer.Option(help="How late an answer is in mode late, in seconds.")] = 45.0,
    currency: Annotated[str, typer.Option(help="Currency where no catalogue is published.")] = "EUR",
    verbose: Annotated[bool, typer.Option(help="Say more.")] = False,
) -> None:
    """The store's side: publishes the catalogue, answers payment, acknowledges ledgers, shows the carts."""
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format="%(asctime)s %(message)s")
    address = _broker(broker)
    chosen = next((known for known in MODES if known == mode), None)
    if chosen is None:
        raise TillUse(f"--mode {mode!r}: no such mode; use one of {', '.join(MODES)}")
    published = _catalog(catalog) if catalog is not None else None
    asyncio.run(_serve(address, store, data, port, chosen, late_s, published, currency))


async def _serve(
    broker: Broker, store: str, data: Path, port: int, mode: Mode, late_s: float, catalog: Catalog | None, currency: str
) -> None:
    acquirer = SimulatedAcquirer(data, mode, late_s=late_s)
    till = Till(broker, store, data, acquirer, catalog=catalog, currency=currency)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(till), host="127.0.0.1", port=port, log_level="warning", lifespan="off",
            timeout_graceful_shutdown=2,
        )
    )  # fmt: skip
    till.start()
    typer.echo(f"till of {store}: broker {broker.host}:{broker.port}, page http://127.0.0.1:{port}/")
    try:
        await server.serve()
    except SystemExit:
        raise TillUse(f"port {port} is taken; choose another one with --port") from None
    finally:
        await till.stop()


def _broker(text: str) -> Broker:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise TillUse(f"--broker {text!r}: write it as HOST:PORT, for example 127.0.0.1:1883")
    return Broker(host=host, port=int(port))


def _catalog(path: Path) -> Catalog:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TillUse(f"{path}: cannot be read ({error.strerror}); name a catalogue with --catalog") from None
    return read_catalog_json(content, str(path))
