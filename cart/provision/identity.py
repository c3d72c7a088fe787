"""A cart's identity in `etc/cart`: its key never leaves it, its request goes to the store, its certificate comes back.

cart.key      the key in use, for the cart's user alone          cart.pem      its certificate
cart.key.new  the next one, between `rotate` and `enrol`         request.pem   what the store is to sign
store-ca.pem  the authority that the broker must be of
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from cart.core.problem import Problem
from cart.provision.authority import common, load_certificate, load_key, make_request, new_key, pem, private_pem
from cart.provision.files import read, write_public
from cart.sync.keys import write_secret


class IdentityProblem(Problem):
    """A certificate or key that doesn't belong to this cart."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far a cart's identity is. Times ISO 8601, UTC; no key material."""

    cart_id: str
    store_id: str
    enrolled: bool
    good_until: str = ""
    days_left: int = 0
    rotating: bool = False


class Identity:
    """The files of one cart below a root folder."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "etc" / "cart"
        self.key = self.folder / "cart.key"
        self.next_key = self.folder / "cart.key.new"
        self.certificate = self.folder / "cart.pem"
        self.request = self.folder / "request.pem"
        self.authority = self.folder / "store-ca.pem"

    def make(self, cart_id: str, store_id: str) -> bool:
        """Key and request; False where both were there for the same ids. Raises IdentityProblem for other ids."""
        if self.key.exists():
            if self.request.exists():
                held = self._requested()
                if held != (cart_id, store_id):
                    raise IdentityProblem(
                        f"{self.folder}: this is {held[0]} of {held[1]}; move cart.key away to make it another cart"
                    )
                return False
        else:
            request = make_request(key := new_key(), cart_id, store_id)
            write_secret(self.key, private_pem(key))
            write_public(self.request, request)
            return True
        write_public(self.request, make_request(load_key(self.key), cart_id, store_id))
        return True

    def rotate(self) -> bool:
        """The next key and its request; False where one waits for its certificate already."""
        cart_id, store_id = self._requested()
        if self.next_key.exists():
            write_public(self.request, make_request(load_key(self.next_key), cart_id, store_id))
            return False
        key = new_key()
        write_secret(self.next_key, private_pem(key))
        write_public(self.request, make_request(key, cart_id, store_id))
        return True

    def enrol(self, certificate: Path, authority: Path) -> x509.Certificate:
        """Take in what the store signed, and with it the next key where it is that one's. Raises IdentityProblem."""
        signed, issuer = load_certificate(certificate), load_certificate(authority)
        try:
            signed.verify_directly_issued_by(issuer)
        except (InvalidSignature, ValueError, TypeError):
            raise IdentityProblem(f"{certificate}: not signed by {authority}; fetch both from the same store") from None
        cart_id, _ = self._requested()
        if common(signed.subject) != cart_id:
            raise IdentityProblem(f"{certificate}: made out to {common(signed.subject)!r}, this is {cart_id}")
        if signed.not_valid_after_utc < dt.datetime.now(dt.UTC):
            raise IdentityProblem(f"{certificate}: has run out; have the store sign {self.request} again")
        rotated = self.next_key.exists() and _fits(self.next_key, signed)
        if not rotated and not _fits(self.key, signed):
            raise IdentityProblem(f"{certificate}: signed for another key; have the store sign {self.request} again")
        write_public(self.authority, pem(issuer))
        if rotated:
            # Between these two a cut leaves key and certificate apart; `enrol` again mends it.
            self.next_key.replace(self.key)
        write_public(self.certificate, pem(signed))
        return signed

    def standing(self) -> Standing:
        """Raises Problem where there is no identity yet."""
        cart_id, store_id = self._requested()
        rotating = self.next_key.exists()
        if not self.certificate.exists():
            return Standing(cart_id=cart_id, store_id=store_id, enrolled=False, rotating=rotating)
        until = load_certificate(self.certificate).not_valid_after_utc
        return Standing(
            cart_id=cart_id, store_id=store_id, enrolled=True, good_until=until.isoformat(timespec="seconds"),
            days_left=(until - dt.datetime.now(dt.UTC)).days, rotating=rotating,
        )  # fmt: skip

    def _requested(self) -> tuple[str, str]:
        try:
            subject = x509.load_pem_x509_csr(read(self.request)).subject
        except ValueError:
            raise IdentityProblem(f"{self.request}: damaged; run 'cart provision cart' again") from None
        return common(subject), common(subject, NameOID.ORGANIZATION_NAME)


def _fits(key: Path, certificate: x509.Certificate) -> bool:
    return load_key(key).public_key() == certificate.public_key()
