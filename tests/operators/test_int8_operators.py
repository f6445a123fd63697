"""Every operator in integers, against ONNX Runtime, LiteRT's three sets of kernels and TFLite Micro.

Where a kernel may differ from the reference, it is by one step, by its rounding: XNNPACK and ONNX Runtime scale an
accumulator in float and round once, half to even; the reference multiplies by a 31-bit integer and rounds twice.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import helper
from small_graphs import (
    OPTIMIZED,
    REFERENCE,
    XNNPACK,
    bytes_for,
    graph_of,
    interpreter,
    noise,
    quantized,
    run_micro,
    run_onnx,
    run_tflite,
    static_plan,
)

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import check_lowerable, lower
from edgekit.errors import UnsupportedError
from edgekit.graph.prepare import prepare

node = helper.make_node

CASES: dict[str, tuple[list[onnx.NodeProto], dict[str, tuple[int, ...]], dict[str, np.ndarray]]] = {
    "conv": (
        [node("Conv", ["x", "w", "b"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]), node("Relu", ["a"], ["out"])],
        {"x": (1, 3, 8, 8)},
        {"w": noise(5, 3, 3, 3), "b": noise(5)},
    ),
    "conv without bias": ([node("Conv", ["x", "w"], ["out"])], {"x": (1, 3, 6, 6)}, {"w": noise(4, 3, 1, 1)}),
    "depthwise": (
        [node("Conv", ["x", "w", "b"], ["out"], group=4, pads=[1, 1, 1, 1])],
        {"x": (1, 4, 7, 7)},
        {"w": noise(8, 1, 3, 3), "b": noise(8)},
    ),
    "fully connected": (
        [node("Flatten", ["x"], ["f"]), node("Gemm", ["f", "w", "b"], ["out"], transB=1)],
        {"x": (1, 3, 4, 4)},
        {"w": noise(6, 48), "b": noise(6)},
    ),
    "max pool": ([node("MaxPool", ["x"], ["out"], kernel_shape=[2, 2], strides=[2, 2])], {"x": (1, 3, 8, 8)}, {}),
    "padded max pool": (
        [node("MaxPool", ["x"], ["out"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])],
        {"x": (1, 3, 8, 8)},
        {},
    ),
    "max pool behind padding by -inf": (
        [node("Pad", ["x", "p", "v"], ["a"]), node("MaxPool", ["a"], ["out"], kernel_shape=[3, 3], strides=[2, 2])],
        {"x": (1, 3, 8, 8)},
        {"p": np.asarray([0, 0, 0, 0, 0, 0, 1, 1], np.int64), "v": np.float32(-np.inf)},
    ),
    "average pool": (
        [node("AveragePool", ["x"], ["out"], kernel_shape=[2, 2], strides=[2, 2])],
        {"x": (1, 3, 8, 8)},
        {},
    ),
    "mean": ([node("GlobalAveragePool", ["x"], ["out"])], {"x": (1, 3, 6, 6)}, {}),
    "add": ([node("Add", ["x", "y"], ["out"])], {"x": (1, 3, 4, 4), "y": (1, 3, 4, 4)}, {}),
    "mul": ([node("Mul", ["x", "y"], ["out"])], {"x": (1, 3, 4, 4), "y": (1, 3, 4, 4)}, {}),
    "add constant": ([node("Add", ["x", "c"], ["out"])], {"x": (1, 3, 4, 4)}, {"c": noise(3, 1, 1)}),
    "concat": ([node("Concat", ["x", "y"], ["out"], axis=1)], {"x": (1, 2, 3, 3), "y": (1, 3, 3, 3)}, {}),
    "softmax": ([node("Softmax", ["x"], ["out"], axis=1)], {"x": (1, 10)}, {}),
    "pad": (
        [node("Pad", ["x", "p"], ["out"])],
        {"x": (1, 2, 3, 3)},
        {"p": np.asarray([0, 0, 1, 2, 0, 0, 0, 1], np.int64)},
    ),
}


def qdq(name: str) -> onnx.ModelProto:
    nodes, inputs, constants = CASES[name]
    return quantized(prepare(graph_of(nodes, inputs, constants)))


def steps_apart(one: np.ndarray, other: np.ndarray) -> int:
    assert one.shape == other.shape
    assert one.dtype == other.dtype
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@pytest.mark.parametrize("name", CASES)
def test_every_runtime_is_within_a_step_of_onnx_runtime(name: str) -> None:
    model = qdq(name)
    data = lower(model, Metadata())
    for seed in range(5):
        inputs = bytes_for(model, seed)
        expected = run_onnx(model, *inputs)[0]
        for kernels in (XNNPACK, OPTIMIZED, REFERENCE):
            assert steps_apart(run_tflite(data, *inputs, kernels=kernels)[0], expected) <= 1
        assert steps_apart(run_micro(data, *inputs), expected) <= 1


@pytest.mark.parametrize(
    "name", ["conv", "conv without bias", "depthwise", "max pool", "padded max pool", "average pool", "pad", "concat"]
)
def test_the_reference_kernels_and_tflite_micro_give_identical_integers(name: str) -> None:
    model = qdq(name)
    data = lower(model, Metadata())
    for seed in range(5):
        inputs = bytes_for(model, seed)
        assert steps_apart(run_micro(data, *inputs), run_tflite(data, *inputs, kernels=REFERENCE)[0]) == 0


@pytest.mark.parametrize("name", ["max pool", "padded max pool", "pad", "concat"])
def test_what_only_moves_values_is_identical_everywhere(name: str) -> None:
    model = qdq(name)
    inputs = bytes_for(model)
    data = lower(model, Metadata())
    for kernels in (XNNPACK, OPTIMIZED, REFERENCE):
        assert steps_apart(run_tflite(data, *inputs, kernels=kernels)[0], run_onnx(model, *inputs)[0]) == 0


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
def test_inputs_and_outputs_have_the_types_that_were_asked_for(io: str) -> None:
    nodes, inputs, constants = CASES["conv"]
    model = quantized(prepare(graph_of(nodes, inputs, constants)), io)
    data = lower(model, Metadata())
    opened = interpreter(data)
    (source,), (target,) = opened.get_input_details(), opened.get_output_details()
    assert (source["name"], target["name"]) == ("x", "out")
    assert source["dtype"] == target["dtype"] == np.dtype(io)
    if io != "float32":
        assert source["quantization"] == (np.float32(1 / 255), 0 if io == "uint8" else -128)
    given_bytes = bytes_for(model)
    expected, got = run_onnx(model, *given_bytes)[0], run_tflite(data, *given_bytes)[0]
    step = 1 if io != "float32" else np.abs(expected).max() / 200
    assert np.abs(got.astype(float) - expected.astype(float)).max() <= step


@example(seed=501, multiplier=0.01)
@given(seed=st.integers(0, 1000), multiplier=st.sampled_from([0.01, 1.0, 300.0]))
@settings(max_examples=8, deadline=None)
def test_a_deep_network_keeps_its_integers_whatever_its_inner_scales(seed: int, multiplier: float) -> None:
    """Inner tensors are counted in units of their own, which must not show outside.

    Kernels agree on the means to within a step; the last layer makes of such a step what its weights say.
    """
    nodes = [
        node("Conv", ["x", "w1"], ["a"], pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["r"]),
        node("Conv", ["r", "w2"], ["d"], group=6, pads=[1, 1, 1, 1]),
        node("Add", ["r", "d"], ["s"]),
        node("Relu", ["s"], ["t"]),
        node("GlobalAveragePool", ["t"], ["g"]),
        node("Flatten", ["g"], ["f"]),
        node("Gemm", ["f", "w3"], ["out"], transB=1),
    ]
    weights = {
        "w1": np.float32(multiplier) * noise(6, 3, 3, 3, seed=seed),
        "w2": noise(6, 1, 3, 3, seed=seed + 1),
        "w3": noise(4, 6, seed=seed + 2),
    }
    prepared = prepare(graph_of(nodes, {"x": (1, 3, 8, 8)}, weights))
    affines = static_plan(prepared).affines
    model = quantized(prepared)
    data = lower(model, Metadata())
    inputs = bytes_for(model, seed)
    apart = np.abs(run_tflite(data, *inputs)[0].astype(int) - run_onnx(model, *inputs)[0].astype(int))
    of_a_step = np.abs(weights["w3"]).sum(axis=1) * affines["f"].scale / affines["out"].scale
    assert (apart <= 1 + of_a_step).all()
    output = model.graph.node[-1]
    scale = next(item for item in model.graph.initializer if item.name == output.input[1])
    assert interpreter(data).get_output_details()[0]["quantization"][0] == onnx.numpy_helper.to_array(scale)


def test_a_node_between_integers_and_floats_computes_in_float() -> None:
    nodes, inputs, constants = CASES["add"]
    model = quantized(prepare(graph_of(nodes, inputs, constants)))
    model.graph.node.append(node("Relu", [model.graph.node[0].output[0]], ["more"]))
    model.graph.output.append(helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, (1, 3, 4, 4)))
    check_lowerable(model)
    stored = bytes_for(model)
    integers, reals = run_onnx(model, *stored)
    found = run_tflite(lower(model, Metadata()), *stored)
    assert steps_apart(found[0], integers) <= 1
    np.testing.assert_allclose(found[1], reals, rtol=1e-6)


def foreign(changes: Mapping[str, np.ndarray], axis: int | None = None) -> onnx.ModelProto:
    """A fully quantized convolution with ``changes`` in its constants, as another tool may write it."""
    constants = {
        "scale": np.float32(0.01), "zero": np.int8(-128), "w": np.ones((2, 2, 1, 1), np.int8),
        "ws": np.float32(0.5), "wz": np.int8(0), "b": np.ones(2, np.int32), "bs": np.float32(0.005),
    }  # fmt: skip
    constants.update(changes)
    options = {} if axis is None else {"axis": axis}
    nodes = [
        node("DequantizeLinear", ["x", "scale", "zero"], ["real_x"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["real_w"], **options),
        node("DequantizeLinear", ["b", "bs"], ["real_b"]),
        node("Conv", ["real_x", "real_w", "real_b"], ["y"]),
        node("QuantizeLinear", ["y", "scale", "zero"], ["out"]),
    ]
    model = graph_of(nodes, {"x": (1, 2, 3, 3)}, constants)
    for item in (*model.graph.input, *model.graph.output):
        item.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(constants["zero"].dtype)
    del model.graph.value_info[:]
    return model


def test_the_frame_of_the_foreign_models_is_sound() -> None:
    assert lower(foreign({}), Metadata())


@pytest.mark.parametrize(
    ("changes", "axis", "fault"),
    [
        ({"zero": np.uint8(3)}, None, "'x' is stored as uint8"),
        ({"w": np.ones((2, 2, 1, 1), np.uint8), "wz": np.uint8(0)}, None, "'w' is stored as uint8"),
        ({"wz": np.int8(3)}, None, "'w' has a zero point other than 0"),
        ({"ws": np.ones(2, np.float32), "wz": np.zeros(2, np.int8)}, 1, "one scale for each index of axis 1"),
        ({"bs": np.float32(0.02)}, None, "'b' has another scale than its input and weights"),
    ],
)
def test_another_tools_integers_that_tflite_would_read_otherwise_are_refused(
    changes: dict[str, np.ndarray], axis: int | None, fault: str
) -> None:
    with pytest.raises(UnsupportedError, match=fault):
        lower(foreign(changes, axis), Metadata())
