"""Fine-tuning of a network that knows photos, here a narrow one that was trained on nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgekit import catalog
from edgekit.catalog import Architecture
from edgekit.cli.main import app
from edgekit.errors import ModelError, UsageError
from edgekit.files import sha256_file
from edgekit.inputs.contract import InputContract
from edgekit.tasks.classification import macro_f1
from edgekit.training.recipe_options import RecipeOptions
from edgekit.training.teach import TeachOptions, TeachResult, teach
from edgekit.training.teachers import TeacherOptions, open_teacher
from edgekit.training.tuning.finetune import paces, tune_for
from edgekit.training.weights import load_weights, save_weights
from edgekit.zoo import build

Taught = Callable[[str], TeachResult]
SHAPE, CLASSES = (32, 32, 3), ("blue", "green", "red")
NARROW = Architecture("efficientnet_lite", {"width": 0.1, "depth": 0.1})
CLOCK = ("timing.jsonl",)
CARD = """
summary = "a narrow one"
architecture = {{ name = "efficientnet_lite", width = 0.1, depth = 0.1 }}
input = {{ height = 32, width = 32, channels = 3, mean = [0.5], std = [0.5] }}
classes = []
data = ""
pretrained = {{ package = "numpy", file = "{path}", sha256 = "{sha256}" }}

[recipes.full]
epochs = 3
batch_size = 16
learning_rate = 1e-3
warmup_epochs = 0.5
ema = 0.9
keep = "best"
layer_decay = 0.8
augmentation = {{ resized_crop = 0.5, flip = 0.5, mixup = 0.2 }}
"""


def coloured(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8 [N, 32, 32, 3]: noise with a tinge of each label's colour."""
    images = rng.integers(0, 160, (len(labels), *SHAPE))
    images[np.arange(len(labels)), :, :, 2 - labels] += 30
    return images.astype(np.uint8)


@cache
def born() -> dict[str, torch.Tensor]:
    """Weights of a network of 1,000 classes that has seen colours before."""
    torch.manual_seed(0)
    network, rng, labels = build(NARROW, SHAPE, 1000), np.random.default_rng(1), np.arange(24) % 3
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(60):
        scores = network(torch.from_numpy(coloured(labels, rng)).permute(0, 3, 1, 2) / 127.5 - 1)
        optimizer.zero_grad()
        F.cross_entropy(scores, torch.from_numpy(labels)).backward()
        optimizer.step()
    return network.state_dict()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalog of one teacher, ``narrow``, and its weights."""
    folder = tmp_path_factory.mktemp("places")
    weights = folder / "narrow.pt"
    torch.save(born(), weights)
    card = folder / "_catalog" / "teachers" / "narrow" / "card.toml"
    card.parent.mkdir(parents=True)
    card.write_text(CARD.format(path=weights, sha256=sha256_file(weights)))
    return folder


@pytest.fixture(autouse=True)
def narrow(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "PACKAGE", places)


def colours(folder: Path, train: tuple[int, ...]) -> Path:
    """So many training images of each colour among noise, and ten of each for validation and test."""
    rng, arrays = np.random.default_rng(0), {}
    for part, counts in (("train", train), ("val", (10,) * 3), ("test", (10,) * 3)):
        labels = np.repeat(np.arange(3), counts)
        arrays |= {f"x_{part}": coloured(labels, rng), f"y_{part}": labels}
    np.savez_compressed(folder / "colours.npz", classes=np.array(CLASSES), **arrays)
    return folder / "colours.npz"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return colours(tmp_path_factory.mktemp("data"), (30, 30, 30))


@pytest.fixture(scope="module")
def taught(data: Path, places: Path, tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """A run for each way of tuning, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("runs")

    @cache
    def result(tune: str) -> TeachResult:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(catalog, "PACKAGE", places)
            patch.setenv("EDGEKIT_CACHE", str(folder / "cache"))
            return teach(TeachOptions("narrow", str(data), tune, out=folder / tune))

    return result


