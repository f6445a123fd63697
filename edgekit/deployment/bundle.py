"""A bundle: the files of an app, with a manifest of their SHA-256 sums that the app itself checks.

    manifest.json    {"files": {"app.py": "<sha256>", ...}}, of every file but itself

A bundle is written so that its folder holds the old app or the new one, and the manifest comes last: whoever reads a
folder that was left in the middle sees that its sums do not agree.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from edgekit.errors import UsageError
from edgekit.files import sha256_bytes, storage_errors, write_bytes

MANIFEST = "manifest.json"
SUM = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Bundle:
    """Files by their names, which are relative paths with ``/``; ``executable`` are those that are run as programs."""

    files: Mapping[str, bytes]
    executable: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        for name in self.files:
            path = PurePosixPath(name)
            leads_out = path.is_absolute() or ".." in path.parts or str(path) != name
            if leads_out or name in (MANIFEST, ".") or not name.isprintable():
                raise ValueError(f"'{name}' cannot be the name of a file in a bundle")
        if unknown := self.executable - set(self.files):
            raise ValueError(f"{sorted(unknown)} are to be executable but are no files of the bundle")

    @property
    def manifest(self) -> bytes:
        """The text of ``manifest.json``."""
        sums = {name: sha256_bytes(self.files[name]) for name in sorted(self.files)}
        return json_bytes({"files": sums})

    @property
    def contents(self) -> dict[str, bytes]:
        """All files as they are written, the manifest last."""
        return {**dict(sorted(self.files.items())), MANIFEST: self.manifest}

    def write(self, folder: Path) -> None:
        """Write the files into ``folder``, which is made if it is not there.

        A bundle that is there is brought up to date: its own files are replaced or removed, and others are left alone.

        Raises:
            UsageError: the folder holds files and is no bundle.
            StorageError: it cannot be written.
        """
        with storage_errors(folder):
            is_there = folder.is_dir()
            is_in_use = is_there and any(folder.iterdir())
        if is_in_use:
            self._update(folder)
            return
        with storage_errors(folder):
            place = folder if is_there else folder.parent
            place.mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=place))
            try:
                os.chmod(work, 0o755)
                self._write_into(work)
                if is_there:  # it may be a mount point, a link, or where somebody's shell is: it stays
                    for item in sorted(work.iterdir(), key=lambda path: path.name == MANIFEST):
                        os.replace(item, folder / item.name)
                else:
                    os.replace(work, folder)
            finally:
                shutil.rmtree(work, ignore_errors=True)

    def archive(self, path: Path) -> None:
        """Write a .tar.gz with the files in a folder of the archive's name; the same files give the same bytes.

        Raises:
            StorageError: it cannot be written.
        """
        top = path.name.removesuffix(".tar.gz")
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name, data in self.contents.items():
                entry = tarfile.TarInfo(f"{top}/{name}")
                entry.size = len(data)
                entry.mode = self._mode(name)
                archive.addfile(entry, io.BytesIO(data))
        write_bytes(path, gzip.compress(stream.getvalue(), mtime=0))

    def _update(self, folder: Path) -> None:
        known = read_manifest(folder)
        if known is None:
            raise UsageError(f"{folder} holds other files and no bundle; choose another --out, or empty it.")
        self._write_into(folder)
        with storage_errors(folder):
            for name in known.keys() - set(self.files):
                (folder / name).unlink(missing_ok=True)

    def _write_into(self, folder: Path) -> None:
        for name, data in self.contents.items():
            write_bytes(folder / name, data)
            (folder / name).chmod(self._mode(name))

    def _mode(self, name: str) -> int:
        return 0o755 if name in self.executable else 0o644


def json_bytes(document: Any) -> bytes:
    """A JSON file of a bundle."""
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def read_manifest(folder: Path) -> dict[str, str] | None:
    """The SHA-256 of each file of the bundle in ``folder``; None if there is no bundle.

    A stranger's manifest names no file outside the folder, and another program's is none.
    """
    try:
        sums: dict[str, str] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        Bundle(dict.fromkeys(sums, b""))
        return sums if all(map(SUM.fullmatch, sums.values())) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
