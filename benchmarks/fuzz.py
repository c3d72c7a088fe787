"""Coverage-guided fuzzing of all that reads foreign bytes: `python -m benchmarks.fuzz --seconds 600`, so long a target.

Needs atheris (`pip install atheris`; CPython up to 3.13). A crash ends it with the input's file; `--input FILE --target
NAME` replays one. What it found so far: CHANGELOG.md. The same targets run under hypothesis in the tests.
"""

from __future__ import annotations

import argparse
import logging
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

NAMES = ("scanner", "payload", "topic", "code", "catalog", "table", "config", "recording")
INPUT_MAX_BYTES = 20_000
TIMEOUT_S = 10
"""An input that takes longer is a finding, too."""


def fuzz(target: str, folder: Path, seconds: int) -> None:
    """Never comes back: libFuzzer ends the process, with 77 after an exception that was not allowed."""
    import atheris  # type: ignore[import-untyped]  # only whoever fuzzes needs it

    with atheris.instrument_imports(include=["cart", "drivers"]):
        from benchmarks.fuzz_targets import beginnings, one_input
    logging.disable(logging.CRITICAL)
    corpus = folder / target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(beginnings(target)):
        (corpus / f"begun-{number}").write_bytes(data)
    atheris.Setup(
        [
            "fuzz", str(corpus), f"-max_total_time={seconds}", f"-max_len={INPUT_MAX_BYTES}", f"-timeout={TIMEOUT_S}",
            f"-artifact_prefix={folder}/{target}-", "-print_final_stats=1",
        ],
        lambda data: one_input(target, data),
    )  # fmt: skip
    atheris.Fuzz()


def fuzz_each(targets: list[str], folder: Path, seconds: int) -> int:
    """One process a target; prints one line each, and the input's file where something was found."""
    failing = 0
    for target in targets:
        command = [sys.executable, "-m", "benchmarks.fuzz", "--one", target, "--folder", str(folder)]
        done = subprocess.run(
            [*command, "--seconds", str(seconds)], capture_output=True, text=True, errors="replace", check=False
        )
        log = folder / f"{target}.log"
        log.write_text(done.stderr, encoding="utf-8")
        failing += done.returncode != 0
        inputs = re.findall(r"stat::number_of_executed_units:\s+(\d+)", done.stderr)
        covered = re.findall(r"cov: (\d+)", done.stderr)
        print(
            f"{target}: {'nothing found' if done.returncode == 0 else f'FOUND SOMETHING, see {log}'}; "
            f"{inputs[-1] if inputs else '?'} inputs, {covered[-1] if covered else '?'} edges",
            flush=True,
        )
    return failing


def main() -> int:
    """0 where nothing was found."""
    parser = argparse.ArgumentParser(description="Coverage-guided fuzzing of all that reads foreign bytes")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--target", action="append", choices=NAMES, help="only these")
    parser.add_argument("--folder", type=Path, help="keep corpora, logs and inputs there, and begin with them")
    parser.add_argument("--input", type=Path, help="replay one input of one target, without atheris")
    parser.add_argument("--one", choices=NAMES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    targets = arguments.target or list(NAMES)
    if arguments.one is not None:
        fuzz(arguments.one, arguments.folder, arguments.seconds)
    if arguments.input is not None:
        from benchmarks.fuzz_targets import one_input

        for target in targets:
            one_input(target, arguments.input.read_bytes())
        return 0
    if find_spec("atheris") is None:
        print("needs atheris; pip install atheris (CPython up to 3.13)", file=sys.stderr)
        return 2
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    return int(fuzz_each(targets, folder, arguments.seconds) > 0)


if __name__ == "__main__":
    raise SystemExit(main())
