"""`cart catalog`: import a store's range, check it, show it, sign it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from cart.catalog_file import load_catalog, read_file, save_catalog
from cart.commands import enrol
from cart.core.catalog import Catalog, Item, Tax, minor_digits
from cart.core.catalog_checks import CatalogError, catalog_warnings
from cart.core.catalog_reading import read_catalog_csv, read_catalog_json
from cart.core.problem import Problem
from cart.receipt_text import money

app = typer.Typer(
    help="Import a catalogue (CSV, JSON), check it, show it, sign it, teach the camera.", no_args_is_help=True
)
app.command("enrol")(enrol.run)

SHOWN_MAX = 500
"""Rows of a table: nobody reads more, and laying out 100,000 takes minutes."""
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.command("import")
def import_(
    source: Annotated[
        Path, typer.Argument(help="A table of items (.csv, .tsv) or a catalog.json.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Where the checked catalogue goes.")] = Path("catalog.json"),
    base: Annotated[
        Path | None,
        typer.Option(help="For CSV: the catalogue whose taxes, promotions and blocked lots stay."),
    ] = None,
    currency: Annotated[str, typer.Option(help="For CSV without --base: ISO 4217 code.")] = "EUR",
    locale: Annotated[str, typer.Option(help="For CSV without --base: such as en_IE.")] = "en_IE",
    tax: Annotated[
        list[str] | None,
        typer.Option(
            help="For CSV without --base: CODE=RATE in basis points (A=1350); +RATE where prices are without it."
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Read a store's range and write it as a checked catalog.json. Nothing is written when anything is wrong."""
    data = read_file(source)
    try:
        if source.suffix.lower() in {".csv", ".tsv", ".txt"}:
            known = load_catalog(base) if base is not None else None
            taxes = dict(_tax(one) for one in tax or ())
            catalog = read_catalog_csv(data, str(source), base=known, currency=currency, locale=locale, taxes=taxes)
        else:
            catalog = read_catalog_json(data, str(source))
    except CatalogError as error:
        if not error.problems:
            raise
        return _refuse(error, as_json)
    save_catalog(catalog, out)
    if as_json:
        _print_json({"file": str(out), "version": catalog.version, "items": len(catalog.items)})
    else:
        typer.echo(f"{out}: version {catalog.version}, {len(catalog.items)} items")
    return 0


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A catalog.json.", show_default=False)],
    as_json: AsJson = False,
) -> int:
    """Say what is wrong with a catalogue, row by row. Exit status 1 if anything is; warnings alone do not fail it."""
    try:
        catalog = load_catalog(file)
    except CatalogError as error:
        if not error.problems:
            raise
        return _refuse(error, as_json)
    warnings = [str(warning) for warning in catalog_warnings(catalog)]
    if as_json:
        _print_json({"file": str(file), "ok": True, "items": len(catalog.items), "problems": [], "warnings": warnings})
        return 0
    for warning in warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(
        f"{file}: fine; version {catalog.version}, {len(catalog.items)} items, {len(catalog.promotions)} promotions"
    )
    return 0


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A catalog.json.", show_default=False)],
    find: Annotated[str, typer.Option(help="Only items with this in name, SKU, GTIN or PLU.")] = "",
    as_json: AsJson = False,
) -> int:
    """List a catalogue's items."""
    catalog = load_catalog(file)
    wanted = find.casefold()
    items = [item for item in catalog.items if wanted in _searchable(item)]
    if as_json:
        _print_json({"version": catalog.version, "currency": catalog.currency, "items": items})
        return 0 if items else 1
    Console(highlight=False, markup=False).print(_table(catalog, items[:SHOWN_MAX]))
    if len(items) > SHOWN_MAX:
        typer.echo(f"… and {len(items) - SHOWN_MAX} more; narrow them with --find, or take all of them with --json")
    if not items:
        typer.echo(f"no item has {find!r} in its name, SKU, GTIN or PLU")
        return 1
    return 0


