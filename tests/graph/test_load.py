from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_graphs import graph_of, noise, run_onnx

from edgekit.conversion.export import ExportOptions, export
from edgekit.errors import ModelError, UnsupportedError
from edgekit.evaluation.compare import CompareOptions, compare
from edgekit.evaluation.inspect import inspect_file
from edgekit.graph.load import check_onnx, load_onnx


def convolution() -> onnx.ModelProto:
    node = helper.make_node("Conv", ["x", "w"], ["out"])
    return graph_of([node], {"x": (1, 2, 6, 6)}, {"w": noise(3, 2, 3, 3)})


def saved(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def outside(location: str) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 2, 3, 3])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def test_a_sound_file_is_opened_as_it_is(tmp_path: Path) -> None:
    model = convolution()
    assert load_onnx(saved(tmp_path, model)) == model
    assert check_onnx(tmp_path / "model.onnx") == model


def hidden_in_sparse(model: onnx.ModelProto) -> None:
    sparse = model.graph.sparse_initializer.add(dims=[3, 2, 3, 3])
    sparse.values.CopyFrom(outside("../weights.bin"))


def hidden_in_sparse_indices(model: onnx.ModelProto) -> None:
    sparse = model.graph.sparse_initializer.add(dims=[3, 2, 3, 3])
    sparse.indices.CopyFrom(outside("../weights.bin"))


def hidden_in_attribute(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=outside("../weights.bin")))


def hidden_in_subgraph(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([], "inner", [], [], [outside("../weights.bin")])
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner))


def hidden_in_function(model: onnx.ModelProto) -> None:
    constant = helper.make_node("Constant", [], ["c"], value=outside("../weights.bin"))
    model.functions.append(helper.make_function("own", "F", [], ["c"], [constant], list(model.opset_import)))


@pytest.mark.parametrize(
    "hide",
    [hidden_in_sparse, hidden_in_sparse_indices, hidden_in_attribute, hidden_in_subgraph, hidden_in_function],
)
def test_no_place_hides_a_reference_to_another_file(tmp_path: Path, hide) -> None:
    model = convolution()
    hide(model)
    with pytest.raises(ModelError, match="in another file"):
        load_onnx(saved(tmp_path, model))


def test_a_file_that_is_cut_short_is_refused_at_every_length(tmp_path: Path) -> None:
    whole = convolution().SerializeToString()
    path = tmp_path / "model.onnx"
    for length in range(1, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"model\.onnx"):
            check_onnx(path)


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n" + bytes(64), b"PK\x03\x04" + bytes(64), b"hello", b"\x00" * 9]
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "picture.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not an ONNX file"):
        load_onnx(path)


def test_missing_and_empty_files_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    for name, reason in (("none.onnx", "does not exist"), ("empty.onnx", "is empty"), (".", "is not a file")):
        with pytest.raises(ModelError, match=reason):
            load_onnx(tmp_path / name)


def test_versions_that_nobody_knows_yet_are_refused(tmp_path: Path) -> None:
    newer = convolution()
    newer.opset_import[0].version = 1000
    with pytest.raises(ModelError, match="operator set 1000"):
        load_onnx(saved(tmp_path, newer))
    newer = convolution()
    newer.ir_version = 1000
    with pytest.raises(ModelError, match="IR version 1000"):
        load_onnx(saved(tmp_path, newer))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tensor: setattr(tensor, "raw_data", tensor.raw_data[:-4]), "does not hold"),
        (lambda tensor: setattr(tensor, "data_type", 77), "impossible type"),
        (lambda tensor: tensor.dims.__setitem__(0, -3), "impossible type or shape"),
        (lambda tensor: tensor.dims.__setitem__(0, 1 << 60), "impossible type or shape"),
    ],
)
def test_tensors_that_contradict_themselves_are_refused(tmp_path: Path, change, reason: str) -> None:
    model = convolution()
    change(model.graph.initializer[0])
    with pytest.raises(ModelError, match=reason):
        load_onnx(saved(tmp_path, model))


def test_a_node_without_its_input_is_refused(tmp_path: Path) -> None:
    model = convolution()
    model.graph.node[0].input[1] = "nowhere"
    with pytest.raises(ModelError, match="not a valid ONNX model"):
        check_onnx(saved(tmp_path, model))


def test_a_few_bytes_that_ask_for_hundreds_of_gigabytes_are_refused(tmp_path: Path) -> None:
    node = helper.make_node("ConstantOfShape", ["s"], ["out"])
    model = graph_of([node], {}, {"s": np.asarray([262_144, 262_144], np.int64)})
    with pytest.raises(ModelError, match="larger than 1024 MiB"):
        check_onnx(saved(tmp_path, model))


