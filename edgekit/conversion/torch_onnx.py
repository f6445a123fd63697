"""torch → float ONNX: BatchNorm folded, batch 1, input ``image`` [1, C, H, W], output ``logits`` [1, classes]."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

from edgekit.artifact import Metadata
from edgekit.graph.metadata import write_metadata
from edgekit.graph.prepare import prepare
from edgekit.inputs.contract import InputContract

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn


def to_onnx(model: nn.Module, contract: InputContract, metadata: Metadata) -> ModelProto:
    """Export a network in evaluation mode; the same weights give the same bytes."""
    import torch

    example = torch.zeros(1, contract.channels, contract.height, contract.width)
    model = model.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    chatter = logging.getLogger("torch.onnx")
    level = chatter.level
    with warnings.catch_warnings():
        # The exporter warns of its own dependencies' deprecations, which no caller can act on.
        warnings.simplefilter("ignore")
        chatter.setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                model, (example,), input_names=["image"], output_names=["logits"], dynamo=True, verbose=False
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
