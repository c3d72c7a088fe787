"""`cart provision`: a cart's identity and system files; the store's authority that signs, renews and revokes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cart.core.problem import Problem
from cart.provision.authority import Authority, Role, load_certificate, make_request, new_key, pem, private_pem
from cart.provision.files import read, write_public
from cart.provision.identity import Identity
from cart.provision.install import NEXT, PREFIX, broker_files, install
from cart.sync.keys import new_signing_key, write_secret, write_signing_key

app = typer.Typer(
    help="Keys, certificate request, identity, units, udev rules; and the store's side: sign, renew, revoke.",
    no_args_is_help=True,
)

Root = Annotated[Path, typer.Option(help="Where the cart's system begins.", metavar="FOLDER")]
Folder = Annotated[Path, typer.Option("--authority", help="The authority's folder.", metavar="FOLDER")]
HERE = Path("cart-authority")


class ProvisionUse(Problem):
    """An argument that can't be used."""


@app.command()
def cart(
    cart_id: Annotated[str, typer.Argument(help="This cart's id.", show_default=False)],
    store_id: Annotated[str, typer.Argument(help="Its store's id.", show_default=False)],
    root: Root = Path("/"),
    prefix: Annotated[str, typer.Option(help="Where the program is installed.")] = PREFIX,
) -> None:
    """On the cart: key, request, units, udev rules, users, a first cart.toml. Again does no harm."""
    identity = Identity(root)
    made = identity.make(cart_id, store_id)
    written = install(root, cart_id, store_id, prefix=prefix)
    for path in written:
        typer.echo(f"wrote {path}")
    typer.echo(f"{'made' if made else 'kept'} {identity.key} and {identity.request}")
    if written:
        typer.echo("now run: " + " && ".join(NEXT))
    if not identity.certificate.exists():
        typer.echo(f"then send {identity.request} to the store; what comes back goes into 'cart provision enrol'")


@app.command()
def enrol(
    certificate: Annotated[Path, typer.Argument(help="What the store signed.", show_default=False)],
    authority: Annotated[Path, typer.Argument(help="The store's ca.pem.", show_default=False)],
    root: Root = Path("/"),
) -> None:
    """On the cart: take in the certificate. Restart the cart afterwards."""
    signed = Identity(root).enrol(certificate, authority)
    typer.echo(f"enrolled; good until {signed.not_valid_after_utc:%Y-%m-%d}; restart the cart")


@app.command()
def rotate(root: Root = Path("/")) -> None:
    """On the cart: a new key and a request for it; the old one stays in use until 'enrol'."""
    identity = Identity(root)
    identity.rotate()
    typer.echo(f"send {identity.request} to the store (there: sign --renew); until it is enrolled the old key is used")


@app.command()
def status(
    root: Root = Path("/"), as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False
) -> int:
    """On the cart: who it is and how long its certificate is good. Exit status 1 where it isn't, or not for long."""
    standing = Identity(root).standing()
    if as_json:
        sys.stdout.write(msgspec.json.encode(standing).decode() + "\n")
    elif standing.enrolled:
        typer.echo(f"{standing.cart_id} of {standing.store_id}: certificate good until {standing.good_until}")
    else:
        typer.echo(f"{standing.cart_id} of {standing.store_id}: not enrolled yet")
    if standing.enrolled and standing.days_left < 30:
        typer.echo("less than 30 days left; run 'cart provision rotate'", err=True)
    return 0 if standing.days_left >= 30 else 1


@app.command()
def authority(
    store_id: Annotated[str, typer.Argument(help="The store's id.", show_default=False)], folder: Folder = HERE
) -> None:
    """In the store: make its authority. Keep the folder off every cart and off the broker."""
    Authority.create(folder, store_id)
    typer.echo(f"{folder}: authority of {store_id}; carts and broker get ca.pem, the broker crl.pem; ca.key stays here")


