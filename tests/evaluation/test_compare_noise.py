"""Models of any kind on random inputs: one call for detectors, sound and several inputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, save
from small_graphs import graph_of, noise, quantized
from tiny_models import Operator, Tensor, packed, tflite_graph

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.errors import ModelError, UsageError
from edgekit.evaluation.compare import CompareOptions, OutputsComparison, compare
from edgekit.evaluation.input_options import InputOptions
from edgekit.graph.metadata import write_metadata
from edgekit.graph.prepare import prepare

node = helper.make_node


@pytest.fixture
def detector(tmp_path: Path) -> dict[str, Path]:
    """Two inputs, an image-like and a flat output; in ONNX channels first, in TFLite channels last, and in int8."""
    nodes = [
        node("Conv", ["image", "w"], ["map"], pads=[1, 1, 1, 1]),
        node("GlobalAveragePool", ["map"], ["g"]),
        node("Flatten", ["g"], ["f"]),
        node("Gemm", ["f", "m"], ["flat"], transB=1),
        node("Add", ["flat", "more"], ["out"]),
    ]
    constants = {"w": noise(5, 3, 3, 3), "m": noise(7, 5)}
    model = prepare(graph_of(nodes, {"image": (1, 3, 6, 4), "more": (1, 7)}, constants, outputs=["map", "out"]))
    int8 = write_metadata(quantized(model), Metadata())
    files = {
        "float.onnx": model.SerializeToString(),
        "float.tflite": lower(model, Metadata()),
        "int8.onnx": int8.SerializeToString(),
        "int8.tflite": lower(int8, Metadata()),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return {name: tmp_path / name for name in files}


def compared(a: str, b: str, count: int = 5, **shape: tuple[int, ...]) -> OutputsComparison:
    result = compare(CompareOptions(a, b, "noise", count, InputOptions(shape=shape)))
    assert isinstance(result, OutputsComparison)
    return result


def test_onnx_and_tflite_agree_whatever_the_order_of_their_axes(detector: dict[str, Path]) -> None:
    result = compared(str(detector["float.onnx"]), str(detector["float.tflite"]))
    assert [output.shape for output in result.outputs] == [(1, 5, 6, 4), (1, 7)]
    assert all(output.sqnr_db is None or output.sqnr_db > 100 for output in result.outputs)
    back = compared(str(detector["float.tflite"]), str(detector["float.onnx"]))
    assert back.outputs[0].shape == (1, 6, 4, 5)
    assert back.outputs[0].sqnr_db is None or back.outputs[0].sqnr_db > 100


def test_integers_are_counted_on_each_output(detector: dict[str, Path]) -> None:
    result = compared(str(detector["int8.onnx"]), str(detector["int8.tflite"]))
    for output in result.outputs:
        assert output.parity is not None
        assert output.parity.largest <= 1
    document = json.loads(json.dumps(result.to_dict()))
    assert document["outputs"][0]["parity"]["largest"] <= 1
    printed = str(result)
    assert "output map 1x5x6x4" in printed
    assert "equal integers" in printed


def test_a_float_file_gets_values_on_the_other_ones_grid(detector: dict[str, Path]) -> None:
    result = compared(str(detector["float.onnx"]), str(detector["int8.tflite"]))
    assert all(output.sqnr_db is not None and output.sqnr_db > 20 for output in result.outputs)


def test_the_same_inputs_come_again(detector: dict[str, Path]) -> None:
    pair = str(detector["float.onnx"]), str(detector["int8.tflite"])
    assert compared(*pair) == compared(*pair)


def test_models_of_different_shapes_are_refused(detector: dict[str, Path], digit_files: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="compare models of the same task"):
        compared(str(detector["float.onnx"]), str(digit_files["onnx"]))


def chosen_values(path: Path, limit: float) -> str:
    """The indices of the values above ``limit``: as many as there are."""
    nodes = [node("Greater", ["x", "limit"], ["more"]), node("NonZero", ["more"], ["out"])]
    model = graph_of(nodes, {"x": (1, 40)}, {"limit": np.float32(limit)})
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    path.write_bytes(model.SerializeToString())
    return str(path)


def test_outputs_with_as_many_values_as_the_data_say_are_compared_value_by_value(tmp_path: Path) -> None:
    one, same, other = (chosen_values(tmp_path / f"{limit}.onnx", limit) for limit in (0.5, 0.5000001, 0.7))
    assert compared(one, same).outputs[0].largest_error == 0
    with pytest.raises(ModelError, match="different numbers of values as 'out'"):
        compared(one, other)


@pytest.fixture
def of_any_size(tmp_path: Path) -> dict[str, str]:
    """A Relu of images of any size, channels last: in ONNX the input is called x, in TFLite y."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "h", "w", 3]) for name in ("x", "out")]
    graph = helper.make_graph([node("Relu", ["x"], ["out"])], "any", values[:1], values[1:])
    opset = helper.make_opsetid("", 17)
    save(helper.make_model(graph, ir_version=10, opset_imports=[opset]), tmp_path / "any.onnx")
    tensors = [Tensor((1, 1, 1, 3), name="y"), Tensor((1, 1, 1, 3), name="out")]
    model = tflite_graph(tensors, [Operator("RELU", (0,), (1,))], [0], [1])
    for tensor in model.subgraphs[0].tensors:
        tensor.shapeSignature = [-1, -1, -1, 3]
    (tmp_path / "any.tflite").write_bytes(packed(model))
    return {suffix: str(tmp_path / f"any.{suffix}") for suffix in ("onnx", "tflite")}


def test_sizes_that_files_leave_open_are_given(of_any_size: dict[str, str]) -> None:
    files = of_any_size["onnx"], of_any_size["tflite"]
    (output,) = compared(*files, x=(1, 8, 6, 3), y=(1, 8, 6, 3)).outputs
    assert (output.shape, output.largest_error) == ((1, 8, 6, 3), 0.0)
    with pytest.raises(UsageError, match=r"'y' of any\.tflite leaves dimension 1 open; .* --shape y=1x\?x\?x3\.$"):
        compared(*files, x=(1, 8, 6, 3))
    with pytest.raises(UsageError, match=r"--shape x=1x8x6x4 does not fit the input's own \?x\?x\?x3\.$"):
        compared(*files, x=(1, 8, 6, 4), y=(1, 8, 6, 3))
