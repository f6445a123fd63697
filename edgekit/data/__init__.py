"""Data sources: each becomes a Dataset of uint8 images, opened by ``open_data``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from edgekit.data.dataset import Dataset, require_shape
from edgekit.errors import DataError, UnknownNameError
from edgekit.inputs.contract import InputContract

KINDS = (
    "'mnist', a folder of class folders (or train/val/test of them), an IDX folder, an .npz or .parquet file, "
    "or module:factory"
)
Source = str | Any
"""A name or path, or what a Python program has in hand; see ``open_data``."""
FACTORY = re.compile(r"[\w./\\-]+:[A-Za-z_]\w*")


def open_data(source: Source, contract: InputContract | None = None) -> Dataset:
    """Open a data source as what a model of ``contract`` eats.

    It is a name or path, a Dataset, or what ``edgekit.data.in_hand`` reads: arrays (images, labels), a torch Dataset of
    (image, label), or a mapping of split names to those.

    Pictures are read as the model's apps read them; sources that hold pixels (``mnist``, IDX, .npz) must have the
    contract's shape already. Without a contract pictures keep the size that all of them have.
    The name ``mnist`` means the embedded data; write ``./mnist`` for a folder of that name.

    Raises:
        UnknownNameError: the source is neither a path nor a known name.
        DataError: the source is broken, empty, of no known kind, may not be read, or has another shape.
    """
    try:
        dataset = _open(source, contract)
    except PermissionError as exc:
        raise DataError(f"{exc.filename or source} cannot be read; check its permissions.") from exc
    if contract is not None:
        require_shape(dataset, contract.shape)
    return dataset


def _open(source: Source, contract: InputContract | None) -> Dataset:
    if not isinstance(source, str | Path):
        from edgekit.data.in_hand import dataset_of

        return dataset_of(source, "own data", contract)
    if source == "mnist":
        from edgekit.data.mnist import open_mnist

        return open_mnist()
    path = Path(source)
    names = [item.name for item in path.iterdir()] if path.is_dir() else [path.name]
    if any(name.endswith(".parquet") for name in names):
        from edgekit.data.parquet import open_parquet

        return open_parquet(path, contract)
    if path.is_dir() and any("-ubyte" in name for name in names):
        from edgekit.data.idx import open_idx

        return open_idx(path)
    if path.is_dir():
        from edgekit.data.folder import open_folder

        return open_folder(path, contract)
    if path.suffix == ".npz":
        from edgekit.data.arrays import open_npz

        return open_npz(path)
    if path.exists():
        raise DataError(f"{source} is not a data source; give {KINDS}.")
    if FACTORY.fullmatch(str(source)):
        from edgekit.data.factory import open_factory

        return open_factory(str(source), contract)
    if path.suffix or len(path.parts) > 1:
        raise DataError(f"{source} does not exist; check the path.")
    raise UnknownNameError("data source", str(source), ("mnist",))
