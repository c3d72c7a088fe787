"""What the scale's and the camera's processes tell the daemon: one JSON line each on their standard output."""

from __future__ import annotations

from typing import Literal

import msgspec


class ChildMessage(msgspec.Struct, frozen=True, tag_field="type"):
    """Base. `t_ns` is the machine's monotonic clock, which all processes share."""

    t_ns: int


class Conversion(ChildMessage, frozen=True, tag="conversion"):
    """One converter reading; `t_ns` is when the driver saw it ready. `cells`: the four cells' own behind it."""

    counts: int
    cells: tuple[int, ...] = ()


class DeviceState(ChildMessage, frozen=True, tag="device"):
    """The device came (`ok`), or was lost or lied: `fault` names how, `detail` is for the technician."""

    ok: bool
    fault: str = ""
    detail: str = ""


class Alive(ChildMessage, frozen=True, tag="alive"):
    """Sent four times a second even when the device is silent: a stuck process is not a quiet device."""

    figures: dict[str, float] = {}


class Seen(ChildMessage, frozen=True, tag="seen"):
    """What the camera made of one change of the basket: class scores, never pixels. `frame_t_ns` is when the frame that
    shows the thing was taken, `t_ns` when it was classified."""

    frame_t_ns: int
    direction: Literal["in", "out", "moved", "unknown"]
    scores: dict[str, float]


class CodeSeen(ChildMessage, frozen=True, tag="code"):
    """A barcode that frames agree on, once a showing; `symbology` is its AIM identifier."""

    text: str
    symbology: str


class ModelState(ChildMessage, frozen=True, tag="model"):
    """Whether the camera's process has a classifier; `detail` says which, or why not and what to do."""

    ok: bool
    detail: str


class PictureTaken(ChildMessage, frozen=True, tag="picture"):
    """A frame as JPEG, taken at `t_ns`. Said only by a camera's process that was started with RECORD_PICTURES."""

    jpeg: bytes


RECORD_PICTURES = "--record-pictures"
"""The camera's process is started so by the daemon alone, while somebody records pictures in maintenance."""

AnyChildMessage = Conversion | DeviceState | Alive | Seen | CodeSeen | ModelState | PictureTaken