def weights(result: TeachResult) -> dict[str, torch.Tensor]:
    return load_weights(build(NARROW, SHAPE, 3), result.weights).state_dict()


@pytest.mark.parametrize("tune", ["head", "lora", "full"])
def test_a_run_folder_holds_the_network_its_figures_and_its_file(taught: Taught, tune: str) -> None:
    result = taught(tune)
    record = json.loads((result.model.parent / "teach.json").read_text())
    assert record["tune"] == tune
    assert record["sha256"] == sha256_file(result.weights)
    assert np.sum(record["test"]["confusion"]) == 30
    assert record["test_f1"] == pytest.approx(macro_f1(record["test"]["confusion"]))
    assert result.validation_accuracy > 0.8
    session = onnxruntime.InferenceSession(result.model)
    teacher = open_teacher(TeacherOptions(str(result.model.parent)), InputContract(*SHAPE))
    assert teacher.labels == CLASSES
    image = np.random.default_rng(3).integers(0, 256, (1, *SHAPE), dtype=np.uint8)
    real = np.ascontiguousarray(teacher.contract.real(image).transpose(0, 3, 1, 2))
    np.testing.assert_allclose(teacher.answer(image), session.run(None, {"image": real})[0], rtol=1e-3, atol=1e-3)


def test_the_head_leaves_the_backbone_as_it_is(taught: Taught) -> None:
    before, after = born(), weights(taught("head"))
    assert all(torch.equal(value, before[name]) for name, value in after.items() if name.startswith("features"))
    assert taught("head").epochs == ()


def test_lora_changes_what_mixes_channels_and_full_every_weight(data: Path, tmp_path: Path) -> None:
    before = born()
    network = build(NARROW, SHAPE, 3)
    mixing = {
        f"{name}.weight"
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d) and layer.groups == 1
    }
    learned = {name for name, _ in network.features.named_parameters(prefix="features")}
    long = RecipeOptions(epochs=8, learning_rate=3e-3)  # so that it is a gain over the head, whatever the processor
    for tune, expected in (("lora", mixing), ("full", learned)):
        after = weights(teach(TeachOptions("narrow", str(data), tune, out=tmp_path / tune, recipe=long)))
        changed = {name for name in after if name.startswith("features") and not torch.equal(after[name], before[name])}
        assert changed == expected


def test_features_are_computed_once_for_all_ways_of_tuning(taught: Taught) -> None:
    runs = [taught(tune).model.parent.parent for tune in ("head", "full")]
    assert len(list((runs[0] / "cache" / "features").iterdir())) == 1


def test_each_layer_learns_more_slowly_than_the_one_above() -> None:
    network = build(NARROW, SHAPE, 3)
    found = paces(network, network, 0.5)
    assert found["head.weight"] == found["head.bias"] == 1
    layers = dict.fromkeys(name.split(".")[1] for name in found if name.startswith("features"))
    shares = [{share for name, share in found.items() if name.startswith(f"features.{layer}.")} for layer in layers]
    assert shares == [{0.5**depth} for depth in range(len(layers), 0, -1)]


def test_each_block_of_a_hubs_network_is_a_layer() -> None:
    class Named(nn.Module):
        def __init__(self, **parts: nn.Module) -> None:
            super().__init__()
            for name, part in parts.items():
                self.add_module(name, part)

    def block() -> nn.Module:
        return Named(attention=nn.Linear(2, 2), dense=nn.Linear(2, 2))

    for blocks in (nn.ModuleList, nn.Sequential):
        many = blocks([block() for _ in range(3)]) if blocks is nn.ModuleList else blocks(*(block() for _ in range(3)))
        vit = Named(embeddings=nn.Linear(2, 2), encoder=Named(layer=many), norm=nn.LayerNorm(2))
        network = Named(features=Named(model=Named(vit=vit)), head=nn.Linear(2, 2))
        found = [share for name, share in paces(network, network, 0.5).items() if name.endswith("weight")]
        assert found == [0.5**5, *(0.5**depth for depth in (4, 4, 3, 3, 2, 2)), 0.5, 1]


