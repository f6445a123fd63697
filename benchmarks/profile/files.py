"""What the profiler is tried on: small files that the project ships, and a larger network of random weights."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.graph.prepare import prepare

STUDENTS = Path(__file__).resolve().parents[2] / "students"
SIDE, WIDTH, BLOCKS, CLASSES = 64, 48, 6, 100


@contextmanager
def files(description: str | None) -> Iterator[list[Path]]:
    """Those that the command line names, else the shipped ones of mnist-tiny and a larger network in both formats."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    named: list[Path] = parser.parse_args().files
    if named:
        yield named
        return
    with tempfile.TemporaryDirectory() as folder:
        network = separable_network()
        larger = Path(folder) / "separable.onnx"
        onnx.save_model(network, larger)
        larger.with_suffix(".tflite").write_bytes(lower(prepare(network), Metadata()))
        shipped = [STUDENTS / "mnist-tiny" / name for name in ("model.onnx", "model.int8.onnx", "model.int8.tflite")]
        yield [*shipped, larger, larger.with_suffix(".tflite")]


def runtime_of(path: Path) -> str:
    """The runtime that opens a file."""
    return "ort" if path.suffix == ".onnx" else "litert"


def separable_network() -> onnx.ModelProto:
    """A convolution and BLOCKS depthwise-separable ones in float, [1, 3, SIDE, SIDE] -> [1, CLASSES]: 65M MACs."""
    rng = np.random.default_rng(0)
    weights: dict[str, NDArray[np.float32]] = {}
    nodes: list[onnx.NodeProto] = []

    def layer(before: str, name: str, shape: tuple[int, ...], group: int) -> str:
        fan_in = int(np.prod(shape[1:]))
        weights[f"{name}_w"] = (rng.normal(size=shape) * np.sqrt(2 / fan_in)).astype(np.float32)
        weights[f"{name}_b"] = np.zeros(shape[0], np.float32)
        pad = shape[2] // 2
        names = [before, f"{name}_w", f"{name}_b"]
        nodes.append(helper.make_node("Conv", names, [f"{name}_c"], f"{name}_c", pads=[pad] * 4, group=group))
        nodes.append(helper.make_node("Relu", [f"{name}_c"], [name], name))
        return name

    x = layer("image", "stem", (WIDTH, 3, 3, 3), 1)
    for number in range(BLOCKS):
        x = layer(x, f"depthwise{number}", (WIDTH, 1, 3, 3), WIDTH)
        x = layer(x, f"pointwise{number}", (WIDTH, WIDTH, 1, 1), 1)
    weights["head_w"] = (rng.normal(size=(CLASSES, WIDTH)) / np.sqrt(WIDTH)).astype(np.float32)
    weights["head_b"] = np.zeros(CLASSES, np.float32)
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["pooled"], "pool"))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"))
    nodes.append(helper.make_node("Gemm", ["flat", "head_w", "head_b"], ["logits"], "head", transB=1))
    graph = helper.make_graph(
        nodes,
        "separable",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, CLASSES])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
