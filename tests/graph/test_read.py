from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from prepared_graphs import convolution, kinds
from small_graphs import graph_of, quantized

from edgekit.conversion.tflite.fuse import fuse_activations
from edgekit.errors import UnsupportedError
from edgekit.graph.read import read_graph

node = helper.make_node


def test_a_float_graph_has_its_constants_shapes_and_attributes() -> None:
    graph = read_graph(convolution())
    assert kinds(graph) == ["Conv", "Relu"]
    assert (graph.inputs, graph.outputs) == (("x",), ("out",))
    assert graph.tensors["a"].shape == (1, 3, 5, 5)
    assert graph.tensors["w"].data is not None
    assert graph.nodes[0].attributes["pads"] == [1, 1, 1, 1]


def test_a_quantized_graph_is_the_float_one_with_scales() -> None:
    graph = fuse_activations(read_graph(quantized(convolution())))
    assert kinds(graph) == ["ConvRelu"]
    (conv,) = graph.nodes
    source, weights, bias = (graph.tensors[name] for name in conv.inputs)
    target = graph.tensors[conv.outputs[0]]
    assert (source.name, target.name) == ("x", "out")
    assert [tensor.dtype for tensor in (source, weights, bias, target)] == ["int8", "int8", "int32", "int8"]
    assert source.quant is not None
    assert weights.quant is not None
    assert bias.quant is not None
    assert (source.quant.scale, source.quant.zero_point) == (np.float32(1 / 255), -128)
    assert (weights.quant.axis, len(weights.quant.scales)) == (0, 3)
    np.testing.assert_allclose(bias.quant.scales, np.asarray(weights.quant.scales) * source.quant.scale, rtol=1e-6)


def test_conversions_stay_where_types_change_at_the_boundary() -> None:
    assert kinds(read_graph(quantized(convolution(), io="float32"))) == [
        "QuantizeLinear",
        "Conv",
        "Relu",
        "DequantizeLinear",
    ]
    graph = read_graph(quantized(convolution(), io="uint8"))
    assert kinds(graph) == ["QuantizeLinear", "Conv", "Relu", "QuantizeLinear"]
    assert graph.tensors["x"].dtype == graph.tensors["out"].dtype == "uint8"


def test_scales_that_are_computed_are_refused() -> None:
    nodes = [node("ReduceMax", ["x"], ["s"], keepdims=0), node("QuantizeLinear", ["x", "s"], ["q"]),
             node("DequantizeLinear", ["q", "s"], ["out"])]  # fmt: skip
    with pytest.raises(UnsupportedError, match="scale of 'q' is not constant"):
        read_graph(graph_of(nodes, {"x": (1, 4)}))


def test_scales_per_block_are_refused() -> None:
    nodes = [node("DequantizeLinear", ["w", "s"], ["r"], axis=1, block_size=2), node("MatMul", ["x", "r"], ["out"])]
    constants = {"w": np.ones((4, 4), np.int8), "s": np.ones((4, 2), np.float32)}
    with pytest.raises(UnsupportedError, match="8 scales for the shape"):
        read_graph(graph_of(nodes, {"x": (1, 4)}, constants, opset=21))


def test_an_open_size_is_refused_also_in_the_way_that_some_exporters_write_it() -> None:
    for open_size in ("N", -1):
        with pytest.raises(UnsupportedError, match="size of 'x' is not fixed"):
            read_graph(graph_of([node("Relu", ["x"], ["out"])], {"x": (open_size, 4)}))


def test_a_value_of_unknown_type_is_refused() -> None:
    model = graph_of([node("Relu", ["x"], ["a"]), node("Relu", ["a"], ["out"])], {"x": (1, 4)})
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    for item in model.graph.node:
        item.domain = "com.example"
    del model.graph.value_info[:]
    with pytest.raises(UnsupportedError, match="'a' is not known"):
        read_graph(model)
