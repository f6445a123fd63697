"""Reading and writing files so that an interrupted command leaves the old file or the new one, never half of one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from edgekit.errors import EdgekitError, ModelError, StorageError

PART = ".part"
"""Ending of a file that is being written; one that is left behind by a killed process means nothing."""
FULL = {
    errno.ENOSPC: "the disk is full; free some space or choose another",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another",
    errno.EFBIG: "the file size limit is reached; raise it or choose another",
    errno.EROFS: "the file system is read-only; choose another",
}
"""What only writing can meet, with the way out up to the option that chooses the place."""
REFUSED = FULL | {
    errno.EACCES: "there is no permission to write there; choose another",
    errno.EPERM: "writing there is not permitted; choose another",
    errno.ENOTDIR: "a part of that path is a file; choose another",
    errno.EEXIST: "a file of that name is in the way; choose another",
    errno.ENOTEMPTY: "another command has just written there; choose another",
    errno.EISDIR: "a folder of that name is in the way; choose another",
    errno.ENOENT: "a folder cannot be made there; choose another",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter",
}
"""All that keeps a file or folder from being written."""


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in constant memory."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_bytes(data: bytes) -> str:
    """Hex SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def model_name(path: Path) -> str:
    """A model's name without its file's endings: mobilenet_0.25 for mobilenet_0.25.int8.tflite."""
    return path.stem.removesuffix(".int8")


def own_name(path: Path) -> str:
    """The model's name, or that of the folder of one that is called model: mnist-tiny for mnist-tiny/model.onnx."""
    return path.resolve().parent.name if model_name(path) == "model" else model_name(path)


def short_names(paths: Iterable[str | Path]) -> dict[str, str]:
    """The name of each path's file, with as many of its folders before it as tell different paths apart."""
    parts = {str(path): Path(path).parts for path in paths}

    def depth(own: tuple[str, ...]) -> int:
        others = [other for other in parts.values() if other != own]
        return next((n for n in range(1, len(own)) if all(other[-n:] != own[-n:] for other in others)), len(own))

    return {path: str(Path(*own[-depth(own) :])) for path, own in parts.items()}


def require_file(path: Path, error: type[EdgekitError] = ModelError) -> Path:
    """Return ``path`` if it is a readable, non-empty regular file; raise ``error`` otherwise."""
    if not path.exists():
        raise error(f"{path} does not exist; check the path.")
    if not path.is_file():
        raise error(f"{path} is not a file; name the file itself.")
    if not os.access(path, os.R_OK):
        raise error(f"{path} cannot be read; check its permissions.")
    if path.stat().st_size == 0:
        raise error(f"{path} is empty (0 bytes); make or download it again.")
    return path


def user_cache() -> Path:
    """Where large things are kept that can be made again: $EDGEKIT_CACHE, or edgekit in the user's cache folder."""
    if named := os.environ.get("EDGEKIT_CACHE"):
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "edgekit"


def cache_folder(kind: str, key: Any) -> Path:
    """Where the user's cache keeps what is of one ``kind`` and depends on ``key``, which JSON must be able to say."""
    return user_cache() / kind / sha256_bytes(json.dumps(key, sort_keys=True).encode())[:32]


@contextmanager
def storage_errors(path: Path, option: str = "--out", reasons: dict[int, str] = REFUSED) -> Iterator[None]:
    """Turn the operating system's refusals to write below ``path`` into StorageError.

    ``option`` is what chooses another place; ``reasons`` are those of REFUSED that are meant.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno not in reasons:
            raise
        raise StorageError(f"Cannot write {path}: {reasons[exc.errno]} {option}.") from exc


@contextmanager
def replacing(path: Path, mode: int = 0o600) -> Iterator[IO[bytes]]:
    """A stream to a file of ``mode`` that takes the place of ``path`` if the block ends without an error.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=PART, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes, option: str = "--out") -> None:
    """Write a file atomically: a reader sees the old content or the new, also after a crash.

    ``option`` is what an error advises to change.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    with storage_errors(path, option), replacing(path, 0o644) as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def remove_parts(folder: Path) -> None:
    """Remove what a killed process left half-written in ``folder``."""
    for path in folder.glob(f".*{PART}"):
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def require_writable(folder: Path) -> Path:
    """Prove that a file can be written into ``folder``, before any long work begins; no new folder stays behind."""
    with storage_errors(folder), _there(folder), tempfile.TemporaryFile(dir=folder):
        return folder


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A scratch folder whose files move into ``folder`` only if the block ends without an error.

    So several files that belong together appear together: a failure leaves nothing that looks finished.

    Raises:
        StorageError: the folder cannot be written, or the disk is full in the block.
    """
    with _there(folder):
        with storage_errors(folder):
            scratch = Path(tempfile.mkdtemp(prefix=".staged-", dir=folder))
        try:
            with storage_errors(folder, reasons=FULL):
                yield scratch
            with storage_errors(folder):
                for item in sorted(path for path in scratch.rglob("*") if path.is_file()):
                    place = folder / item.relative_to(scratch)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(item, place)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _there(folder: Path) -> Iterator[None]:
    """``folder`` inside; of it and those above, what had to be made goes again if it stayed empty."""
    with storage_errors(folder):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for path in missing:
            with suppress(OSError):  # it was not made, or holds something
                path.rmdir()
