"""What a page is asked to measure, and what it is not asked."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from small_graphs import graph_of

from edgekit.devices.browser.job import page_job
from edgekit.devices.device import Job
from edgekit.errors import ModelError, UsageError
from edgekit.modelfiles.session import FileSession

STUDENT = Path(__file__).parents[3] / "students" / "mnist-tiny"
JOB = Job("measure", "litert", STUDENT / "model.int8.tflite", runs=7, seconds=0.5)


def test_it_names_the_tensors_and_carries_the_file_and_an_input_with_its_output() -> None:
    asked = page_job(JOB)
    document = asked.document
    assert (document["runs"], document["seconds"]) == (7, 0.5)
    assert asked.files == {document["model"]: JOB.model.read_bytes()}
    tensor = document["description"]["input"]
    assert (tensor["shape"], tensor["dtype"]) == ([1, 28, 28, 1], "int8")
    values = np.frombuffer(base64.b64decode(document["input"]), np.int8).reshape(tensor["shape"])
    with FileSession(JOB.model) as session:
        np.testing.assert_array_equal(asked.output, session.run([values])[0].reshape(-1))


def test_the_same_file_gets_the_same_input_each_time() -> None:
    assert page_job(JOB).document == page_job(JOB).document


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threads": 2}, "--threads 2: a page runs a model on one thread"),
        ({"pin": "0"}, "--pin 0: a page cannot choose its cores"),
        ({"runtime": "tflite-runtime"}, "does not run in a browser; use litert, ort or c"),
    ],
)
def test_what_a_page_cannot_do_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        page_job(replace(JOB, **change))


def test_a_file_that_is_no_model_is_refused_here_already(tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(b"no model")
    with pytest.raises(ModelError):
        page_job(replace(JOB, model=tmp_path / "a.tflite"))


def test_a_model_of_several_outputs_is_named_with_the_way_out(tmp_path: Path) -> None:
    nodes = [helper.make_node("Split", ["x"], ["a", "b"], axis=1)]
    graph = graph_of(nodes, {"x": (1, 4)}, outputs=["a", "b"])
    (tmp_path / "two.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(ModelError, match=r"has the outputs a \(float32\), b \(float32\), .* use --device cpu"):
        page_job(replace(JOB, model=tmp_path / "two.onnx", runtime="ort"))
