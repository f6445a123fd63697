"""The standard TFLite metadata of a classifier, as Android's and MediaPipe's readers want them.

What they need and nothing else, since the bytes count on a device: a table for each input and output; for an image its
colours and the normalisation of pixels; for scores the name of the label file. MediaPipe reads the name of every
output, a label file that is stored without compression, and the normalisation of float inputs; Android's code generator
the normalisation of 8-bit inputs too.

Format: see ``edgekit.modelfiles.tflite_metadata``, which reads it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.artifact import METADATA_KEY, Metadata
from edgekit.conversion.tflite.writer import vector_of, write_model
from edgekit.inputs.contract import InputContract
from edgekit.modelfiles.tflite_metadata import (
    NORMALIZATION_OPTIONS,
    PIXEL_MAX,
    STANDARD_IDENTIFIER,
    STANDARD_KEY,
    TENSOR_AXIS_LABELS,
    Field,
)
from edgekit.operators.lowered import ModelRecord, TensorRecord

if TYPE_CHECKING:
    from flatbuffers import Builder

LABEL_FILE = "labels.txt"
IMAGE_PROPERTIES = 2
RGB, GRAYSCALE = 1, 2
COLOURS = {1: GRAYSCALE, 3: RGB}


def described_file(model: ModelRecord, metadata: Metadata) -> bytes:
    """The .tflite file of a model with both descriptions: EdgeKit's own and the standard one, with its label file.

    Labels are stored once: where the label file holds them, EdgeKit's own description leaves them out.
    """
    inputs, outputs = ([model.tensors[index] for index in part] for part in (model.inputs, model.outputs))
    has_label_file = any(_is_labelled(output, metadata.labels) for output in outputs)
    own = replace(metadata, labels=()) if has_label_file else metadata
    described = replace(model, metadata={**model.metadata, METADATA_KEY: own.to_json().encode()})
    standard = standard_metadata(metadata, inputs, outputs)
    if standard:
        described.metadata[STANDARD_KEY] = standard
    file = write_model(described)
    return with_labels(file, metadata.labels) if has_label_file else file


def standard_metadata(metadata: Metadata, inputs: Sequence[TensorRecord], outputs: Sequence[TensorRecord]) -> bytes:
    """The metadata buffer of a model; empty if there is nothing to say in it.

    Args:
        metadata: its contract describes a single image input, its labels the outputs of that many values.
        inputs: the model's input tensors, in order.
        outputs: its output tensors.
    """
    from flatbuffers import Builder

    contract = metadata.pictures if len(inputs) == 1 and len(inputs[0].shape) == len("NHWC") else None
    labelled = [_is_labelled(output, metadata.labels) for output in outputs]
    if contract is None and not any(labelled):
        return b""
    builder = Builder(512)
    images = vector_of(builder, [_input(builder, item, contract) for item in inputs])
    results = vector_of(builder, [_output(builder, item, has) for item, has in zip(outputs, labelled, strict=True)])
    parts = {Field.INPUTS: images, Field.OUTPUTS: results}
    subgraphs = vector_of(builder, [_table(builder, parts)])
    builder.Finish(_table(builder, {Field.SUBGRAPHS: subgraphs}), STANDARD_IDENTIFIER)
    return bytes(builder.Output())


def with_labels(file: bytes, labels: Sequence[str]) -> bytes:
    """A .tflite file with its label file behind it, one label a line, in a ZIP archive."""
    stream = io.BytesIO(file)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:
        # A fixed date, the first that the format knows: the same model gives the same bytes.
        archive.writestr(zipfile.ZipInfo(LABEL_FILE), "".join(f"{label}\n" for label in labels))
    return stream.getvalue()


def _is_labelled(output: TensorRecord, labels: Sequence[str]) -> bool:
    is_row = output.shape[-1:] == (len(labels),) and int(np.prod(output.shape)) == len(labels)
    return is_row and len(labels) > 1 and not any("\n" in label or "\r" in label for label in labels)


def _input(builder: Builder, tensor: TensorRecord, contract: InputContract | None) -> int:
    fields: dict[int, Any] = {Field.TENSOR_NAME: builder.CreateString(tensor.name)}
    if contract is not None and contract.channels in COLOURS:
        image = _table(builder, {Field.COLOR_SPACE: np.int8(COLOURS[contract.channels])})
        content = {Field.PROPERTIES_TYPE: np.uint8(IMAGE_PROPERTIES), Field.PROPERTIES: image}
        fields[Field.CONTENT] = _table(builder, content)
    if contract is not None:
        fields[Field.PROCESS_UNITS] = vector_of(builder, [_normalization(builder, contract)])
    return _table(builder, fields)


def _normalization(builder: Builder, contract: InputContract) -> int:
    """Mean and std are of equal length, as MediaPipe asks."""
    count = max(len(contract.mean), len(contract.std))
    options = {}
    for field, values in ((Field.MEAN, contract.mean), (Field.STD, contract.std)):
        pixels = np.broadcast_to(np.array(values, np.float32), count) * np.float32(PIXEL_MAX)
        options[field] = builder.CreateNumpyVector(pixels.astype("<f4"))
    unit = {Field.OPTIONS_TYPE: np.uint8(NORMALIZATION_OPTIONS), Field.OPTIONS: _table(builder, options)}
    return _table(builder, unit)


def _output(builder: Builder, tensor: TensorRecord, is_labelled: bool) -> int:
    fields: dict[int, Any] = {Field.TENSOR_NAME: builder.CreateString(tensor.name)}
    if is_labelled:
        name = builder.CreateString(LABEL_FILE)
        entry = _table(builder, {Field.FILE_NAME: name, Field.FILE_TYPE: np.int8(TENSOR_AXIS_LABELS)})
        fields[Field.FILES] = vector_of(builder, [entry])
    return _table(builder, fields)


def _table(builder: Builder, fields: Mapping[int, Any]) -> int:
    """Write a table; values are offsets, or NumPy scalars of the field's type."""
    builder.StartObject(max(fields) + 1)
    for field, value in fields.items():
        if isinstance(value, np.integer):
            (builder.PrependInt8Slot if value.dtype == np.int8 else builder.PrependUint8Slot)(field, int(value), 0)
        else:
            builder.PrependUOffsetTRelativeSlot(field, value, 0)
    return int(builder.EndObject())
