"""Calibration streams images through the float model and keeps nothing but histograms."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from onnx.helper import make_node
from small_graphs import graph_of, noise

from edgekit.data.dataset import Dataset, Images, Split
from edgekit.data.intake import Pictures
from edgekit.errors import DataError, ModelError
from edgekit.inputs.contract import InputContract
from edgekit.quantization.calibrate import RealInputs, calibrate

CONTRACT = InputContract(28, 28, 1)
MODEL = graph_of(
    [make_node("Conv", ["image", "w"], ["features"]), make_node("Relu", ["features"], ["out"])],
    {"image": [1, 1, 28, 28]},
    {"w": noise(3, 1, 5, 5)},
)


class Photos:
    """Images that are made when they are asked for, like a folder of photos."""

    shape = (4000, 28, 28, 1)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: np.ndarray) -> Images:
        return np.stack([np.full((28, 28, 1), index % 256, np.uint8) for index in indices])


def test_extremes_are_those_of_all_images(mnist: Dataset) -> None:
    chosen = np.arange(20)
    histograms = calibrate(MODEL, ["image", "out"], RealInputs(mnist.train, chosen, Pictures(CONTRACT)))
    assert (histograms["image"].low, histograms["image"].high) == (0, 1)
    reals = CONTRACT.real(mnist.train.images[chosen]).transpose(0, 3, 1, 2)
    windows = np.lib.stride_tricks.sliding_window_view(reals, (5, 5), axis=(2, 3))
    features = np.einsum("nchwij,ocij->nohw", windows, noise(3, 1, 5, 5))
    assert histograms["out"].high == pytest.approx(features.max(), rel=1e-5)
    assert histograms["out"].low == 0


def test_inputs_alone_have_histograms_too(mnist: Dataset) -> None:
    found = calibrate(MODEL, ["image"], RealInputs(mnist.train, np.arange(4), Pictures(CONTRACT)))
    assert (found["image"].low, found["image"].high) == (0, 1)


def test_memory_does_not_grow_with_the_number_of_images() -> None:
    peaks = []
    for count in (50, 1000):
        inputs = RealInputs(Split(Photos()), np.arange(count), Pictures(CONTRACT))
        calibrate(MODEL, ["image", "out"], inputs.first(1))
        tracemalloc.start()
        calibrate(MODEL, ["image", "out"], inputs)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] <= peaks[0] * 1.1


def test_without_images_there_is_a_clear_error() -> None:
    with pytest.raises(DataError, match="no calibration images"):
        calibrate(MODEL, ["out"], RealInputs(Split(Photos()), np.arange(0), Pictures(CONTRACT)))


def test_a_model_that_computes_no_numbers_is_named_by_its_tensor(mnist: Dataset) -> None:
    broken = graph_of(
        [make_node("Mul", ["image", "w"], ["big"]), make_node("Mul", ["big", "w"], ["out"])],
        {"image": [1, 1, 28, 28]},
        {"w": np.array([3e38], np.float32)},
    )
    with pytest.raises(ModelError, match="'out'"):
        calibrate(broken, ["big", "out"], RealInputs(mnist.train, np.arange(1), Pictures(CONTRACT)))
