"""Weights of four bits lie two in a byte, and every runtime computes with them as with bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import OpResolverType
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, helper
from small_graphs import bytes_for, graph_of, noise, run_micro, run_tflite, static_plan

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower, writer
from edgekit.conversion.tflite.int4 import LEAST, MOST, pack, unpack
from edgekit.conversion.tflite.reader import read_record
from edgekit.devices.latency.workload import read_layers
from edgekit.graph.prepare import prepare
from edgekit.modelfiles.contents import read_contents
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.quantization.qdq import insert_qdq

make = helper.make_node


def network(bits: int, per_tensor: bool = False) -> ModelProto:
    """A convolution of an odd number of weights, a depthwise one, one in two groups and a dense layer, in integers."""
    nodes = [
        make("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        make("Relu", ["a"], ["b"]),
        make("Conv", ["b", "d"], ["c"], pads=[1, 1, 1, 1], group=5),
        make("Conv", ["c", "p"], ["q"]),
        make("Conv", ["q", "s"], ["e"], group=2),
        make("GlobalAveragePool", ["e"], ["f"]),
        make("Flatten", ["f"], ["g"]),
        make("Gemm", ["g", "v", "k"], ["out"], transB=1),
    ]
    shapes = {"w": (5, 3, 3, 3), "d": (5, 1, 3, 3), "p": (6, 5, 1, 1), "s": (8, 3, 1, 1), "v": (3, 8), "k": (3,)}
    return quantized(nodes, (1, 3, 9, 9), shapes, WeightScheme(per_tensor, bits))


def quantized(
    nodes: list[NodeProto], shape: tuple[int, ...], shapes: dict[str, tuple[int, ...]], scheme: WeightScheme
) -> ModelProto:
    model = prepare(graph_of(nodes, {"x": shape}, {name: noise(*sizes) for name, sizes in shapes.items()}))
    return insert_qdq(model, replace(static_plan(model), scheme=scheme))


@given(st.lists(st.integers(LEAST, MOST), max_size=9))
def test_what_is_packed_is_unpacked(values: list[int]) -> None:
    packed = pack(np.array(values, np.int8))
    assert len(packed) == (len(values) + 1) // 2
    assert unpack(packed, len(values)).tolist() == values


@pytest.mark.parametrize("per_tensor", [False, True])
@pytest.mark.parametrize("bits", [2, 4])
def test_every_kernel_computes_what_it_does_of_int8_weights(
    bits: int, per_tensor: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network(bits, per_tensor)
    narrow, images = lower(model, Metadata()), bytes_for(model)
    monkeypatch.setattr(writer, "narrowed", lambda record: record)
    wide = lower(model, Metadata())
    assert len(narrow) < len(wide)
    for kernels in (OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, OpResolverType.BUILTIN_REF):
        (found,), (expected,) = (run_tflite(data, *images, kernels=kernels) for data in (narrow, wide))
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(run_micro(narrow, *images), run_micro(wide, *images))
    (by_default,) = run_tflite(narrow, *images)  # XNNPACK takes what has no such weights
    assert np.abs(by_default.astype(int) - expected).max() <= 1


def test_they_are_read_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, path = network(4), tmp_path / "model.tflite"
    path.write_bytes(lower(model, Metadata()))
    narrow = read_record(path).tensors
    monkeypatch.setattr(writer, "narrowed", lambda record: record)
    path.write_bytes(lower(model, Metadata()))
    assert "int4" not in read_contents(path).constants
    for found, expected in zip(narrow, read_record(path).tensors, strict=True):
        assert (found.shape, found.dtype, found.quant) == (expected.shape, expected.dtype, expected.quant)
        np.testing.assert_array_equal(found.data, expected.data)


def test_a_transposed_convolution_for_which_no_kernel_unpacks_keeps_8_bits(tmp_path: Path) -> None:
    nodes = [make("Conv", ["x", "w"], ["a"]), make("ConvTranspose", ["a", "t"], ["out"], strides=[2, 2])]
    path = tmp_path / "model.tflite"
    scheme = WeightScheme(weight_bits=4)
    path.write_bytes(lower(quantized(nodes, (1, 3, 9, 9), {"w": (4, 3, 1, 1), "t": (4, 16, 2, 2)}, scheme), Metadata()))
    assert read_contents(path).constants["int4"] == 12
    weights = [item.data for item in read_record(path).tensors if item.shape == (16, 2, 2, 4)]
    assert [int(np.abs(item).max()) for item in weights if item is not None] == [127]
    assert read_layers(str(path))["precision"] == "int4"  # no table is for such a file, whatever else it has


def test_only_weights_of_four_bits_are_so_stored(tmp_path: Path) -> None:
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