@app.command()
def learn(
    file: Annotated[Path, typer.Argument(help="The store's catalog.json.", show_default=False)],
    till: Annotated[Path, typer.Option(help="Folder of the till's ledger, while the till is stopped.")],
    out: Annotated[
        Path | None, typer.Option(help="Write the next version with what was learned, to be signed and published.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """What the store's carts have learned of weights. Exit status 1 if a typed weight is plainly wrong."""
    from cart.till.catalog_desk import CatalogDesk
    from cart.till.ledger import TillLedger, TillProblem
    from cart.till.weights import with_learned

    catalog = load_catalog(file)
    if not (till / "till.sqlite").is_file():
        raise TillProblem(f"{till}: no till's ledger there; name the folder given to 'cart till --data'")
    ledger = TillLedger(till)
    desk = CatalogDesk(ledger, catalog, None)
    desk.learn()
    rows = desk.weights()
    ledger.close()
    if out is not None:
        learned = with_learned(catalog, desk.merged)
        save_catalog(msgspec.structs.replace(learned, version=catalog.version + 1), out)
    if as_json:
        _print_json({"version": catalog.version, "weights": rows, "out": None if out is None else str(out)})
    else:
        for row in rows:
            typed = "no weight typed" if row.typed_g is None else f"{row.typed_g:g} g typed"
            state = "units differ" if not row.agreed else "PLAINLY WRONG" if row.wrong else "learned"
            seen = f"{row.weight_g:g} ± {row.sd_g:g} g, {row.units} units on {row.carts} carts"
            typer.echo(f"{row.sku} {row.name}: {typed}, units weigh {seen}: {state}")
        typer.echo(f"{len(rows)} products" + ("" if out is None else f"; {out}: version {catalog.version + 1}"))
    return 1 if any(row.wrong for row in rows) else 0


@app.command()
def sign(
    file: Annotated[Path, typer.Argument(help="A catalog.json.", show_default=False)],
    key: Annotated[Path, typer.Option(help="The store's secret key, from 'cart provision signing-key'.")],
    store: Annotated[str, typer.Option(help="The store's id, as in the carts' [store] id.")],
    out: Annotated[Path, typer.Option(help="Where the signed catalogue goes; 'cart till --catalog' publishes it.")],
    days: Annotated[int, typer.Option(help="After so many days carts take it no more; 0: for ever.", min=0)] = 90,
) -> None:
    """Sign a checked catalogue for one store."""
    from cart.provision.files import write_public
    from cart.sync.keys import read_signing_key
    from cart.sync.signatures import opened, sign_catalogue
    from cart.sync.topics import address

    address(store, "cart")  # a store's id that no topic can bear is refused here, not by each cart
    catalog = load_catalog(file)
    _, body = opened(read_file(file))
    signer = read_signing_key(key)
    now_ms = time.time_ns() // 1_000_000
    expires_ms = now_ms + days * 86_400_000 if days else 0
    write_public(out, sign_catalogue(signer, store, body, issued_ms=now_ms, expires_ms=expires_ms))
    typer.echo(f"{out}: version {catalog.version} signed for {store} with key {signer.key_id}")


def _tax(text: str) -> tuple[str, Tax]:
    code, equals, rate = text.partition("=")
    if not code or not equals or not rate.removeprefix("+").isdecimal():
        raise Problem(f"--tax {text}: give CODE=RATE in basis points, such as A=1350")
    return code, Tax(rate_bp=int(rate.removeprefix("+")), included=not rate.startswith("+"))


def _refuse(error: CatalogError, as_json: bool) -> int:
    """Every problem on its own line, and how many there are."""
    if as_json:
        problems = [problem._asdict() for problem in error.problems]
        _print_json({"ok": False, "count": error.count, "problems": problems, "error": str(error)})
        return 1
    for problem in error.problems:
        typer.echo(str(problem))
    beyond = error.count - len(error.problems)
    if beyond:
        typer.echo(f"… and {beyond} more")
    typer.echo("correct these and import the file again", err=True)
    return 1


def _searchable(item: Item) -> str:
    return " ".join((item.name, item.sku, *item.gtins, item.plu or "", *item.names.values())).casefold()


def _table(catalog: Catalog, items: list[Item]) -> Table:
    table = Table("sku", "name", "gtin or plu", "price", "weight", "tax", "department", box=None)
    for item in items:
        price = money(item.price_minor, catalog.currency, catalog.locale, minor_digits(catalog.currency))
        table.add_row(
            item.sku,
            item.name,
            " ".join(item.gtins) or item.plu or "",
            f"{price}/kg" if item.unit == "kg" else price,
            _weight(item),
            item.tax,
            item.department,
        )
    return table


def _weight(item: Item) -> str:
    """The weight and, where carts learned it, how."""
    if item.weight_g is None:
        return ""
    if item.learned is None:
        return f"{item.weight_g:g} g"
    typed = "" if item.learned.typed_g is None else f"; {item.learned.typed_g:g} g typed"
    return f"{item.weight_g:g} g, learned: {item.learned.units} units, {item.learned.carts} carts{typed}"


def _print_json(value: object) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
