"""`cart till`: the store's side on one machine, with a page for staff."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
import uvicorn

from cart.commands import till_refund
from cart.core.catalog import Catalog
from cart.core.catalog_reading import read_catalog_json
from cart.core.problem import Problem
from cart.log_lines import no_card_numbers
from cart.sync.connection import Broker
from cart.sync.messages import BadMessage
from cart.sync.signatures import Signs, opened
from cart.till.database import Database, TillProblem
from cart.till.login import CREDENTIAL, Login
from cart.till.provider import Provider
from cart.till.secret_files import credential, read_secret
from cart.till.service import Till
from cart.till.simulated import MODES, SimulatedAcquirer
from cart.till.web import create_app

log = logging.getLogger(__name__)

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

BACKOFF_MIN_S: Final = 1.0
BACKOFF_MAX_S: Final = 5.0
"""Between looks for a database that was lost."""


app = typer.Typer(invoke_without_command=True)


class TillUse(Problem):
    """An option that can't be used."""


@app.callback()
def run(
    ctx: typer.Context,
    *,
    broker: Annotated[
        str,
        typer.Option(
            help="The broker, as HOST:PORT; of a cluster every node, with commas between.", metavar="HOST:PORT[,…]"
        ),
    ] = "127.0.0.1:1883",
    mqtt: Annotated[str, typer.Option(help="MQTT version: auto, 5 or 3.1.1.")] = "auto",
    catalog: Annotated[
        Path | None, typer.Option(help="The catalogue to publish (catalog.json).", metavar="FILE")
    ] = None,
    store: Annotated[str, typer.Option(help="The store's id, as in the carts' [store] id.")] = "store-1",
    port: Annotated[int, typer.Option(help="Port of the staff's page.")] = 8090,
    host: Annotated[
        str,
        typer.Option(
            help="Where the staff's page is: this machine's name or address as staff type it.", metavar="NAME"
        ),
    ] = "127.0.0.1",
    page_password: Annotated[
        Path | None,
        typer.Option(
            help="File of the page's password; without it systemd's credential till-password. Needed off loopback.",
            metavar="FILE",
        ),
    ] = None,
    page_cert: Annotated[
        str, typer.Option(help="TLS of the page: its certificate. Needed off loopback.", metavar="FILE")
    ] = "",
    page_key: Annotated[str, typer.Option(help="TLS of the page: its key.", metavar="FILE")] = "",
    data: Annotated[Path, typer.Option(help="Folder of the till's ledger.", metavar="FOLDER")] = Path("till-data"),
    database: Annotated[
        str,
        typer.Option(
            help="Keep the ledger in PostgreSQL instead, so that several tills can share it; no password in here.",
            metavar="postgresql://USER@HOST/NAME",
        ),
    ] = "",
    database_password: Annotated[
        Path | None,
        typer.Option(help="File of its password; without it systemd's credential database-password.", metavar="FILE"),
    ] = None,
    mode: Annotated[str, typer.Option(help=f"How the simulated acquirer behaves: {', '.join(MODES)}.")] = "approve",
    provider: Annotated[str, typer.Option(help="Who takes the money: simulated or stripe.")] = "simulated",
    stripe_key: Annotated[
        Path | None,
        typer.Option(help="File of Stripe's secret key; without it systemd's credential stripe-key.", metavar="FILE"),
    ] = None,
    stripe_wallets: Annotated[
        Path | None, typer.Option(help="Cart → saved payment method, as JSON; read at each charge.", metavar="FILE")
    ] = None,
    ebt_minor: Annotated[
        int | None, typer.Option(help="What the simulated acquirer finds on benefits cards (EBT), in minor units.")
    ] = None,
    stripe_readers: Annotated[
        Path | None, typer.Option(help="Cart → its card reader (Stripe Terminal), as JSON.", metavar="FILE")
    ] = None,
    late_s: Annotated[float, typer.Option(help="How late an answer is in mode late, in seconds.")] = 45.0,
    currency: Annotated[str, typer.Option(help="Currency where no catalogue is published.")] = "EUR",
    ca: Annotated[str, typer.Option(help="TLS: the store's ca.pem.", metavar="FILE")] = "",
    cert: Annotated[str, typer.Option(help="TLS: this till's certificate.", metavar="FILE")] = "",
    key: Annotated[str, typer.Option(help="TLS: this till's key.", metavar="FILE")] = "",
    sign_key: Annotated[
        Path | None, typer.Option(help="Sign what carts hear with this key (cart provision signing-key).")
    ] = None,
    broker_log: Annotated[
        Path | None,
        typer.Option(help="Mosquitto's log: what it refuses becomes a security note on the page.", metavar="FILE"),
    ] = None,
    verbose: Annotated[bool, typer.Option(help="Say more.")] = False,
) -> None:
    """The store's side: publishes the catalogue, answers payment, acknowledges ledgers, shows the carts."""
    if ctx.invoked_subcommand is not None:
        return
    page = _page(host, port, page_password, _there(page_cert), _there(page_key))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format="%(asctime)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(no_card_numbers)
    address = msgspec.structs.replace(
        _broker(broker, mqtt), ca_file=_there(ca), cert_file=_there(cert), key_file=_there(key)
    )
    chosen = next((known for known in MODES if known == mode), None)
    if chosen is None:
        raise TillUse(f"--mode {mode!r}: no such mode; use one of {', '.join(MODES)}")
    published, sealed = _catalog(catalog) if catalog is not None else (None, None)
    signer = _signer(sign_key) if sign_key is not None else None
    if provider not in {"simulated", "stripe"}:
        raise TillUse(f"--provider {provider!r}: no such provider; use simulated or stripe")
    rows = Store(data, database, database_password)

    def make() -> Till:
        taker = _stripe(rows, stripe_key, stripe_wallets, stripe_readers) if provider == "stripe" else None
        acquirer = taker or SimulatedAcquirer(rows.open(), chosen, late_s=late_s, ebt_minor=ebt_minor)
        return Till(
            address, store, rows.open(), acquirer, catalog=published, currency=currency, signer=signer,
            sealed_catalog=sealed, broker_log=broker_log,
        )  # fmt: skip

    asyncio.run(_serve_on(rows, make, page))


