"""A prepared ONNX graph as a torch module: the same answers as ONNX Runtime's, and gradients.

A prepared graph has batch 1 written into its shapes. A module takes larger batches where the graph treats its samples
alike, which is tried on two random ones before it is relied on; other graphs run sample by sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from edgekit.errors import UnsupportedError
from edgekit.graph.messages import attributes, constants_of, sizes_of
from edgekit.graph.torch_operators import OPERATORS, Call, Operator

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

TRAINED: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm", "LayerNormalization"), (1, 2)),
    "MatMul": (0, 1),
    "PRelu": (1,),
}
"""The inputs of each operator whose constants are learned; all other constants stay as they are."""

BATCH_TOLERANCE = 1e-3
"""Largest difference between a sample alone and in a batch, as a share of the largest output."""


@dataclass(frozen=True)
class Step:
    """A node, ready to be called."""

    operator: Operator
    name: str
    op_type: str
    attributes: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, node: NodeProto, operators: Mapping[str, Operator]) -> Step:
        """The step of a node; raises UnsupportedError, naming the node, if its operator is not known."""
        name = node.name or node.output[0]
        if node.op_type not in operators:
            raise UnsupportedError(
                f"Node '{name}' is a {node.op_type}, which cannot be trained here; quantize without fine-tuning, or "
                "export the model without it."
            )
        outputs = tuple(node.output)
        return cls(operators[node.op_type], name, node.op_type, attributes(node), tuple(node.input), outputs)

    def run(self, values: dict[str, Tensor], batch: int) -> None:
        """Compute the outputs into ``values``."""
        inputs = tuple(values[name] if name else None for name in self.inputs)
        needed = 1 + max((index for index, name in enumerate(self.outputs) if name), default=0)
        result = self.operator(Call(self.name, self.op_type, self.attributes, inputs, needed, batch))
        results = result if isinstance(result, tuple) else (result,)
        values.update((name, value) for name, value in zip(self.outputs, results, strict=False) if name)


class GraphModule(nn.Module):
    """A prepared float ONNX model with its learned constants as parameters.

    Args:
        model: batch 1, static shapes (``prepare``).
        operators: how each operator is computed, by its ONNX name.

    Raises:
        UnsupportedError: a node's operator is not in ``operators``; its message names the node.
    """

    def __init__(self, model: ModelProto, operators: Mapping[str, Operator] = OPERATORS) -> None:
        super().__init__()
        graph, sizes = model.graph, sizes_of(model.graph)
        self.input_shapes = {item.name: sizes[item.name] for item in graph.input}
        self.output_names = tuple(item.name for item in graph.output)
        self.steps = [Step.of(node, operators) for node in graph.node]
        learned = {node.input[i] for node in graph.node for i in TRAINED.get(node.op_type, ()) if i < len(node.input)}
        self.learned = nn.ParameterDict()
        self.constants: dict[str, Tensor] = {}
        # Names of ONNX values may hold dots, which torch's own names may not: parameters go by numbers.
        self.keys: dict[str, str] = {}
        for name, array in constants_of(model).items():
            value = torch.from_numpy(array.copy())
            if name in learned and value.is_floating_point():
                self.keys[name] = f"p{len(self.keys)}"
                self.learned[self.keys[name]] = nn.Parameter(value)
            else:
                self.constants[name] = value
        self._batched: bool | None = None

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The model's outputs for its inputs in order, each [N, ...] where the model has [1, ...]."""
        batch = len(inputs[0]) if inputs[0].ndim else 1
        if batch == 1 or self.is_batched():
            return self._run(inputs, batch)
        return self._run_alone(inputs)

    def is_batched(self) -> bool:
        """True if the graph computes a batch as it computes each sample alone."""
        if self._batched is None:
            with torch.no_grad():
                self._batched = self._try_batch()
        return self._batched

    def given(self) -> dict[str, Tensor]:
        """The values that are there before any input comes: constants and parameters, by name."""
        return {**self.constants, **{name: self.learned[key] for name, key in self.keys.items()}}

    def parameter_arrays(self) -> dict[str, NDArray[np.float32]]:
        """The learned constants by their ONNX names."""
        return {name: self.learned[key].detach().numpy().copy() for name, key in self.keys.items()}

    def _run(self, inputs: Sequence[Tensor], batch: int) -> tuple[Tensor, ...]:
        values = {**self.given(), **dict(zip(self.input_shapes, inputs, strict=True))}
        uses = Counter(name for step in self.steps for name in step.inputs)
        uses.update(self.output_names)
        for step in self.steps:
            step.run(values, batch)
            uses.subtract(step.inputs)
            # What nobody reads any more is let go, so that memory holds no more than the gradient needs.
            for name in step.inputs:
                if not uses[name]:
                    values.pop(name, None)
        return tuple(values[name] for name in self.output_names)

    def _run_alone(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        samples = [self._run([value[row : row + 1] for value in inputs], 1) for row in range(len(inputs[0]))]
        return tuple(map(torch.cat, zip(*samples, strict=True)))

    def _try_batch(self) -> bool:
        generator = torch.Generator().manual_seed(0)
        shapes = self.input_shapes.values()
        if any(shape[:1] != (1,) for shape in shapes):
            return False
        inputs = [torch.rand(2, *shape[1:], generator=generator) for shape in shapes]
        try:
            together = self._run(inputs, 2)
        except (RuntimeError, IndexError, ValueError):  # what torch raises where sizes do not fit
            return False
        return all(map(_same, together, self._run_alone(inputs)))


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    limit = BATCH_TOLERANCE * float(other.abs().max()) if other.numel() else 0.0
    return bool(torch.allclose(one, other, rtol=0.0, atol=limit, equal_nan=True))
