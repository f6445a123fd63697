"""What evaluate and quantize measure on pictures is what predict, and every app, computes from them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.artifact import Metadata
from edgekit.catalog import resolve_models
from edgekit.data import open_data
from edgekit.data.dataset import Dataset
from edgekit.data.files import prepare
from edgekit.errors import DataError
from edgekit.evaluation.evaluate import EvaluateOptions, evaluate
from edgekit.evaluation.predict import PredictOptions, predict
from edgekit.inputs.contract import InputContract
from edgekit.modelfiles.contents import read_contents

DIGITS = InputContract(28, 28, 1, domain="digit")
COUNT = 64


def on_paper(digit: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """A digit uint8 [28, 28] as dark ink somewhere on grey or white paper."""
    side = int(rng.integers(40, 120))
    height, width = (int(side * rng.uniform(1.3, 2)) for _ in range(2))
    top, left = (int(rng.integers(0, size - side + 1)) for size in (height, width))
    ink = np.zeros((height, width))
    large = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    ink[top : top + side, left : left + side] = np.asarray(large) / 255
    paper, pen = rng.uniform(170, 255), rng.uniform(0, 60)
    pixels = paper + (pen - paper) * ink + rng.normal(0, 3, ink.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert("RGB")


@pytest.fixture(scope="module")
def papers(mnist: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 test digits and 30 training digits, in class folders."""
    folder = tmp_path_factory.mktemp("papers")
    rng = np.random.default_rng(5)
    for name, split, count in (("train", mnist.train, 30), ("test", mnist.test, COUNT)):
        assert split.labels is not None
        for index in range(count):
            path = folder / name / str(split.labels[index]) / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            on_paper(split.images[index, :, :, 0], rng).save(path)
    return folder


def test_evaluate_gives_every_picture_the_answer_of_predict(papers: Path) -> None:
    paths = sorted((papers / "test").rglob("*.png"))
    for path in resolve_models("mnist-tiny")[:1]:
        answers = predict(PredictOptions(str(path), paths, top=1)).predictions
        confusion = np.zeros((10, 10), int)
        for picture, answer in zip(paths, answers, strict=True):
            confusion[int(picture.parent.name), int(answer.guesses[0].label)] += 1
        (evaluation,) = evaluate(EvaluateOptions((str(path),), str(papers))).evaluations
        assert np.array_equal(evaluation.figures.confusion, confusion)
        assert evaluation.figures.correct >= COUNT - 3


@pytest.mark.parametrize("contract", [DIGITS, InputContract(20, 24, 3)], ids=["digits", "photos"])
def test_the_pixels_of_a_folder_are_those_that_predict_makes(papers: Path, contract: InputContract) -> None:
    data = open_data(str(papers), contract)
    paths = [path for label in data.classes for path in sorted((papers / "test" / label).iterdir())]
    assert np.array_equal(data.test.images[:], [prepare(path, contract) for path in paths])


def test_the_pixels_of_a_table_are_those_that_predict_makes(papers: Path, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    paths = sorted((papers / "train").rglob("*.png"))
    table = {"image": [path.read_bytes() for path in paths], "label": [int(path.parent.name) for path in paths]}
    parquet.write_table(pyarrow.table(table), tmp_path / "train.parquet")
    parquet.write_table(pyarrow.table(table), tmp_path / "test.parquet")
    test = open_data(str(tmp_path), DIGITS).test
    assert np.array_equal(test.images[:], [prepare(path, DIGITS) for path in paths])


def test_the_model_s_file_says_that_it_reads_digits() -> None:
    metadata: Metadata = read_contents(resolve_models("mnist-tiny")[0]).metadata("mnist-tiny")
    assert metadata.contract is not None
    assert metadata.contract.plain == DIGITS


def test_the_picture_that_shows_no_digit_is_named(papers: Path, tmp_path: Path) -> None:
    for path in papers.rglob("*.png"):
        target = tmp_path / path.relative_to(papers)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    stream = io.BytesIO()
    Image.new("L", (60, 50), 180).save(stream, "PNG")
    (tmp_path / "test" / "4" / "blank.png").write_bytes(stream.getvalue())
    with pytest.raises(DataError, match=r"test/4/blank\.png: no digit stands out of its background"):
        evaluate(EvaluateOptions(("mnist-tiny",), str(tmp_path)))


def test_images_in_the_form_of_mnist_are_measured_as_they_are(mnist: Dataset, tmp_path: Path) -> None:
    assert mnist.test.labels is not None
    for index in range(COUNT):
        for split in ("train", "test"):
            path = tmp_path / split / str(mnist.test.labels[index]) / f"{index:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mnist.test.images[index, :, :, 0]).save(path)
    order = np.argsort(mnist.test.labels[:COUNT], kind="stable")
    assert np.array_equal(open_data(str(tmp_path), DIGITS).test.images[:], mnist.test.images[order])
