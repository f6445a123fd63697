"""A model's self-description in ONNX ``metadata_props``."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from edgekit.artifact import METADATA_KEY, Metadata

if TYPE_CHECKING:
    from onnx import ModelProto


def read_metadata(model: ModelProto, source: str) -> Metadata:
    """The description in an ONNX model from file ``source``; an empty one if it has none."""
    text = next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), None)
    return Metadata() if text is None else Metadata.from_json(text, source)


def is_described(model: ModelProto) -> bool:
    """Whether EdgeKit has written the model."""
    return any(entry.key == METADATA_KEY for entry in model.metadata_props)


def write_metadata(model: ModelProto, metadata: Metadata) -> ModelProto:
    """A copy of ``model`` that carries ``metadata`` in place of any earlier description."""
    result = deepcopy(model)
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    del result.metadata_props[:]
    result.metadata_props.extend(kept)
    result.metadata_props.add(key=METADATA_KEY, value=metadata.to_json())
    return result
