"""The golden example in files: written with them, and looked at where they are compared."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from small_graphs import graph_of, noise

import edgekit
from edgekit.artifact import Metadata
from edgekit.graph.load import check_onnx
from edgekit.graph.metadata import read_metadata, write_metadata
from edgekit.inputs.golden import Golden, make_inputs
from edgekit.inputs.trail import sampled
from edgekit.modelfiles.golden import example_of, first_difference, trail_of
from edgekit.modelfiles.session import FileSession

STUDENT = Path(__file__).parents[2] / "students" / "mnist-tiny"
INT8 = STUDENT / "model.int8.tflite"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The float .tflite of mnist-tiny, as export writes it."""
    return edgekit.export(STUDENT / "model.onnx", out=tmp_path_factory.mktemp("export")).path


def golden_of(path):
    with FileSession(path) as session:
        return session.contents.metadata(str(path)).golden


def test_an_exported_file_carries_what_it_answers(written):
    golden = golden_of(written)
    with FileSession(written) as session:
        (output,) = session.run(make_inputs(session.inputs, golden.seed))
    assert golden.complaint(output) == ""
    np.testing.assert_allclose(golden.output, output.reshape(-1), rtol=1e-4)


def test_it_takes_some_hundred_bytes_at_most(written):
    golden = golden_of(written)
    assert len(json.dumps(golden.to_dict())) < 300
    assert len(json.dumps(example_of(INT8.read_bytes(), "litert").to_dict())) < 120


def test_a_file_that_answers_differently_is_warned_of(written, tmp_path, capsys):
    model = check_onnx(STUDENT / "model.onnx")
    wrong = replace(golden_of(written), output=tuple(np.add(golden_of(written).output, 5)))
    path = tmp_path / "model.onnx"
    path.write_bytes(write_metadata(model, replace(read_metadata(model, ""), golden=wrong)).SerializeToString())
    edgekit.compare(written, path, data="noise", images=1)
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1
    assert "model.onnx in ort" in warnings[0]
    assert "a value is off by 5" in warnings[0]


def test_the_operators_of_a_file_are_followed_in_other_kernels():
    trail = trail_of(INT8.read_bytes(), "litert", 0)
    assert [item["name"].split()[0] for item in trail["operators"]][-2:] == ["MEAN", "FULLY_CONNECTED"]
    with FileSession(INT8, "litert") as session:
        (output,) = session.run(make_inputs(session.inputs, 0))
    assert trail["operators"][-1]["values"] == sampled(output)
    assert first_difference(INT8.read_bytes(), "litert-builtin", 0) == ""


def test_the_first_operator_that_onnx_runtime_computes_otherwise_than_is_written_is_named():
    """Of float weights between roundings its kernels make integers of one scale for all channels: small ones go."""
    weights = noise(4, 3, 3, 3) * np.float32([3, 0.004, 0.004, 0.004]).reshape(4, 1, 1, 1)
    scales = {"pixel": np.float32(1 / 255), "zero": np.uint8(0), "step": np.float32(1e-4), "middle": np.uint8(128)}
    nodes = [
        helper.make_node("DequantizeLinear", ["image", "pixel", "zero"], ["real"]),
        helper.make_node("Conv", ["real", "w"], ["made"], pads=[1] * 4),
        helper.make_node("QuantizeLinear", ["made", "step", "middle"], ["stored"]),
        helper.make_node("DequantizeLinear", ["stored", "step", "middle"], ["read"]),
        helper.make_node("MaxPool", ["read"], ["most"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("QuantizeLinear", ["most", "step", "middle"], ["out"]),
    ]
    model = graph_of(nodes, {"image": (1, 3, 8, 8)}, {"w": weights, **scales})
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.elem_type = TensorProto.UINT8
    assert first_difference(model.SerializeToString(), "ort", 0) == "Conv (number 1)"
    assert first_difference((STUDENT / "model.int8.onnx").read_bytes(), "ort", 0) == ""


def test_a_file_of_which_nothing_can_be_kept_has_none():
    assert example_of(b"no model", "litert") is None


def test_a_stranger_s_example_that_is_impossible_is_refused(tmp_path):
    golden = Golden(0, (1, 2), 3)
    text = Metadata(golden=golden).to_json().replace('"seed":0', '"seed":-4')
    with pytest.raises(edgekit.EdgekitError, match="impossible values"):
        Metadata.from_json(text, "its file")
    assert Metadata.from_json(Metadata(golden=golden).to_json(), "its file").golden == golden
