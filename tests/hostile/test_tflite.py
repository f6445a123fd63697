"""TFLite files of a stranger, by the attack each is known for: one clear error or a right answer, in every runtime.

Each file is looked at, opened and run in a worker process, as every command does it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from rehearsal import Rehearsal
from tiny_models import Linear, Operator, Tensor, packed, tflite_graph, tflite_model

from edgekit.errors import EdgekitError, ModelError
from edgekit.modelfiles.contents import read_contents

Refusal = Callable[..., str]
INT32 = schema.TensorType.INT32
IMAGE = Tensor((1, 4, 4, 1), name="image")
KERNEL = Tensor((1, 3, 3, 1), data=np.ones(9, np.float32).tobytes())
BIAS = Tensor((1,), data=bytes(4))
SCORES = Tensor((1, 2, 2, 1), name="scores")


def int32(*values: int) -> Tensor:
    return Tensor((len(values),), INT32, np.array(values, np.int32).tobytes())


def convolution(**fields: int) -> schema.ModelT:
    options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "padding": 1} | fields
    return tflite_graph(
        [IMAGE, KERNEL, BIAS, SCORES], [Operator("CONV_2D", (0, 1, 2), (3,), "Conv2DOptions", options)], [0], [3]
    )


def relus(order: Sequence[tuple[int, int]]) -> schema.ModelT:
    """RELU operators from tensor to tensor, each of the image's shape; the last tensor is the output."""
    count = max(max(pair) for pair in order) + 1
    operators = [Operator("RELU", (source,), (target,)) for source, target in order]
    return tflite_graph([IMAGE] * count, operators, [0], [count - 1])


def written(folder: Path, content: schema.ModelT | bytes) -> Path:
    path = folder / "model.tflite"
    path.write_bytes(content if isinstance(content, bytes) else packed(content))
    return path


@pytest.fixture
def refusal(rehearse: Rehearsal) -> Refusal:
    """What is said to a file in a folder; all of ``runtimes`` must refuse it by its name."""

    def refused(folder: Path, content: schema.ModelT | bytes, runtimes: Sequence[str] = ("tflm", "litert")) -> str:
        path = written(folder, content)
        for runtime in runtimes:
            with pytest.raises(EdgekitError) as caught:
                rehearse(path, runtime)
            assert str(path) in str(caught.value)
        return str(caught.value)

    return refused


@pytest.mark.parametrize("runtime", ["litert", "tflm"])
def test_the_frames_of_these_files_are_sound(rehearse: Rehearsal, tmp_path: Path, runtime: str) -> None:
    for content in (convolution(), relus([(0, 1), (1, 2)])):
        assert sum(rehearse(written(tmp_path, content), runtime).operators.values()) in (1, 2)


def test_16_a_header_and_nothing_else_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    assert "broken TFLite file" in refusal(tmp_path, b"\x18\x00\x00\x00TFL3")


def test_17_a_misaligned_file_is_refused_by_litert_and_harmless_to_tflite_micro(
    refusal: Refusal, rehearse: Rehearsal, tmp_path: Path, linear: Linear
) -> None:
    data = packed(tflite_model(linear))
    (root,) = struct.unpack_from("<I", data)
    moved = struct.pack("<I", root + 1) + data[4:8] + b"\0" + data[8:]
    assert "not a valid Flatbuffer" in refusal(tmp_path, moved, ["litert"])
    rehearse(tmp_path / "model.tflite", "tflm")


def test_18_a_reshape_to_more_values_than_there_are_is_refused_by_litert(
    refusal: Refusal, rehearse: Rehearsal, tmp_path: Path
) -> None:
    tensors = [IMAGE, int32(1, 1 << 20), Tensor((1, 16), name="scores")]
    content = tflite_graph(tensors, [Operator("RESHAPE", (0, 1), (2,), "ReshapeOptions")], [0], [2])
    assert "not a model that LiteRT runs" in refusal(tmp_path, content, ["litert"])
    rehearse(tmp_path / "model.tflite", "tflm")  # it goes by the tensors' shapes, which are sound


@pytest.mark.parametrize("fields", [{"strideH": 0}, {"strideW": 0}, {"strideH": -1}, {"dilationHFactor": 0}])
def test_19_a_stride_or_dilation_that_leads_nowhere_is_refused(
    refusal: Refusal, tmp_path: Path, fields: dict[str, int]
) -> None:
    assert "an operator CONV_2D has" in refusal(tmp_path, convolution(**fields))


@pytest.mark.parametrize("shape", [(65_536, 65_536, 65_536, 65_536), (1, 2**31 - 1, 2**31 - 1, 4), (1, -4, -4, 1)])
def test_20_a_size_that_overflows_is_refused(refusal: Refusal, tmp_path: Path, shape: tuple[int, ...]) -> None:
    content = relus([(0, 1)])
    content.subgraphs[0].tensors[0].shape = list(shape)
    assert "impossible shape" in refusal(tmp_path, content)


