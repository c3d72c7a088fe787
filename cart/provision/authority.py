"""The store's authority: a folder with its key, the certificates that it has signed, and the list of revoked ones.

X.509 (RFC 5280) with ECDSA P-256, which every broker and every OpenSSL since 1.0.2 speaks. A certificate's common name
is what the broker takes for the user: a cart's id, a till's name. Names of tills begin with `till-` and no cart gets
such a name, as the access list gives those names the rights of a till.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cart.core.problem import Problem
from cart.provision.files import read, write_public
from cart.sync.keys import write_secret
from cart.sync.topics import TopicProblem, address

Role = Literal["cart", "till", "broker"]

AUTHORITY_DAYS: Final = 7300
"""Twenty years: longer than a cart lives."""
LEAF_DAYS: Final[dict[Role, int]] = {"cart": 730, "till": 730, "broker": 730}
"""Two years, then `cart provision rotate`."""
REVOCATIONS_DAYS: Final = 3650
"""A list past its date refuses every cart; nothing in a store renews it by itself, so it is dated far ahead."""
BACK: Final = dt.timedelta(days=1)
"""Certificates are good from yesterday: clocks differ."""

_TILL: Final = re.compile(r"till-[a-z0-9-]{1,32}")


class AuthorityProblem(Problem):
    """A request or a certificate that can't be dealt with."""


