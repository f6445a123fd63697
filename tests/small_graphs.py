"""ONNX graphs of a few nodes, and what each runtime answers to them; images are [N, C, H, W] on both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edgekit.data.intake import Pictures
from edgekit.inputs.contract import InputContract
from edgekit.quantization.plan import Plan
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.tensor_groups import affines, stored_tensors, tie_groups
from edgekit.runtimes.ort import EXACT_PRODUCTS

Arrays = Sequence[NDArray]
XNNPACK = OpResolverType.AUTO
OPTIMIZED = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
REFERENCE = OpResolverType.BUILTIN_REF


def graph_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str]],
    constants: Mapping[str, NDArray] | None = None,
    outputs: Sequence[str] = ("out",),
    opset: int = 13,
) -> onnx.ModelProto:
    """A float model; shapes are inferred."""
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry(*EXACT_PRODUCTS)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run_onnx(model: onnx.ModelProto, *inputs: NDArray) -> list[NDArray]:
    opened = session(model)
    return opened.run(None, {item.name: value for item, value in zip(opened.get_inputs(), inputs, strict=True)})


def interpreter(data: bytes, kernels: OpResolverType = XNNPACK) -> Interpreter:
    opened = Interpreter(model_content=data, num_threads=1, experimental_op_resolver_type=kernels)
    opened.allocate_tensors()
    return opened


def run_tflite(data: bytes, *inputs: NDArray, kernels: OpResolverType = XNNPACK) -> list[NDArray]:
    opened = interpreter(data, kernels)
    for detail, value in zip(opened.get_input_details(), inputs, strict=True):
        opened.set_tensor(detail["index"], channels_last(value))
    opened.invoke()
    return [channels_first(opened.get_tensor(detail["index"])) for detail in opened.get_output_details()]


def run_micro(data: bytes, *inputs: NDArray) -> NDArray:
    from tflite_micro import runtime

    opened = runtime.Interpreter.from_bytes(data)
    for position, value in enumerate(inputs):
        opened.set_input(channels_last(value), position)
    opened.invoke()
    return channels_first(opened.get_output(0))


def channels_last(value: NDArray) -> NDArray:
    return np.ascontiguousarray(value.transpose(0, 2, 3, 1)) if value.ndim == 4 else value


def channels_first(value: NDArray) -> NDArray:
    return np.ascontiguousarray(value.transpose(0, 3, 1, 2)) if value.ndim == 4 else value


def quantized(model: onnx.ModelProto, io: str = "int8", images: int = 4) -> onnx.ModelProto:
    """The QDQ form of a prepared model over inputs in [0, 1], with the ranges of a few random ones."""
    return insert_qdq(model, static_plan(model, images), io)


def static_plan(model: onnx.ModelProto, images: int = 4) -> Plan:
    """The plan of a prepared model over inputs in [0, 1], with the ranges of a few random ones."""
    names = [name for name in stored_tensors(model) if all(name != item.name for item in model.graph.input)]
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    opened = session(watched)
    generator = np.random.default_rng(0)
    ranges = {item.name: (0.0, 1.0) for item in model.graph.input}
    for _ in range(images):
        feed = {item.name: generator.random(item.shape, np.float32) for item in opened.get_inputs()}
        for name, value in zip(names, opened.run(None, feed), strict=True):
            low, high = ranges.get(name, (0.0, 0.0))
            ranges[name] = (min(low, float(value.min())), max(high, float(value.max())))
    groups = tie_groups(model, Pictures(InputContract(1, 1, 1)))
    hulls = [tuple(zip(*(ranges[name] for name in group.tensors), strict=True)) for group in groups]
    return Plan(affines(groups, [(min(lows), max(highs)) for lows, highs in hulls]))


def bytes_for(model: onnx.ModelProto, seed: int = 0) -> list[NDArray]:
    """Random stored values for each input of a quantized model."""
    generator = np.random.default_rng(seed)
    made = []
    for item in model.graph.input:
        dtype = helper.tensor_dtype_to_np_dtype(item.type.tensor_type.elem_type)
        shape = [dim.dim_value for dim in item.type.tensor_type.shape.dim]
        if dtype.kind == "f":
            made.append(generator.random(shape, np.float32))
        else:
            limits = np.iinfo(dtype)
            made.append(generator.integers(limits.min, limits.max + 1, shape).astype(dtype))
    return made
