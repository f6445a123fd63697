"""The SQLite file of a store: its tables, how it is opened, and its errors in plain words.

    artifacts    sha256 · added (ISO 8601, UTC) · card (JSON) · data (the model file)
    names        name · sha256 of the artifact that it stands for

The model files are inside, so that a card and its file are written by one transaction: a process that is killed in
the middle leaves both or neither. In WAL mode readers and a writer do not wait for each other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.errors import StorageError
from edgekit.files import storage_errors

APPLICATION = 0x45444749
"""Marks our SQLite files (``EDGI``), in the header field that is meant for that."""
VERSION = 1
WAIT_S = 30.0

TABLES = """
CREATE TABLE artifacts (
    sha256 TEXT PRIMARY KEY CHECK (length(sha256) = 64),
    added TEXT NOT NULL,
    card TEXT NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE TABLE names (
    name TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL REFERENCES artifacts
) STRICT;
CREATE INDEX names_of_an_artifact ON names (sha256);
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open a store's file; it is made if it is not there. Any thread may use the connection, one at a time.

    Raises:
        StorageError: it is another kind of file, of a later version, damaged, or cannot be written.
    """
    with storage_errors(path, "--store"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with database_errors(path):
        connection = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that writes: the only one at a time among all processes, undone by an exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's complaints into StorageErrors."""
    try:
        yield
    except sqlite3.Error as exc:
        code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        reasons = {
            sqlite3.SQLITE_NOTADB: "it is not a store of models; name another --store",
            sqlite3.SQLITE_CORRUPT: "it is damaged; restore it from a copy, or add its models to a new --store",
            sqlite3.SQLITE_BUSY: f"another process has been writing to it for {WAIT_S:.0f} s; try again",
            sqlite3.SQLITE_FULL: "the disk is full; free some space or choose another --store",
            sqlite3.SQLITE_READONLY: "there is no permission to write there; choose another --store",
            sqlite3.SQLITE_CANTOPEN: "it cannot be opened there; check the path and its permissions",
            sqlite3.SQLITE_IOERR: "the disk reports an error; choose another --store",
        }
        raise StorageError(f"Cannot use the store {path}: {reasons.get(code, str(exc))}.") from exc


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    if not _is_ours(connection, path):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        with writing(connection):
            if not _is_ours(connection, path):  # another process may have been faster
                for statement in filter(str.strip, TABLES.split(";")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _is_ours(connection: sqlite3.Connection, path: Path) -> bool:
    """False for an empty file, which may become a store."""
    # The tables are counted first: they come in one transaction with the marks, so where another process makes the
    # store meanwhile, tables that are seen have their marks.
    tables, application, version = (
        connection.execute(query).fetchone()[0]
        for query in ("SELECT count(*) FROM sqlite_schema", "PRAGMA application_id", "PRAGMA user_version")
    )
    if application == 0 and tables == 0:
        return False
    if application != APPLICATION:
        raise StorageError(f"{path} is a database of another program; name another --store.")
    if version != VERSION:
        raise StorageError(f"{path} is a store of version {version}, and this EdgeKit knows {VERSION}; update it.")
    return True
