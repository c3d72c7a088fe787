"""JUnit XML of played scenarios: a suite a scenario, a case a step, grouped by the situation it shows."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from cart.bench.player import PlayResult


def write_junit(results: list[PlayResult], path: Path) -> None:
    """Raises OSError when the file cannot be written."""
    root = ET.Element("testsuites", name="cart bench")
    for result in results:
        suite = ET.SubElement(
            root,
            "testsuite",
            name=result.scenario,
            tests=str(len(result.steps)),
            failures=str(sum(step.outcome == "failed" for step in result.steps)),
            errors="0",
            skipped=str(sum(step.outcome == "skipped" for step in result.steps)),
            time=f"{result.seconds:.3f}",
        )
        for step in result.steps:
            case = ET.SubElement(
                suite,
                "testcase",
                classname=f"{result.source}: {step.row}" if step.row else result.source,
                name=_legal(f"{step.number:03d} {step.text}"),
                time=f"{step.seconds:.3f}",
            )
            if step.outcome == "failed":
                ET.SubElement(case, "failure", message=_legal(step.detail)).text = _legal(step.detail)
            elif step.outcome == "skipped":
                ET.SubElement(case, "skipped")
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _legal(text: str) -> str:
    """XML 1.0 has no place for control characters, escaped or not (its section 2.2); a raw scan may hold them."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
