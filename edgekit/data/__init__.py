"""Data sources: each becomes a Dataset of uint8 images or of texts, opened by ``open_data``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact import TensorSpec
from edgekit.data.dataset import Dataset, Split, require_shape
from edgekit.data.factory import call_factory, is_factory
from edgekit.data.intake import Tensors
from edgekit.data.reading import STRICT, Reading
from edgekit.errors import DataError, UnknownNameError
from edgekit.inputs.contract import InputContract
from edgekit.inputs.contracts import Contract
from edgekit.inputs.text import TextContract

KINDS = (
    "'mnist', 'clothes', a folder of class folders (or train/val/test of them), an IDX folder, an .npz, .npy, "
    ".parquet, .csv, .tsv or .jsonl file, or module:factory"
)
NAMED = ("mnist", "clothes")
Source = str | Any
"""A name or path, or what a Python program has in hand; see ``open_data``."""


def is_unset(source: Source) -> bool:
    """True for the empty text, which stands for a default."""
    return isinstance(source, str) and not source


def open_data(source: Source, contract: Contract | None = None, reading: Reading = STRICT) -> Dataset:
    """Open a data source as what a model of ``contract`` eats.

    It is a name or path, a Dataset, or what ``edgekit.data.in_hand`` reads: arrays (images, labels), a torch Dataset of
    (image, label), or a mapping of split names to those.

    For a model of text it holds texts, see ``edgekit.data.texts``. Pictures are read as the model's apps read them;
    sources that hold pixels (``mnist``, IDX, .npz) must have the contract's shape already. Without a contract pictures
    keep the size that all of them have. ``reading`` says what is done about broken ones.
    The names ``mnist`` and ``clothes`` mean the embedded data; write ``./mnist`` for a folder of that name.

    Raises:
        UnknownNameError: the source is neither a path nor a known name.
        DataError: the source is broken, empty, of no known kind, may not be read, or has another shape.
    """
    with _readable(source):
        if isinstance(contract, TextContract):
            from edgekit.data.texts import open_texts

            return open_texts(source, contract, reading)
        dataset = _open(source, contract, reading)
    if contract is not None:
        require_shape(dataset, contract.shape)
    return dataset


def open_samples(
    source: Source, inputs: Sequence[TensorSpec], contract: Contract | None, reading: Reading = STRICT
) -> Dataset:
    """Open a source for a model: pictures where ``contract`` says how it eats them, else arrays for its ``inputs``.

    Where a model eats pictures, a source may still hold what goes into its input, by that name.

    Raises:
        UnknownNameError, DataError: see ``open_data`` and ``edgekit.data.tensors``.
    """
    from edgekit.data.tensors import holds_tensors, open_tensors, tensors_of

    with _readable(source):
        intake, name = Tensors(tuple(inputs)), "own data"
        if is_factory(source):
            name, source = source, call_factory(source)
        if contract is None or holds_tensors(source, [spec.name for spec in inputs]):
            is_file = isinstance(source, str | Path | Dataset)
            return open_tensors(source, intake) if is_file else tensors_of(source, name, intake)
    return open_data(source, contract, reading)


def open_unlabelled(source: Source, contract: Contract | None = None, reading: Reading = STRICT) -> Dataset:
    """Open a source for its images alone, as a training split without labels: those that a teacher is asked about.

    Of a folder these are all images in it, at whatever depth; of anything else, its training split.

    Raises:
        UnknownNameError, DataError: see ``open_data``.
    """
    with _readable(source):
        is_folder = isinstance(source, str | Path) and source not in NAMED and _holds_pictures(Path(source))
        if is_folder and not isinstance(contract, TextContract):
            from edgekit.data.folder import open_photos

            return open_photos(Path(source), contract, reading)
    dataset = open_data(source, contract, reading)
    if not len(dataset.train):
        raise DataError(f"{dataset.name} has no training {dataset.kind} to ask a teacher about; give such.")
    nothing = Split(dataset.train.images).take(np.arange(0))
    return replace(dataset, classes=(), train=Split(dataset.train.images), validation=nothing, test=nothing)


def holds_photos(source: Source) -> bool:
    """True for a source of encoded pictures, which are read at any size: a folder of them, a table, 'clothes'."""
    if not isinstance(source, str | Path) or source == "mnist":
        return False
    path = Path(source)
    if source == "clothes":
        return True
    is_table = path.suffix == ".parquet" or any(path.glob("*.parquet"))
    return (is_table or _holds_pictures(path)) and not holds_texts(source)


def holds_texts(source: Source) -> bool:
    """True for a source of texts: a table or a folder of tables that hold no images, or a folder of .txt files."""
    if not isinstance(source, str | Path) or source in NAMED:
        return False
    from edgekit.data.texts import are_texts

    return are_texts(Path(source))


@contextmanager
def _readable(source: Source) -> Iterator[None]:
    """Turn a refusal to read into a DataError."""
    try:
        yield
    except PermissionError as exc:
        raise DataError(f"{exc.filename or source} cannot be read; check its permissions.") from exc


def _holds_pictures(path: Path) -> bool:
    """True for a folder that is none of tables or IDX files."""
    return path.is_dir() and not any(item.suffix == ".parquet" or "-ubyte" in item.name for item in path.iterdir())


def _open(source: Source, contract: InputContract | None, reading: Reading) -> Dataset:
    if not isinstance(source, str | Path):
        from edgekit.data.in_hand import dataset_of

        return dataset_of(source, "own data", contract)
    if source == "mnist":
        from edgekit.data.mnist import open_mnist

        return open_mnist()
    if source == "clothes":
        from edgekit.data.clothes import open_clothes

        return open_clothes(contract)
    path = Path(source)
    if _holds_pictures(path):
        from edgekit.data.folder import open_folder

        return open_folder(path, contract, reading)
    if path.suffix == ".parquet" or (path.is_dir() and any(path.glob("*.parquet"))):
        from edgekit.data.parquet import open_parquet

        return open_parquet(path, contract, reading)
    if path.is_dir():
        from edgekit.data.idx import open_idx

        return open_idx(path)
    if path.suffix == ".npz":
        from edgekit.data.arrays import open_npz

        return open_npz(path)
    if path.suffix == ".npy" and path.is_file():
        from edgekit.data.arrays import array_dataset, read_npy

        return array_dataset(str(path), {"train": (read_npy(path), None)})
    if path.exists():
        raise DataError(f"{source} is not a data source; give {KINDS}.")
    if is_factory(str(source)):
        from edgekit.data.in_hand import dataset_of

        return dataset_of(call_factory(str(source)), str(source), contract)
    if path.suffix or len(path.parts) > 1:
        raise DataError(f"{source} does not exist; check the path.")
    raise UnknownNameError("folder, file or data source", str(source), NAMED)