def test_20_a_constant_smaller_than_its_shape_says_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    content = convolution()
    content.subgraphs[0].tensors[1].shape = [1, 3, 3, 1000]
    assert "should hold 36000 bytes but has 36" in refusal(tmp_path, content)


@pytest.mark.parametrize("order", [[(1, 2), (0, 1)], [(2, 1), (1, 2)], [(1, 1), (0, 2)]])
def test_21_a_graph_that_loops_is_refused(refusal: Refusal, tmp_path: Path, order: list[tuple[int, int]]) -> None:
    assert "reads a tensor that nothing before it has made" in refusal(tmp_path, relus(order))


def test_21_a_subgraph_that_calls_itself_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    operator = Operator("WHILE", (0,), (1,), "WhileOptions", {"condSubgraphIndex": 0, "bodySubgraphIndex": 0})
    refusal(tmp_path, tflite_graph([IMAGE, IMAGE], [operator], [0], [1]))


def test_22_sparse_weights_of_broken_levels_are_refused(refusal: Refusal, tmp_path: Path) -> None:
    content = convolution()
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder = [0, 1, 2, 99]
    content.subgraphs[0].tensors[1].sparsity = sparsity
    assert "sparse weights" in refusal(tmp_path, content)


@pytest.mark.parametrize("inputs", [(-1, 1, 2), (0, -1, 2), (0,), ()])
def test_23_an_operator_with_an_absent_input_is_refused(
    refusal: Refusal, tmp_path: Path, inputs: tuple[int, ...]
) -> None:
    content = convolution()
    content.subgraphs[0].operators[0].inputs = list(inputs)
    refusal(tmp_path, content)


@pytest.mark.parametrize("index", [4, 99, 2**31 - 1, -2, -(2**31)])
def test_an_index_beyond_the_tensors_is_refused(refusal: Refusal, tmp_path: Path, index: int) -> None:
    for name in ("inputs", "outputs"):
        content = convolution()
        setattr(content.subgraphs[0].operators[0], name, [index])
        assert "a tensor that does not exist" in refusal(tmp_path, content)
        content = convolution()
        setattr(content.subgraphs[0], name, [index])
        refusal(tmp_path, content)


def test_a_buffer_operator_or_description_that_does_not_exist_is_refused(
    refusal: Refusal, tmp_path: Path, linear: Linear
) -> None:
    content = convolution()
    content.subgraphs[0].tensors[1].buffer = 99
    assert "names buffer 99" in refusal(tmp_path, content)
    content = convolution()
    content.subgraphs[0].operators[0].opcodeIndex = 7
    assert "has code 7 of 1" in refusal(tmp_path, content)
    content = tflite_model(linear)
    content.metadata[0].buffer = 99
    assert "its description is missing" in refusal(tmp_path, content)


def test_an_operator_of_the_future_is_refused_by_number(refusal: Refusal, tmp_path: Path) -> None:
    content = convolution()
    content.operatorCodes[0].builtinCode = 100_000
    assert "operator number 100000" in refusal(tmp_path, content)


def test_a_quantized_dimension_out_of_range_is_a_clear_error_in_litert(rehearse: Rehearsal, tmp_path: Path) -> None:
    content = convolution()
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint, quantization.quantizedDimension = [1.0, 2.0], [0, 0], 3
    content.subgraphs[0].tensors[2].quantization = quantization
    with pytest.raises(ModelError, match=r"model\.tflite is not a model that LiteRT runs \(quantized_dimension"):
        rehearse(written(tmp_path, content), "litert")


def test_weights_in_another_file_or_behind_the_end_are_refused(refusal: Refusal, tmp_path: Path) -> None:
    content = convolution()
    content.buffers[2].offset, content.buffers[2].size = 1 << 40, 36
    assert "beyond the end of the file" in refusal(tmp_path, content)
    content = convolution()
    content.externalBuffers = [schema.ExternalBufferT()]
    assert "in other files, which are never read" in refusal(tmp_path, content)


def test_a_description_that_is_none_is_an_error_that_names_the_file(tmp_path: Path, linear: Linear) -> None:
    for text in (b"{", b"[]", b'{"contract": {"shape": "tall"}}', b'{"contract": 1}', b"\xff\xfe", b"[" * 100_000):
        content = tflite_model(linear)
        content.buffers[content.metadata[0].buffer].data = np.frombuffer(text, np.uint8)
        path = written(tmp_path, content)
        with pytest.raises(ModelError, match=r"model\.tflite"):
            read_contents(path).metadata(str(path))
