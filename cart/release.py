"""A release of this program: a folder of wheels with a signed list of them, and its installation beside the old one.

`release.json` names every wheel with its SHA-256 and bears an Ed25519 signature (cart/sync/keys.py) over the JSON
array, without spaces, `["cart-release-1", version, issued_ms, expires_ms, [[file, sha256], …]]`, files by name. What a
cart refuses is what The Update Framework calls arbitrary software, rollback and freeze attacks
(theupdateframework.io/docs/security). How the folder comes onto the cart is nobody's business here.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from cart.core.problem import Problem
from cart.provision.files import read, write_public
from cart.sync.signatures import Signs, Verifies

NAME: Final = "smart-cart"
MANIFEST: Final = "release.json"
LIFE_DAYS: Final = 90
"""How long a release may be installed, unless it says otherwise: who withholds later ones gains no more than that."""

_VERSION: Final = re.compile(r"\d{1,6}(\.\d{1,6}){0,3}")
_WHEEL: Final = re.compile(r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>[A-Za-z0-9_.!+]+)(-\d\w*)?(-[\w.]+){3}\.whl")
_PIP_S: Final = 900.0
"""Wheels only; a Pi 3 takes a few minutes for all of them."""


class ReleaseRefused(Problem):
    """A release that is not installed. `what` is the reason's public name."""

    def __init__(self, what: str, detail: str) -> None:
        super().__init__(detail)
        self.what = what


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """`release.json`. `files`: name → SHA-256 in hex. Times in ms of the wall clock."""

    version: str
    issued_ms: int
    expires_ms: int
    files: dict[str, str]
    key_id: str = ""
    signature: str = ""

    @property
    def covered(self) -> bytes:
        """What the signature covers."""
        listed = [[name, digest] for name, digest in sorted(self.files.items())]
        return msgspec.json.encode(["cart-release-1", self.version, self.issued_ms, self.expires_ms, listed])

    @property
    def requirements(self) -> str:
        """The wheels as pip is told them, so that it checks each hash itself and takes nothing else."""
        hashes: dict[str, list[str]] = {}
        for name, digest in sorted(self.files.items()):
            found = _wheel(name)
            hashes.setdefault(f"{found['name'].replace('_', '-')}=={found['version']}", []).append(digest)
        return "".join(
            " ".join([pinned, *(f"--hash=sha256:{digest}" for digest in digests)]) + "\n"
            for pinned, digests in hashes.items()
        )


def sign(folder: Path, signer: Signs, *, issued_ms: int, expires_ms: int) -> Release:
    """List a folder's wheels and sign the list. Raises ReleaseRefused where they are no release of this program."""
    files = {path.name: _sha256(path) for path in sorted(folder.glob("*.whl"))}
    versions = {found["version"] for found in map(_wheel, files) if found["name"].replace("_", "-") == NAME}
    if len(versions) != 1:
        raise ReleaseRefused("no_release", f"{folder}: one wheel of {NAME} is wanted; run pip wheel . -w {folder}")
    unsigned = Release(version=versions.pop(), issued_ms=issued_ms, expires_ms=expires_ms, files=files)
    _number(unsigned.version)
    signature = signer.sign(unsigned.covered)
    release = msgspec.structs.replace(unsigned, key_id=signer.key_id, signature=signature)
    write_public(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(release)) + b"\n")
    return release


def check(folder: Path, keys: Verifies, *, installed: str, now_ms: int) -> Release:
    """The release, if it may follow the version `installed`. Raises ReleaseRefused, and FileProblem without a list.

    `now_ms` is at least a time that has passed for certain: a cart's clock may start years back.
    """
    try:
        release = msgspec.json.decode(read(folder / MANIFEST), type=Release)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ReleaseRefused("no_release", f"{folder / MANIFEST}: not a release ({error}); fetch it anew") from None
    if not keys.verify(release.key_id, release.signature, release.covered):
        raise ReleaseRefused("signature_wrong", "not signed by a key that this cart believes; fetch it from its maker")
    if _number(release.version) <= _number(installed):
        raise ReleaseRefused("older", f"{release.version} is not newer than {installed}, which is installed")
    if now_ms > release.expires_ms:
        raise ReleaseRefused("expired", f"{release.version} has expired; fetch a later one, or have it signed anew")
    for name, digest in release.files.items():
        _wheel(name)
        if _sha256(folder / name) != digest:
            raise ReleaseRefused("changed", f"{name} is not the file that was signed; fetch the release anew")
    return release


def install(folder: Path, release: Release, prefix: Path) -> Path:
    """Install it beside the old one, look whether it starts, then let the link `prefix` point to it; answers the new
    folder. Whatever fails, or is cut off, leaves the old one in its place. Raises ReleaseRefused.
    """
    if prefix.exists() and not prefix.is_symlink():
        raise ReleaseRefused("no_link", f"{prefix} is a folder, not a link to one; move it and link to it, then again")
    new = prefix.with_name(f"{prefix.name}-{release.version}")
    shutil.rmtree(new, ignore_errors=True)  # of an installation that was cut off
    try:
        _run([sys.executable, "-m", "venv", str(new)])
        write_public(new / "requirements.txt", release.requirements.encode())
        _run([
            str(new / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index",
            "--find-links", str(folder), "--only-binary", ":all:", "--require-hashes",
            "--requirement", str(new / "requirements.txt"),
        ])  # fmt: skip
        _run([str(new / "bin" / "cart"), "--help"])
        write_public(new / MANIFEST, msgspec.json.encode(release))
    except ReleaseRefused:
        shutil.rmtree(new, ignore_errors=True)
        raise
    link = prefix.with_name(f".{prefix.name}.new")
    link.unlink(missing_ok=True)
    link.symlink_to(new.name)
    os.sync()  # pip syncs nothing, and the link must not be on disk before what it points to
    link.replace(prefix)
    os.sync()
    return new


def issued_ms(prefix: Path) -> int:
    """When the release that runs was signed: a time that has passed. 0 where it was installed by hand."""
    try:
        return msgspec.json.decode((prefix / MANIFEST).read_bytes(), type=Release).issued_ms
    except (OSError, msgspec.MsgspecError):
        return 0


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PIP_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReleaseRefused("not_installed", f"{command[0]}: {error}; the old version stays") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise ReleaseRefused("not_installed", f"{said}; the old version stays")


def _wheel(name: str) -> re.Match[str]:
    found = _WHEEL.fullmatch(name)
    if found is None:
        raise ReleaseRefused("no_release", f"{name!r} is no wheel's name; a release has wheels only")
    return found


def _number(version: str) -> tuple[int, ...]:
    if _VERSION.fullmatch(version) is None:
        raise ReleaseRefused("no_release", f"{version!r} is no version like 1.2.3; give the program one")
    numbers = tuple(map(int, version.split(".")))
    return numbers + (0,) * (4 - len(numbers))


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ReleaseRefused("missing", f"{path}: cannot be read ({error.strerror}); fetch the release anew") from None