@app.command()
def sign(
    request: Annotated[Path, typer.Argument(help="A cart's request.pem.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where the certificate goes.")],
    folder: Folder = HERE,
    renew: Annotated[bool, typer.Option(help="The cart has a certificate and rotates its key.")] = False,
) -> None:
    """In the store: sign a cart's request, once you know that it came from that cart."""
    signed = Authority.open(folder).sign(read(request), "cart", renew=renew)
    write_public(out, pem(signed))
    typer.echo(f"{out}: good until {signed.not_valid_after_utc:%Y-%m-%d}; give it and {folder / 'ca.pem'} to the cart")


@app.command()
def till(
    name: Annotated[str, typer.Argument(help="The till's name, such as till-1.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for its key and certificate.")],
    folder: Folder = HERE,
    renew: Annotated[bool, typer.Option(help="It has a certificate already.")] = False,
) -> None:
    """In the store: key and certificate of a till."""
    _key_and_certificate(Authority.open(folder), name, "till", out, renew=renew)
    typer.echo(
        f"{out}: start it with cart till --ca {folder / 'ca.pem'} --cert {out / name}.pem --key {out / name}.key"
    )


@app.command()
def broker(
    hosts: Annotated[list[str], typer.Option("--host", help="A name or address that carts reach it by; repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder for all that Mosquitto reads.")],
    tills: Annotated[list[str] | None, typer.Option("--till", help="A till's name; repeatable.")] = None,
    folder: Folder = HERE,
    renew: Annotated[bool, typer.Option(help="It has a certificate already.")] = False,
) -> None:
    """In the store: the broker's key, certificate, configuration and access list."""
    made = Authority.open(folder)
    _key_and_certificate(made, "broker", "broker", out, renew=renew, hosts=tuple(hosts))
    for name, content in broker_files(made.store_id, tuple(tills or ["till-1"]), out.resolve()).items():
        write_public(out / name, content)
    for name in ("ca.pem", "crl.pem"):
        write_public(out / name, read(folder / name))
    typer.echo(f"{out}: let the user mosquitto read broker.key, then: mosquitto -c {out / 'mosquitto.conf'}")


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="A cart or till.", show_default=False)],
    folder: Folder = HERE,
    keep: Annotated[
        Path | None, typer.Option(help="The one that stays good, after a rotation.", metavar="FILE")
    ] = None,
) -> None:
    """In the store: revoke certificates. The broker refuses them once it has the new crl.pem and was restarted."""
    serial = load_certificate(keep).serial_number if keep is not None else None
    count = Authority.open(folder).revoke(name, keep_serial=serial)
    typer.echo(
        f"{count} revoked; copy {folder / 'crl.pem'} to the broker and restart it; a reload leaves connected carts on"
    )


@app.command("signing-key")
def signing_key(
    out: Annotated[Path, typer.Argument(help="Where the secret key goes; the public one beside it.")],
) -> None:
    """In the store: the key that signs catalogue and commands. Carts get the .pub as \\[store] public_key_file."""
    key = new_signing_key()
    write_signing_key(key, out)
    public = out.with_name(out.name + ".pub")
    write_public(public, key.public_pem())
    typer.echo(f"{out} is secret; {public} goes onto every cart; key id {key.key_id}")


def _key_and_certificate(
    by: Authority, name: str, role: Role, out: Path, *, renew: bool, hosts: tuple[str, ...] = ()
) -> None:
    """A key made here and its certificate, for what stands in the store itself."""
    secret = out / f"{name}.key"
    if secret.exists() and not renew:
        raise ProvisionUse(f"{secret}: there is a key already; give --renew to replace it")
    try:
        out.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ProvisionUse(f"{out}: cannot be made ({error.strerror}); choose another folder") from None
    key = new_key()
    signed = by.sign(make_request(key, name, by.store_id), role, renew=renew, hosts=hosts)
    secret.unlink(missing_ok=True)
    write_secret(secret, private_pem(key))
    write_public(out / f"{name}.pem", pem(signed))
