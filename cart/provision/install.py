"""What a cart's system needs beside the program: unit, udev rules, users, folders, and a first cart.toml."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import msgspec

from cart.core.problem import Problem
from cart.provision.files import read, write_public

TARGETS: Final = {
    "cart.service": "etc/systemd/system/cart.service",
    "70-cart.rules": "etc/udev/rules.d/70-cart.rules",
    "cart.sysusers.conf": "usr/lib/sysusers.d/cart.conf",
    "cart.tmpfiles.conf": "usr/lib/tmpfiles.d/cart.conf",
}
CONFIG: Final = "etc/cart/cart.toml"
PREFIX: Final = "/opt/cart"
NEXT: Final = (
    "systemd-sysusers",
    "systemd-tmpfiles --create",
    "udevadm control --reload && udevadm trigger",
    "systemctl daemon-reload",
)


class InstallProblem(Problem):
    """The files that come with the program are not where they should be."""


def source(name: str) -> Path:
    """A file of the folder `systemd`: beside the package in a checkout, below `share` where it was installed."""
    for folder in (Path(__file__).parents[2] / "systemd", Path(sys.prefix) / "share" / "smart-cart" / "systemd"):
        if (folder / name).is_file():
            return folder / name
    raise InstallProblem(f"{name}: not found beside the program; install it again with pip")


def install(root: Path, cart_id: str, store_id: str, *, prefix: str = PREFIX) -> list[Path]:
    """Write what is missing or old; answers what was written. A cart.toml that is there is never touched."""
    wanted = {root / target: read(source(name)) for name, target in TARGETS.items()}
    unit = root / TARGETS["cart.service"]
    wanted[unit] = wanted[unit].replace(PREFIX.encode() + b"/bin/", prefix.encode() + b"/bin/")
    changed = [path for path, content in wanted.items() if not path.exists() or read(path) != content]
    for path in changed:
        write_public(path, wanted[path])
    config = root / CONFIG
    if not config.exists():
        write_public(config, first_config(cart_id, store_id).encode(), 0o640)
        changed.append(config)
    return changed


def first_config(cart_id: str, store_id: str) -> str:
    """The example with this cart's ids."""
    text = read(source("cart.toml.example")).decode()
    for table, value in (("cart", cart_id), ("store", store_id)):
        # JSON's strings are TOML's, too.
        line = f"[{table}]\nid = {msgspec.json.encode(value).decode()}"
        text, found = re.subn(rf'\[{table}\]\nid = "[^"]*"', lambda _, line=line: line, text)  # type: ignore[misc]
        if found != 1:
            raise InstallProblem(f"cart.toml.example has no id in [{table}]; install the program again with pip")
    return text


def broker_files(store_id: str, tills: tuple[str, ...], folder: Path) -> dict[str, bytes]:
    """Mosquitto's configuration and access list for a store, with `folder` as the place of its files."""
    conf = read(source("mosquitto.conf.example")).decode().replace("/etc/mosquitto/cart", str(folder))
    access = read(source("mosquitto.acl.example")).decode().replace("store/store-1/", f"store/{store_id}/")
    patterns, _, till = access.partition("user till-1\n")
    blocks = "\n".join(f"user {name}\n{till}" for name in tills)
    return {"mosquitto.conf": conf.encode(), "access.acl": (patterns + blocks).encode()}
