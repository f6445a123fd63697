"""A door before several models: the gate learns which one a picture is for, and the service goes through it."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from onnx import ModelProto, helper, save
from PIL import Image
from served import png, running
from small_graphs import graph_of
from text_models import text_files

from edgekit.artifact import Metadata
from edgekit.data.dataset import Dataset
from edgekit.data.reading import STRICT
from edgekit.errors import DataError, ModelError, UnknownNameError, UsageError
from edgekit.evaluation.input_options import InputOptions
from edgekit.files import sha256_bytes
from edgekit.graph.metadata import write_metadata
from edgekit.inputs.contract import InputContract
from edgekit.inputs.door import Choice, Door
from edgekit.routing.examples import Expert, examples
from edgekit.routing.route import RouteOptions, RouteResult, route
from edgekit.service.service import service_app
from edgekit.store.card import read_model
from edgekit.store.commands import StoreOptions
from edgekit.store.export import ExportOptions, export
from edgekit.store.store import Store

STUDENT = Path(__file__).parents[2] / "students" / "mnist-tiny"
GATE = InputContract(32, 32, 3)
COLOURS = ("red", "green", "blue")


def constant(shape: tuple[int, int, int], labels: tuple[str, ...], answer: int) -> ModelProto:
    """A classifier that always gives the same answer."""
    height, width, channels = shape
    scores = np.full(len(labels), -40, np.float32)
    scores[answer] = 40
    weights = {"w": np.zeros((height * width * channels, len(labels)), np.float32), "b": scores}
    nodes = [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("Gemm", ["flat", "w", "b"], ["logits"])]
    model = graph_of(nodes, {"image": (1, channels, height, width)}, weights, outputs=["logits"])
    domain = "digit" if channels == 1 else "photo"
    return write_metadata(model, Metadata(InputContract(height, width, channels, domain=domain), labels))


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of one colour with noise, in three classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 3
    images = rng.integers(0, 90, (240, 20, 20, 3))
    images[np.arange(240), :, :, labels] += 150
    path = tmp_path_factory.mktemp("patches") / "patches.npz"
    np.savez(path, images=images.astype(np.uint8), labels=labels, classes=np.array(COLOURS))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, patches: Path, small_mnist: Path) -> tuple[Path, RouteResult]:
    """A store of four models and a door to three of them, one of which reads texts."""
    folder = tmp_path_factory.mktemp("made")
    models = {
        "colours": constant((20, 20, 3), COLOURS, 2),
        "zeros": constant((28, 28, 1), tuple("0123456789"), 0),
    }
    files = {"digits": STUDENT / "model.int8.tflite", **{name: folder / f"{name}.onnx" for name in models}}
    files["praise"] = text_files(folder)["ort"]
    for name, model in models.items():
        save(model, files[name])
    with Store(folder / "store.db") as opened:
        for name, file in files.items():
            read = read_model(str(file), InputOptions())
            opened.add(name, read.data, read.card)
    experts = (f"digits={small_mnist}", f"colours={patches}", "praise")
    where = StoreOptions(folder / "store.db")
    return where.path, route(RouteOptions("door", experts, epochs=6, out=folder / "gate", where=where))


@pytest.fixture
def store(made: tuple[Path, RouteResult], tmp_path: Path) -> Iterator[Store]:
    """A copy, to be changed."""
    shutil.copyfile(made[0], tmp_path / "store.db")
    with Store(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture
def door(made: tuple[Path, RouteResult]) -> RouteResult:
    return made[1]


def test_a_door_sends_pictures_to_their_expert_and_leaves_strange_ones(
    door: RouteResult, store: Store, patches: Path, mnist: Dataset
) -> None:
    assert [one.expert for one in door.experts] == ["digits", "colours"]
    assert min(one.right for one in door.experts) >= 0.95
    assert store.find("door").card["student"]["labels"] == ["digits", "colours"]
    red = np.load(patches)["images"][0]
    with running(service_app(store, 1 << 30)) as address, httpx.Client(base_url=address) as service:
        digit = service.post("/models/door/predict", content=png(mnist.test.images[0])).json()
        assert (digit["model"], digit["expert"]) == ("door", "digits")
        alone = service.post("/models/digits/predict", content=png(mnist.test.images[0])).json()
        assert digit["guesses"] == alone["guesses"]
        colour = service.post("/models/door/predict", content=_png(red)).json()
        assert (colour["expert"], colour["guesses"][0]["label"]) == ("colours", "blue")
        assert colour["sure"] >= door.threshold

        card = {**store.find("door").card, "route": {"threshold": 1.1}}
        store.add("door", store.read(door.sha256), card)
    with running(service_app(store, 1 << 30)) as address, httpx.Client(base_url=address) as service:
        unsure = service.post("/models/door/predict", content=_png(red)).json()
        assert (unsure["expert"], unsure["guesses"]) == (None, [])


def test_a_door_knows_a_text_by_its_form(door: RouteResult, store: Store) -> None:
    assert "texts go to praise" in str(door)
    with running(service_app(store, 1 << 30)) as address, httpx.Client(base_url=address) as service:
        answer = service.post("/models/door/predict", json={"text": "a charming film"}).json()
    assert (answer["expert"], answer["sure"], answer["guesses"][0]["label"]) == ("praise", 1.0, "good")


def test_an_expert_that_is_gone_is_named(store: Store, mnist: Dataset) -> None:
    store.remove(("digits",))
    with running(service_app(store, 1 << 30)) as address, httpx.Client(base_url=address) as service:
        answer = service.post("/models/door/predict", content=png(mnist.test.images[0]))
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("'door' leads to 'digits', which is no longer in the store; add it")


def test_an_exported_door_is_whole_without_the_store(store: Store, door: RouteResult, tmp_path: Path) -> None:
    export(ExportOptions("door", tmp_path / "files", StoreOptions(store.path)))
    about = json.loads((tmp_path / "files" / "door.json").read_text())
    assert (about["name"], about["threshold"], about["text"]) == ("door", door.threshold, "praise")
    assert list(about["experts"]) == ["digits", "colours", "praise"]
    for name, said in {"door": about["gate"], **about["experts"]}.items():
        data = (tmp_path / "files" / said["file"]).read_bytes()
        assert (sha256_bytes(data), len(data)) == (said["sha256"], said["bytes"])
        described = json.loads((tmp_path / "files" / said["file"]).with_name("model.json").read_text())
        assert (described["name"], described["sha256"]) == (name, said["sha256"])
    # A door that has been changed takes the place of the old one.
    store.remove(("praise",))
    with pytest.raises(ModelError, match="'door' leads to 'praise', which is no longer in the store; add it"):
        export(ExportOptions("door", tmp_path / "files", StoreOptions(store.path)))
    assert (tmp_path / "files" / "experts" / "praise" / "model.onnx").is_file()
    store.add("praise", store.read(door.sha256), store.find("door").card)
    with pytest.raises(ModelError, match="'door' leads to 'praise', which is no classifier now; route anew"):
        export(ExportOptions("door", tmp_path / "files", StoreOptions(store.path)))
    store.add("door", store.read(door.sha256), {**store.find("door").card, "route": {"threshold": 0.5}})
    export(ExportOptions("door", tmp_path / "files", StoreOptions(store.path)))
    assert not (tmp_path / "files" / "experts" / "praise" / "model.onnx").exists()


def test_the_form_of_a_question_comes_before_the_gate() -> None:
    door = Door(0.75, "praise")
    assert door.by_form(True) == Choice("praise", 1.0)
    assert door.by_form(False) is None
    assert Door(0.75).by_form(True) is None
    assert [door.by_gate("digits", sure).expert for sure in (0.7499, 0.75)] == [None, "digits"]


def test_of_experts_that_know_the_same_classes_the_right_and_surest_is_wanted(store: Store, small_mnist: Path) -> None:
    experts = [Expert(store.find(name), str(small_mnist)) for name in ("zeros", "digits")]
    data = examples(experts, store, GATE, STRICT, 200, seed=0)
    # The first half comes as the pictures of "zeros": of those it is right about the digit 0 alone.
    targets = data.test.labels
    assert targets is not None
    assert data.test.images.shape == (400, 32, 32, 3)
    assert np.mean(targets[:200] == 1) > 0.8
    assert (targets[:200] == 0).any()


@pytest.mark.parametrize(
    ("experts", "said"),
    [
        (("digits=",), "'digits=' says no pictures; give MODEL=SRC"),
        (("digits=mnist",), "A door of digits alone leads nowhere else"),
        (("digits=mnist", "digits=x"), "'digits' is named twice"),
        (("digits=mnist", "door=x"), "'door' is behind the door"),
    ],
)
def test_what_is_no_door_is_one_sentence(experts: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        RouteOptions("door", experts)


def test_experts_are_models_of_the_store_with_labelled_pictures(
    store: Store, patches: Path, small_mnist: Path, tmp_path: Path
) -> None:
    where = StoreOptions(store.path)
    with pytest.raises(UnknownNameError, match="did you mean 'digits'"):
        route(RouteOptions("other", (f"digit={small_mnist}", f"colours={patches}"), where=where))
    with pytest.raises(UsageError, match="'door' is a door itself; name the models behind it"):
        route(RouteOptions("other", (f"door={small_mnist}", f"colours={patches}"), where=where))
    np.savez(tmp_path / "unlabelled.npz", images=np.load(patches)["images"])
    with pytest.raises(DataError, match="has no labelled train images, of which a gate learns"):
        route(RouteOptions("other", (f"digits={small_mnist}", f"colours={tmp_path}/unlabelled.npz"), where=where))


def _png(picture: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()
