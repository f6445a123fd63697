"""Model files in a worker process: the same answers as in this one, and errors that name the file."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edgekit.data.dataset import Dataset
from edgekit.errors import ModelError, UsageError
from edgekit.modelfiles.runtime_choice import require_runtime
from edgekit.modelfiles.sandboxed import OpenFile
from edgekit.modelfiles.session import FileSession, runtime_python


def test_a_session_in_a_worker_answers_like_one_here(digit_files: dict[str, Path], mnist: Dataset) -> None:
    pixels = (mnist.test.images[:5].astype(np.int16) - 128).astype(np.int8)
    here = OpenFile(digit_files["int8.tflite"], "litert")
    with FileSession(digit_files["int8.tflite"]) as session:
        assert (session.runtime, session.version) == ("litert", require_runtime("litert").version())
        assert (session.inputs, session.outputs) == (here.inputs, here.outputs)
        assert session.contents.operators == {"FULLY_CONNECTED": 1}
        (rows,) = session.run_rows([pixels])
        for index, row in enumerate(rows):
            (expected,) = here.run([pixels[index : index + 1]])
            np.testing.assert_array_equal(row[None], expected)
            np.testing.assert_array_equal(session.run([pixels[index : index + 1]])[0], expected)


def test_a_file_for_another_runtime_is_refused_with_the_suffix_it_needs(digit_files: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match=r"not a file that ONNX Runtime opens; give it a \.onnx file"):
        FileSession(digit_files["tflite"], "ort")


@pytest.mark.parametrize("name", ["onnx", "int8.tflite"])
def test_an_input_of_the_wrong_shape_is_an_error_that_names_the_file(digit_files: dict[str, Path], name: str) -> None:
    with FileSession(digit_files[name]) as session, pytest.raises(ModelError, match=r"digits\..* cannot be run"):
        session.run([np.zeros((1, 3, 5, 5), session.inputs[0].dtype)])


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        FileSession(tmp_path / "none.tflite")


def test_a_runtime_may_live_in_another_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEKIT_TFLITE_RUNTIME_PYTHON", raising=False)
    assert runtime_python("tflite-runtime") == runtime_python("litert") == sys.executable
    monkeypatch.setenv("EDGEKIT_TFLITE_RUNTIME_PYTHON", "/usr/bin/env")
    assert runtime_python("tflite-runtime") == "/usr/bin/env"
    assert runtime_python("litert") == sys.executable
    monkeypatch.setenv("EDGEKIT_TFLITE_RUNTIME_PYTHON", "/nowhere")
    with pytest.raises(UsageError, match="EDGEKIT_TFLITE_RUNTIME_PYTHON is /nowhere"):
        runtime_python("tflite-runtime")
