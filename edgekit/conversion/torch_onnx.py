"""torch → float ONNX: BatchNorm folded, batch 1; of an image ``image`` [1, C, H, W] to ``logits`` [1, classes]."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgekit.artifact import Metadata
from edgekit.graph.metadata import write_metadata
from edgekit.graph.prepare import prepare
from edgekit.inputs.contract import InputContract

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor, nn


def to_onnx(model: nn.Module, takes: InputContract | Mapping[str, Tensor], metadata: Metadata) -> ModelProto:
    """Export a network in evaluation mode; the same weights give the same bytes.

    ``takes`` is the contract of its one image, or an example of each input in the order of its arguments.
    """
    import torch

    outputs = None
    if isinstance(takes, InputContract):
        takes = {"image": torch.zeros(1, takes.channels, takes.height, takes.width)}
        outputs = ["logits"]
    model = model.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    chatter = logging.getLogger("torch.onnx")
    level = chatter.level
    with warnings.catch_warnings():
        # The exporter warns of its own dependencies' deprecations, which no caller can act on.
        warnings.simplefilter("ignore")
        chatter.setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                model,
                tuple(takes.values()),
                input_names=list(takes),
                output_names=outputs,
                dynamo=True,
                verbose=False,
            )
        finally:
            chatter.setLevel(level)
    assert program is not None
    return write_metadata(_without_traces(prepare(program.model_proto)), metadata)


def _without_traces(model: ModelProto) -> ModelProto:
    """Drop the exporter's notes on each node: source lines and paths of the machine that ran it, half of the file."""
    for part in (model.graph, *model.graph.node, *model.graph.initializer, *model.graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    return model
