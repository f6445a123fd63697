"""Fields of ONNX files changed one by one, by reflection over protobuf: each model is converted or refused as ours.

The bytes stay a valid message, so the damage comes further than flipped bits do: names that meet, sizes that no longer
fit, attributes of another type. Every change is drawn with a fixed seed, and goes through check, prepare and lower.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto
from onnx.helper import make_node
from residual_graphs import BLOCKS, residual
from small_graphs import graph_of, noise, quantized

from edgekit.artifact import Metadata
from edgekit.conversion.export import ExportOptions, export
from edgekit.conversion.tflite import lower
from edgekit.errors import EdgekitError, RuntimeCrashError, UnsupportedError
from edgekit.graph.prepare import prepare
from edgekit.sandbox import Limits, Sandbox

CHANGES = 120
NUMBERS = (0, 1, -1, 2, 3, 5, 7, -2, 16, 255, 2**31 - 1, -(2**31))
REALS = (0.0, 1.0, -1.0, float("nan"), float("inf"), 1e30)


def whole(*values: int) -> np.ndarray:
    return np.asarray(values, np.int64)


def moving() -> ModelProto:
    """What moves, joins, cuts and repeats values."""
    nodes = [
        make_node("Reshape", ["x", "groups"], ["a"]),
        make_node("Transpose", ["a"], ["b"], perm=[0, 2, 1, 3, 4]),
        make_node("Reshape", ["b", "image"], ["c"]),
        make_node("Slice", ["c", "starts", "ends", "axes", "steps"], ["d"]),
        make_node("Split", ["d", "parts"], ["e", "f"], axis=1),
        make_node("Concat", ["f", "e"], ["g"], axis=1),
        make_node("Pad", ["g", "pads"], ["h"], mode="reflect"),
        make_node("Resize", ["h", "", "scales"], ["i"], mode="nearest"),
        make_node("DepthToSpace", ["i"], ["j"], blocksize=2),
        make_node("Gather", ["j", "places"], ["k"], axis=2),
        make_node("Tile", ["k", "times"], ["l"]),
        make_node("Expand", ["l", "shape"], ["m"]),
        make_node("Squeeze", ["m", "first"], ["n"]),
        make_node("Unsqueeze", ["n", "first"], ["o"]),
        make_node("Flatten", ["o"], ["out"]),
    ]
    constants = {
        "groups": whole(1, 2, 4, 6, 6), "image": whole(1, 8, 6, 6), "starts": whole(1, 0), "ends": whole(6, 6),
        "axes": whole(2, 3), "steps": whole(1, 2), "parts": whole(3, 5), "pads": whole(0, 0, 1, 0, 0, 0, 1, 1),
        "scales": np.float32([1, 1, 2, 2]), "places": whole(0, 3, 4), "times": whole(1, 1, 2, 1),
        "shape": whole(1, 2, 6, 16), "first": whole(0),
    }  # fmt: skip
    return graph_of(nodes, {"x": (1, 8, 6, 6)}, constants, opset=20)


def computing() -> ModelProto:
    """Layers, pools, norms and reductions of every family."""
    nodes = [
        make_node("Conv", ["x", "w", "b"], ["a"], strides=[2, 2], auto_pad="SAME_UPPER"),
        make_node("BatchNormalization", ["a", "b", "b", "b", "v"], ["c"]),
        make_node("PRelu", ["c", "slope"], ["d"]),
        make_node("ConvTranspose", ["d", "t"], ["e"], strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
        make_node("InstanceNormalization", ["e", "b", "b"], ["f"]),
        make_node("AveragePool", ["f"], ["g"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        make_node("LRN", ["g"], ["h"], size=3),
        make_node("Mul", ["h", "factor"], ["i"]),
        make_node("Clip", ["i", "low", "high"], ["j"]),
        make_node("GlobalAveragePool", ["j"], ["k"]),
        make_node("Flatten", ["k"], ["l"]),
        make_node("Gemm", ["l", "m", "b"], ["n"], transB=1, alpha=0.5),
        make_node("LayerNormalization", ["n", "b", "b"], ["o"], axis=-1),
        make_node("MatMul", ["o", "m"], ["p"]),
        make_node("Gelu", ["p"], ["q"], approximate="tanh"),
        make_node("Softmax", ["q"], ["r"], axis=1),
        make_node("ReduceL2", ["r", "last"], ["s"], keepdims=1),
        make_node("Div", ["r", "s"], ["t2"]),
        make_node("ReduceMean", ["t2", "last"], ["mean"], keepdims=0),
        make_node("ArgMax", ["t2"], ["most"], axis=1),
        make_node("Cast", ["most"], ["real"], to=1),
        make_node("Add", ["real", "mean"], ["out"]),
    ]
    constants = {
        "w": noise(4, 3, 3, 3), "b": noise(4), "v": np.float32([1, 2, 3, 4]), "slope": noise(4, 1, 1),
        "t": noise(4, 4, 3, 3), "factor": np.float32(2), "low": np.float32(0), "high": np.float32(6), "m": noise(4, 4),
        "last": whole(-1),
    }  # fmt: skip
    return graph_of(nodes, {"x": (1, 3, 8, 8)}, constants, opset=20)


MODELS = {
    "moving": moving,
    "computing": computing,
    "residual": lambda: residual(BLOCKS),
    "int8": lambda: quantized(residual(BLOCKS)),
    "int8 moving": lambda: quantized(prepare(moving())),
}


def fields(message: Any) -> Iterator[tuple[Any, Any]]:
    """(message, descriptor) of every field that is set, at any depth."""
    pending = [message]
    while pending:
        current = pending.pop()
        for field, value in current.ListFields():
            yield current, field
            if field.message_type is not None:
                pending.extend(value if hasattr(value, "__len__") else (value,))


def change(model: ModelProto, generator: np.random.Generator) -> None:
    """Change one field: a node's, an attribute's, a described value's, or one of the whole numbers of a constant."""
    sizes = [item for item in model.graph.initializer if item.data_type == onnx.TensorProto.INT64]
    sizes = [item for item in sizes if item.raw_data and len(item.raw_data) % 8 == 0]
    if sizes and generator.integers(4) == 0:
        chosen = sizes[generator.integers(len(sizes))]
        values = np.frombuffer(chosen.raw_data, np.int64).copy()
        values[generator.integers(len(values))] = another(int(values[-1]), generator)
        chosen.raw_data = values.tobytes()
        return
    found = [item for item in fields(model.graph) if item[1].name not in ("raw_data", "doc_string")]
    message, field = found[generator.integers(len(found))]
    value = getattr(message, field.name)
    if hasattr(value, "__len__") and not isinstance(value, str | bytes):
        place, other = (int(generator.integers(len(value))) for _ in range(2))
        match generator.integers(4):
            case 0:
                del value[place]
            case 1 if field.message_type is None:
                value.append(value[place])
            case 2 if field.message_type is None:
                value[place] = another(value[other], generator, field, model)
            case _ if field.message_type is not None:
                value[place].CopyFrom(value[other])
    elif field.message_type is not None:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, another(value, generator, field, model))


