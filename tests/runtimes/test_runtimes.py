"""Every runtime opens the same file by name and gives the same answers through the same interface."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import lstm_model, packed

from edgekit.data.dataset import Dataset
from edgekit.errors import ModelError, UnknownNameError, UsageError
from edgekit.modelfiles.runtime_choice import default_runtime, find_runtime, require_runtime
from edgekit.modelfiles.sandboxed import OpenFile
from edgekit.runtimes import RUNTIMES

TFLITE_RUNTIMES = ("litert", "litert-builtin", "litert-reference", "tflm")


def image(mnist: Dataset, dtype: str, layout: str) -> np.ndarray:
    pixels = mnist.test.images[:1]
    stored = pixels.astype(np.float32) / 255 if dtype == "float32" else (pixels.astype(np.int16) - 128).astype(np.int8)
    return np.ascontiguousarray(stored.transpose(0, 3, 1, 2)) if layout == "NCHW" else stored


@pytest.mark.parametrize("runtime", TFLITE_RUNTIMES)
def test_a_tflite_runtime_tells_what_a_file_takes_and_gives(digit_files: dict[str, Path], runtime: str) -> None:
    session = OpenFile(digit_files["int8.tflite"], runtime)
    (taken,), (given,) = session.inputs, session.outputs
    assert (taken.shape, taken.dtype, taken.zero_point) == ((1, 28, 28, 1), "int8", -128)
    assert taken.scale == pytest.approx(1 / 255)
    assert (given.shape, given.dtype, given.scale, given.zero_point) == ((1, 10), "int8", 2 / 128, 0)


def test_onnx_runtime_tells_the_scale_of_int8_inputs_and_outputs(digit_files: dict[str, Path]) -> None:
    session = OpenFile(digit_files["int8.onnx"], "ort")
    (taken,), (given,) = session.inputs, session.outputs
    assert (taken.name, taken.shape, taken.dtype, taken.zero_point) == ("image", (1, 1, 28, 28), "int8", -128)
    assert taken.scale == pytest.approx(1 / 255)
    assert (given.name, given.dtype, given.scale, given.zero_point) == ("logits", "int8", 2 / 128, 0)


@pytest.mark.parametrize("runtime", TFLITE_RUNTIMES)
def test_the_integers_are_the_same_in_every_tflite_runtime(
    digit_files: dict[str, Path], mnist: Dataset, runtime: str
) -> None:
    path, pixels = digit_files["int8.tflite"], image(mnist, "int8", "NHWC")
    (reference,) = OpenFile(path, "litert-reference").run([pixels])
    (answer,) = OpenFile(path, runtime).run([pixels])
    np.testing.assert_array_equal(answer, reference)


def test_the_float_file_gives_the_same_scores_in_onnx_runtime_and_litert(
    digit_files: dict[str, Path], mnist: Dataset
) -> None:
    (ours,) = OpenFile(digit_files["onnx"], "ort").run([image(mnist, "float32", "NCHW")])
    (theirs,) = OpenFile(digit_files["tflite"], "litert").run([image(mnist, "float32", "NHWC")])
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_result_is_not_overwritten_by_the_next_run(digit_files: dict[str, Path]) -> None:
    for runtime in TFLITE_RUNTIMES:
        session = OpenFile(digit_files["int8.tflite"], runtime)
        (first,) = session.run([np.full((1, 28, 28, 1), -128, np.int8)])
        kept = first.copy()
        session.run([np.full((1, 28, 28, 1), 127, np.int8)])
        np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("runtime", ["litert", "litert-builtin", "tflm"])
def test_an_lstm_begins_anew_with_each_inference(runtime: str) -> None:
    session = OpenFile(packed(lstm_model(steps=5, values=3, units=4)), runtime)
    sequence = np.random.default_rng(1).standard_normal((1, 5, 3), dtype=np.float32)
    first, second = (session.run([sequence])[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("runtime", ["ort", "litert", "tflm"])
def test_a_file_of_noise_is_refused_with_its_name(tmp_path: Path, runtime: str) -> None:
    path = tmp_path / f"noise{RUNTIMES[runtime].suffix}"
    path.write_bytes(b"not a model at all, whatever its name says")
    with pytest.raises(ModelError, match="noise"):
        OpenFile(path, runtime)


def test_an_unknown_runtime_fails_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'litert'"):
        require_runtime("liter")


def test_a_runtime_that_is_not_installed_fails_with_what_to_install() -> None:
    runtime = find_runtime("tflite-runtime")
    assert not runtime.version()
    with pytest.raises(UsageError, match="install tflite-runtime or name a Python that has it"):
        require_runtime("tflite-runtime")


def test_the_default_runtime_follows_the_suffix() -> None:
    assert default_runtime(Path("a.onnx")) == "ort"
    assert default_runtime(Path("a.TFLITE")) == "litert"
    with pytest.raises(ModelError, match=r"a\.h5 is neither an \.onnx nor a \.tflite file"):
        default_runtime(Path("a.h5"))
