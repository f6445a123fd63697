"""The int8 file of a network that nobody has trained yet, with the size that it will have.

Nothing of its size depends on what is learned but coincidences: zero points or constants that happen to be equal are
written once. Here nothing is equal by chance, and the description has the length of one with every figure measured. So
the file of the trained network has at most as many bytes, and hardly fewer.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgekit.artifact import Metadata
from edgekit.conversion.tflite.made_up import made_up_int8
from edgekit.conversion.torch_onnx import sketch_onnx
from edgekit.graph.draft import Draft
from edgekit.inputs.contracts import Contract
from edgekit.inputs.golden import MOST_VALUES, Golden
from edgekit.operators.weight_scheme import EIGHT_BITS, WeightScheme
from edgekit.quantization.float_source import LINEAGE_DIGITS
from edgekit.quantization.options import STATIC
from edgekit.quantization.weighted_layers import weighted_layers

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

LONGEST = -128
"""No int8 value takes more digits."""


def untrained_int8(
    network: nn.Module, contract: Contract, labels: Sequence[str], weights: WeightScheme = EIGHT_BITS
) -> bytes:
    """The .tflite file that ``edgekit quantize --int8`` would make of a network; what it answers means nothing.

    Raises:
        UnsupportedError: the network has an operator without an int8 form.
    """
    import torch

    drawn = copy.deepcopy(network)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        for values in (*drawn.parameters(), *drawn.buffers()):
            if values.is_floating_point() and values.ndim == 1:
                values.uniform_(0.5, 1.5)  # a fresh network's are all alike
    model = _with_biases(sketch_onnx(drawn, contract))
    return made_up_int8(model, _description(contract, tuple(labels)), weights)


def _with_biases(model: ModelProto) -> ModelProto:
    """A layer that has no bias may get one: what rounding its weights has moved its answers by is taken back."""
    draft, rng = Draft.from_model(model), np.random.default_rng(0)
    for layer in weighted_layers(model):
        if layer.bias is None:
            layer.give(draft, None, rng.uniform(0.5, 1.5, layer.outputs))
    return draft.to_model()


def _description(contract: Contract, labels: tuple[str, ...]) -> Metadata:
    count = min(MOST_VALUES, len(labels))
    places = tuple(range(len(labels) - count, len(labels))) if len(labels) > count else ()
    return Metadata(
        contract,
        labels,
        recipe=STATIC,
        quality={"test_accuracy": 0.123456},
        parents={"float": "0" * LINEAGE_DIGITS},
        golden=Golden(0, (LONGEST,) * count, 100, places),
    )
