"""With which options ONNX Runtime opens a file: those that the file's own description and graph allow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.artifact import Metadata
from edgekit.catalog import resolve_model
from edgekit.graph.metadata import write_metadata
from edgekit.runtimes.ort import EXACT_PRODUCTS, UNPACKED, open_file

NAMES = (EXACT_PRODUCTS[0], UNPACKED[0])


def stored_weights(name: str = "layer", zero_point: bool = True) -> onnx.ModelProto:
    """A Gemm whose weights are stored as int8, with or without a zero point of their own; its int32 bias has none."""
    constants = [
        numpy_helper.from_array(np.eye(4, dtype=np.int8), "stored"),
        numpy_helper.from_array(np.float32(0.5), "scale"),
        numpy_helper.from_array(np.int8(0), "zero"),
        numpy_helper.from_array(np.arange(4, dtype=np.int32), "stored bias"),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["stored", "scale", "zero"][: 3 if zero_point else 2], ["weights"], name),
        helper.make_node("DequantizeLinear", ["stored bias", "scale"], ["bias"]),
        helper.make_node("Gemm", ["image", "weights", "bias"], ["scores"]),
    ]
    values = [helper.make_tensor_value_info(label, TensorProto.FLOAT, [1, 4]) for label in ("image", "scores")]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], constants)
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])


def entries(model: onnx.ModelProto | Path) -> set[str]:
    """The options of NAMES that a file is opened with."""
    session = open_file(str(model) if isinstance(model, Path) else model.SerializeToString(), 1)
    options = session.get_session_options()
    found = set()
    for name in NAMES:
        try:
            found |= {name} if options.get_session_config_entry(name) == "1" else set()
        except RuntimeError:  # it was not set
            continue
    return found


@pytest.mark.parametrize("student", ["mnist-tiny", "mnist-xs", "mnist-linear", "cifar-s", "cifar-xs", "fashion-s"])
def test_a_file_that_edgekit_wrote_gets_exact_products(student: str) -> None:
    assert entries(resolve_model(student, "model.int8.onnx")) == {EXACT_PRODUCTS[0]}


def test_so_does_a_file_whose_biases_have_no_zero_points() -> None:
    assert entries(write_metadata(stored_weights(), Metadata(recipe="static_wi8_ai8"))) == {EXACT_PRODUCTS[0]}


def test_small_weights_that_are_used_in_float_are_unpacked_once() -> None:
    assert entries(write_metadata(stored_weights(), Metadata(recipe="weight_only_wi8_af32"))) == {UNPACKED[0]}


OLDER = "Haswell"
"""The first x86 processor with AVX2; it has no VNNI."""
ANSWERS = """
import sys, numpy as np
from edgekit.runtimes.ort import open_file
session = open_file(sys.argv[1], 1)
images = np.random.default_rng(0).integers(-128, 128, (20, *session.get_inputs()[0].shape)).astype(np.int8)
print([session.run(None, {session.get_inputs()[0].name: image})[0].ravel().tolist() for image in images])
"""


@pytest.mark.skipif(not shutil.which("qemu-x86_64"), reason="needs qemu-user")
@pytest.mark.parametrize("student", ["mnist-tiny", "cifar-xs"])
def test_sums_do_not_saturate_on_a_processor_without_vnni(student: str) -> None:
    here = [sys.executable, "-c", ANSWERS, str(resolve_model(student, "model.int8.onnx"))]
    there = ["qemu-x86_64", "-cpu", OLDER, *here]
    found = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in (here, there)]
    assert found[0] == found[1] != ""


@pytest.mark.parametrize("word", ["edgekit", "weight_only_wi8 edgekit"])
def test_a_word_in_a_foreign_file_decides_nothing(word: str) -> None:
    assert entries(stored_weights(name=word)) == set()
    labelled = stored_weights(name=word)
    labelled.metadata_props.add(key="labels", value=json.dumps(["edgekit", word]))
    labelled.producer_name = word
    assert entries(labelled) == set()


def test_a_file_that_has_lost_a_zero_point_is_opened_without_what_needs_it() -> None:
    model = write_metadata(stored_weights(zero_point=False), Metadata(recipe="static_wi8_ai8"))
    assert entries(model) == set()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"recipe": 3}', "\ud83d"])
def test_a_description_that_cannot_be_read_decides_nothing_wrong(text: str) -> None:
    model = stored_weights(zero_point=False)
    model.metadata_props.add(key="edgekit", value=text.encode("utf-8", "replace").decode())
    assert entries(model) == set()


def test_all_bytes_of_a_cut_file_are_refused_and_none_crashes(tmp_path: Path) -> None:
    data = write_metadata(stored_weights(), Metadata(recipe="x")).SerializeToString()
    for length in range(0, len(data), 7):
        (tmp_path / "cut.onnx").write_bytes(data[:length])
        with pytest.raises(Exception, match=r".+"):
            entries(tmp_path / "cut.onnx")
