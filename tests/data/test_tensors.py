"""Samples for models of any inputs: arrays by name, from files, folders and programs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.artifact import TensorSpec
from edgekit.data import open_samples
from edgekit.data.dataset import Dataset, Split
from edgekit.data.intake import Tensors, as_input
from edgekit.data.tensors import check_calibration
from edgekit.errors import DataError
from edgekit.inputs.contract import InputContract

MEL = TensorSpec("mel", (1, 4, 6), "float32")
PAIR = (TensorSpec("left", (1, 3, 4, 4), "float32"), TensorSpec("ids", (1, 5), "int64"))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def pair(count: int = 24) -> dict[str, np.ndarray]:
    return {"left": noise(count, 3, 4, 4), "ids": np.arange(count * 5).reshape(count, 5)}


def opened(source: Any, *inputs: TensorSpec) -> Dataset:
    return open_samples(source, inputs or (MEL,), None)


def stored(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def test_an_array_for_each_input_by_name_with_labels(tmp_path: Path) -> None:
    data = opened(stored(tmp_path, **pair(), labels=np.arange(24) % 2), *PAIR)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [18, 2, 4]
    assert data.classes == ("0", "1")
    rows = data.test.images[np.arange(2)]
    assert {name: array.shape for name, array in rows.items()} == {"left": (2, 3, 4, 4), "ids": (2, 5)}


def test_splits_are_those_that_the_names_say(tmp_path: Path) -> None:
    path = stored(
        tmp_path, mel_train=noise(8, 4, 6), mel_test=noise(3, 4, 6), labels_test=[0, 1, 0], labels_train=[1] * 8
    )
    data = opened(path)
    assert (len(data.train), len(data.test)) == (7, 3)
    assert data.test.labels is not None


@pytest.mark.parametrize("labels", [[0, 1, 0], [0.5, 1, 2]])
def test_test_samples_alone_are_for_evaluation(tmp_path: Path, labels: list[float]) -> None:
    data = opened(stored(tmp_path, mel_test=noise(3, 4, 6), labels_test=labels))
    assert [len(split) for split in (data.train, data.validation, data.test)] == [0, 0, 3]


def test_without_classes_some_are_held_out_and_few_serve_as_all(tmp_path: Path) -> None:
    data = opened(stored(tmp_path, mel=noise(24, 4, 6)))
    assert [len(split) for split in (data.train, data.validation, data.test)] == [18, 2, 4]
    few = opened({"mel": noise(3, 4, 6)})
    assert [len(split) for split in (few.train, few.validation, few.test)] == [3, 0, 3]


def test_numbers_that_are_no_classes_are_what_the_outputs_ought_to_be() -> None:
    data = opened({"mel": noise(24, 4, 6), "y": noise(24, 3)})
    assert data.classes == ()
    assert data.test.labels is not None
    assert data.test.labels.shape == (4, 3)


def test_the_only_array_serves_the_only_input_whatever_its_name(tmp_path: Path) -> None:
    assert len(opened(stored(tmp_path, features=noise(24, 4, 6))).train) == 18


def test_a_folder_of_npy_files_holds_inputs_or_samples(tmp_path: Path) -> None:
    inputs, samples = tmp_path / "inputs", tmp_path / "samples"
    for folder in (inputs, samples):
        folder.mkdir()
    for name, array in pair().items():
        np.save(inputs / f"{name}.npy", array)
    assert len(opened(inputs, *PAIR).train) == 18
    for number in range(24):
        np.save(samples / f"{number:02}.npy", noise(4, 6))
    assert len(opened(samples).train) == 18


def test_a_sample_of_a_folder_that_does_not_fit_is_named_with_the_folder(tmp_path: Path) -> None:
    for number, steps in enumerate((6, 6, 7)):
        np.save(tmp_path / f"{number}.npy", noise(4, steps))
    with pytest.raises(DataError, match=rf"{re.escape(str(tmp_path))}: '2\.npy' holds samples of 4x7"):
        opened(tmp_path)


def saved(folder: Path, array: Any) -> str:
    np.save(folder / "spectra_test.npy", array)
    return str(folder / "spectra_test.npy")


def test_an_npy_file_holds_the_samples_of_the_only_input_whatever_its_name(tmp_path: Path) -> None:
    data = opened(saved(tmp_path, noise(24, 4, 6)))
    assert [len(split) for split in (data.train, data.validation, data.test)] == [18, 2, 4]
    with pytest.raises(DataError, match=r"spectra_test\.npy holds 'spectra_test', .* name an array for each input"):
        opened(saved(tmp_path, noise(24, 4, 6)), *PAIR)


@pytest.mark.parametrize("broken", [np.array([None]), np.zeros((24, 5, 5)), np.full((24, 4, 6), np.nan)])
def test_an_npy_file_that_does_not_fit_is_refused_by_name(tmp_path: Path, broken: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"spectra_test\.npy"):
        opened(saved(tmp_path, broken))


def samples() -> Iterator[np.ndarray]:
    return iter(noise(24, 1, 4, 6))


@pytest.mark.parametrize(
    "source",
    [
        samples(),
        samples,
        ([array] for array in samples()),
        ({"mel": array[0]} for array in samples()),
        [(array, 0) for array in samples()],
        (noise(24, 4, 6), np.zeros(24, int)),
        {"train": noise(18, 4, 6), "validation": noise(2, 4, 6), "test": (noise(4, 4, 6), np.zeros(4, int))},
    ],
)
def test_a_program_gives_arrays_iterables_or_what_makes_them(source: Any) -> None:
    data = opened(source)
    assert [len(split) for split in (data.train, data.validation, data.test)] in ([18, 2, 4], [19, 1, 4])
    assert Tensors((MEL,)).feed(data.train.images[:1])[0].shape == (1, 4, 6)


def test_a_factory_gives_what_a_program_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_samples.py").write_text(
        "import numpy as np\ndef mels():\n    for number in range(24):\n        yield np.full((4, 6), number)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert len(opened("own_samples.py:mels").train) == 18


def test_a_model_of_pictures_takes_what_goes_into_its_input_by_that_name(tmp_path: Path) -> None:
    inputs, contract = (TensorSpec("input", (1, 3, 4, 4), "float32"),), InputContract(4, 4, 3)
    given = open_samples(stored(tmp_path, input=noise(24, 3, 4, 4)), inputs, contract)
    assert not given.train.holds_pictures
    pictures = open_samples(stored(tmp_path, images=np.zeros((24, 4, 4, 3), np.uint8)), inputs, contract)
    assert pictures.train.holds_pictures


def test_the_bytes_of_an_npy_file_are_pictures_to_a_model_of_pictures_and_all_else_its_input(tmp_path: Path) -> None:
    inputs, contract = (TensorSpec("input", (1, 3, 4, 4), "float32"),), InputContract(4, 4, 3)
    for array, are_pictures in ((np.zeros((24, 4, 4, 3), np.uint8), True), (np.zeros((24, 4, 4, 3)), False)):
        assert open_samples(saved(tmp_path, array), inputs, contract).train.holds_pictures == are_pictures


@pytest.mark.parametrize(
    ("held", "shape", "wanted"),
    [
        ((2, 49, 10), (1, 1, 49, 10), (2, 1, 49, 10)),
        ((2, 49, 10), (1, 49, 10, 1), (2, 49, 10, 1)),
        ((2, 3, 8, 8), (1, 8, 8, 3), (2, 8, 8, 3)),
        ((2, 8, 8, 3), (1, 3, 8, 8), (2, 3, 8, 8)),
        ((2, 1, 640), (1, 640), (2, 640)),
        ((2, 4000), (-1, 1, 4000), (2, 1, 4000)),
        ((2, 5), (5,), (2, 5)),
        ((2,), (1,), (2,)),
    ],
)
def test_sizes_of_one_may_be_left_out_and_channels_lie_first_or_last(
    held: tuple[int, ...], shape: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    assert as_input(noise(*held), TensorSpec("x", shape, "float32"), "x").shape == wanted


def test_channels_that_move_keep_their_values() -> None:
    array = noise(2, 3, 8, 8)
    moved = as_input(array, TensorSpec("x", (1, 8, 8, 3), "float32"), "x")
    np.testing.assert_array_equal(moved, array.transpose(0, 2, 3, 1))


def test_inputs_of_another_file_are_found_by_name_or_order() -> None:
    rows = {"left": noise(2, 3, 4, 4), "ids": np.ones((2, 5), np.int32)}
    turned = Tensors(PAIR[::-1])
    assert [array.dtype for array in turned.real(rows)] == [np.int64, np.float32]
    renamed = Tensors((TensorSpec("a", (1, 4, 4, 3), "float32"), TensorSpec("b", (1, 5), "int32")))
    assert [array.shape for array in renamed.real(rows)] == [(2, 4, 4, 3), (2, 5)]


def wrong(count: int, *places: int) -> np.ndarray:
    array = noise(count, 4, 6)
    array[places] = np.nan
    return array


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"left": noise(3, 3, 4, 4)}, "but no 'ids'"),
        ({"a": noise(3, 3, 4, 4), "b": noise(3, 5)}, "holds 'a', 'b', and the model takes 'left'"),
        (pair(3) | {"ids": noise(3, 5)}, "'ids' holds float32 and the input 'ids' takes int64"),
        (pair(3) | {"ids": np.ones((3, 7), int)}, "'ids' holds samples of 7, and the input 'ids' takes 5"),
        (pair(3) | {"ids": np.ones((4, 5), int)}, "'left' has 3, 'ids' has 4 samples"),
        (pair(3) | {"ids": np.array(4)}, "'ids' holds no samples"),
        (pair(3) | {"ids": np.array([None] * 3)}, "'ids' .*Python objects"),
        (pair(3) | {"labels": np.arange(3), "classes": np.array("ab")}, "the names of its classes are no list"),
        (pair(3) | {"labels": np.zeros(4, int)}, "'labels' is int64 \\[4\\], not a number or more for each of the 3"),
    ],
)
def test_what_does_not_fit_is_named(arrays: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    for source in (arrays, stored(tmp_path, **arrays)):
        with pytest.raises(DataError, match=sentence):
            opened(source, *PAIR)


def test_an_array_of_objects_in_a_folder_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "mel.npy", np.array([None] * 3), allow_pickle=True)
    with pytest.raises(DataError, match=r"mel\.npy holds Python objects; write an array of numbers"):
        opened(tmp_path)


def test_numbers_that_are_not_finite_are_found_with_their_sample() -> None:
    with pytest.raises(DataError, match="'mel' has a value that is not a finite number in sample 300"):
        opened({"mel": wrong(400, 300, 1, 2)})


@pytest.mark.filterwarnings("error")
def test_numbers_that_float32_does_not_hold_are_found_too() -> None:
    with pytest.raises(DataError, match="'mel' has a value that is too large for float32 in sample 0"):
        opened({"mel": np.full((30, 4, 6), 1e300)})


def test_samples_of_different_shapes_are_refused() -> None:
    with pytest.raises(DataError, match="samples of 'mel' differ in shape"):
        opened(iter([noise(4, 6), noise(4, 7)]))


def test_a_generator_that_fails_is_named_with_its_sample() -> None:
    def broken() -> Iterator[np.ndarray]:
        yield noise(4, 6)
        raise ZeroDivisionError("no sound")

    with pytest.raises(DataError, match=r"sample 1 cannot be had \(ZeroDivisionError: no sound\)"):
        opened(broken)


def test_one_sample_or_samples_that_are_all_the_same_calibrate_nothing() -> None:
    with pytest.raises(DataError, match="one sample of 'mel'"):
        check_calibration(opened({"mel": noise(1, 4, 6)}).train, "data")
    with pytest.raises(DataError, match="all samples of 'mel' are the same"):
        check_calibration(opened({"mel": np.ones((30, 4, 6))}).train, "data")


def test_pictures_that_are_all_the_same_calibrate_nothing_either() -> None:
    pictures = np.full((300, 5, 4, 3), 9, np.uint8)
    with pytest.raises(DataError, match="data: all images are the same; calibrate on what the model will see"):
        check_calibration(Split(pictures), "data")
    pictures[-1] = 8
    check_calibration(Split(pictures), "data")


def test_truth_values_calibrate_as_zeros_and_ones() -> None:
    check_calibration(opened({"mel": noise(30, 4, 6) > 0}).train, "data")


def test_a_file_that_is_no_array_is_not_told_how_to_unpickle_it(tmp_path: Path) -> None:
    (tmp_path / "mel.npy").write_text("not an array")
    with pytest.raises(DataError, match=r"mel\.npy is not a readable array; write it with numpy\.save\.$"):
        opened(str(tmp_path / "mel.npy"))


def test_a_source_without_samples_says_what_is_wanted() -> None:
    with pytest.raises(DataError, match=r"mnist is no data for the input 'mel' \[1, 4, 6\]; give --data"):
        opened("mnist")


def test_splits_of_an_input_are_found_for_a_model_of_pictures_too(tmp_path: Path) -> None:
    path = stored(tmp_path, input_train=noise(20, 1, 4, 4), input_test=noise(4, 1, 4, 4))
    data = open_samples(path, (TensorSpec("input", (1, 1, 4, 4), "float32"),), InputContract(4, 4, 1))
    assert (len(data.train), len(data.test)) == (18, 4)


def test_wrong_names_of_arrays_for_an_image_say_which_input_is_wanted(tmp_path: Path) -> None:
    path, wanted = (
        stored(tmp_path, a=noise(20, 1, 4, 4), b=noise(20, 1, 4, 4)),
        TensorSpec("input", (1, 1, 4, 4), "float32"),
    )
    with pytest.raises(DataError, match=r"holds 'a', 'b', and the model takes 'input' \[1, 1, 4, 4\]; .* 'images'"):
        open_samples(path, (wanted,), InputContract(4, 4, 1))
