"""Identities: made once, signed for the right name and store, rotated without a gap, and never shown."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cart.__main__ import COMMANDS
from cart.catalog_file import load_catalog
from cart.commands import catalog, provision
from cart.config import load_config
from cart.core.problem import Problem
from cart.provision.authority import Authority, AuthorityProblem, load_certificate, make_request, new_key
from cart.provision.identity import Identity, IdentityProblem
from cart.provision.install import TARGETS, broker_files, first_config, install, source
from cart.sync.keys import read_public_keys
from cart.sync.signatures import Trust
from cart.sync.topics import TopicProblem

SMALL = b'{"version":3,"currency":"EUR","locale":"en_IE","taxes":{"A":{"rate_bp":1350}},"items":[]}'


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    Authority.create(tmp_path / "ca", "store-1")
    return tmp_path / "ca"


def enrolled(root: Path, ca: Path, name: str = "cart-1") -> Identity:
    provision.cart(name, "store-1", root)
    identity = Identity(root)
    provision.sign(identity.request, root / "signed.pem", ca)
    provision.enrol(root / "signed.pem", ca / "ca.pem", root)
    return identity


def test_a_carts_system_is_written_once_and_its_own_config_kept(tmp_path: Path) -> None:
    assert {path.relative_to(tmp_path).as_posix() for path in install(tmp_path, "cart-7", "store-9")} == {
        *TARGETS.values(),
        "etc/cart/cart.toml",
    }
    config = tmp_path / "etc/cart/cart.toml"
    loaded = load_config(config)
    assert (loaded.cart.id, loaded.store.id) == ("cart-7", "store-9")
    config.write_text(config.read_text() + "# calibrated\n")
    assert install(tmp_path, "cart-7", "store-9") == []
    assert config.read_text().endswith("# calibrated\n")
    unit = tmp_path / TARGETS["cart.service"]
    assert install(tmp_path, "cart-7", "store-9", prefix="/usr/local/cart") == [unit]
    assert "ExecStart=/usr/local/cart/bin/cart run" in unit.read_text()


def test_what_is_shipped_fits_the_example() -> None:
    assert 'id = "a\\"b"' in first_config('a"b', "s")
    files = broker_files("store-9", ("till-1", "till-2"), Path("/srv/broker"))
    access = files["access.acl"].decode()
    assert "store-1" not in access
    assert access.count("topic write store/store-9/cart/+/down/#") == 2
    assert "crlfile /srv/broker/crl.pem" in files["mosquitto.conf"].decode()
    assert source("cart.service").name == "cart.service"


def test_a_key_is_made_once_for_its_owner_alone_and_never_shown(
    tmp_path: Path, ca: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = enrolled(tmp_path / "root", ca)
    key = identity.key.read_text()
    provision.cart("cart-1", "store-1", tmp_path / "root")
    assert identity.key.read_text() == key
    provision.till("till-1", tmp_path / "till", ca)
    provision.broker(["localhost"], tmp_path / "broker", None, ca)
    provision.signing_key(tmp_path / "sign.key")
    secrets = [identity.key, tmp_path / "till/till-1.key", tmp_path / "broker/broker.key", ca / "ca.key"]
    said = "".join(capsys.readouterr())
    assert "made" in said
    assert "PRIVATE" not in said
    for secret in [*secrets, tmp_path / "sign.key"]:
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert not any(line in said for line in secret.read_text().splitlines()[1:-1])
    with pytest.raises(IdentityProblem, match="this is cart-1 of store-1"):
        provision.cart("cart-2", "store-1", tmp_path / "root")


@pytest.mark.parametrize("name", ["till-1", "a/b", "#", "+", ""])
def test_no_cart_gets_a_name_with_other_rights(ca: Path, name: str) -> None:
    def ask() -> None:
        Authority.open(ca).sign(make_request(new_key(), name, "store-1"), "cart")

    with pytest.raises((AuthorityProblem, TopicProblem, ValueError)):
        ask()
    assert Authority.open(ca).issued(name) == []


def test_a_request_is_signed_for_its_store_and_a_name_only_once(tmp_path: Path, ca: Path) -> None:
    authority = Authority.open(ca)
    authority.sign(make_request(new_key(), "cart-1", "store-1"), "cart")
    with pytest.raises(AuthorityProblem, match="revoke it first"):
        authority.sign(make_request(new_key(), "cart-1", "store-1"), "cart")
    with pytest.raises(AuthorityProblem, match="store 'store-2'"):
        authority.sign(make_request(new_key(), "cart-2", "store-2"), "cart")
    with pytest.raises(AuthorityProblem, match="no certificate request"):
        authority.sign(b"hello", "cart")
    assert authority.revoke("cart-1") == 1
    with pytest.raises(AuthorityProblem, match="no certificate that could be revoked"):
        authority.revoke("cart-1")
    authority.sign(make_request(new_key(), "cart-1", "store-1"), "cart")
    assert len(authority.issued("cart-1")) == 2
    with pytest.raises(AuthorityProblem, match="there is an authority already"):
        Authority.create(ca, "store-1")


def test_a_certificate_is_taken_in_only_where_all_of_it_fits(tmp_path: Path, ca: Path) -> None:
    identity = enrolled(tmp_path / "one", ca)
    enrolled(tmp_path / "two", ca, "cart-2")
    Authority.create(tmp_path / "other", "store-1")
    before = identity.certificate.read_bytes()
    for certificate, issuer, why in [
        (tmp_path / "two/signed.pem", ca / "ca.pem", "made out to 'cart-2'"),
        (tmp_path / "one/signed.pem", tmp_path / "other/ca.pem", "not signed by"),
        (ca / "crl.pem", ca / "ca.pem", "no certificate"),
        (tmp_path / "missing.pem", ca / "ca.pem", "cannot be read"),
    ]:
        with pytest.raises(Problem, match=why):
            provision.enrol(certificate, issuer, tmp_path / "one")
    assert identity.certificate.read_bytes() == before


def test_a_rotation_leaves_the_old_key_in_use_until_the_new_one_is_signed(tmp_path: Path, ca: Path) -> None:
    root = tmp_path / "root"
    identity = enrolled(root, ca)
    old = load_certificate(identity.certificate)
    provision.rotate(root)
    provision.rotate(root)
    assert identity.standing().rotating
    assert load_certificate(identity.certificate).public_key() == old.public_key()
    provision.sign(identity.request, root / "new.pem", ca, renew=True)
    provision.enrol(root / "new.pem", ca / "ca.pem", root)
    standing = identity.standing()
    assert (standing.enrolled, standing.rotating) == (True, False)
    assert load_certificate(identity.certificate).public_key() != old.public_key()
    provision.enrol(root / "new.pem", ca / "ca.pem", root)  # again, as after a cut in between
    provision.revoke("cart-1", ca, keep=identity.certificate)
    authority = Authority.open(ca)
    assert authority.is_revoked(old)
    assert not authority.is_revoked(load_certificate(identity.certificate))


def test_a_catalogue_signed_from_the_command_line_is_believed(tmp_path: Path) -> None:
    plain, sealed = tmp_path / "catalog.json", tmp_path / "signed.json"
    plain.write_bytes(SMALL)
    provision.signing_key(tmp_path / "sign.key")
    catalog.sign(plain, tmp_path / "sign.key", "store-1", sealed, 90)
    trust = Trust("store-1", read_public_keys(tmp_path / "sign.key.pub"))
    assert trust.catalogue(sealed.read_bytes()) == SMALL
    catalog.sign(sealed, tmp_path / "sign.key", "store-1", sealed, 0)  # a new signature over the same catalogue
    assert trust.catalogue(sealed.read_bytes()) == SMALL
    assert load_catalog(sealed) == load_catalog(plain), "what is signed can be checked and shown too"


@pytest.mark.parametrize("store", ["", "a/+/#"])
def test_a_catalogue_is_not_signed_for_a_store_that_no_topic_can_bear(tmp_path: Path, store: str) -> None:
    (tmp_path / "catalog.json").write_bytes(SMALL)
    provision.signing_key(tmp_path / "sign.key")
    with pytest.raises(Problem, match="letters, digits"):
        catalog.sign(tmp_path / "catalog.json", tmp_path / "sign.key", store, tmp_path / "signed.json", 90)


def test_what_is_no_catalogue_is_not_signed(tmp_path: Path) -> None:
    (tmp_path / "catalog.json").write_text("sku,name")
    provision.signing_key(tmp_path / "sign.key")
    with pytest.raises(Problem, match=r"catalog\.json: not JSON"):
        catalog.sign(tmp_path / "catalog.json", tmp_path / "sign.key", "s", tmp_path / "signed.json", 90)


def test_standing_says_no_secret_and_that_a_cart_is_not_enrolled(
    tmp_path: Path, ca: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    provision.cart("cart-1", "store-1", tmp_path)
    capsys.readouterr()
    assert provision.status(tmp_path, as_json=True) == 1
    assert msgspec.json.decode(capsys.readouterr().out)["enrolled"] is False
    enrolled(tmp_path, ca)
    assert provision.status(tmp_path, as_json=False) == 0


def test_bad_use_is_one_line_and_status_2(tmp_path: Path) -> None:
    assert COMMANDS["provision"] == "cart.commands.provision"
    done = subprocess.run(
        [sys.executable, "-m", "cart", "provision", "status", "--root", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
