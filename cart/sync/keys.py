"""The store's signing keys as files: Ed25519, PEM (PKCS #8 and SubjectPublicKeyInfo), made and read by `cryptography`.

A key's id is the first 16 hex digits of the SHA-256 of its 32 public bytes. No key is ever printed or logged.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cart.core.problem import Problem

_PUBLIC: Final = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


class KeyProblem(Problem):
    """A key file that can't be used."""


class SigningKey:
    """The store's secret key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.key_id = _key_id(key.public_key())

    def sign(self, data: bytes) -> str:
        """128 hex digits."""
        return self._key.sign(data).hex()

    def public_pem(self) -> bytes:
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


class PublicKeys:
    """The keys that a cart believes, by id; several while one replaces another, or one a till."""

    def __init__(self, keys: list[Ed25519PublicKey]) -> None:
        self._keys = {_key_id(key): key for key in keys}

    def verify(self, key_id: str, signature: str, data: bytes) -> bool:
        """False for a key that isn't among them, too."""
        key = self._keys.get(key_id)
        if key is None:
            return False
        try:
            key.verify(bytes.fromhex(signature), data)
        except (InvalidSignature, ValueError):
            return False
        return True


def new_signing_key() -> SigningKey:
    return SigningKey(Ed25519PrivateKey.generate())


def write_signing_key(key: SigningKey, path: Path) -> None:
    """For its owner alone, and never over one that is there. Raises KeyProblem."""
    pem = key._key.private_bytes(  # noqa: SLF001  # this file's own
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_secret(path, pem)


def write_secret(path: Path, content: bytes) -> None:
    """A new file of mode 0600, on disk when this returns. Raises KeyProblem where it exists or can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new.") as file:  # mode 0600 from the first byte on
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.link(file.name, path)  # whole, or not at all, and never over another
    except FileExistsError:
        raise KeyProblem(f"{path}: there is a key already; move it away first, or name another file") from None
    except OSError as error:
        raise KeyProblem(f"{path}: cannot be written ({error.strerror}); choose another folder") from None


def read_signing_key(path: Path) -> SigningKey:
    """Raises KeyProblem; also where others may read the file."""
    content = _read(path)
    if path.stat().st_mode & 0o077:
        raise KeyProblem(f"{path}: others may read this key; run: chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyProblem(f"{path}: no private key in PEM; make one with 'cart provision signing-key'") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyProblem(f"{path}: not an Ed25519 key; make one with 'cart provision signing-key'")
    return SigningKey(key)


def read_public_keys(path: Path) -> PublicKeys:
    """Raises KeyProblem where there is none in the file, or one of another kind."""
    keys: list[Ed25519PublicKey] = []
    for pem in _PUBLIC.findall(_read(path)):
        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise KeyProblem(f"{path}: a public key in it can't be read; copy the store's file anew") from None
        if not isinstance(key, Ed25519PublicKey):
            raise KeyProblem(f"{path}: not an Ed25519 key; copy the store's file anew")
        keys.append(key)
    if not keys:
        raise KeyProblem(f"{path}: no public key in it; copy the store's file, made by 'cart provision signing-key'")
    return PublicKeys(keys)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyProblem(f"{path}: cannot be read ({error.strerror}); correct the path or its permissions") from None


def _key_id(key: Ed25519PublicKey) -> str:
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]
