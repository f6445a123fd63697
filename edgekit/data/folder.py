"""A folder of image files: class folders, train/val/test folders of class folders, or unlabelled images.

``flowers/rose/1.jpg`` is an image of class ``rose``; ``flowers/train/rose/1.jpg`` one of the training split. Images
that lie directly in the folder have no labels: good for calibration. Classes are the sorted folder names, in
numeric order where all are numbers. Files without an image's suffix and hidden ones are left out.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.console import counted, say
from edgekit.data.dataset import Dataset
from edgekit.data.files import read_file, stamp_of
from edgekit.data.photos import EncodedSplit, photo_dataset
from edgekit.data.reading import STRICT, Reading
from edgekit.data.splits import split_called
from edgekit.errors import DataError
from edgekit.inputs.contract import InputContract
from edgekit.inputs.decode import PICTURES


@dataclass(frozen=True)
class FileKind:
    """The files that count: those whose names end so, and what errors call them."""

    suffixes: Collection[str]
    called: str


IMAGES = FileKind(PICTURES, "images")


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A file as an EncodedImage; ``name`` is its path."""

    name: str
    stamp: str
    size: int

    def read(self) -> bytes:
        """Its bytes."""
        return read_file(Path(self.name))

    def sent(self) -> str:
        """Its path."""
        return self.name


def open_folder(folder: Path, contract: InputContract | None = None, reading: Reading = STRICT) -> Dataset:
    """Open a folder of images as a Dataset; see the module for what it may hold.

    Raises:
        DataError: it has no images, an unreadable one, one class alone, an empty class, two classes of one name in
            different case, or splits of different classes.
    """
    classes, splits = find_files(folder, IMAGES)
    return photo_dataset(folder, classes, splits, contract, reading)


def find_files(folder: Path, kind: FileKind) -> tuple[tuple[str, ...], dict[str, EncodedSplit]]:
    """The classes of a folder, and the files of a kind in each split.

    Raises:
        DataError: see ``open_folder``.
    """
    parts = _split_folders(folder)
    _say_what_is_left_out(folder, set(parts.values()), kind)
    if parts:
        classes = _class_names(parts.get("train") or parts["test"])
        splits = {name: _labelled(part, classes, kind) for name, part in parts.items()}
    elif classes := _class_names(folder):
        if all(map(split_called, classes)):
            raise DataError(f"{folder / classes[0]} holds {kind.called} without labels; put them in class folders.")
        splits = {"train": _labelled(folder, classes, kind)}
    else:
        splits = {"train": EncodedSplit(_files(folder, kind, deep=False), None)}
        if not splits["train"].images:
            raise DataError(
                f"{folder} holds no {kind.called} and no class folders of such; put one folder per class there."
            )
    if len(classes) == 1:
        raise DataError(
            f"{folder} has one class, '{classes[0]}'; put other {kind.called}, which do not show it, into a folder "
            "beside it (other, say), so that there is something to tell it from."
        )
    return classes, splits


def open_photos(folder: Path, contract: InputContract | None = None, reading: Reading = STRICT) -> Dataset:
    """Open all images of a folder, at whatever depth, as a training split without labels.

    Raises:
        DataError: it has no images, or an unreadable one.
    """
    part = EncodedSplit(_files(folder, IMAGES, deep=True), None)
    if not part.images:
        raise DataError(f"{folder} holds no images; put some there.")
    return photo_dataset(folder, (), {"train": part}, contract, reading)


def _split_folders(folder: Path) -> dict[str, Path]:
    """The folders of the splits; none if ``folder`` has no train folder of class folders, nor one for test alone.

    A class may well be called ``train`` (beside ``bus`` and ``ship``): its folder holds images, not folders.
    """
    parts: dict[str, Path] = {}
    for path in _subfolders(folder):
        name = split_called(path.name)
        if name is None:
            continue
        if name in parts:
            raise DataError(f"{parts[name]} and {path} are both a {name} split; keep one of them.")
        parts[name] = path
    is_alone = set(parts) == {"test"} and len(_subfolders(folder)) == 1
    if ("train" in parts or is_alone) and _subfolders(parts.get("train") or parts["test"]):
        return parts
    return {}


def _say_what_is_left_out(folder: Path, parts: Collection[Path], kind: FileKind) -> None:
    """Folders beside those of the splits, which may have been meant as classes, and files beside class folders."""
    others = [path for path in _subfolders(folder) if path not in parts and _files(path, kind, deep=True)]
    if parts and others:
        say(f"{folder}: {', '.join(path.name for path in others)} left out, beside the folders of the splits")
    for home in parts or {folder}:
        if _subfolders(home) and (loose := len(_files(home, kind, deep=False))):
            say(f"{home}: {counted(loose, kind.called)} beside the class folders left out")


def _labelled(folder: Path, classes: Sequence[str], kind: FileKind) -> EncodedSplit:
    found = _class_names(folder)
    if missing := set(classes) - set(found):
        lost = min(missing)
        raise DataError(f"{folder} has no class folder '{lost}', which the training split has; add its {kind.called}.")
    if surplus := set(found) - set(classes):
        raise DataError(f"{folder} has a class '{min(surplus)}' that the training split has not; remove or add it.")
    images: list[PhotoFile] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        files = _files(folder / name, kind, deep=True)
        if not files:
            raise DataError(f"{folder / name} holds no {kind.called}; add some or remove the class.")
        images += files
        labels += [label] * len(files)
    return EncodedSplit(images, np.array(labels, np.int64))


def _class_names(folder: Path) -> tuple[str, ...]:
    names = [path.name for path in _subfolders(folder)]
    alike: dict[str, str] = {}
    for name in names:
        first = alike.setdefault(name.casefold(), name)
        if first != name and len(name) > 1:  # letters are classes of their own
            raise DataError(f"{folder / first} and {folder / name} differ in case alone; make them one folder.")
    if all(name.isdecimal() for name in names):
        names.sort(key=int)
    return tuple(names)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _files(folder: Path, kind: FileKind, deep: bool) -> list[PhotoFile]:
    """The files of a kind in a folder, and in the folders in it if ``deep``, in order."""
    found, folders = [], [str(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders += [entry.path] if deep and not entry.is_symlink() else []
                elif os.path.splitext(entry.name)[1].lower() in kind.suffixes:
                    found.append(_photo(entry))
    return sorted(found, key=lambda photo: photo.name.split(os.sep))


def _photo(entry: os.DirEntry[str]) -> PhotoFile:
    try:
        stat = entry.stat()
    except FileNotFoundError:  # a link to nothing, which is refused when it is read
        return PhotoFile(entry.path, "", 0)
    return PhotoFile(entry.path, stamp_of(entry.path, stat), stat.st_size)