class Authority:
    """Open with `Authority.open`, make with `Authority.create`."""

    def __init__(self, folder: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self.folder = folder
        self._key = key
        self.certificate = certificate
        self.store_id = common(certificate.subject, NameOID.ORGANIZATION_NAME)

    @classmethod
    def create(cls, folder: Path, store_id: str) -> Authority:
        """A new authority with an empty list of revocations. Raises AuthorityProblem where there is one already."""
        address(store_id, "any")
        if (folder / "ca.key").exists():
            raise AuthorityProblem(f"{folder}: there is an authority already; name another folder, or use this one")
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / "issued").mkdir(exist_ok=True)
        except OSError as error:
            raise AuthorityProblem(f"{folder}: cannot be made ({error.strerror}); choose another folder") from None
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"Carts of {store_id}", store_id)
        builder = _builder(name, name, key.public_key(), AUTHORITY_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(sign=True), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        certificate = builder.sign(key, hashes.SHA256())
        write_secret(folder / "ca.key", private_pem(key))
        write_public(folder / "ca.pem", pem(certificate))
        made = cls(folder, key, certificate)
        made._write_revocations([])
        return made

    @classmethod
    def open(cls, folder: Path) -> Authority:
        """Raises AuthorityProblem, Problem."""
        key = load_key(folder / "ca.key")
        return cls(folder, key, load_certificate(folder / "ca.pem"))

    def sign(self, request: bytes, role: Role, *, renew: bool = False, hosts: tuple[str, ...] = ()) -> x509.Certificate:
        """A certificate for what a request asks. Raises AuthorityProblem for any that doesn't fit its role.

        `renew` allows a second one while the first is still good; without it two carts can't share a name unnoticed.
        """
        try:
            asked = x509.load_pem_x509_csr(request)
        except ValueError:
            raise AuthorityProblem("that is no certificate request in PEM; send the cart's request.pem") from None
        public = asked.public_key()
        if not asked.is_signature_valid or not isinstance(public, ec.EllipticCurvePublicKey):
            raise AuthorityProblem("the request is damaged or of another kind of key; make it anew on the cart")
        name = common(asked.subject, NameOID.COMMON_NAME)
        self._must_fit(name, common(asked.subject, NameOID.ORGANIZATION_NAME), role)
        if not renew and any(not self.is_revoked(held) for held in self.issued(name)):
            raise AuthorityProblem(f"{name} has a certificate already; revoke it first, or give --renew to rotate it")
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if role == "broker" else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = _builder(_name(name, self.store_id), self.certificate.subject, public, LEAF_DAYS[role])
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(sign=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
            )
        certificate = builder.sign(self._key, hashes.SHA256())
        write_public(self.folder / "issued" / f"{name}-{certificate.serial_number:x}.pem", pem(certificate))
        return certificate

    def issued(self, name: str) -> list[x509.Certificate]:
        """All certificates ever signed for a name that have not run out."""
        now = dt.datetime.now(dt.UTC)
        found = [load_certificate(path) for path in sorted((self.folder / "issued").glob("*.pem"))]
        return [one for one in found if common(one.subject) == name and one.not_valid_after_utc > now]

    def revoke(self, name: str, *, keep_serial: int | None = None) -> int:
        """Revoke a name's certificates, but for the one with `keep_serial`; answers how many. The list is on disk then.

        Raises AuthorityProblem where there is nothing to revoke.
        """
        doomed = [one for one in self.issued(name) if one.serial_number != keep_serial and not self.is_revoked(one)]
        if not doomed:
            raise AuthorityProblem(f"{name} has no certificate that could be revoked; 'ls {self.folder / 'issued'}'")
        now = dt.datetime.now(dt.UTC)
        entries = [
            x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(now).build()
            for one in doomed
        ]
        self._write_revocations([*self._revocations(), *entries])
        return len(doomed)

    def is_revoked(self, certificate: x509.Certificate) -> bool:
        return any(one.serial_number == certificate.serial_number for one in self._revocations())

    def _must_fit(self, name: str, store_id: str, role: Role) -> None:
        if store_id != self.store_id:
            raise AuthorityProblem(f"the request is for store {store_id!r}, this authority is of {self.store_id!r}")
        if role != "broker" and name.startswith("till-") is not (role == "till"):
            raise AuthorityProblem(f"{name!r}: names of tills begin with 'till-', names of carts never; rename it")
        if role == "till" and not _TILL.fullmatch(name):
            raise AuthorityProblem(f"{name!r}: a till's name is 'till-' with small letters, digits and '-'")
        try:
            address(self.store_id, name)
        except TopicProblem:
            raise AuthorityProblem(f"{name[:40]!r} can't be a name here; letters, digits, '.', '_' and '-'") from None

    def _revocations(self) -> list[x509.RevokedCertificate]:
        try:
            return list(x509.load_pem_x509_crl(read(self.folder / "crl.pem")))
        except ValueError:
            raise AuthorityProblem(f"{self.folder / 'crl.pem'}: damaged; put the last good copy back") from None

    def _write_revocations(self, revoked: list[x509.RevokedCertificate]) -> None:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(now - BACK).next_update(now + dt.timedelta(days=REVOCATIONS_DAYS))
        for one in revoked:
            builder = builder.add_revoked_certificate(one)
        write_public(
            self.folder / "crl.pem",
            builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        )


def make_request(key: ec.EllipticCurvePrivateKey, name: str, store_id: str) -> bytes:
    """A certificate request, PEM. Raises TopicProblem for an id that can't be a name."""
    address(store_id, name)
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(name, store_id))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Raises Problem where it is missing or no ECDSA key."""
    content = read(path)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        raise AuthorityProblem(f"{path}: no private key in PEM; put the right file back") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AuthorityProblem(f"{path}: not an ECDSA key; put the right file back")
    return key


def load_certificate(path: Path) -> x509.Certificate:
    """Raises Problem where it is missing or no certificate."""
    content = read(path)
    try:
        return x509.load_pem_x509_certificate(content)
    except ValueError:
        raise AuthorityProblem(f"{path}: no certificate in PEM; give the right file") from None


def common(name: x509.Name, oid: x509.ObjectIdentifier = NameOID.COMMON_NAME) -> str:
    """The one value of a name's part; "" where there are none or several."""
    found = name.get_attributes_for_oid(oid)
    return str(found[0].value) if len(found) == 1 else ""


def _name(name: str, store_id: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, store_id), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - BACK).not_valid_after(now + dt.timedelta(days=days))


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=sign, crl_sign=sign, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