def test_where_training_on_is_no_gain_the_head_is_kept(data: Path, tmp_path: Path, taught: Taught) -> None:
    wild = RecipeOptions(learning_rate=30.0, epochs=1)
    result = teach(TeachOptions("narrow", str(data), "full", out=tmp_path, recipe=wild))
    assert result.validation_accuracy == taught("head").validation_accuracy
    assert sha256_file(result.weights) == sha256_file(taught("head").weights)


def test_the_way_of_tuning_follows_from_the_number_of_photos_and_is_said(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [tune_for(photos) for photos in (90, 300, 3000)] == ["head", "lora", "full"]
    app(["teach", "narrow", "--data", str(data), "--out", str(tmp_path)], standalone_mode=False)
    assert "--tune head, since there are 90 training images" in capsys.readouterr().err
    assert "narrow on" in (tmp_path / "report.html").read_text()


def test_classes_of_very_different_size_are_weighed_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uneven = colours(tmp_path, (300, 300, 10))
    result = teach(TeachOptions("narrow", str(uneven), "head", out=tmp_path))
    assert "classes are weighed" in capsys.readouterr().err
    assert (result.test.per_class[2] or 0) > 0.5


def contents(folder: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in sorted(folder.iterdir()) if path.name not in CLOCK}


@pytest.mark.parametrize("tune", ["full", "lora"])
def test_a_fine_tuning_killed_at_any_moment_resumes_to_the_same_files(
    taught: Taught, data: Path, places: Path, tmp_path: Path, tune: str
) -> None:
    killed = tmp_path / "killed"
    program = (
        f"from pathlib import Path; from edgekit import catalog; catalog.PACKAGE = Path({str(places)!r})\n"
        "from edgekit.training.teach import TeachOptions, teach\n"
        f"teach(TeachOptions('narrow', {str(data)!r}, {tune!r}, out=Path({str(killed)!r})))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ
    )
    while not (killed / "checkpoint.pt").exists():
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    teach(TeachOptions("narrow", str(data), tune, out=killed, resume=True))
    assert contents(killed) == contents(taught(tune).model.parent)
    with pytest.raises(UsageError, match="another tune"):
        teach(TeachOptions("narrow", str(data), "full" if tune == "lora" else "lora", out=killed, resume=True))


def test_options_of_fine_tuning_are_refused_for_a_network_from_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(UsageError, match="trained from scratch, at one size; leave out --tune"):
        teach(TeachOptions("mnist-cnn", tune="head"))


def test_photos_must_be_named() -> None:
    with pytest.raises(UsageError, match="name a source with --data"):
        teach(TeachOptions("narrow"))


def test_weights_that_do_not_fit_are_refused(data: Path, tmp_path: Path, taught: Taught) -> None:
    other = save_weights(build("resnet8", SHAPE, 3), tmp_path / "other.safetensors")
    with pytest.raises(
        ModelError, match=r"other\.safetensors does not fit the network EfficientnetLite: it lacks '.*' and \d+ more"
    ):
        teach(TeachOptions("narrow", str(data), "head", out=tmp_path, init=other))


@pytest.mark.parametrize("damage", ["[]", "{}", "{", '{"contract": 3}'])
def test_a_damaged_record_of_a_run_is_named(tmp_path: Path, damage: str) -> None:
    (tmp_path / "teach.json").write_text(damage)
    with pytest.raises(ModelError, match=r"teach\.json is not what 'edgekit teach' writes"):
        open_teacher(TeacherOptions(str(tmp_path)), InputContract(*SHAPE))


def test_macro_f1_counts_each_class_alike() -> None:
    assert macro_f1([[8, 2], [0, 10]]) == pytest.approx((16 / 18 + 20 / 22) / 2)
    assert macro_f1([[5, 0, 0], [0, 5, 0], [0, 0, 0]]) == 1
    assert macro_f1([[0, 0], [0, 0]]) == 0
