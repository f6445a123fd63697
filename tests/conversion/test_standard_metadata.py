"""The standard metadata of a .tflite file: what readers of Android and MediaPipe look for, and what it costs."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from small_graphs import graph_of, interpreter, noise, quantized, run_micro, run_tflite

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.conversion.tflite.standard_metadata import standard_metadata, with_labels
from edgekit.graph.prepare import prepare
from edgekit.inputs.contract import InputContract
from edgekit.modelfiles.contents import read_contents
from edgekit.modelfiles.tflite_metadata import STANDARD_KEY, StandardMetadata, read_standard
from edgekit.operators.lowered import TensorRecord

node = helper.make_node
LABELS = ("crème brûlée", "tench, Tinca tinca", "", "-")
CONTRACT = InputContract(8, 8, 3, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
IMAGE = TensorRecord((1, 8, 8, 3), "float32", name="image")
SCORES = TensorRecord((1, 4), "float32", name="scores")


@pytest.fixture(scope="module")
def classifier() -> onnx.ModelProto:
    nodes = [
        node("Conv", ["image", "w"], ["a"]),
        node("GlobalAveragePool", ["a"], ["g"]),
        node("Flatten", ["g"], ["scores"]),
    ]
    return prepare(graph_of(nodes, {"image": (1, 3, 8, 8)}, {"w": noise(4, 3, 3, 3)}, outputs=["scores"]))


def standard_of(file: bytes) -> StandardMetadata:
    model = schema.ModelT.InitFromPackedBuf(file)
    (entry,) = (entry for entry in model.metadata if entry.name == STANDARD_KEY.encode())
    return read_standard(bytes(model.buffers[entry.buffer].data), file)


@pytest.mark.parametrize("form", ["float32", "int8", "uint8"])
def test_labels_and_normalisation_are_in_the_standard_places(classifier: onnx.ModelProto, form: str) -> None:
    model = classifier if form == "float32" else quantized(classifier, form)
    standard = standard_of(lower(model, Metadata(CONTRACT, LABELS)))
    assert standard.labels == LABELS
    assert standard.mean == pytest.approx([255 * value for value in CONTRACT.mean])
    assert standard.std == pytest.approx([255 * value for value in CONTRACT.std])


def test_the_description_comes_back_whole(classifier: onnx.ModelProto, tmp_path: Path) -> None:
    metadata = Metadata(CONTRACT, LABELS, "static_wi8_ai8", {"accuracy": 0.9}, {"float": "ab"})
    path = tmp_path / "model.tflite"
    path.write_bytes(lower(quantized(classifier), metadata))
    assert read_contents(path).metadata("file") == metadata


def test_labels_are_stored_once_and_uncompressed_as_mediapipe_reads_them(classifier: onnx.ModelProto) -> None:
    file = lower(classifier, Metadata(CONTRACT, ("first label", "second", "third", "fourth")))
    assert file.count(b"first label") == 1
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        (entry,) = archive.infolist()
        assert entry.compress_type == zipfile.ZIP_STORED
        assert archive.read("labels.txt") == b"first label\nsecond\nthird\nfourth\n"


def test_every_runtime_still_opens_the_file(classifier: onnx.ModelProto) -> None:
    model, image = quantized(classifier), noise(1, 3, 8, 8).astype("int8")
    bare, described = lower(model, Metadata()), lower(model, Metadata(CONTRACT, LABELS))
    assert (run_tflite(described, image)[0] == run_tflite(bare, image)[0]).all()
    assert (run_micro(described, image) == run_micro(bare, image)).all()
    assert interpreter(described).get_input_details()[0]["name"] == "image"


def test_ten_labels_cost_less_than_half_a_kilobyte(classifier: onnx.ModelProto) -> None:
    digits = tuple("0123")
    cost = len(lower(classifier, Metadata(CONTRACT, digits))) - len(lower(classifier, Metadata(CONTRACT)))
    assert cost <= 300
    assert len(standard_metadata(Metadata(CONTRACT, digits), [IMAGE], [SCORES])) <= 330


def test_a_model_that_says_nothing_of_itself_has_none() -> None:
    assert standard_metadata(Metadata(), [IMAGE], [SCORES]) == b""
    assert standard_metadata(Metadata(CONTRACT), [IMAGE, IMAGE], [SCORES]) == b""


@pytest.mark.parametrize("labels", [("a", "b"), ("a\nb", "c", "d", "e")])
def test_labels_that_a_label_file_cannot_hold_stay_in_our_own_description(
    classifier: onnx.ModelProto, labels: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(lower(classifier, Metadata(CONTRACT, labels)))
    assert not zipfile.is_zipfile(path)
    assert read_contents(path).metadata("file").labels == labels


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), min_size=4, max_size=4))
def test_any_lines_of_text_come_back(labels: list[str]) -> None:
    metadata = standard_metadata(Metadata(CONTRACT, tuple(labels)), [IMAGE], [SCORES])
    assert read_standard(metadata, with_labels(b"a model", labels)).labels == tuple(labels)
