"""What a network asks of a processor, layer by layer, known from its shapes alone: no weights are needed, nothing runs.

A layer is seen as the matrix product [rows, depth] × [depth, columns] that it amounts to, so a few sums per kind of
layer say what it costs on any runtime: multiply-accumulates, the patches that are gathered, inputs, outputs, weights,
and what kernels that compute blocks of channels do in vain, or cannot do at all.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgekit.files import require_file
from edgekit.modelfiles.runtime_choice import default_runtime

KINDS = ("conv", "pointwise", "depthwise", "dense", "elementwise", "activation", "pool", "move", "sort", "other")
"""``conv``: a window over all channels; ``move``: concatenation, padding, transposition, resizing; ``sort``: the
sorting out of detections; ``other``: what is computed value by value with exponentials (softmax, sigmoid)."""

QUANTITIES = (
    *("macs", "tiles", "padded", "uneven", "gathered", "ragged", "ragged_columns"),
    *("patches", "copied", "places", "taps", "loose", "rows", "columns", "inputs", "outputs", "weights", "layers"),
)
TILE = 16
"""Kernels compute so many output channels at a time, whether they are all there or not."""
SMALL_TILE = 8
"""Integer kernels compute so many output channels at a time, from as many input channels of a place of the window."""
BLOCK = 4
"""Layers whose output channels are a multiple of this can be computed in blocks of channels."""
EVEN = 1.01
"""Weights of a fully connected layer are taken as vectors where its output channels fill SMALL_TILEs nearly so well."""
BEYOND = {"beyond.512KiB": 1 << 19, "beyond.1MiB": 1 << 20, "beyond.2MiB": 1 << 21, "beyond.4MiB": 1 << 22}
"""Features of a whole network: its bytes of weights, if they are more than so many. A cache of that size, which throws
out what was used longest ago, then holds none of them from one inference to the next."""
PRECISIONS = {"float32": 4, "int8": 1, "uint8": 1, "int4": 0.5}
"""Bytes of a value, of a weight for ``int4``, whose layers compute in int8 by other kernels. ``uint8`` is the older
quantization of TFLite, not a file of int8 with bytes at its ends."""


@dataclass(frozen=True)
class Layer:
    """One layer; counts of values, not of bytes.

    ``patches``: rows × depth, what an explicit im2col would hold. ``columns``: output channels. ``channels``: input
    channels that one output sees at each place of the window. ``constant``: the weights are, so that a runtime can lay
    them out as its fast kernels want them.
    """

    kind: str
    outputs: int
    inputs: int
    macs: int = 0
    patches: int = 0
    weights: int = 0
    columns: int = 1
    channels: int = 1
    constant: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no layer is of the kind '{self.kind}'")
        if min(self.outputs, self.inputs, self.macs, self.patches, self.weights, self.columns, self.channels) < 0:
            raise ValueError(f"a layer of the kind '{self.kind}' has a negative count")

    @property
    def tiles(self) -> float:
        """The multiply-accumulates if the output channels were a multiple of TILE."""
        return self.macs * _rounded_up(self.columns, TILE)

    @property
    def padded(self) -> float:
        """The multiply-accumulates if output and input channels were multiples of SMALL_TILE."""
        return self.macs * _rounded_up(self.columns, SMALL_TILE) * _rounded_up(self.channels, SMALL_TILE)

    @property
    def rows(self) -> int:
        """The positions at which it computes its output channels."""
        return self.outputs // max(1, self.columns)

    @property
    def copied(self) -> int:
        """The patches, if integer kernels copy them because they take input channels by BLOCK."""
        fits = self.channels % BLOCK == 0 and self.columns % BLOCK == 0 and self.columns >= TILE
        return self.patches if self.macs and not fits else 0

    @property
    def places(self) -> int:
        """The places of the window at all positions, for all channels at once."""
        return self.patches // (self.columns if self.kind == "depthwise" else self.channels) if self.macs else 0

    @property
    def taps(self) -> int:
        """How often a kernel turns to a place of the window, for every tile of output channels anew."""
        return self.patches // self.channels * math.ceil(self.columns / SMALL_TILE) if self.macs else 0

    @property
    def loose(self) -> int:
        """The values that a layer without weights looks at, if its channels do not fill blocks of TILE."""
        return 0 if self.macs or self.columns % TILE == 0 else max(self.patches, self.outputs)

    @property
    def uneven(self) -> int:
        """The multiply-accumulates, if a fully connected layer does them one weight at a time."""
        return self.macs if _rounded_up(self.columns, SMALL_TILE) > EVEN else 0

    @property
    def gathered(self) -> int:
        """The multiply-accumulates, if its window is none of 3×3 places that moves by one: other windows are copied."""
        is_usual = self.patches == 9 * self.outputs and self.inputs < 2 * self.outputs
        return 0 if is_usual else self.macs

    @property
    def is_ragged(self) -> bool:
        """True if it cannot be computed in blocks of output channels."""
        return self.macs > 0 and not (self.constant and self.columns % BLOCK == 0)


@dataclass(frozen=True)
class Workload:
    """The layers of a network in order, and the precision that most of its arithmetic is done in."""

    precision: str
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"no workload is of the precision '{self.precision}'")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weights(self) -> int:
        """Weights of all layers."""
        return sum(layer.weights for layer in self.layers)

    @property
    def attends(self) -> bool:
        """True if it multiplies by what is no constant, as attention does."""
        return any(layer.macs and not layer.constant for layer in self.layers)

    def sums(self) -> Mapping[str, float]:
        """``KIND.QUANTITY`` → its sum over the layers of that kind, and ``BEYOND``; what does not occur is absent."""
        sums: dict[str, float] = defaultdict(float)
        for layer in self.layers:
            ragged = (layer.macs, layer.columns) if layer.is_ragged else (0, 0)
            products = (layer.macs, layer.tiles, layer.padded, layer.uneven, layer.gathered)
            places = (layer.patches, layer.copied, layer.places, layer.taps, layer.loose, layer.rows, layer.columns)
            counts = (*products, *ragged, *places, layer.inputs, layer.outputs, layer.weights, 1)
            for quantity, count in zip(QUANTITIES, counts, strict=True):
                if count:
                    sums[f"{layer.kind}.{quantity}"] += count
        held = PRECISIONS[self.precision] * self.weights
        return {**sums, **{name: held for name, size in BEYOND.items() if held > size}}


def convolution(rows: int, depth: int, columns: int, window: int = 1, groups: int = 1) -> Layer:
    """A convolution with ``rows`` output positions, ``depth`` input and ``columns`` output channels."""
    kind = "depthwise" if groups == depth > 1 else "pointwise" if window == 1 and groups == 1 else "conv"
    channels = depth // groups
    weights, patches = channels * window * columns, rows * depth * window
    return Layer(kind, rows * columns, rows * depth, rows * weights, patches, weights, columns, channels)


def dense(depth: int, columns: int, rows: int = 1) -> Layer:
    """A fully connected layer on ``rows`` vectors of ``depth`` values; on many, kernels do as in a pointwise one."""
    layer = convolution(rows, depth, columns)
    return replace(layer, kind="dense") if rows == 1 else layer


def _rounded_up(count: int, tile: int) -> float:
    """How many times as many a multiple of ``tile`` is."""
    return math.ceil(count / tile) * tile / max(1, count)


def read_workload(path: Path, shapes: Mapping[str, Sequence[int]] | None = None) -> Workload:
    """The workload of an .onnx or .tflite file, read in a worker; ``shapes`` are sizes that it leaves open, by input.

    Raises:
        ModelError: the file is missing or broken, or holds something whose cost its shapes do not tell (loops).
        RuntimeCrashError: it made the worker crash, hang or want too much memory.
    """
    from edgekit.sandbox import Sandbox

    require_file(path)
    with Sandbox(str(path)) as sandbox:
        answer = sandbox.call("edgekit.devices.latency.workload:read_layers", path=str(path), shapes=shapes or {})
    return workload_of(answer)


def workload_of(answer: Mapping[str, Any]) -> Workload:
    """The workload in the plain values of ``read_layers``."""
    return Workload(answer["precision"], tuple(Layer(**layer) for layer in answer["layers"]))


def read_layers(path: str, shapes: Mapping[str, Sequence[int]] | None = None) -> dict[str, Any]:
    """What ``read_workload`` does inside its worker, as plain values."""
    if default_runtime(Path(path)) == "litert":
        from edgekit.devices.latency.tflite_layers import tflite_layers

        found = list(tflite_layers(Path(path)))
    else:
        from edgekit.devices.latency.onnx_layers import onnx_layers

        found = list(onnx_layers(Path(path), shapes or {}))
    return {"precision": main_precision(found), "layers": [asdict(layer) for _, layer in found]}


def main_precision(layers: Sequence[tuple[str, Layer]]) -> str:
    """The precision with most of the multiply-accumulates, given each layer with its own; int4 if any has it.

    XNNPACK, which tables are of, takes no convolution with such weights.
    """
    if any(name == "int4" for name, _ in layers):
        return "int4"
    total = {kind: sum(layer.macs + 1 for name, layer in layers if name == kind) for kind in PRECISIONS}
    return max(PRECISIONS, key=lambda kind: total[kind])


def plain_layer(name: str, made: int, taken: int, columns: int, kinds: Mapping[str, Collection[str]]) -> Layer:
    """A layer that only passes over its values, of the kind that has the operator ``name``."""
    kind = next((kind for kind, names in kinds.items() if name in names), "other")
    return Layer(kind, made, taken, columns=columns)
