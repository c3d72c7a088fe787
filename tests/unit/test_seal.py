"""What a cart deletes by age it signs for, and `cart audit` checks that by the cart's certificate."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from cart.commands.audit import run
from cart.core.effects import Record
from cart.core.ledger import GrossNoted, PhaseChanged, TripStarted
from cart.journal import Journal
from cart.journal.ledger_file import NAME
from cart.journal.seal import SealProblem, sealer
from cart.provision.authority import Authority, pem
from cart.provision.identity import Identity

DAY_MS = 86_400_000
OLD = [
    Record(1, TripStarted(trip_id="old", catalog_version=1, language="en")),
    Record(2, PhaseChanged(phase="idle", reason="empty")),
]


def provisioned(folder: Path) -> Identity:
    """A cart with key and certificate, as `cart provision` makes them."""
    identity = Identity(folder / "root")
    identity.make("cart-1", "store-1")
    authority = Authority.create(folder / "authority", "store-1")
    certificate = folder / "cart.pem"
    certificate.write_bytes(pem(authority.sign(identity.request.read_bytes(), "cart")))
    identity.enrol(certificate, folder / "authority" / "ca.pem")
    return identity


def pruned(folder: Path, key_file: str) -> Path:
    """A journal of which an old trip went by age."""

    async def shop() -> None:
        now_ms = [0]
        journal = Journal(folder, cart_id="cart-1", sign=sealer(key_file), wall_ms=lambda: now_ms[0])
        await journal.open()
        await journal.append(OLD)
        await journal.acknowledge(journal.head.chain, journal.head.seq, journal.head.hash)
        now_ms[0] = 31 * DAY_MS
        await journal.append([Record(3, GrossNoted(gross_g=1.0, sigma_g=1.0))])
        assert (await journal.prune(30)).tombstones == 1
        await journal.close()

    asyncio.run(shop())
    return folder


def audited(journal: Path, *certificates: Path) -> tuple[int, Any]:
    app = typer.Typer()
    app.command()(run)
    named = [part for certificate in certificates for part in ("--certificate", str(certificate))]
    result = CliRunner().invoke(app, ["--journal", str(journal), "--json", *named])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, msgspec.json.decode(result.stdout)


def seen(said: dict[str, Any]) -> tuple[int, int, int]:
    return said["tombstones"], said["unsigned"], said["other_key"]


def test_a_tombstone_bears_the_carts_signature_and_the_audit_finds_it_good(tmp_path: Path) -> None:
    identity = provisioned(tmp_path)
    journal = pruned(tmp_path / "journal", str(identity.key))
    code, said = audited(journal, identity.certificate)
    assert (code, seen(said)) == (0, (1, 0, 0))


def test_a_tombstone_changed_after_it_was_signed_is_found(tmp_path: Path) -> None:
    identity = provisioned(tmp_path)
    journal = pruned(tmp_path / "journal", str(identity.key))
    database = sqlite3.connect(journal / NAME)
    database.execute("UPDATE tombstone SET trip_id = 'another'")
    database.commit()
    database.close()
    code, said = audited(journal, identity.certificate)
    assert (code, said["broken_at"]) == (1, 1)
    assert said["why"] == "the tombstone of rows 1 to 2 is not as the cart signed it"


def test_a_key_of_which_no_certificate_is_at_hand_is_said_and_no_error(tmp_path: Path) -> None:
    identity = provisioned(tmp_path)
    journal = pruned(tmp_path / "journal", str(identity.key))
    assert audited(journal)[0] == 0
    assert seen(audited(journal)[1]) == (1, 0, 1)
    other = provisioned(tmp_path / "other").certificate
    assert seen(audited(journal, other)[1]) == (1, 0, 1)
    assert seen(audited(journal, other, identity.certificate)[1]) == (1, 0, 0)


@pytest.mark.parametrize("content", [None, b"no key"])
def test_without_a_key_that_can_be_used_it_goes_unsigned_and_that_is_said(
    tmp_path: Path, content: bytes | None
) -> None:
    key = tmp_path / "cart.key"
    if content is not None:
        key.write_bytes(content)
    assert seen(audited(pruned(tmp_path / "journal", str(key)))[1]) == (1, 1, 0)


def test_a_cart_with_no_key_configured_signs_nothing() -> None:
    assert sealer("") is None


def test_what_is_no_certificate_is_said_in_one_line(tmp_path: Path) -> None:
    identity = provisioned(tmp_path)
    journal = pruned(tmp_path / "journal", str(identity.key))
    with pytest.raises(SealProblem, match="no certificate"):
        audited(journal, identity.key)
