"""Releases of the program: a cart installs what its maker signed, newer than what it has, in date and whole."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cart import release as releases
from cart.commands import update
from cart.release import MANIFEST, Release, ReleaseRefused
from cart.sync.keys import PublicKeys, SigningKey, new_signing_key, read_public_keys, write_signing_key

ISSUED_MS, EXPIRES_MS = 1_000_000, 2_000_000


def wheel(folder: Path, version: str, *, name: str = "smart_cart", starts: bool = True) -> Path:
    """A wheel whose program does nothing, or fails at once."""
    folder.mkdir(parents=True, exist_ok=True)
    about = f"{name}-{version}.dist-info"
    contents = {
        f"{name}_stub.py": f"def main() -> int:\n    return {int(not starts)}\n",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if name == "smart_cart":
        contents[f"{about}/entry_points.txt"] = f"[console_scripts]\ncart = {name}_stub:main\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for member, text in contents.items():
            file.writestr(member, text)
        listed = [*contents, f"{about}/RECORD"]
        file.writestr(f"{about}/RECORD", "".join(f"{member},,\n" for member in listed))
    return path


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    made = new_signing_key()
    write_signing_key(made, tmp_path / "maker.key")
    (tmp_path / "maker.key.pub").write_bytes(made.public_pem())
    return made


@pytest.fixture
def keys(key: SigningKey, tmp_path: Path) -> PublicKeys:  # it has written the file
    return read_public_keys(tmp_path / "maker.key.pub")


def released(folder: Path, key: SigningKey, version: str = "1.2.3", **how: Any) -> Path:
    wheel(folder, version, **how)
    wheel(folder, "4.5", name="helper")
    releases.sign(folder, key, issued_ms=ISSUED_MS, expires_ms=EXPIRES_MS)
    return folder


def judged(folder: Path, keys: PublicKeys, *, installed: str = "1.2.2", now_ms: int = ISSUED_MS) -> str:
    """The reason of the refusal, "" where there is none."""
    try:
        releases.check(folder, keys, installed=installed, now_ms=now_ms)
    except ReleaseRefused as refused:
        return refused.what
    return ""


def changed(folder: Path, **fields: object) -> None:
    """Edit the list without the key."""
    found = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(found | fields))


def test_what_the_maker_signed_is_taken(tmp_path: Path, key: SigningKey, keys: PublicKeys) -> None:
    folder = released(tmp_path / "r", key)
    found = releases.check(folder, keys, installed="1.2", now_ms=EXPIRES_MS)
    assert found.version == "1.2.3"
    assert [line.split("=")[0] for line in found.requirements.splitlines()] == ["helper", "smart-cart"]


@pytest.mark.parametrize(
    "edit",
    [
        {"signature": ""},
        {"signature": "no hex"},
        {"version": "9.9.9"},
        {"expires_ms": EXPIRES_MS * 1000},
        {"issued_ms": 0},
        {"files": {}},
        {"key_id": "0" * 16},
    ],
    ids=lambda edit: next(iter(edit)),
)
def test_an_unsigned_or_edited_list_is_refused(
    tmp_path: Path, key: SigningKey, keys: PublicKeys, edit: dict[str, object]
) -> None:
    folder = released(tmp_path / "r", key)
    changed(folder, **edit)
    assert judged(folder, keys) == "signature_wrong"


def test_another_makers_release_is_refused(tmp_path: Path, keys: PublicKeys) -> None:
    assert judged(released(tmp_path / "r", new_signing_key()), keys) == "signature_wrong"


@pytest.mark.parametrize("installed", ["1.2.3", "1.2.3.0", "1.2.10", "1.3", "2"])
def test_the_version_never_goes_back(tmp_path: Path, key: SigningKey, keys: PublicKeys, installed: str) -> None:
    assert judged(released(tmp_path / "r", key), keys, installed=installed) == "older"


def test_an_expired_release_is_refused(tmp_path: Path, key: SigningKey, keys: PublicKeys) -> None:
    folder = released(tmp_path / "r", key)
    assert judged(folder, keys, now_ms=EXPIRES_MS) == ""
    assert judged(folder, keys, now_ms=EXPIRES_MS + 1) == "expired"


SPOILT: dict[str, Callable[[Path], object]] = {
    "changed": lambda wheel: wheel.write_bytes(wheel.read_bytes() + b"."),
    "missing": Path.unlink,
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_wheel_that_is_not_the_one_signed_is_refused(
    tmp_path: Path, key: SigningKey, keys: PublicKeys, what: str
) -> None:
    folder = released(tmp_path / "r", key)
    SPOILT[what](folder / "helper-4.5-py3-none-any.whl")
    assert judged(folder, keys) == what


@pytest.mark.parametrize("name", ["../evil-1.0-py3-none-any.whl", "evil-1.0.tar.gz", "-r-1.0-py3-none-any.whl"])
def test_nothing_but_wheels_of_the_folder_is_looked_at(
    tmp_path: Path, key: SigningKey, keys: PublicKeys, name: str
) -> None:
    release = Release(version="1.2.3", issued_ms=0, expires_ms=EXPIRES_MS, files={name: "0" * 64})
    signed = msgspec.structs.replace(release, key_id=key.key_id, signature=key.sign(release.covered))
    (tmp_path / MANIFEST).write_bytes(msgspec.json.encode(signed))
    assert judged(tmp_path, keys) == "no_release"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 3}', "[" * 10_000])
def test_what_is_no_list_is_refused_in_words(tmp_path: Path, keys: PublicKeys, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    assert judged(tmp_path, keys) == "no_release"


@pytest.mark.parametrize("versions", [[], ["1.0", "1.1"], ["1.0rc1"]])
def test_only_one_version_of_the_program_is_signed(tmp_path: Path, key: SigningKey, versions: list[str]) -> None:
    for version in versions:
        wheel(tmp_path, version)
    with pytest.raises(ReleaseRefused):
        releases.sign(tmp_path, key, issued_ms=0, expires_ms=1)
    assert not (tmp_path / MANIFEST).exists()


def test_the_command_signs_and_checks(
    tmp_path: Path,
    key: SigningKey,  # it has written the file
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, believed = tmp_path / "r", tmp_path / "maker.key.pub"
    wheel(folder, "99.0")
    update.sign(folder, tmp_path / "maker.key")
    assert update.check(folder, believed) == 0
    changed(folder, version="99.1")
    capsys.readouterr()
    assert update.check(folder, believed, as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["refused"] == "signature_wrong"
    assert update.install(folder, believed, tmp_path / "cart") == 1
    assert not (tmp_path / "cart").exists()


def test_it_is_installed_beside_the_old_one_and_only_what_starts_takes_its_place(
    tmp_path: Path, key: SigningKey, keys: PublicKeys
) -> None:
    prefix = tmp_path / "cart"
    (tmp_path / "cart-old").mkdir()
    prefix.symlink_to("cart-old")
    broken = released(tmp_path / "broken", key, "1.2.3", starts=False)
    with pytest.raises(ReleaseRefused, match="the old version stays"):
        releases.install(broken, releases.check(broken, keys, installed="1", now_ms=0), prefix)
    assert sorted(path.name for path in tmp_path.glob("*cart*")) == ["cart", "cart-old"]
    assert prefix.readlink() == Path("cart-old")
    good = released(tmp_path / "good", key, "1.2.4")
    releases.install(good, releases.check(good, keys, installed="1", now_ms=0), prefix)
    assert prefix.readlink() == Path("cart-1.2.4")
    subprocess.run([prefix / "bin" / "cart"], check=True)
    assert releases.issued_ms(prefix) == ISSUED_MS


def test_a_program_that_is_no_link_is_left_alone(tmp_path: Path, key: SigningKey, keys: PublicKeys) -> None:
    folder = released(tmp_path / "r", key)
    (tmp_path / "cart").mkdir()
    with pytest.raises(ReleaseRefused, match="not a link"):
        releases.install(folder, releases.check(folder, keys, installed="1", now_ms=0), tmp_path / "cart")
