"""`python -m cart.catalog_schema`: writes the JSON Schema of catalog.json from the types that read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from cart.core.catalog import Catalog

SCHEMA = Path(__file__).with_name("catalog.schema.json")


def schema_json() -> bytes:
    """The schema (2020-12) as it stands in the repository."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Catalogue of a store: catalog.json",
    } | with_plain_descriptions(msgspec.json.schema(Catalog))
    return msgspec.json.format(msgspec.json.encode(schema), indent=1) + b"\n"


def with_plain_descriptions(value: Any) -> Any:
    """Docstrings as one paragraph: Python 3.13 strips their indentation and earlier ones do not."""
    if isinstance(value, dict):
        return {
            key: " ".join(entry.split())
            if key == "description" and isinstance(entry, str)
            else with_plain_descriptions(entry)
            for key, entry in value.items()
        }
    if isinstance(value, list):
        return [with_plain_descriptions(entry) for entry in value]
    return value


if __name__ == "__main__":
    SCHEMA.write_bytes(schema_json())
