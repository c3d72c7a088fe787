"""Brings a database to this release's schema: one .sql file a version, each in its own transaction, forward only."""

from __future__ import annotations

import re
import sqlite3
from importlib import resources
from typing import Final

from cart.core.problem import Problem

_NAME: Final = re.compile(r"^(\d{4})_[a-z_]+\.sql$")


class SchemaTooNew(Problem):
    """A later release wrote this database."""


def scripts(package: str) -> dict[int, str]:
    """version → SQL, in order of version, from the folder `migrations` of a package."""
    found = {}
    for entry in (resources.files(package) / "migrations").iterdir():
        match = _NAME.match(entry.name)
        if match:
            found[int(match[1])] = entry.read_text(encoding="utf-8")
    return dict(sorted(found.items()))


def migrate(connection: sqlite3.Connection, package: str) -> int:
    """Apply what is missing and answer the version reached; opening a current database changes nothing.

    Raises SchemaTooNew where the database is of a later release, sqlite3.Error where a step fails (and is undone).
    """
    steps = scripts(package)
    have = int(connection.execute("PRAGMA user_version").fetchone()[0])
    latest = max(steps)
    if have > latest:
        raise SchemaTooNew(
            f"the database has schema {have}, this release knows {latest}; install the newer release again"
        )
    for version, sql in steps.items():
        if version > have:
            try:
                connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {version};\nCOMMIT;")
            except sqlite3.Error:
                if connection.in_transaction:
                    connection.rollback()
                raise
    return latest
