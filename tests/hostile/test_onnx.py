"""ONNX files of a stranger, by the attack each is known for: one clear error, and no other file touched.

Each file goes the way that every command takes: looked at, opened and run in a worker process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper
from rehearsal import Rehearsal

from edgekit.conversion.export import ExportOptions, export
from edgekit.errors import EdgekitError, ModelError
from edgekit.evaluation.inspect import InspectOptions, inspect
from edgekit.modelfiles import session
from edgekit.sandbox import Limits

Refusal = Callable[[Path, ModelProto | bytes], str]
ONE = numpy_helper.from_array(np.ones(1, np.float32), "one")


def graph(nodes: list[onnx.NodeProto], *constants: TensorProto, rank: int = 4) -> GraphProto:
    """From ``x`` [1, 1, 4, 4] to ``y`` of the given rank and any size."""
    return helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [f"size{axis}" for axis in range(rank)])],
        list(constants),
    )


def model(body: GraphProto, opset: int = 17, ir_version: int = 10) -> ModelProto:
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


def adding(tensor: TensorProto) -> ModelProto:
    return model(graph([helper.make_node("Add", ["x", tensor.name], ["y"])], tensor))


def external(**entries: str) -> TensorProto:
    """A tensor of four floats that says its data are elsewhere."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


@pytest.fixture
def refusal(rehearse: Rehearsal) -> Refusal:
    """What is said to a file in a folder; it must be an error of ours that names it."""

    def refused(folder: Path, content: ModelProto | bytes) -> str:
        path = folder / "model.onnx"
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        with pytest.raises(EdgekitError) as caught:
            rehearse(path)
        assert str(path) in str(caught.value)
        return str(caught.value)

    return refused


def test_the_frame_of_these_files_is_sound(rehearse: Rehearsal, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(adding(ONE).SerializeToString())
    assert rehearse(path).operators == {"Add": 1}


@pytest.mark.parametrize(
    "entries",
    [
        {"location": "../../../etc/passwd"},
        {"location": "sub/../../secret"},
        {"location": "/etc/passwd"},
        {"location": "link"},
        {"location": "folder/secret"},
        {"location": "hard"},
        {"location": "data", "__class__": "str", "unknown": "1"},
        {"location": "data", "offset": "18446744073709551612", "length": "8"},
        {"location": "data", "offset": "0", "length": "1000000"},
        {},
    ],
    ids=[
        "1 above",
        "2 detour",
        "3 absolute",
        "4 link",
        "4 parent link",
        "5 hard link",
        "6 keys",
        "7 wrap",
        "8 long",
        "bare",
    ],
)
def test_no_other_file_is_read_for_weights(refusal: Refusal, tmp_path: Path, entries: dict[str, str]) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.full(4, 42, np.float32).tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to(secret)
    (folder / "folder").symlink_to(tmp_path)
    os.link(secret, folder / "hard")
    (folder / "data").write_bytes(bytes(16))
    assert "in another file" in refusal(folder, adding(external(**entries)))


def test_9_no_other_file_is_overwritten_when_a_model_is_saved(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("keep me")
    path = tmp_path / "model" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(adding(external(location="../victim")).SerializeToString())
    with pytest.raises(ModelError, match="in another file"):
        export(ExportOptions(str(path), "onnx", out=tmp_path / "out"))
    assert victim.read_text() == "keep me"


def in_attribute(tensor: TensorProto) -> ModelProto:
    tensor.name = "value"
    nodes = [helper.make_node("Constant", [], ["w"], value=tensor), helper.make_node("Add", ["x", "w"], ["y"])]
    return model(graph(nodes))


def in_sparse_tensor(tensor: TensorProto) -> ModelProto:
    body = graph([helper.make_node("Add", ["x", "w"], ["y"])])
    indices = numpy_helper.from_array(np.arange(4), "i")
    body.sparse_initializer.append(onnx.SparseTensorProto(values=tensor, indices=indices, dims=[4]))
    return model(body)


def in_function(tensor: TensorProto) -> ModelProto:
    result = adding(ONE)
    nodes = [helper.make_node("Constant", [], ["z"], value=tensor)]
    result.functions.append(helper.make_function("own", "f", [], ["z"], nodes, [helper.make_opsetid("", 17)]))
    return result


def in_subgraph(tensor: TensorProto) -> ModelProto:
    branch = GraphProto(name="branch", initializer=[tensor])
    branch.node.append(helper.make_node("Identity", ["w"], ["z"]))
    branch.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [4]))
    yes = numpy_helper.from_array(np.array(True), "yes")
    return model(graph([helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)], yes, rank=1))


@pytest.mark.parametrize("hide", [in_attribute, in_sparse_tensor, in_function, in_subgraph])
def test_10_a_reference_is_found_wherever_it_hides(
    refusal: Refusal, tmp_path: Path, hide: Callable[[TensorProto], ModelProto]
) -> None:
    assert "in another file" in refusal(tmp_path, hide(external(location="../data")))


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool", "Conv"])
def test_11_windows_that_overflow_shape_inference_are_refused(refusal: Refusal, tmp_path: Path, operator: str) -> None:
    huge = 2**62
    attributes = {"kernel_shape": [huge, huge], "pads": [huge] * 4, "strides": [1, 1]}
    kernel = numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "k")
    inputs = ["x", "k"] if operator == "Conv" else ["x"]
    refusal(tmp_path, model(graph([helper.make_node(operator, inputs, ["y"], **attributes)], kernel)))


