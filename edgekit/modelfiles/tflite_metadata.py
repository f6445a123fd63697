"""The standard TFLite metadata: what Android's and MediaPipe's image classifiers read from a .tflite file.

They are a FlatBuffer of their own in the model's metadata buffer ``TFLITE_METADATA``: one table for each input and
output tensor, with the normalisation of pixels and the name of a label file. The label file itself is in a ZIP archive
that follows the model in the same file.

Format: tensorflow_lite_support/metadata/metadata_schema.fbs, identifier ``M001``. The numbers below are the places of
its fields in their tables. The file may come from a stranger: nothing is unpacked to disk, and what is read is bounded.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekit.artifact import Metadata, TensorSpec
from edgekit.inputs.contract import InputContract
from edgekit.inputs.error import InputError

if TYPE_CHECKING:
    from flatbuffers.table import Table

STANDARD_KEY = "TFLITE_METADATA"
STANDARD_IDENTIFIER = b"M001"
MAX_LABEL_BYTES = 4 << 20
MAX_ITEMS = 1 << 12
"""Tensors, processing steps or files in one vector; a file that claims more is broken."""
KNOWN_COMPRESSION = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
RANK = 4
PIXEL_MAX = 255
"""The standard counts pixels from 0 to 255, EdgeKit's input contract from 0 to 1."""


class Field:
    """The places of fields in their tables.

    A line each: ModelMetadata (the root), SubGraphMetadata, TensorMetadata, Content, ImageProperties, ProcessUnit,
    NormalizationOptions and AssociatedFile.
    """

    SUBGRAPHS = 3
    INPUTS, OUTPUTS = 2, 3
    TENSOR_NAME, CONTENT, PROCESS_UNITS, FILES = 0, 3, 4, 6
    PROPERTIES_TYPE, PROPERTIES = 0, 1
    COLOR_SPACE = 0
    OPTIONS_TYPE, OPTIONS = 0, 1
    MEAN, STD = 0, 1
    FILE_NAME, FILE_TYPE = 0, 2


NORMALIZATION_OPTIONS = 1
TENSOR_AXIS_LABELS, TENSOR_VALUE_LABELS = 2, 3


@dataclass(frozen=True)
class StandardMetadata:
    """What is used of a file's standard metadata; ``mean`` and ``std`` in pixel values of 0 to 255, as they are there.

    Empty where the file does not say it.
    """

    labels: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def read_standard(metadata: bytes, file: bytes) -> StandardMetadata:
    """Read the metadata buffer of a .tflite file, and the labels from the archive at the file's end.

    Raises:
        ValueError: the buffer has another identifier, claims impossible lengths, or the labels cannot be unpacked.
        struct.error, IndexError, TypeError: an offset in it leads nowhere.
    """
    from flatbuffers import encode, packer
    from flatbuffers.table import Table

    if metadata[4:8] != STANDARD_IDENTIFIER:
        raise ValueError("its TFLite metadata are of an unknown version")
    root = Table(metadata, encode.Get(packer.uoffset, metadata, 0))
    subgraph = next(_tables(root, Field.SUBGRAPHS), None)
    if subgraph is None:
        return StandardMetadata()
    mean, std = _normalization(next(_tables(subgraph, Field.INPUTS), None))
    outputs = list(_tables(subgraph, Field.OUTPUTS))
    for kind in (TENSOR_AXIS_LABELS, TENSOR_VALUE_LABELS):
        for output in outputs:
            for entry in _tables(output, Field.FILES):
                name = _text(entry, Field.FILE_NAME)
                if _byte(entry, Field.FILE_TYPE) == kind and name:
                    return StandardMetadata(_labels(file, name), mean, std)
    return StandardMetadata((), mean, std)


