"""What the scale's and the camera's processes tell the daemon: one JSON line each on their standard output."""

from __future__ import annotations

import msgspec


class ChildMessage(msgspec.Struct, frozen=True, tag_field="type"):
    """Base. `t_ns` is the machine's monotonic clock, which all processes share."""

    t_ns: int


class Conversion(ChildMessage, frozen=True, tag="conversion"):
    """One converter reading; `t_ns` is when the driver saw it ready."""

    counts: int


class DeviceState(ChildMessage, frozen=True, tag="device"):
    """The device came (`ok`), or was lost or lied: `fault` names how, `detail` is for the technician."""

    ok: bool
    fault: str = ""
    detail: str = ""


class Alive(ChildMessage, frozen=True, tag="alive"):
    """Sent four times a second even when the device is silent: a stuck process is not a quiet device."""

    figures: dict[str, float] = {}


AnyChildMessage = Conversion | DeviceState | Alive
