"""Operators that change the size of an image or repeat values: Resize, DepthToSpace, SpaceToDepth, Tile, Expand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.operators.indexing import gathered
from edgekit.operators.lowered import Options
from edgekit.operators.lowering import CHANNELS_LAST, Lowering, default_order
from edgekit.operators.nodes import Node
from edgekit.operators.operator import TIED, Channels, Operator
from edgekit.scales import Reals

WAYS = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric")
"""The values of ``coordinate_transformation_mode`` that are known."""
VARIANTS: tuple[dict[str, bool], ...] = ({}, {"HalfPixelCenters": True}, {"AlignCorners": True})
"""The three ways in which TFLite's kernels find the place in the source."""

PLACE_TOLERANCE = 1e-4
"""Pixels by which a place may differ, besides a part in a million of it: kernels compute it in float32."""
TIE = 1e-6
"""Pixels by which a place may miss the middle between two pixels and still count as there."""


def resize(low: Lowering, node: Node) -> None:
    """Resize → RESIZE_NEAREST_NEIGHBOR or RESIZE_BILINEAR; other ways of picking the nearest → GATHER."""
    source, target = low.tensor(node.inputs[0]), low.tensor(node.outputs[0])
    axes = {axis: _Axis.of(low, node, axis) for axis in range(len(source.shape))}
    axes = {axis: found for axis, found in axes.items() if found.moves}
    mode = node.attributes.get("mode", "nearest")
    is_image = len(source.shape) == 4 and set(axes) <= {2, 3}
    if mode == "linear" and is_image:
        variant = next((fields for fields in VARIANTS if all(axis.is_linear(fields) for axis in axes.values())), None)
    elif mode == "nearest":
        rounding = node.attributes.get("nearest_mode", "round_prefer_floor")
        taken = {axis: nearest_pixels(found.places, rounding, found.size) for axis, found in axes.items()}
        variant = next((fields for fields in VARIANTS if is_image and _takes(axes, taken, fields)), None)
        if variant is None:
            _resize_by_indices(low, node, taken)
            return
    else:
        variant = None
    if variant is None or node.attributes.get("antialias", 0):
        way = node.attributes.get("coordinate_transformation_mode", "half_pixel")
        raise low.refusal(node, f"resizes {mode} with places by {way}, which TFLite does not have for these sizes")
    table = "ResizeBilinear" if mode == "linear" else "ResizeNearestNeighbor"
    code = "RESIZE_BILINEAR" if mode == "linear" else "RESIZE_NEAREST_NEIGHBOR"
    index = low.requantized(low.activation(node, order=CHANNELS_LAST), target.quant)
    size = low.constant(np.asarray(target.shape[2:], np.int32))
    version = 3 if variant.get("HalfPixelCenters") else 2 if target.quant else 1
    low.emit(code, (index, size), low.result(node, CHANNELS_LAST), Options(f"{table}Options", variant), version)