app.command("refund")(till_refund.run)


class Page(msgspec.Struct, frozen=True):
    """Where the staff's page is served, and behind what."""

    host: str
    port: int
    password: str = ""
    cert: str = ""
    key: str = ""

    @property
    def url(self) -> str:
        """As staff type it."""
        return f"{'https' if self.cert else 'http'}://{self.host}:{self.port}/"


def _page(host: str, port: int, password: Path | None, cert: str, key: str) -> Page:
    """Raises TillUse for a page that anybody on the network could read or decide on."""
    found = password or credential(CREDENTIAL)
    secret = read_secret(found) if found is not None else ""
    Login(secret)
    if host not in LOOPBACK:
        if host in {"0.0.0.0", "::", "*", ""}:  # noqa: S104  # it is refused
            raise TillUse(f"--host {host!r}: name the one address that staff type; the page answers to no other")
        if not secret:
            raise TillUse(
                f"--host {host}: anybody on that network could decide as staff; give --page-password FILE, or "
                f"systemd's credential {CREDENTIAL}"
            )
        if not cert or not key:
            raise TillUse(
                f"--host {host}: the password would cross the network readable; give --page-cert and --page-key"
            )
    return Page(host, port, secret, cert, key)


class Store:
    """Where the rows lie, and whether they are still within reach."""

    def __init__(self, folder: Path, url: str, password: Path | None) -> None:
        """Raises TillUse where PostgreSQL is asked for and its library is missing."""
        self.folder = folder
        self.lost = asyncio.Event()
        self._url = url
        self._password = password
        if url and find_spec("psycopg") is None:
            raise TillUse("--database: install PostgreSQL's library, pip install 'smart-cart[postgres]'")

    def open(self) -> Path | Database:
        """The folder, or a connection of its own."""
        if not self._url:
            return self.folder
        from cart.till.postgres import PostgresDatabase

        database = PostgresDatabase(self._url, password_file=self._password)
        database.lost = self.lost.set
        return database


async def _serve_on(store: Store, make: Callable[[], Till], page: Page) -> None:
    """Serve; where the database is lost, begin anew once it is back: what was in memory may be no longer true."""
    pause_s = BACKOFF_MIN_S
    first = True
    while True:
        try:
            till = make()
        except TillProblem as problem:
            if first:
                raise
            log.warning("%s", problem)
            pause_s = min(BACKOFF_MAX_S, pause_s * 2.0)
        else:
            first, pause_s = False, BACKOFF_MIN_S
            await _serve(till, page, store.lost)
            if not store.lost.is_set():
                return
            log.error("the store's database is lost; the till waits for it, and other tills go on")
        store.lost.clear()
        await asyncio.sleep(pause_s)


async def _serve(till: Till, page: Page, lost: asyncio.Event) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(till, login=Login(page.password), host=page.host), host=page.host, port=page.port,
            log_level="warning", lifespan="off", timeout_graceful_shutdown=2, ssl_certfile=page.cert or None,
            ssl_keyfile=page.key or None,
        )
    )  # fmt: skip
    till.start()
    brokers = ", ".join(f"{host}:{port}" for host, port in till.broker.addresses)
    typer.echo(f"till of {till.store_id}: broker {brokers}, page {page.url}")
    watching = asyncio.get_running_loop().create_task(_end_when(lost, server))
    try:
        await server.serve()
    except SystemExit:
        raise TillUse(f"port {page.port} is taken; choose another one with --port") from None
    finally:
        watching.cancel()
        await till.stop()


async def _end_when(lost: asyncio.Event, server: uvicorn.Server) -> None:
    await lost.wait()
    server.should_exit = True


def _broker(text: str, mqtt: str) -> Broker:
    nodes = [node.strip() for node in text.split(",")]
    for node in nodes:
        host, colon, port = node.rpartition(":")
        if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise TillUse(f"--broker {text!r}: write it as HOST:PORT, for example 127.0.0.1:1883")
    if mqtt not in {"auto", "5", "3.1.1"}:
        raise TillUse(f"--mqtt {mqtt!r}: no such version; use auto, 5 or 3.1.1")
    host, _, port = nodes[0].rpartition(":")
    return Broker(host=host.strip("[]"), port=int(port), others=tuple(nodes[1:]), protocol=mqtt)  # type: ignore[arg-type]


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


def _stripe(rows: Store, key: Path | None, wallets: Path | None, readers: Path | None) -> Provider:
    if wallets is None and readers is None:
        raise TillUse("--provider stripe: name saved payment methods with --stripe-wallets, or --stripe-readers")
    try:
        from cart.till.stripe_provider import StripeProvider
    except ImportError:
        raise TillUse("--provider stripe: install Stripe's library, pip install 'smart-cart[stripe]'") from None
    return StripeProvider(rows.open(), key, wallets, readers=readers)


def _there(file: str) -> str:
    if file and not Path(file).is_file():
        raise TillUse(f"{file}: no such file; give what 'cart provision till' made")
    return file


def _signer(path: Path) -> Signs:
    from cart.sync.keys import read_signing_key  # cryptography, which a till that doesn't sign needs not load

    return read_signing_key(path)
