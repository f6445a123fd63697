"""Float models as C answer what TFLite Micro and ONNX Runtime answer, within 1e-5 of the largest value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from compiled_c import PATHS, answers_of_c, build, random_inputs, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper
from random_chains import end, random_chain
from small_graphs import graph_of, noise, run_onnx

from edgekit.conversion.c import program_of
from edgekit.conversion.tflite.lower_model import lowered_record
from edgekit.conversion.tflite.writer import write_model
from edgekit.graph.prepare import prepare
from edgekit.modelfiles.golden import example_of
from edgekit.runtimes.ort import open_graph

make = helper.make_node
IMAGE = {"x": (1, 5, 7, 9)}
NETWORKS = {
    "convolutions": (
        [
            make("Conv", ["x", "w", "b"], ["t"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
            make("Relu", ["t"], ["u"]),
            make("Conv", ["u", "v"], ["s"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=20),
            make("Clip", ["s", "zero", "six"], ["r"]),
            make("GlobalAveragePool", ["r"], ["q"]),
            make("Flatten", ["q"], ["p"]),
            make("Gemm", ["p", "g", "h"], ["l"], transB=1),
            make("Softmax", ["l"], ["out"], axis=-1),
        ],
        {
            "w": noise(20, 5, 3, 3),
            "b": noise(20),
            "v": noise(20, 1, 3, 3),
            "zero": np.array(0, np.float32),
            "six": np.array(6, np.float32),
            "g": noise(17, 20),
            "h": noise(17),
        },
    ),
    "pools": (
        [
            make("MaxPool", ["x"], ["a"], kernel_shape=[2, 2], strides=[2, 2]),
            make("AveragePool", ["a"], ["b"], kernel_shape=[2, 2]),
            make("Sigmoid", ["b"], ["c"]),
            make("Mul", ["b", "c"], ["d"]),
            make("Tanh", ["d"], ["e"]),
            make("Sub", ["e", "k"], ["f"]),
            make("Concat", ["f", "b"], ["g"], axis=1),
            make("Pad", ["g", "pads"], ["h"]),
            make("Add", ["h", "h"], ["out"]),
        ],
        {"k": noise(1, 5, 1, 1), "pads": np.array([0, 0, 1, 0, 0, 0, 0, 2])},
    ),
    "sizes": (
        [
            make("Resize", ["x", "", "scales"], ["a"], mode="linear", coordinate_transformation_mode="half_pixel"),
            make("Slice", ["a", "first", "end", "axes"], ["b"]),
            make(
                "Resize",
                ["b", "", "scales"],
                ["out"],
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            ),
        ],
        {
            "scales": np.array([1, 1, 2, 2], np.float32),
            "first": np.array([1, 2]),
            "end": np.array([9, 11]),
            "axes": np.array([2, 3]),
        },
    ),
}


def network(name: str) -> onnx.ModelProto:
    nodes, constants = NETWORKS[name]
    return graph_of(nodes, IMAGE, constants)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str, path: str, tmp_path: Path) -> None:
    graph = network(name)
    model = lowered_record(prepare(graph))[1]
    inputs = random_inputs(model, 3)
    answers = np.frombuffer(answers_of_c(model, tmp_path, inputs, path=path), np.float32).reshape(3, -1)
    for (image,), answer in zip(inputs, answers, strict=True):
        expected = run_onnx(graph, np.moveaxis(image, -1, 1))[0]
        if expected.ndim == 4:
            expected = np.moveaxis(expected, 1, -1)
        assert_near(answer, expected)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
def test_random_networks(tmp_path: Path, data: st.DataObject) -> None:
    chain = random_chain(data)
    end(chain, data)
    graph = chain.graph()
    model = lowered_record(prepare(graph))[1]
    inputs, path = random_inputs(model, 5), data.draw(st.sampled_from(sorted(PATHS)))
    answers = np.frombuffer(answers_of_c(model, tmp_path, inputs, path=path), np.float32).reshape(5, -1)
    # As it is written: optimizing, ONNX Runtime 1.31 takes zeros around a MaxPool for its own padding, which is -inf.
    session = open_graph(graph.SerializeToString(), 1, optimize=False)
    for (image,), answer in zip(inputs, answers, strict=True):
        assert_near(answer, session.run(None, {"image": image if _turns(graph) else np.moveaxis(image, -1, 1)})[0])


def _turns(graph: onnx.ModelProto) -> bool:
    """True for a network that takes channels last, as its file does, and begins by turning them to the front."""
    first = graph.graph.node[0]
    return first.op_type == "Transpose" and helper.get_node_attr_value(first, "perm") == [0, 3, 1, 2]


def assert_near(answer: NDArray, expected: NDArray) -> None:
    assert np.abs(answer - expected.reshape(-1)).max() < 1e-5 * max(1, np.abs(expected).max())


def test_a_float_program_tests_itself(tmp_path: Path) -> None:
    model = lowered_record(prepare(network("convolutions")))[1]
    program = program_of(model, "net", example_of(write_model(model), "litert"))
    assert "const float *input_x, float *output_out" in program.header
    assert run(build(program, model, tmp_path, tests_itself=True), b"")[0] == 0
