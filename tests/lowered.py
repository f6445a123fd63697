"""What the tests of lowerings share: a .tflite file answers as ONNX does, in float and in integers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper
from small_graphs import (
    OPTIMIZED,
    REFERENCE,
    XNNPACK,
    bytes_for,
    channels_first,
    channels_last,
    interpreter,
    noise,
    quantized,
    run_onnx,
    run_tflite,
)

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.data.intake import Pictures
from edgekit.graph.prepare import prepare
from edgekit.inputs.contract import InputContract
from edgekit.quantization.plan import Plan
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.tensor_groups import affines, stored_tensors, tie_groups

node = helper.make_node
ALL_KERNELS = (XNNPACK, OPTIMIZED, REFERENCE)


def operators_of(data: bytes) -> list[str]:
    return [item["op_name"] for item in interpreter(data)._get_ops_details() if item["op_name"] != "DELEGATE"]


def reference(model: onnx.ModelProto, *inputs: NDArray) -> list[NDArray]:
    """The definition of a quantized operator, node by node: dequantize, compute in float32, quantize."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    opened = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return opened.run(None, {item.name: value for item, value in zip(opened.get_inputs(), inputs, strict=True)})


def run_as_onnx(data: bytes, expected: Sequence[NDArray], *inputs: NDArray, kernels=XNNPACK) -> list[NDArray]:
    """The file's answers with images channels first, as the expected ones are.

    A result of four axes is channels last in the file, or in ONNX's order where it would have to be moved anyway.
    """
    opened = interpreter(data, kernels)
    for detail, value in zip(opened.get_input_details(), inputs, strict=True):
        opened.set_tensor(detail["index"], channels_last(value))
    opened.invoke()
    answers = [opened.get_tensor(detail["index"]) for detail in opened.get_output_details()]
    return [
        channels_first(got) if got.shape == channels_last(want).shape else got
        for got, want in zip(answers, expected, strict=True)
    ]


def assert_float_agrees(model: onnx.ModelProto, *inputs: NDArray) -> bytes:
    """The float file's answers are within 1e-4, relative to the largest value; returns the file."""
    data = lower(prepare(model), Metadata())
    answers = run_onnx(model, *inputs)
    for expected, got in zip(answers, run_as_onnx(data, answers, *inputs), strict=True):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    return data


def signed(model: onnx.ModelProto, reach: float) -> onnx.ModelProto:
    """The QDQ form of a prepared model over inputs in [-reach, reach]."""
    return insert_qdq(model, signed_plan(model, reach))


def signed_plan(model: onnx.ModelProto, reach: float) -> Plan:
    """The plan of a prepared model over inputs in [-reach, reach]."""
    names = [name for name in stored_tensors(model) if all(name != item.name for item in model.graph.input)]
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    shapes = [[dim.dim_value for dim in item.type.tensor_type.shape.dim] for item in model.graph.input]
    images = [reach * np.clip(noise(*shape, seed=index) / 2, -1, 1) for index, shape in enumerate(shapes)]
    values = dict(zip(names, run_onnx(watched, *images), strict=True))
    values |= {item.name: np.float32([-reach, reach]) for item in model.graph.input}
    groups = tie_groups(model, Pictures(InputContract(1, 1, 1, mean=(0.5,), std=(0.5 / reach,))))
    parts = [[values[name] for name in group.tensors] for group in groups]
    ranges = [(float(min(map(np.min, part))), float(max(map(np.max, part)))) for part in parts]
    return Plan(affines(groups, ranges))


def assert_integers_agree(
    model: onnx.ModelProto, reach: float = 4, kernels: Sequence = ALL_KERNELS, seed: int = 0
) -> bytes:
    """Each set of kernels is at most one step from the definition, for inputs in [-reach, reach]; returns the file."""
    integers = signed(prepare(model), reach)
    data, stored = lower(integers, Metadata()), bytes_for(integers, seed)
    expected = reference(integers, *stored)
    for chosen in kernels:
        for want, got in zip(expected, run_as_onnx(data, expected, *stored, kernels=chosen), strict=True):
            assert (got.shape, got.dtype) == (want.shape, want.dtype)
            if got.size:
                assert np.abs(got.astype(int) - want.astype(int)).max() <= 1, chosen
    return data


def assert_moved_exactly(model: onnx.ModelProto) -> bytes:
    """The same values in float, and the same integers in int8 in every set of kernels."""
    plain = prepare(model)
    images = [noise(*[dim.dim_value for dim in item.type.tensor_type.shape.dim]) for item in plain.graph.input]
    data = lower(plain, Metadata())
    for expected, got in zip(run_onnx(model, *images), run_tflite(data, *images), strict=True):
        np.testing.assert_array_equal(got, expected)
    integers = quantized(plain)
    stored, data8 = bytes_for(integers), lower(integers, Metadata())
    for kernels in (XNNPACK, OPTIMIZED, REFERENCE):
        for expected, got in zip(run_onnx(integers, *stored), run_tflite(data8, *stored, kernels=kernels), strict=True):
            assert got.dtype == np.int8
            np.testing.assert_array_equal(got, expected)
    return data