def another(value: Any, generator: np.random.Generator, field: Any = None, model: ModelProto | None = None) -> Any:
    """Another value of the same type; text is that of a name somewhere in the model."""
    if field is not None and field.enum_type is not None:
        return int(generator.choice([item.number for item in field.enum_type.values]))
    if isinstance(value, float):
        return float(generator.choice(REALS))
    if isinstance(value, int):
        return int(generator.choice([*NUMBERS, value + 1, value - 1]))
    assert model is not None
    node = model.graph.node[generator.integers(len(model.graph.node))]
    names = [*node.input, *node.output, node.op_type, ""]
    name = names[generator.integers(len(names))]
    return name.encode() if isinstance(value, bytes) else name


class Opened:
    """The way of every command that converts: prepared in a worker, which lives until a file ends it; lowered here."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sandbox: Sandbox | None = None

    def outcome(self, model: ModelProto) -> str:
        """What becomes of a model: ``converted``, or the class of our error."""
        self.path.write_bytes(model.SerializeToString())
        self.sandbox = self.sandbox or Sandbox(str(self.path), Limits(seconds=60, memory_bytes=1 << 30))
        try:
            data = self.sandbox.call("edgekit.graph.isolated:prepared_bytes", path=str(self.path), shapes={})
            lower(onnx.load_model_from_string(data.tobytes()), Metadata())
        except EdgekitError as exc:
            if isinstance(exc, RuntimeCrashError):
                self.close()
            return type(exc).__name__
        return "converted"

    def close(self) -> None:
        if self.sandbox is not None:
            self.sandbox.close()
        self.sandbox = None


@pytest.mark.parametrize("name", MODELS)
def test_a_model_with_a_changed_field_is_converted_or_refused(name: str, tmp_path: Path) -> None:
    opened, sound, outcomes = Opened(tmp_path / "model.onnx"), MODELS[name](), Counter[str]()
    assert opened.outcome(sound) == "converted"
    for seed in range(CHANGES):
        generator = np.random.default_rng([seed, *name.encode()])
        damaged = onnx.ModelProto()
        damaged.CopyFrom(sound)
        for _ in range(generator.integers(1, 3)):
            change(damaged, generator)
        outcomes[opened.outcome(damaged)] += 1
    opened.close()
    assert outcomes.keys() <= {"converted", "ModelError", "UnsupportedError", "RuntimeCrashError"}
    assert outcomes["converted"] > CHANGES / 20, outcomes
    assert outcomes["RuntimeCrashError"] < CHANGES / 50, outcomes


def test_sizes_that_no_longer_fit_are_refused_by_export_with_the_node_and_the_file(tmp_path: Path) -> None:
    nodes = [make_node("Relu", ["x"], ["a"]), make_node("Reshape", ["a", "sizes"], ["out"], "odd")]
    path = tmp_path / "model.onnx"
    onnx.save(graph_of(nodes, {"x": (1, 8, 6, 6)}, {"sizes": whole(1, 7, 36)}, opset=20), path)
    said = r"model.onnx: Reshape 'odd' cannot bring the shape \(1, 8, 6, 6\) to \(1, 7, 36\); export the model again"
    with pytest.raises(UnsupportedError, match=said):
        export(ExportOptions(str(path), out=tmp_path / "out"))
    assert not (tmp_path / "out" / "model.tflite").exists()


def test_what_nobody_has_foreseen_is_refused_with_its_node() -> None:
    model = prepare(graph_of([make_node("Transpose", ["x"], ["out"], "odd", perm=[0, 2, 1])], {"x": (1, 5, 5)}))
    model.graph.node[0].attribute[0].ints[:] = [0, 1, 1]
    with pytest.raises(UnsupportedError, match="do not fit together"):
        lower(model, Metadata())
