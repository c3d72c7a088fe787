"""Signs tombstones with the cart's own key, and checks them by its certificate: that these rows were deleted by age is
the cart's word, not that of whoever had its card in hand.

A signature is `key id:hex`: ECDSA P-256 with SHA-256 (FIPS 186-5), the id the first 16 hex digits of the SHA-256 of the
public key (SubjectPublicKeyInfo, DER). A cart that has no key leaves it empty.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from cart.core.chain import Tombstone
from cart.core.problem import Problem

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

log = logging.getLogger(__name__)

Verdict = Literal["good", "unsigned", "other_key", "wrong"]
"""`other_key`: of a key that no certificate at hand names, an earlier one of the cart for instance."""

SEPARATOR: Final = ":"


class SealProblem(Problem):
    """A key or a certificate that can't be used."""


def sealer(key_file: str) -> Callable[[bytes], str] | None:
    """Signs with the key in that file, read each time anew: it is rotated; None where none is configured."""
    if not key_file:
        return None

    def sign(data: bytes) -> str:
        from cryptography.hazmat.primitives import hashes  # 7 MB that a cart needs four times a day
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(Path(key_file).read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            log.warning("%s: can't be used (%s); tombstones are left unsigned", key_file, error)
            return ""
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            log.warning("%s: no ECDSA key; tombstones are left unsigned", key_file)
            return ""
        return key_id(key.public_key()) + SEPARATOR + key.sign(data, ec.ECDSA(hashes.SHA256())).hex()

    return sign


def check_seals(stones: Iterable[Tombstone], certificates: Iterable[Path]) -> list[tuple[Tombstone, Verdict]]:
    """What each tombstone's signature is worth. Raises SealProblem for a file that is no certificate."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509 import load_pem_x509_certificate

    keys = {}
    for path in certificates:
        try:
            key = load_pem_x509_certificate(path.read_bytes()).public_key()
        except (OSError, ValueError) as error:
            raise SealProblem(f"{path}: no certificate ({error}); name the cart's own, /etc/cart/cart.pem") from None
        if isinstance(key, ec.EllipticCurvePublicKey):
            keys[key_id(key)] = key

    def verdict(stone: Tombstone) -> Verdict:
        made_by, _, signature = stone.signature.partition(SEPARATOR)
        if not stone.signature:
            return "unsigned"
        if made_by not in keys:
            return "other_key"
        try:
            keys[made_by].verify(bytes.fromhex(signature), stone.signed_bytes(), ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            return "wrong"
        return "good"

    return [(stone, verdict(stone)) for stone in stones]


def key_id(public_key: EllipticCurvePublicKey) -> str:
    """How a key is named in a signature."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()[:16]
