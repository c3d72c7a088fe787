"""`cart till`: the store's side on one machine, with a page for staff."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvicorn

from cart.core.catalog import Catalog
from cart.core.catalog_reading import read_catalog_json
from cart.core.problem import Problem
from cart.log_lines import no_card_numbers
from cart.sync.connection import Broker
from cart.sync.messages import BadMessage
from cart.sync.signatures import Signs, opened
from cart.till.provider import Provider
from cart.till.service import Till
from cart.till.simulated import MODES, SimulatedAcquirer
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
    provider: Annotated[str, typer.Option(help="Who takes the money: simulated or stripe.")] = "simulated",
    stripe_key: Annotated[
        Path | None,
        typer.Option(help="File of Stripe's secret key; without it systemd's credential stripe-key.", metavar="FILE"),
    ] = None,
    stripe_wallets: Annotated[
        Path | None, typer.Option(help="Cart → saved payment method, as JSON; read at each charge.", metavar="FILE")
    ] = None,
    late_s: Annotated[float, typer.Option(help="How late an answer is in mode late, in seconds.")] = 45.0,
    currency: Annotated[str, typer.Option(help="Currency where no catalogue is published.")] = "EUR",
    ca: Annotated[str, typer.Option(help="TLS: the store's ca.pem.", metavar="FILE")] = "",
    cert: Annotated[str, typer.Option(help="TLS: this till's certificate.", metavar="FILE")] = "",
    key: Annotated[str, typer.Option(help="TLS: this till's key.", metavar="FILE")] = "",
    sign_key: Annotated[
        Path | None, typer.Option(help="Sign what carts hear with this key (cart provision signing-key).")
    ] = None,
    verbose: Annotated[bool, typer.Option(help="Say more.")] = False,
) -> None:
    """The store's side: publishes the catalogue, answers payment, acknowledges ledgers, shows the carts."""
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format="%(asctime)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(no_card_numbers)
    address = msgspec.structs.replace(_broker(broker), ca_file=_there(ca), cert_file=_there(cert), key_file=_there(key))
    chosen = next((known for known in MODES if known == mode), None)
    if chosen is None:
        raise TillUse(f"--mode {mode!r}: no such mode; use one of {', '.join(MODES)}")
    published, sealed = _catalog(catalog) if catalog is not None else (None, None)
    signer = _signer(sign_key) if sign_key is not None else None
    if provider not in {"simulated", "stripe"}:
        raise TillUse(f"--provider {provider!r}: no such provider; use simulated or stripe")
    taker = _stripe(data, stripe_key, stripe_wallets) if provider == "stripe" else None
    acquirer = taker or SimulatedAcquirer(data, chosen, late_s=late_s)

    def make() -> Till:
        return Till(
            address, store, data, acquirer, catalog=published, currency=currency, signer=signer, sealed_catalog=sealed
        )

    asyncio.run(_serve(make, port))


async def _serve(make: Callable[[], Till], port: int) -> None:
    till = make()
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(till), host="127.0.0.1", port=port, log_level="warning", lifespan="off",
            timeout_graceful_shutdown=2,
        )
    )  # fmt: skip
    till.start()
    typer.echo(f"till of {till.store_id}: broker {till.broker.host}:{till.broker.port}, page http://127.0.0.1:{port}/")
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


def _catalog(path: Path) -> tuple[Catalog, bytes | None]:
    """The catalogue, and the file as it is where it bears a signature."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TillUse(f"{path}: cannot be read ({error.strerror}); name a catalogue with --catalog") from None
    try:
        envelope, body = opened(content)
    except BadMessage:
        envelope, body = None, content  # the reader says better what is wrong with it
    return read_catalog_json(body, str(path)), None if envelope is None else content


def _stripe(data: Path, key: Path | None, wallets: Path | None) -> Provider:
    if wallets is None:
        raise TillUse("--provider stripe: name the file of saved payment methods with --stripe-wallets")
    try:
        from cart.till.stripe_provider import StripeProvider
    except ImportError:
        raise TillUse("--provider stripe: install Stripe's library, pip install 'smart-cart[stripe]'") from None
    return StripeProvider(data, key, wallets)


def _there(file: str) -> str:
    if file and not Path(file).is_file():
        raise TillUse(f"{file}: no such file; give what 'cart provision till' made")
    return file


def _signer(path: Path) -> Signs:
    from cart.sync.keys import read_signing_key  # cryptography, which a till that doesn't sign needs not load

    return read_signing_key(path)
