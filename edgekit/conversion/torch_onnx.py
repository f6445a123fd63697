"""torch → float ONNX: BatchNorm folded, batch 1; of a contract's input, as ``image`` [1, C, H, W], to ``logits``."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgekit.artifact import Metadata
from edgekit.errors import ModelError
from edgekit.graph.metadata import write_metadata
from edgekit.graph.prepare import prepare
from edgekit.inputs.contracts import Contract
from edgekit.runtimes.refusal import first_line

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor, nn

OPSET = 20
"""Of the older exporter, which knows none above."""


def to_onnx(model: nn.Module, takes: Contract | Mapping[str, Tensor], metadata: Metadata) -> ModelProto:
    """Export a network in evaluation mode; the same weights give the same bytes.

    ``takes`` is the contract of its one input, or an example of each input in the order of its arguments.

    Raises:
        ModelError: torch's exporter cannot do it.
    """
    import torch

    outputs = None
    if not isinstance(takes, Mapping):
        takes = {takes.INPUT: example_of(takes)}
        outputs = ["logits"]
    model = model.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with _silence():
        try:
            program = torch.onnx.export(
                model,
                tuple(takes.values()),
                input_names=list(takes),
                output_names=outputs,
                dynamo=True,
                verbose=False,
            )
        except Exception as exc:  # tracing runs the network's own code
            reason = first_line(exc.__cause__ or exc)
            name = type(model).__name__
            raise ModelError(f"{name} cannot be exported to ONNX ({reason}); change that layer.") from exc
    assert program is not None
    return write_metadata(_without_traces(prepare(program.model_proto)), metadata)


def sketch_onnx(model: nn.Module, contract: Contract) -> ModelProto:
    """The graph of ``to_onnx`` by torch's older exporter, where it can: in a tenth of the time, for sizes and costs."""
    import onnx
    import torch

    stream = io.BytesIO()
    options: dict[str, Any] = {"input_names": [contract.INPUT], "output_names": ["logits"], "opset_version": OPSET}
    with _silence(), _no_stdout():
        try:
            torch.onnx.export(model.eval(), (example_of(contract),), stream, dynamo=False, **options)  # type: ignore[arg-type]
        except Exception:  # what it cannot do, it says in many ways
            return to_onnx(model, contract, Metadata())
    return prepare(onnx.load_from_string(stream.getvalue()))


def example_of(contract: Contract) -> Tensor:
    """What a network takes of a sample that shows nothing: of a picture [1, C, H, W]."""
    import torch

    # Of a grey picture .contiguous() leaves the order that it has: torch takes it for the one that is asked for.
    return torch.from_numpy(contract.real(contract.blank)).movedim(-1, 1).clone(memory_format=torch.contiguous_format)


@contextmanager
def _no_stdout() -> Iterator[None]:
    """Nothing on stdout, where the older exporter's native code prints the graph that it cannot do."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


@contextmanager
def _silence() -> Iterator[None]:
    """Without the exporter's warnings of its own dependencies' deprecations, which no caller can act on."""
    chatter = logging.getLogger("torch.onnx")
    level = chatter.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chatter.setLevel(logging.ERROR)
        try:
            yield
        finally:
            chatter.setLevel(level)


def _without_traces(model: ModelProto) -> ModelProto:
    """Drop the exporter's notes on each node: source lines and paths of the machine that ran it, half of the file."""
    for part in (model.graph, *model.graph.node, *model.graph.initializer, *model.graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    return model