@dataclass(frozen=True)
class _Axis:
    """One axis of a Resize: its size, its new number of steps, and the place in the source of each step."""

    size: int
    steps: int
    places: Reals

    @classmethod
    def of(cls, low: Lowering, node: Node, axis: int) -> _Axis:
        size, steps = low.tensor(node.inputs[0]).shape[axis], low.tensor(node.outputs[0]).shape[axis]
        options = node.attributes
        way = options.get("coordinate_transformation_mode", "half_pixel")
        if way not in WAYS or options.get("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise low.refusal(node, f"resizes by {way} with '{options.get('keep_aspect_ratio_policy', 'stretch')}'")
        return cls(size, steps, source_places(way, size, steps, _scale(low, node, axis, steps / size)))

    @property
    def moves(self) -> bool:
        """False if each step reads its own place."""
        return self.size != self.steps or bool((self.places != np.arange(self.steps)).any())

    def is_linear(self, fields: Mapping[str, bool]) -> bool:
        """True if TFLite's kernel with these options reads at the same places."""
        steps, scale = np.arange(self.steps), kernel_scale(self.size, self.steps, fields)
        places = (steps + 0.5) * scale - 0.5 if fields.get("HalfPixelCenters") else steps * scale
        own, other = (np.clip(found, 0, self.size - 1) for found in (self.places, places))
        return np.allclose(own, other, rtol=1e-6, atol=PLACE_TOLERANCE)


def source_places(way: str, size: int, steps: int, scale: float) -> Reals:
    """Where each step along an axis lies in the source, in pixels, by ONNX's ``coordinate_transformation_mode``.

    It is computed in the order and the precision of ONNX Runtime, on which it depends which pixel is the nearest.
    """
    step, factor = np.arange(steps, dtype=np.float32), np.float32(scale)
    if way == "align_corners":
        return step * np.float32(size - 1) / np.float32(max(steps - 1, 1))
    if way == "asymmetric":
        return step / factor
    if way == "pytorch_half_pixel" and steps == 1:
        return step
    if way == "half_pixel_symmetric":
        shift = np.float32(size / 2) * np.float32(1 - np.float32(steps) / (factor * np.float32(size)))
        return (shift + (step.astype(np.float64) + 0.5) / factor - 0.5).astype(np.float32)
    return (step + np.float32(0.5)) / factor - np.float32(0.5)


def nearest_pixels(places: Reals, rounding: str, size: int) -> NDArray[np.int64]:
    """The pixel that each place takes, by ONNX's ``nearest_mode``."""
    exact = places.astype(np.float64)
    ways = {
        "round_prefer_floor": np.ceil(exact - 0.5 - TIE),
        "round_prefer_ceil": np.floor(exact + 0.5 + TIE),
        "floor": np.floor(exact),
        "ceil": np.ceil(exact),
    }
    found: NDArray[np.int64] = np.clip(ways[rounding], 0, size - 1).astype(np.int64)
    return found


def nearest_places(size: int, steps: int, fields: Mapping[str, bool]) -> NDArray[np.int64]:
    """The index that each step along an axis takes in TFLite's RESIZE_NEAREST_NEIGHBOR with these options."""
    shift = np.float32(0.5 if fields.get("HalfPixelCenters") else 0)
    places = (np.arange(steps, dtype=np.float32) + shift) * np.float32(kernel_scale(size, steps, fields))
    rounded = np.floor(places + np.float32(0.5)) if fields.get("AlignCorners") else np.floor(places)
    found: NDArray[np.int64] = np.clip(rounded, 0, size - 1).astype(np.int64)
    return found


def kernel_scale(size: int, steps: int, fields: Mapping[str, bool]) -> float:
    """Pixels of the source from one step to the next in TFLite's kernels."""
    if fields.get("AlignCorners") and steps > 1:
        return (size - 1) / (steps - 1)
    return size / steps


def _scale(low: Lowering, node: Node, axis: int, ratio: float) -> float:
    """The factor for an axis: of the input ``scales`` if there is one, else the ratio of the sizes."""
    scales = low.tensor(node.inputs[2]).data if len(node.inputs) > 2 and node.inputs[2] else None
    if scales is None or not scales.size:
        return ratio
    rank = len(low.tensor(node.inputs[0]).shape)
    axes = [given % rank for given in node.attributes.get("axes", range(rank))]
    return float(scales[axes.index(axis)]) if axis in axes else 1.0


def _takes(axes: Mapping[int, _Axis], taken: Mapping[int, NDArray[np.int64]], fields: Mapping[str, bool]) -> bool:
    kernels = {axis: nearest_places(found.size, found.steps, fields) for axis, found in axes.items()}
    return all(np.array_equal(kernels[axis], taken[axis]) for axis in axes)


def _resize_by_indices(low: Lowering, node: Node, taken: Mapping[int, NDArray[np.int64]]) -> None:
    tensor, order = low.tensor(node.outputs[0]), low.placed(node.inputs[0]).order
    source = low.requantized(low.activation(node, order=order), tensor.quant)
    target, shape = low.result(node, order), list(low.model.tensors[source].shape)
    for axis, indices in taken.items():
        shape[order.index(axis)] = len(indices)
        result = target if axis == max(taken) else low.scratch(shape, tensor)
        gathered(low, source, result, order.index(axis), indices)
        source = result
    if not taken:
        low.reshape(source, target)


def depth_and_space(low: Lowering, node: Node) -> None:
    """DepthToSpace, SpaceToDepth → DEPTH_TO_SPACE, SPACE_TO_DEPTH; columns before rows needs the channels in order."""
    tensor, block = low.tensor(node.inputs[0]), node.attributes["blocksize"]
    quant = low.tensor(node.outputs[0]).quant
    source = low.requantized(low.activation(node, order=CHANNELS_LAST), quant)
    if node.op == "SpaceToDepth":
        options = Options("SpaceToDepthOptions", {"BlockSize": block})
        low.emit("SPACE_TO_DEPTH", (source,), low.result(node, CHANNELS_LAST), options, version=2 if quant else 1)
        return
    if node.attributes.get("mode", "DCR") == "CRD":
        shuffled = low.scratch(low.model.tensors[source].shape, low.tensor(node.outputs[0]))
        gathered(low, source, shuffled, 3, np.arange(tensor.shape[1]).reshape(-1, block * block).T.reshape(-1))
        source = shuffled
    options = Options("DepthToSpaceOptions", {"BlockSize": block})
    low.emit("DEPTH_TO_SPACE", (source,), low.result(node, CHANNELS_LAST), options)


def tile(low: Lowering, node: Node) -> None:
    """Tile with constant repeats → TILE."""
    repeats, order = low.tensor(node.inputs[1]).data, low.placed(node.inputs[0]).order
    if repeats is None:
        raise low.refusal(node, "repeats values as often as is computed")
    times = low.constant(repeats.reshape(-1)[list(order)].astype(np.int32))
    low.emit("TILE", (low.activation(node, order=order), times), low.result(node, order), Options("TileOptions"))


def expand(low: Lowering, node: Node) -> None:
    """Expand → BROADCAST_TO."""
    source, tensor = low.tensor(node.inputs[0]), low.tensor(node.outputs[0])
    alike = source.data is None and len(source.shape) == len(tensor.shape)
    order = low.placed(source.name).order if alike else default_order(tensor)
    operand, target = low.operand(node, 0, order), low.result(node, order)
    shape = low.constant(np.asarray(low.model.tensors[target].shape, np.int32))
    low.emit("BROADCAST_TO", (operand, shape), target, Options("BroadcastToOptions"), version=2)


OPERATORS = (
    Operator("Resize", resize, TIED, linear=True, channels=Channels.PASSED),
    Operator("DepthToSpace", depth_and_space, TIED, linear=True),
    Operator("SpaceToDepth", depth_and_space, TIED, linear=True),
    Operator("Tile", tile),
    Operator("Expand", expand),
)
