"""A store of models: files by content hash, each with its card, and names for them."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from json import dumps, loads
from pathlib import Path
from threading import RLock
from typing import Any

from edgekit.closing import Closing
from edgekit.errors import ModelError, StorageError, UnknownNameError, UsageError
from edgekit.files import sha256_bytes
from edgekit.store.database import connect, database_errors, writing

MAX_MODEL_BYTES = 512 << 20
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
HASH = re.compile(r"[0-9a-f]{6,64}")
ENTRIES = "SELECT names.name, sha256, added, card FROM names JOIN artifacts USING (sha256)"


@dataclass(frozen=True)
class Entry:
    """A name of the store and the artifact that it stands for; ``added`` is a time in UTC, ISO 8601."""

    name: str
    sha256: str
    added: str
    card: Mapping[str, Any]

    def require_classifier(self) -> None:
        """Raise UsageError, saying why, if it is none."""
        if self.card["student"] is None:
            raise UsageError(self.card["refusal"] or f"'{self.name}' is no classifier.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"name": self.name, "sha256": self.sha256, "added": self.added, **self.card}


@dataclass(frozen=True)
class Collected:
    """What ``collect`` removed and freed, and the entries whose bytes are not what their hash says."""

    removed: tuple[str, ...]
    freed_bytes: int
    damaged: tuple[Entry, ...]


def default_store() -> Path:
    """$EDGEKIT_STORE, or store.db among the user's data of EdgeKit."""
    if named := os.environ.get("EDGEKIT_STORE"):
        return Path(named)
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "edgekit" / "store.db"


class Store(Closing):
    """One SQLite file, safe under several processes and threads, and a context manager.

    Raises (each method):
        StorageError: the file is no store, is damaged, or cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = RLock()
        self._connection = connect(path)

    @classmethod
    def there(cls, path: Path) -> Store:
        """Open a store that is there already.

        Raises:
            UsageError: it is not.
        """
        if not path.is_file():
            raise UsageError(f"There is no store {path} yet; make it with 'edgekit store add MODEL --store {path}'.")
        return cls(path)

    def add(self, name: str, data: bytes, card: Mapping[str, Any], replace: bool = False) -> Entry:
        """Keep a model file under a name. The same bytes are kept once; their card becomes the new one.

        Raises:
            UsageError: the name is not one, or stands for other bytes and ``replace`` is false.
            ModelError: the file is too large.
        """
        if not NAME.fullmatch(name):
            raise UsageError(f"'{name}' cannot name a model; use up to 64 letters, digits, '.', '_' and '-'.")
        if len(data) > MAX_MODEL_BYTES:
            raise ModelError(f"The model has {len(data):,} bytes, and a store takes {MAX_MODEL_BYTES:,}; shrink it.")
        entry = Entry(name, sha256_bytes(data), datetime.now(UTC).isoformat(timespec="seconds"), card)
        with self._using() as connection, writing(connection):
            row = connection.execute("SELECT sha256 FROM names WHERE name = ?", (name,)).fetchone()
            if row is not None and row[0] != entry.sha256 and not replace:
                raise UsageError(
                    f"'{name}' is another model in {self.path} ({row[0][:12]}); choose another --name or say --replace."
                )
            # Writing the bytes again mends an artifact whose bytes have been damaged.
            connection.execute(
                "INSERT INTO artifacts VALUES (?, ?, ?, ?)"
                " ON CONFLICT (sha256) DO UPDATE SET card = excluded.card, data = excluded.data",
                (entry.sha256, entry.added, dumps(card, ensure_ascii=False), data),
            )
            connection.execute("INSERT OR REPLACE INTO names VALUES (?, ?)", (name, entry.sha256))
        return entry

    def count(self) -> int:
        """The number of names. No card is read."""
        with self._using() as connection:
            return int(connection.execute("SELECT count(*) FROM names").fetchone()[0])

    def entries(self) -> tuple[Entry, ...]:
        """All names, sorted."""
        with self._using() as connection:
            return tuple(map(self._entry, connection.execute(f"{ENTRIES} ORDER BY name")))

    def find(self, reference: str) -> Entry:
        """The entry of a name, or the first one of an artifact whose hash begins with six or more such digits.

        Raises:
            UnknownNameError: there is none.
        """
        with self._using() as connection:
            row = connection.execute(f"{ENTRIES} WHERE name = ?", (reference,)).fetchone()
            if row is None and HASH.fullmatch(reference):
                query = f"{ENTRIES} WHERE sha256 GLOB ? ORDER BY sha256, name"
                row = connection.execute(query, (f"{reference}*",)).fetchone()
            if row is None:
                known = [name for (name,) in connection.execute("SELECT name FROM names")]
                raise UnknownNameError("model in the store", reference, known)
            return self._entry(row)

    def changes(self) -> int:
        """A number that is another one when another process or connection has changed the store."""
        with self._using() as connection:
            return int(connection.execute("PRAGMA data_version").fetchone()[0])

    def read(self, sha256: str) -> bytes:
        """The bytes of an artifact, proved by their hash.

        Raises:
            ModelError: they are gone, or have been damaged.
        """
        with self._using() as connection:
            row = connection.execute("SELECT data FROM artifacts WHERE sha256 = ?", (sha256,)).fetchone()
        if row is None:
            raise ModelError(f"The model {sha256[:12]} is no longer in {self.path}; add it again.")
        if sha256_bytes(row[0]) != sha256:
            raise ModelError(f"The model {sha256[:12]} in {self.path} has been damaged; add its file again.")
        data: bytes = row[0]
        return data

    def remove(self, names: tuple[str, ...]) -> tuple[Entry, ...]:
        """Forget names, all or none; ``collect`` removes what no name stands for.

        Raises:
            UnknownNameError: one of them is not there.
        """
        with self._using() as connection, writing(connection):
            entries = tuple(self.find(name) for name in names)
            connection.executemany("DELETE FROM names WHERE name = ?", [(entry.name,) for entry in entries])
        return entries

    def collect(self) -> Collected:
        """Remove artifacts that no name stands for, give their space back, and check the bytes of all others."""
        with self._using() as connection:
            with writing(connection):
                unnamed = "sha256 NOT IN (SELECT sha256 FROM names)"
                query = f"SELECT sha256, length(data) FROM artifacts WHERE {unnamed}"
                rows = connection.execute(query).fetchall()
                connection.execute(f"DELETE FROM artifacts WHERE {unnamed}")
            # A script, since it frees a page in each step and execute() makes one step of what gives no rows.
            connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")
        damaged = tuple(entry for entry in self.entries() if not self._is_sound(entry.sha256))
        return Collected(tuple(sha for sha, _ in rows), sum(size for _, size in rows), damaged)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock, database_errors(self.path):
            yield self._connection

    def _is_sound(self, sha256: str) -> bool:
        try:
            self.read(sha256)
        except (ModelError, StorageError):
            return False
        return True

    def _entry(self, row: tuple[str, str, str, str]) -> Entry:
        name, sha256, added, card = row
        try:
            return Entry(name, sha256, added, {**loads(card)})
        except (ValueError, TypeError, RecursionError) as exc:
            raise StorageError(f"The card of '{name}' in {self.path} is damaged; add its file again.") from exc
