"""`cart record`: writes what a running cart observes into a recording. Never an address, and pictures only
where they are asked for, of a cart in maintenance."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from cart.config import DEFAULT_PATH, Config, load_config
from cart.control_client import ControlClient
from cart.core.catalog_reading import read_catalog_json
from cart.core.problem import Problem
from cart.recordings import RecordingError, RecordingWriter
from cart.recordings.format import CAMERA, LOOK, RecordedTables

SHOW_EVERY_S = 0.5


def run(
    out: Annotated[Path, typer.Option("--out", help="The recording to write (.mcap).", show_default=False)],
    config_path: Annotated[Path, typer.Option("--config", help="The cart's configuration.")] = DEFAULT_PATH,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Stop after this long; otherwise Ctrl-C stops.", show_default=False)
    ] = None,
    catalog_path: Annotated[
        Path | None,
        typer.Option("--catalog", help="The catalogue the cart runs on; by default what it says itself."),
    ] = None,
    mid_trip: Annotated[bool, typer.Option("--mid-trip", help="Record although a trip is under way.")] = False,
    frames: Annotated[
        bool, typer.Option("--frames", help="The camera's pictures too; of a cart in maintenance only.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> int:
    """Record a live cart: scale, scanner, touches, what the camera made of it. Its pictures only with --frames."""
    config = load_config(config_path)
    client = ControlClient(Path(config.journal.folder))
    phase = _phase(client.status())
    if frames and phase != "maintenance":
        raise RecordingError(
            f"pictures are recorded of a cart in maintenance only, and this one is in {phase}; have staff put it there"
        )
    if phase not in {"idle", "maintenance"} and not mid_trip:
        raise RecordingError(
            f"the cart is in a trip ({phase}), and a recording starts with an empty basket; wait for its end, "
            "or add --mid-trip and know that replay will not come out the same"
        )
    catalog = client.catalog() if catalog_path is None else _catalog(catalog_path)
    if catalog is None:
        raise RecordingError("the cart has no catalogue to give; name the one it runs on with --catalog")
    with RecordingWriter(
        out,
        config_toml=recorded_toml(config),
        catalog_json=catalog,
        cart_id=config.cart.id,
        made_by="cart record",
        notes={"phase": phase, "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())},
        replace=force,
    ) as writer:
        try:
            _record(client, writer, seconds, frames=frames)
        except KeyboardInterrupt:
            typer.echo("", err=True)
        counts = ", ".join(f"{count} {topic}" for topic, count in sorted(writer.counts.items())) or "nothing"
        typer.echo(f"{out}: {counts}")
        return 0 if writer.counts else 1


def _record(client: ControlClient, writer: RecordingWriter, seconds: float | None, *, frames: bool) -> None:
    # Recordings are on wall time, the cart on its own clock. One offset for all: setting the clock moves nothing.
    offset_ns: int | None = None
    console = Console(stderr=True, markup=False)
    began_s = shown_s = time.monotonic()
    with console.status("recording …") as line:
        for observed in client.observe(seconds=seconds, pictures=frames):
            if observed is not None:
                if offset_ns is None:
                    offset_ns = time.time_ns() - observed.t_ns
                body, t_ns = observed.body, observed.t_ns + offset_ns
                if observed.topic == LOOK:
                    body = {**body, "frame_t_ns": body.get("frame_t_ns", 0) + offset_ns}
                elif observed.topic == CAMERA:
                    body = {**body, "timestamp": {"sec": t_ns // 10**9, "nsec": t_ns % 10**9}}
                writer.write_untyped(observed.topic, t_ns, body)
            if time.monotonic() - shown_s > SHOW_EVERY_S:
                shown_s = time.monotonic()
                counts = "  ".join(f"{topic} {count}" for topic, count in sorted(writer.counts.items()))
                line.update(f"recording {shown_s - began_s:.0f} s  {counts}  (Ctrl-C stops)")


def _phase(status: dict[str, object]) -> str:
    trip = status.get("trip")
    phase = trip.get("phase") if isinstance(trip, dict) else status.get("phase")
    return phase if isinstance(phase, str) else "unknown"


def _catalog(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Problem(
            f"{path}: the catalogue cannot be read ({error.strerror}); name the one the cart runs on with --catalog"
        ) from None
    read_catalog_json(data, str(path))
    return data


def recorded_toml(config: Config) -> str:
    """The tables that decisions depend on, one key a line; nothing of brokers, keys or places."""
    tables = {
        "cart": {"id": config.cart.id},
        "store": msgspec.to_builtins(config.store),
        "scale": msgspec.to_builtins(config.scale),
        "scanner": msgspec.to_builtins(config.scanner),
        "policy": msgspec.to_builtins(config.policy),
    }
    known = RecordedTables.__struct_fields__
    lines: list[str] = []
    for name, table in tables.items():
        if name not in known:
            continue
        lines.append(f"[{name}]")
        # JSON's strings, numbers, booleans and lists of strings are TOML's as well.
        lines.extend(f"{key} = {msgspec.json.encode(value).decode()}" for key, value in table.items())
    return "\n".join(lines) + "\n"
