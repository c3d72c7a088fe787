"""`cart update`: releases of this program. A cart installs what its maker signed, if it is newer, in date and whole."""

from __future__ import annotations

import importlib.metadata
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cart import release as releases
from cart.release import Release, ReleaseRefused
from cart.sync.keys import read_public_keys, read_signing_key

app = typer.Typer(help="Releases of this program: sign one, check one, install one.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="A folder of wheels with its release.json.", show_default=False)]
Keys = Annotated[Path, typer.Option("--public-key", help="Whose releases this cart believes.", metavar="FILE")]
KEYS = Path("/etc/cart/release.key.pub")
DAY_MS = 86_400_000


@app.command()
def sign(
    folder: Annotated[Path, typer.Argument(help="What 'pip wheel . -w FOLDER' made.", show_default=False)],
    key: Annotated[Path, typer.Option(help="The maker's secret key, from 'cart provision signing-key'.")],
    days: Annotated[int, typer.Option(min=1, help="How long it may be installed.")] = releases.LIFE_DAYS,
) -> None:
    """At the maker's: list the wheels and sign the list."""
    now_ms = time.time_ns() // 1_000_000
    made = releases.sign(folder, read_signing_key(key), issued_ms=now_ms, expires_ms=now_ms + days * DAY_MS)
    typer.echo(f"signed {made.version}, {len(made.files)} wheels, good for {days} days: {folder / releases.MANIFEST}")


@app.command()
def check(
    folder: Folder,
    public_key: Keys = KEYS,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> int:
    """On the cart: is it signed, newer than what is installed, in date and whole? Exit status 1 where it isn't."""
    refused: ReleaseRefused | None = None
    version = ""
    try:
        version = _checked(folder, public_key).version
    except ReleaseRefused as error:
        refused = error
    if as_json:
        said = {"ok": refused is None, "version": version, "installed": _installed()}
        why = {"refused": refused.what, "error": str(refused)} if refused is not None else {}
        sys.stdout.write(msgspec.json.encode(said | why).decode() + "\n")
    else:
        typer.echo(f"refused: {refused}" if refused is not None else f"{version} may be installed over {_installed()}")
    return int(refused is not None)


@app.command()
def install(
    folder: Folder,
    public_key: Keys = KEYS,
    prefix: Annotated[Path, typer.Option(help="The link to the installed program.")] = Path("/opt/cart"),
) -> int:
    """On the cart: check it, install it beside the old one and link to it. Restart the cart afterwards."""
    try:
        made = releases.install(folder, _checked(folder, public_key), prefix)
    except ReleaseRefused as error:
        typer.echo(f"refused: {error}")
        return 1
    typer.echo(f"installed {made}; restart the cart (a trip goes on as it was)")
    return 0


def _checked(folder: Path, public_key: Path) -> Release:
    now_ms = max(time.time_ns() // 1_000_000, releases.issued_ms(Path(sys.prefix)))
    return releases.check(folder, read_public_keys(public_key), installed=_installed(), now_ms=now_ms)


def _installed() -> str:
    return importlib.metadata.version(releases.NAME)
