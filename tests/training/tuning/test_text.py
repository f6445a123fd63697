"""Fine-tuning of a network that knows sentences, here a small BERT that was trained on nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from edgekit import catalog
from edgekit.catalog import Architecture
from edgekit.errors import ModelError
from edgekit.files import sha256_file
from edgekit.inputs.text import TextContract
from edgekit.inputs.tokens.wordpiece import WordPiece
from edgekit.report.teaching import render_teaching
from edgekit.training import loop
from edgekit.training.distill import DistillOptions, distill
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.teach import TeachOptions, TeachResult, teach
from edgekit.training.teachers import TeacherOptions, open_teacher
from edgekit.training.tuning.pretrained import pretrained_network, teacher_card
from edgekit.zoo import build

Taught = Callable[[str], TeachResult]
CLASSES = ("bad", "good")
WORDS = ("film", "plot", "actor", "scene", "very", "awful", "dull", "fine", "lovely", "##s", "##er")
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS)
SMALL = Architecture("bert", {"width": 32, "layers": 1, "heads": 2, "hidden": 64, "positions": 16})
CARD = """
summary = "a small one"
architecture = {{ name = "bert", width = 32, layers = 1, heads = 2, hidden = 64, positions = 16 }}
classes = []
data = ""

[input]
length = 16
tokenizer = {{ name = "wordpiece", package = "numpy", file = "{folder}/vocab.txt", sha256 = "{vocabulary}" }}

[pretrained]
package = "numpy"
file = "{folder}/model.safetensors"
sha256 = "{weights}"

[recipes.full]
epochs = 4
batch_size = 8
learning_rate = 3e-3
warmup_epochs = 0.5
schedule = "linear"
keep = "best"
layer_decay = 0.9

[recipes.lora]
epochs = 5
batch_size = 8
learning_rate = 1e-2
"""


def sentences(count: int, seed: int) -> tuple[list[str], list[int]]:
    """Of up to eight words, one of which tells the class."""
    rng = np.random.default_rng(seed)
    labels = [int(label) for label in rng.integers(0, 2, count)]
    texts = []
    for label in labels:
        words = [str(word) for word in rng.choice(["films", "plot", "actor", "scenes", "very"], rng.integers(1, 8))]
        words.insert(int(rng.integers(len(words))), str(rng.choice((["awful", "dull"], ["fine", "lovely"])[label])))
        texts.append(" ".join(words))
    return texts, labels


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalog of one teacher, ``small``, its weights and its vocabulary."""
    folder = tmp_path_factory.mktemp("places")
    torch.manual_seed(0)
    network = build(SMALL, (16, 1, len(VOCABULARY)), 2)
    features = network.get_submodule("features").state_dict()
    save_file({network.published(name): value for name, value in features.items()}, folder / "model.safetensors")  # type: ignore[operator]
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    card = folder / "_catalog" / "teachers" / "small" / "card.toml"
    card.parent.mkdir(parents=True)
    sums = {"vocabulary": sha256_file(folder / "vocab.txt"), "weights": sha256_file(folder / "model.safetensors")}
    card.write_text(CARD.format(folder=folder, **sums))
    return folder


