"""New pictures or texts of a folder, each classified once it is complete."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgekit.inputs.error import InputError

from .model import AppError, Model

MAX_FILE_BYTES = 64 << 20

Look = tuple[int, int]
"""A file's size and time of change."""


def watch(model: Model, folder: Path, every: float, take_all: bool) -> Iterator[dict[str, Any]]:
    """The answer for each new or changed file of ``folder``, forever.

    A file is read when two looks ``every`` seconds apart find it alike. Hidden files, links and what is not named as
    a picture or text are left out.

    Raises:
        AppError: the folder is missing, or cannot be read any more.
    """
    endings = model.endings
    done = {} if take_all else look(folder, endings)
    before: dict[str, Look] = {}
    while True:
        now = look(folder, endings)
        for name in sorted(now):
            if done.get(name) != now[name] == before.get(name):
                done[name] = now[name]
                yield classify_file(model, folder, name)
        done = {name: seen for name, seen in done.items() if name in now}
        before = now
        time.sleep(every)


def look(folder: Path, endings: tuple[str, ...]) -> dict[str, Look]:
    """The files of a folder with these endings."""
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.name.lower().endswith(endings):
                    continue
                try:
                    about = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # removed while we looked
                    continue
                if stat.S_ISREG(about.st_mode):
                    found[entry.name] = (about.st_size, about.st_mtime_ns)
    except OSError as exc:
        raise AppError(f"{folder} cannot be watched ({exc.strerror}); name a folder that can be read.") from exc
    return found


def classify_file(model: Model, folder: Path, name: str) -> dict[str, Any]:
    """The answer for one file, or the reason why there is none."""
    asked = model.named(str(folder / name))
    try:
        return {asked.contract.INPUT: name, **asked.answer(read_regular(folder / name), name)}
    except (OSError, InputError) as exc:
        return {asked.contract.INPUT: name, "error": getattr(exc, "strerror", None) or str(exc)}


def read_regular(path: Path) -> bytes:
    """The bytes of a file that is neither a link nor a pipe, also if it became one a moment ago.

    Raises:
        OSError: it cannot be read.
        InputError: it is no file, or larger than any picture or text is.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as stream:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_FILE_BYTES:
            raise InputError(f"{path.name} is no file of at most {MAX_FILE_BYTES:,} bytes.")
        return stream.read(MAX_FILE_BYTES)
