"""Weights of four bits lie two in a byte, and every runtime computes with them as with bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import OpResolverType
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, helper
from small_graphs import bytes_for, graph_of, noise, run_micro, run_onnx, run_tflite, static_plan

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.conversion.tflite.int4 import LEAST, MOST, pack, unpack
from edgekit.conversion.tflite.reader import read_record
from edgekit.devices.latency.workload import read_layers
from edgekit.graph.prepare import prepare
from edgekit.modelfiles.contents import read_contents
from edgekit.quantization.qdq import insert_qdq

make = helper.make_node
KERNELS = (OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, OpResolverType.BUILTIN_REF)


def network(bits: int, per_tensor: bool = False) -> ModelProto:
    """A convolution of an odd number of weights, one in groups, a depthwise and a dense layer, in integers."""
    nodes = [
        make("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        make("Relu", ["a"], ["b"]),
        make("Conv", ["b", "d"], ["c"], pads=[1, 1, 1, 1], group=5),
        make("Conv", ["c", "p"], ["e"]),
        make("GlobalAveragePool", ["e"], ["f"]),
        make("Flatten", ["f"], ["g"]),
        make("Gemm", ["g", "v", "k"], ["out"], transB=1),
    ]
    weights = {"w": noise(5, 3, 3, 3), "d": noise(5, 1, 3, 3), "p": noise(7, 5, 1, 1), "v": noise(3, 7), "k": noise(3)}
    model = prepare(graph_of(nodes, {"x": (1, 3, 9, 9)}, weights))
    return insert_qdq(model, replace(static_plan(model), weight_bits=bits, per_tensor=per_tensor))


@given(st.lists(st.integers(LEAST, MOST), max_size=9))
def test_what_is_packed_is_unpacked(values: list[int]) -> None:
    packed = pack(np.array(values, np.int8))
    assert len(packed) == (len(values) + 1) // 2
    assert unpack(packed, len(values)).tolist() == values


@pytest.mark.parametrize("per_tensor", [False, True])
@pytest.mark.parametrize("bits", [2, 4])
def test_every_kernel_computes_what_the_onnx_file_does(bits: int, per_tensor: bool) -> None:
    model = network(bits, per_tensor)
    data, images = lower(model, Metadata()), bytes_for(model)
    (expected,) = run_onnx(model, *images)
    for kernels in KERNELS:
        (found,) = run_tflite(data, *images, kernels=kernels)
        assert np.abs(found.astype(int) - expected).max() <= 1
    assert np.abs(run_micro(data, *images).astype(int) - expected).max() <= 1


def test_only_weights_of_four_bits_are_so_stored_and_they_are_read_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    for bits, kinds in ((8, {"int8", "int32"}), (5, {"int8", "int32"}), (4, {"int4", "int32"}), (3, {"int4", "int32"})):
        path.write_bytes(lower(network(bits), Metadata()))
        contents = read_contents(path)
        assert set(contents.constants) == kinds
        assert read_layers(str(path))["precision"] == ("int4" if "int4" in kinds else "int8")  # no table is for those
        weights = [item.data for item in read_record(path).tensors if item.data is not None and item.dtype == "int8"]
        assert max(int(np.abs(item).max()) for item in weights) == 2 ** (bits - 1) - 1
        stored = sum(-(-item.size // 2) if "int4" in kinds else item.size for item in weights)
        assert contents.weight_bytes == stored + 4 * contents.constants["int32"]
