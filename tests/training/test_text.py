from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import edgekit
from edgekit.catalog import Architecture
from edgekit.cli.main import app
from edgekit.data.dataset import Split
from edgekit.errors import ModelError, UsageError
from edgekit.evaluation.compare import CompareOptions, Comparison, compare
from edgekit.evaluation.evaluate import EvaluateOptions, evaluate
from edgekit.evaluation.predict import PredictOptions, predict
from edgekit.graph.metadata import read_metadata, write_metadata
from edgekit.inputs.contract import InputContract
from edgekit.inputs.text import TextContract
from edgekit.inputs.tokens.ngrams import Ngrams
from edgekit.modelfiles.contents import read_contents
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.quantize import quantize
from edgekit.recipe import Augmentation, TrainRecipe
from edgekit.training.distill import DistillOptions, distill
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.views import view_of
from edgekit.zoo import build

GOOD, BAD, FILLER = (
    ("lovely", "great", "fine"),
    ("dull", "awful", "boring"),
    ("film", "plot", "actor", "scene", "it", "a"),
)
TEXT = TextContract(32, Ngrams(256, per_word=4))
RECIPE = TrainRecipe(epochs=6, batch_size=32, learning_rate=2e-2, temperature=2.0, augmentation=Augmentation(drop=0.1))


