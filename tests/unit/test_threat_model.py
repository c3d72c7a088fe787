"""Each threat names a test that is there, or says that it is open."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "threat-model.md"


def test_each_named_test_is_there() -> None:
    named = re.findall(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`", DOCUMENT.read_text(encoding="utf-8"))
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not re.search(rf"^def {test}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert len(named) > 30
    assert missing == []


def test_each_threat_has_a_test_or_is_open() -> None:
    text = DOCUMENT.read_text(encoding="utf-8").partition("## ETSI")[0].partition("## Between")[2]
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| threat")]
    unclear = [row for row in rows if not row.endswith(("` |", "| open |", "| access list above |"))]
    assert len(rows) > 40
    assert unclear == []
