"""The table of benchmarks keeps what was not run again."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import run_all


def test_what_is_not_run_again_keeps_its_table_and_its_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "benchmarks.md"
    monkeypatch.setattr(run_all, "DOCUMENT", document)
    answers = {"latency": ({"a": {"b_ms": 1.25}}, ""), "decision": ({"p99_ms": 7}, "")}
    monkeypatch.setattr(run_all, "run", lambda name, _extra: answers[name])
    monkeypatch.setattr("sys.argv", ["run_all", "--only", "latency", "decision"])
    monkeypatch.setattr("time.strftime", lambda *_: "2026-01-02")
    assert run_all.main() == 0
    monkeypatch.setattr("sys.argv", ["run_all", "--only", "latency"])
    monkeypatch.setattr("time.strftime", lambda *_: "2026-03-04")
    answers["latency"] = (None, "printed no JSON object")
    assert run_all.main() == 1
    kept = run_all.tables(document.read_text(encoding="utf-8"))
    assert list(kept) == ["latency", "decision"]
    assert "2026-03-04" in kept["latency"]
    assert "Failed: printed no JSON object" in kept["latency"]
    assert "2026-01-02" in kept["decision"]
    assert "| p99_ms | 7 |" in kept["decision"]
    assert "Not run yet: weighing, " in document.read_text(encoding="utf-8")