@pytest.fixture(autouse=True)
def small(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "PACKAGE", places)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for seed, (part, count) in enumerate({"train": 64, "validation": 24, "test": 24}.items()):
        rows = zip(*sentences(count, seed), strict=True)
        lines = (json.dumps({"text": text, "label": CLASSES[label]}) for text, label in rows)
        (folder / f"{part}.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def taught(data: Path, places: Path, tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """A run for each way of tuning, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("runs")

    @cache
    def result(tune: str) -> TeachResult:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(catalog, "PACKAGE", places)
            patch.setenv("EDGEKIT_CACHE", str(folder / "cache"))
            return teach(TeachOptions("small", str(data), tune, out=folder / tune))

    return result


@pytest.mark.parametrize("tune", ["head", "lora", "full"])
def test_a_run_folder_holds_the_network_its_figures_and_its_file(taught: Taught, tune: str) -> None:
    result = taught(tune)
    assert (result.tune, result.kind, result.photos) == (tune, "texts", 64)
    assert len(result.epochs) == {"head": 0, "lora": 5, "full": 4}[tune]  # by the recipe of that name
    assert result.validation_accuracy > 0.8
    teacher = open_teacher(TeacherOptions(str(result.model.parent)), (16, 1, len(VOCABULARY)))
    assert teacher.labels == CLASSES
    assert teacher.contract == TextContract(16, WordPiece(VOCABULARY))
    session = onnxruntime.InferenceSession(result.model)
    texts = np.array(["a lovely film", "very very dull scenes"], object)
    for text, answer in zip(texts, teacher.answer(texts), strict=True):
        (logits,) = session.run(None, {session.get_inputs()[0].name: teacher.contract.real([text])})
        np.testing.assert_allclose(answer, logits[0], rtol=1e-3, atol=1e-3)


def test_the_page_shows_the_sentences_that_were_taken_for_something_else(taught: Taught) -> None:
    result = taught("head")
    page = render_teaching(result)
    assert "64 texts" in page
    assert all(str(text) in page for text in result.shown)


def test_a_training_cut_off_ends_with_the_same_files(
    taught: Taught, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TeachOptions("small", str(data), "full", out=tmp_path, resume=True)
    with monkeypatch.context() as patch:
        stored = loop._store

        def cut_off(*given: object) -> None:
            stored(*given)  # type: ignore[arg-type]
            raise KeyboardInterrupt

        patch.setattr(loop, "_store", cut_off)
        with pytest.raises(KeyboardInterrupt):
            teach(options)
    result = teach(options)
    for name in ("model.onnx", "weights.safetensors", "metrics.jsonl", "teach.json"):
        assert (tmp_path / name).read_bytes() == (taught("full").model.parent / name).read_bytes()
    assert result.validation_accuracy == taught("full").validation_accuracy


def test_it_teaches_a_student_that_cuts_sentences_otherwise(taught: Taught, data: Path, tmp_path: Path) -> None:
    class Bag(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = nn.Embedding(256, 8), nn.Linear(8, 2)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.head(self.table(ids).mean(1))
            return logits

    from edgekit.inputs.tokens.ngrams import Ngrams

    torch.manual_seed(0)
    recipe = DistillRecipeOptions(epochs=12, batch_size=8, learning_rate=3e-2)
    contract = TextContract(32, Ngrams(256))
    result = distill(
        DistillOptions(
            Bag(), str(taught("full").model.parent), data=str(data), out=tmp_path, recipe=recipe, contract=contract
        )
    )
    assert result.teacher_test_accuracy == taught("full").test_accuracy
    assert result.test_accuracy > 0.7


def test_a_card_is_read_without_its_vocabulary_which_is_then_missed(places: Path) -> None:
    path = catalog.catalog_folder("teachers") / "small" / "card.toml"
    whole = path.read_text()
    try:
        path.write_text(whole.replace("numpy", "no-such-package"))
        card = teacher_card("small")
        assert card.contract.size == "16 ids"
        with pytest.raises(ModelError, match=r"not installed; run: pip install --no-deps no-such-package$"):
            card.contract.real(["a film"])
    finally:
        path.write_text(whole)


def test_minilm_sees_what_that_of_its_authors_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of the means of what transformers makes of each piece, by the package's own tokenizer."""
    monkeypatch.undo()
    card = teacher_card("minilm")
    assert card.pretrained is not None
    try:
        metadata.distribution(card.pretrained.package)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{card.pretrained.package} is not installed")
    texts = np.array(["A gorgeous, witty, seductive movie.", "nothing about it fits"], object)
    with torch.inference_mode():
        network = pretrained_network(card, 2).get_submodule("features")
        seen = network(torch.from_numpy(card.contract.real(texts)))
    known = torch.tensor(
        [[-0.5939287, -0.2342722, -0.1894206, 0.1273014], [-0.0844851, 0.4892136, 0.0002919, -0.0819189]]
    )
    torch.testing.assert_close(seen[:, :4], known, atol=1e-4, rtol=0)