def test_windows_that_overflow_shape_inference_are_refused(tmp_path: Path) -> None:
    node = helper.make_node("MaxPool", ["x"], ["out"], kernel_shape=[2, 2], pads=[2**62, 2**62, 2**62, 2**62])
    with pytest.raises(ModelError, match=r"model\.onnx"):
        check_onnx(saved(tmp_path, graph_of([node], {"x": (1, 1, 8, 8)})))


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    """Groups in groups: length-delimited fields of a graph in an attribute of a node in a graph, 2,000 times."""
    data = b""
    for _ in range(2000):
        for tag in (0x32, 0x2A, 0x0A):
            data = bytes([tag]) + varint(len(data)) + data
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x0a\x3a" + varint(len(data)) + data)
    with pytest.raises(ModelError, match="not an ONNX file"):
        load_onnx(path)


def test_old_files_list_their_weights_as_inputs(tmp_path: Path) -> None:
    model = convolution()
    model.ir_version = 3
    weights = numpy_helper.to_array(model.graph.initializer[0])
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, weights.shape))
    assert len(check_onnx(saved(tmp_path, model)).graph.input) == 2


def varint(value: int) -> bytes:
    encoded = b""
    while value > 127:
        encoded += struct.pack("B", value & 127 | 128)
        value >>= 7
    return encoded + struct.pack("B", value)


def test_nodes_in_any_order_are_sorted_as_runtimes_do(tmp_path: Path) -> None:
    """As onnxconverter-common leaves a half precision model: its casts stand behind those who read them."""
    nodes = [helper.make_node("Relu", ["b"], ["out"]), helper.make_node("Abs", ["a"], ["b"])]
    model = graph_of([helper.make_node("Neg", ["x"], ["a"]), *reversed(nodes)], {"x": (2,)})
    del model.graph.node[:]
    model.graph.node.extend([*nodes, helper.make_node("Neg", ["x"], ["a"])])
    opened = check_onnx(saved(tmp_path, model))
    assert [node.op_type for node in opened.graph.node] == ["Neg", "Abs", "Relu"]
    np.testing.assert_array_equal(run_onnx(opened, np.float32([-1, 2]))[0], [1, 2])


def test_nodes_of_a_branch_and_of_a_function_are_sorted_too(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["b"], ["z"]), helper.make_node("Neg", ["x"], ["b"])]
    value = helper.make_tensor_value_info("z", TensorProto.FLOAT, [2])
    branch = helper.make_graph(nodes, "branch", [], [value])
    condition = helper.make_node("If", ["yes"], ["out"], then_branch=branch, else_branch=branch)
    model = graph_of([], {"x": (2,)}, {"yes": np.asarray(True)})
    model.graph.node.append(condition)
    domain = helper.make_opsetid("own", 1)
    model.opset_import.append(domain)
    model.functions.append(helper.make_function("own", "f", ["x"], ["z"], nodes, list(model.opset_import)))
    opened = check_onnx(saved(tmp_path, model))
    inner = opened.graph.node[0].attribute[0].g
    assert [[node.op_type for node in part.node] for part in (inner, opened.functions[0])] == [["Neg", "Relu"]] * 2


def test_nodes_that_wait_for_each_other_are_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    model = graph_of([], {"x": (2,)}, outputs=["b"])
    model.graph.node.extend(nodes)
    with pytest.raises(ModelError, match="not a valid ONNX model"):
        check_onnx(saved(tmp_path, model))


def detections() -> onnx.ModelProto:
    """Boxes that are all kept in some order: how many there are, only a run can tell."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["scores"], perm=[0, 2, 1]),
        helper.make_node("Slice", ["scores", "one", "two", "one"], ["class"]),
        helper.make_node("NonMaxSuppression", ["x", "class", "many"], ["chosen"]),
    ]
    constants = {"one": np.asarray([1]), "two": np.asarray([2]), "many": np.asarray([5])}
    model = graph_of(nodes, {"x": (1, 6, 4)}, constants, outputs=["chosen"])
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("chosen", TensorProto.INT64, None))
    return model


def unknown_rank() -> onnx.ModelProto:
    model = detections()
    model.graph.node.append(helper.make_node("Squeeze", ["chosen"], ["out"]))
    model.graph.output[0].name = "out"
    return model


@pytest.mark.parametrize(("make", "shape"), [(detections, (-1, 3)), (unknown_rank, ())])
def test_an_output_whose_shape_the_file_does_not_give_opens_where_it_runs(tmp_path: Path, make, shape) -> None:
    path = saved(tmp_path, make())
    assert check_onnx(path) == make()
    facts = inspect_file(path)
    assert (facts.refusal, facts.outputs[0].shape) == ("", shape)
    result = compare(CompareOptions(str(path), str(path), "noise", 5))
    assert result.outputs[0].largest_error == 0
    for to in ("onnx", "tflite"):
        with pytest.raises(UnsupportedError, match=r"size of 'chosen' \(NonMaxSuppression ''\) is zero or follows"):
            export(ExportOptions(str(path), to, out=tmp_path / "out"))