def described(standard: StandardMetadata, image: TensorSpec) -> Metadata:
    """A file's labels and input contract in EdgeKit's terms; ``image`` is its only input, [1, H, W, C].

    An 8-bit input whose scale and zero point already say the same as the normalisation takes the plain bytes, as
    every reader of such files feeds them: then there is no contract to keep.
    """
    contract = None
    # Numbers that are no normalisation say nothing of the input.
    with suppress(InputError):
        if standard.mean and standard.std and len(image.shape) == RANK:
            mean, std = (tuple(value / PIXEL_MAX for value in part) for part in (standard.mean, standard.std))
            _, height, width, channels = image.shape
            contract = InputContract(height, width, channels, mean, std)
    return Metadata(contract if contract and not _takes_bytes(contract, image) else None, standard.labels)


def _takes_bytes(contract: InputContract, image: TensorSpec) -> bool:
    """True if quantizing the normalised pixels gives the pixels' own bytes, up to one step."""
    if image.scale is None or image.dtype not in ("int8", "uint8"):
        return False
    lowest = int(np.iinfo(image.dtype).min)
    for mean, std in zip(np.array(contract.mean), np.array(contract.std), strict=False):
        ends = (np.array([0.0, 1.0]) - mean) / std / image.scale + image.zero_point
        if np.abs(ends - (np.array([0, PIXEL_MAX]) + lowest)).max() > 1:
            return False
    return True


def _normalization(tensor: Table | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    for unit in _tables(tensor, Field.PROCESS_UNITS) if tensor is not None else ():
        if _byte(unit, Field.OPTIONS_TYPE) == NORMALIZATION_OPTIONS:
            options = _inner(unit, Field.OPTIONS)
            if options is not None:
                return _floats(options, Field.MEAN), _floats(options, Field.STD)
    return (), ()


def _labels(file: bytes, name: str) -> tuple[str, ...]:
    """The lines of an associated file; none where the archive or the file in it is missing."""
    try:
        with zipfile.ZipFile(io.BytesIO(file)) as archive:
            entry = archive.getinfo(name)
            if entry.compress_type not in KNOWN_COMPRESSION:
                raise ValueError(f"its label file '{name}' is packed by an unknown method")
            with archive.open(entry) as stream:
                data = stream.read(MAX_LABEL_BYTES + 1)
    except KeyError:
        return ()
    except zipfile.BadZipFile as exc:
        if not zipfile.is_zipfile(io.BytesIO(file)):
            return ()
        raise ValueError(f"its label file '{name}' is broken") from exc
    except (RuntimeError, NotImplementedError, EOFError, OSError, zlib.error) as exc:
        raise ValueError(f"its label file '{name}' cannot be unpacked") from exc
    if len(data) > MAX_LABEL_BYTES:
        raise ValueError(f"its label file '{name}' is larger than {MAX_LABEL_BYTES >> 20} MiB")
    lines = data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    return tuple(lines if lines[-1] else lines[:-1])


def _place(table: Table, field: int) -> int:
    """Where a field's value is in the buffer; 0 if the table does not have it."""
    distance = int(table.Offset(4 + 2 * field))
    return int(table.Pos) + distance if distance else 0


def _byte(table: Table, field: int) -> int:
    place = _place(table, field)
    return int(table.Bytes[place]) if place else 0


def _text(table: Table, field: int) -> str:
    place = _place(table, field)
    return bytes(table.String(place)).decode("utf-8", "replace") if place else ""


def _inner(table: Table, field: int) -> Table | None:
    from flatbuffers.table import Table

    place = _place(table, field)
    return Table(table.Bytes, table.Indirect(place)) if place else None


def _elements(table: Table, field: int) -> range:
    """Where the elements of a vector are, each of 4 bytes; none if the table does not have it."""
    place = _place(table, field) - int(table.Pos)
    if place <= 0:
        return range(0)
    start, count = int(table.Vector(place)), int(table.VectorLen(place))
    if count > MAX_ITEMS:
        raise ValueError(f"its TFLite metadata claim to hold {count} items")
    return range(start, start + 4 * count, 4)


def _tables(table: Table, field: int) -> Iterator[Table]:
    from flatbuffers.table import Table

    return (Table(table.Bytes, table.Indirect(place)) for place in _elements(table, field))


def _floats(table: Table, field: int) -> tuple[float, ...]:
    from flatbuffers import encode, packer

    return tuple(float(encode.Get(packer.float32, table.Bytes, place)) for place in _elements(table, field))