def texts(count: int, seed: int) -> tuple[list[str], list[int]]:
    """Sentences of which one word alone says what they are."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    found = []
    for label in labels:
        words = [*rng.choice(FILLER, rng.integers(2, 6)), rng.choice(GOOD if label else BAD)]
        found.append(" ".join(rng.permutation(words)))
    return found, labels.tolist()


DATA = {"train": texts(512, 0), "validation": texts(64, 1), "test": texts(128, 2)}


class Knows(nn.Module):
    """A teacher that looks for the words themselves."""

    def __init__(self) -> None:
        super().__init__()
        ids = [TextContract(4, TEXT.tokenizer).real([word])[:, 0] for word in (*GOOD, *BAD)]
        self.weight = nn.Parameter(torch.zeros(TEXT.tokenizer.size))
        self.weight.data[np.concatenate(ids)] = torch.tensor([4.0] * 3 + [-4.0] * 3)

    def forward(self, ids: Tensor) -> Tensor:
        found = self.weight[ids[:, ::4]].sum(1, keepdim=True)
        return torch.cat([-found, found], 1)


@pytest.fixture(scope="module", params=["ngram_bag", "ngram_conv"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    student = build(Architecture(request.param, {"width": 8}), TEXT.shape, 2)
    folder = tmp_path_factory.mktemp(request.param)
    options = DistillRecipeOptions(RECIPE)
    result = distill(DistillOptions(student, Knows(), data=DATA, out=folder, recipe=options, contract=TEXT))
    assert result.teacher_test_accuracy == 1
    assert result.test_accuracy > 0.95
    quantize(QuantizeOptions(str(folder), DATA, folder, int8=True, calibration=64))
    return folder


def test_files_agree_on_every_runtime(run: Path) -> None:
    models = ("model.onnx", "model.int8.onnx", "model.int8.tflite", "model.int8.tflite@tflm")
    found = evaluate(EvaluateOptions(tuple(f"{run}/{name}" for name in models), DATA))
    assert min(one.figures.accuracy for one in found.evaluations) > 0.95
    assert found.kind == "texts"
    same = compare(CompareOptions(f"{run}/model.onnx", f"{run}/model.int8.tflite", DATA))
    assert isinstance(same, Comparison)
    assert same.agreement > 0.98


def test_the_table_is_stored_in_bytes_and_read_as_it_is(run: Path) -> None:
    contents = read_contents(run / "model.int8.tflite")
    assert contents.operators["GATHER"] == 1
    assert not {"FLOOR_MOD", "DEQUANTIZE", "QUANTIZE", "TRANSPOSE", "CAST"} & set(contents.operators)
    assert contents.constants["int8"] > contents.constants.get("float32", 0) * 100
    assert (run / "model.int8.tflite").stat().st_size < (run / "model.onnx").stat().st_size / 2


def test_a_sentence_and_a_file_are_predicted(run: Path, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("a dull plot")
    said = ("a lovely film", str(tmp_path / "one.txt"))
    assert predict(PredictOptions(str(run / "model.int8.tflite"), said)).labels == ("1", "0")
    with edgekit.open(run) as model:
        assert model.predict(["awful acting", "great acting"]).labels == ("0", "1")
        assert model.contract == TEXT
    answer = CliRunner().invoke(app, ["predict", str(run), "awful acting"])
    assert (answer.exit_code, "awful acting" in answer.output) == (0, True)
    refused = CliRunner().invoke(app, ["predict", str(run), "  "])
    assert "The text is empty; write a sentence." in str(refused.exception)
    missing = CliRunner().invoke(app, ["predict", str(run), "two.txt"])
    assert "two.txt" in str(missing.exception)


def test_an_onnx_file_of_text_teaches(run: Path, tmp_path: Path) -> None:
    student = build(Architecture("ngram_bag", {"width": 8}), TEXT.shape, 2)
    options = DistillRecipeOptions(RECIPE, epochs=1)
    teacher = str(run / "model.onnx")
    result = distill(DistillOptions(student, teacher, data=DATA, out=tmp_path, recipe=options, contract=TEXT))
    assert result.teacher_test_accuracy > 0.95


def test_a_teacher_of_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="The teacher mnist-cnn takes image and the student text"):
        distill(DistillOptions(build("ngram_bag", TEXT.shape, 2), "mnist-cnn", data=DATA, out=tmp_path, contract=TEXT))


def test_views_are_functions_of_their_numbers_and_keep_a_word() -> None:
    split = Split(np.array(DATA["train"][0], object), np.array(DATA["train"][1]))
    strong = Augmentation(drop=0.9, swap=0.5, phrase=0.5)
    rows = np.arange(len(split))
    first = view_of(split, strong, 0, 0).images(rows)
    assert (view_of(split, strong, 0, 0).images(rows[::-1])[::-1] == first).all()
    assert (view_of(split, strong, 0, 1).images(rows) != first).any()
    for old, new in zip(split.images[:], first, strict=True):
        assert new.split()
        assert not set(new.split()) - set(old.split())
    assert (view_of(split, Augmentation(), 0, 0).images(rows) == split.images[:]).all()


def test_what_is_spliced_comes_from_another_text() -> None:
    split = Split(np.array(["a b c d", "1 2 3 4"], object))
    views = [view_of(split, Augmentation(splice=1.0), 0, number) for number in range(20)]
    found = [set(text) for view in views for text in view.images(np.arange(2))]
    assert any(letters & set("abcd") and letters & set("1234") for letters in found)


def test_an_augmentation_of_the_other_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="augmentation: flip says nothing of texts"):
        view_of(Split(np.array(["a"], object)), Augmentation(flip=0.5), 0, 0)
    with pytest.raises(UsageError, match="augmentation: drop says nothing of images"):
        view_of(Split(InputContract(4, 4, 1).blank), Augmentation(drop=0.5), 0, 0)


def test_a_file_whose_description_does_not_fit_its_ids_is_refused(run: Path, tmp_path: Path) -> None:
    model = onnx.load(run / "model.onnx")
    described = replace(read_metadata(model, "model.onnx"), contract=TextContract(64, TEXT.tokenizer))
    (tmp_path / "other.onnx").write_bytes(write_metadata(model, described).SerializeToString())
    with pytest.raises(ModelError, match=r"takes \[1, 32\], which is not the text of 64 ids that its contract says\.$"):
        predict(PredictOptions(str(tmp_path / "other.onnx"), ("fine",)))
