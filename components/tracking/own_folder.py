"""A database in a project folder that was moved or copied: what it says of files is made to mean the files beside it.

MLflow writes absolute addresses of artifacts into its database, whatever it is given. So a copy of a project would
write into the artifacts of the original, and a moved one would make the old folder again.
"""

from __future__ import annotations

import functools
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

ARTIFACTS = "mlartifacts"  # folder beside the database
# where MLflow 3.17 keeps addresses of artifacts
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
_CHECKPOINTS = ("tags", "model_version_tags")  # earlier versions wrote whole paths of checkpoints there


def artifacts_of(database: Path) -> str:
    """Return the address of the folder of artifacts beside a database."""
    return (database.parent / ARTIFACTS).as_uri()


@functools.cache
def settle(database: Path, experiment: str) -> None:
    """Rewrite the addresses of a database that came from another folder; looks once in each process.

    Args:
        database: absolute path of the SQLite file; nothing happens before it is there.
        experiment: whose artifacts lie beside the database.
    """
    if not database.is_file():
        return
    here = artifacts_of(database)
    with closing(sqlite3.connect(database, timeout=60)) as store, store:
        if not store.execute("SELECT 1 FROM sqlite_master WHERE name = 'model_version_tags'").fetchone():
            return  # MLflow is making its tables
        found = store.execute("SELECT artifact_location FROM experiments WHERE name = ?", (experiment,)).fetchone()
        if found is None or found[0] == here or not found[0].startswith("file://") or not found[0].endswith(ARTIFACTS):
            return
        for table, column in _ADDRESSES:
            _replace(store, table, column, found[0], here)
        project = unquote(found[0].removeprefix("file://").removesuffix(ARTIFACTS))
        for table in _CHECKPOINTS:
            _replace(store, table, "value", project, "", "key = 'checkpoint' AND")


def _replace(store: sqlite3.Connection, table: str, column: str, before: str, now: str, where: str = "") -> None:
    """Replace the beginning of every value of a column that begins so."""
    store.execute(
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {where} substr({column}, 1, ?) = ?",
        (now, len(before) + 1, len(before), before),
    )