@pytest.mark.parametrize("stride", [0, -1])
def test_11_a_stride_that_leads_nowhere_is_refused(refusal: Refusal, tmp_path: Path, stride: int) -> None:
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[stride, stride])
    refusal(tmp_path, model(graph([node])))


@pytest.mark.parametrize("inputs", [[], [""], ["x", ""], ["x", "nowhere"]])
def test_12_a_node_with_a_missing_input_is_refused(refusal: Refusal, tmp_path: Path, inputs: list[str]) -> None:
    refusal(tmp_path, model(graph([helper.make_node("Add", inputs, ["y"])])))


@pytest.mark.parametrize("kind", [0, 8, 24, 99, 2**31 - 1, -1])
def test_13_an_impossible_element_type_is_refused(refusal: Refusal, tmp_path: Path, kind: int) -> None:
    constant = adding(TensorProto(name="w", data_type=kind, dims=[1], raw_data=bytes(4)))
    refusal(tmp_path, constant)
    declared = adding(ONE)
    declared.graph.input[0].type.tensor_type.elem_type = kind
    refusal(tmp_path, declared)


@pytest.mark.parametrize("sizes", [[68_719_476_736], [262_144, 262_144], [2**31, 2**31, 2**31]])
def test_14_a_few_bytes_that_ask_for_hundreds_of_gigabytes_are_refused(
    refusal: Refusal, tmp_path: Path, sizes: list[int]
) -> None:
    shape = numpy_helper.from_array(np.array(sizes), "shape")
    refusal(tmp_path, model(graph([helper.make_node("ConstantOfShape", ["shape"], ["y"])], shape, rank=len(sizes))))


def test_14_a_size_that_only_a_run_can_know_meets_the_memory_limit(refusal: Refusal, tmp_path: Path) -> None:
    """2^37 values by Expand: shape inference does not follow it through the multiplication."""
    nodes = [
        helper.make_node("Shape", ["x"], ["sizes"]),
        helper.make_node("Mul", ["sizes", "big"], ["shape"]),
        helper.make_node("Expand", ["one", "shape"], ["y"]),
    ]
    big = numpy_helper.from_array(np.array([2**11, 2**10, 2**8, 2**8]), "big")
    text = refusal(tmp_path, model(graph(nodes, ONE, big)))
    assert "memory" in text or "larger than" in text


def test_15_deep_nesting_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    def field(number: int, content: bytes) -> bytes:
        size, length = b"", len(content)
        while length > 127:
            size, length = size + bytes([length & 127 | 128]), length >> 7
        return bytes([number << 3 | 2]) + size + bytes([length]) + content

    inner = b""
    for _ in range(3000):
        inner = field(1, field(5, field(6, inner)))  # graph.node.attribute.g, without names
    refusal(tmp_path, field(7, inner))


@pytest.mark.parametrize(("opset", "ir_version", "what"), [(999, 10, "operator set 999"), (17, 999, "IR version 999")])
def test_a_version_newer_than_known_is_refused_by_number(
    refusal: Refusal, tmp_path: Path, opset: int, ir_version: int, what: str
) -> None:
    assert what in refusal(tmp_path, model(graph([helper.make_node("Relu", ["x"], ["y"])]), opset, ir_version))


def test_a_model_without_end_is_stopped(tmp_path: Path) -> None:
    """A Loop of 2^62 turns passes every check of the file; the time limit ends it."""
    body = GraphProto(name="body")
    body.input.extend(helper.make_tensor_value_info(name, kind, []) for name, kind in (("i", 7), ("go", 9)))
    body.input.append(helper.make_tensor_value_info("v", TensorProto.FLOAT, [1, 1, 4, 4]))
    body.node.append(helper.make_node("Identity", ["go"], ["on"]))
    body.node.append(helper.make_node("Neg", ["v"], ["w"]))
    body.output.append(helper.make_tensor_value_info("on", TensorProto.BOOL, []))
    body.output.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [1, 1, 4, 4]))
    constants = [numpy_helper.from_array(np.array(value), name) for name, value in (("n", 2**62), ("yes", True))]
    path = tmp_path / "model.onnx"
    path.write_bytes(
        model(graph([helper.make_node("Loop", ["n", "yes", "x"], ["y"], body=body)], *constants)).SerializeToString()
    )
    with pytest.raises(EdgekitError, match=r"model\.onnx took longer than 3 s"):
        session.rehearse(path, limits=Limits(seconds=3))


def test_a_file_in_onnx_runtimes_own_format_is_not_opened_as_that(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x18\x00\x00\x00ORTM" + bytes(64))
    with pytest.raises(ModelError, match="is not an ONNX file"):
        inspect(InspectOptions(str(path)))
