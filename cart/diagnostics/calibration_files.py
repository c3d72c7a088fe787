"""Where a calibration lives: two keys of cart.toml, and `calibration.json` beside it with all that came before.

Both are replaced whole: written beside, forced to disk, renamed. A power cut leaves the old file or the new one. The
history is written first; cart.toml says what is in force, and what stands there unknown to the history is added to it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from cart.config import Config, load_config, parse_config
from cart.core.calibration import Calibration, CalibrationHistory
from cart.core.problem import UNREADABLE_JSON, Problem

HISTORY_FILE = "calibration.json"


class CalibrationFileError(Problem):
    """One line: which file, what to do."""


def history_path(config_path: Path) -> Path:
    """Beside the configuration, so that both are backed up and moved together."""
    return config_path.with_name(HISTORY_FILE)


def read_history(config_path: Path, config: Config) -> CalibrationHistory:
    """All kept calibrations; the last is what the configuration says. Raises CalibrationFileError on a broken file."""
    path = history_path(config_path)
    try:
        history = msgspec.json.decode(path.read_bytes(), type=CalibrationHistory)
    except FileNotFoundError:
        history = CalibrationHistory()
    except (OSError, *UNREADABLE_JSON) as error:
        raise CalibrationFileError(f"{path}: cannot be read ({error}); move it away and calibrate again") from None
    scale, current = config.scale, history.current
    if current is not None and current.is_of(scale):
        return history
    return history.with_new(Calibration.found(scale, event=history.events + 1, made_by=f"found in {config_path.name}"))


def store(config_path: Path, history: CalibrationHistory) -> None:
    """Put the history's last calibration in force. Raises CalibrationFileError and then changes nothing in force."""
    current = history.current
    if current is None:
        raise CalibrationFileError("there is no calibration to store; run 'cart calibrate'")
    text = with_calibration(config_path.read_text(encoding="utf-8"), current, source=str(config_path))
    _replace(history_path(config_path), msgspec.json.format(msgspec.json.encode(history), indent=2) + b"\n")
    _replace(config_path, text.encode())
    load_config(config_path)


def with_calibration(text: str, calibration: Calibration, *, source: str) -> str:
    """`text` of a cart.toml with the calibration's keys of [scale] changed, or added where they matter and all else,
    comments too, as it was. Raises CalibrationFileError where the table is not written a key a line."""
    left = {key: _toml(value) for key, value in calibration.keys.items()}
    unset = {field.name: field.default for field in msgspec.structs.fields(Calibration)}
    lines = text.splitlines(keepends=True)
    inside, last = False, None
    for index, line in enumerate(lines):
        if re.match(r"\s*\[", line):
            inside = re.match(r"\s*\[\s*scale\s*\]", line) is not None
        found = re.match(r"(\s*(\w+)\s*=\s*)(?:\[[^\]]*\]|[^#\s]+)(.*\s*)", line)
        if inside and found is not None and found[2] in left:
            lines[index] = found[1] + left.pop(found[2]) + found[3]
            last = index
    missing = [f"{key} = {value}" for key, value in left.items() if getattr(calibration, key) != unset[key]]
    if last is not None:
        lines[last : last + 1] = [lines[last].rstrip("\n") + "\n", *(f"{line}\n" for line in missing)]
    changed = "".join(lines)
    if not calibration.is_of(parse_config(changed, source=source).scale):
        wanted = ", ".join(f"{key} = {_toml(value)}" for key, value in calibration.keys.items())
        raise CalibrationFileError(f"{source}: the keys of [scale] stand in no line of their own; set {wanted} by hand")
    return changed


def _toml(value: object) -> str:
    """Numbers and lists of numbers as TOML has them, to the last digit."""
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _replace(path: Path, data: bytes) -> None:
    """Atomic, durable, keeping owner and mode where there was a file."""
    beside = path.with_name(f".{path.name}.new")
    try:
        old = path.stat() if path.exists() else None
        with beside.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if old is not None:
            beside.chmod(old.st_mode & 0o7777)
            if os.geteuid() == 0:
                os.chown(beside, old.st_uid, old.st_gid)
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise CalibrationFileError(
            f"{path}: cannot be written ({error.strerror}); run 'sudo cart calibrate', or free space"
        ) from None
