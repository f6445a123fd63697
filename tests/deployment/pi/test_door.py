"""A door on a board: one app of a gate and the models behind it, which answers as the service does."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from pi_app import app, lines, running
from PIL import Image
from small_graphs import graph_of
from starlette.testclient import TestClient
from text_models import text_files

from edgekit.artifact import Metadata
from edgekit.deployment.deploy import DeployOptions, deploy
from edgekit.deployment.pi.files.classify.door import Door
from edgekit.errors import ModelError, UsageError
from edgekit.evaluation.input_options import InputOptions
from edgekit.graph.metadata import write_metadata
from edgekit.inputs.contract import InputContract
from edgekit.service.service import service_app
from edgekit.store.card import read_model
from edgekit.store.commands import StoreOptions
from edgekit.store.export import ExportOptions, export
from edgekit.store.store import Store

SIZE = 8


def reds(labels: tuple[str, str]) -> onnx.ModelProto:
    """A classifier by the mean of red - green: grey is the first class, red the second, between them it is unsure."""
    weights = np.zeros((3 * SIZE * SIZE, 2), np.float32)
    weights[: SIZE * SIZE, 1], weights[SIZE * SIZE : 2 * SIZE * SIZE, 1] = 20 / SIZE**2, -20 / SIZE**2
    constants = {"w": weights, "b": np.array([0, -8], np.float32)}
    nodes = [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("Gemm", ["flat", "w", "b"], ["logits"])]
    model = graph_of(nodes, {"image": (1, 3, SIZE, SIZE)}, constants, outputs=["logits"])
    return write_metadata(model, Metadata(InputContract(SIZE, SIZE, 3), labels))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, tflite: Path) -> Path:
    """A door to digits, colours and praise, as it is exported."""
    folder = tmp_path_factory.mktemp("door")
    models = {"digits": tflite, "praise": text_files(folder)["litert"]}
    for name, labels in {"gate": ("digits", "colours"), "colours": ("grey", "red")}.items():
        models[name] = folder / f"{name}.onnx"
        onnx.save(reds(labels), models[name])
    with Store(folder / "store.db") as store:
        for name, path in models.items():
            read = read_model(str(path), InputOptions())
            route = {"route": {"threshold": 0.9, "text": "praise"}} if name == "gate" else {}
            store.add("door" if route else name, read.data, {**read.card, **route})
    export(ExportOptions("door", folder / "files", StoreOptions(folder / "store.db")))
    return folder / "files"


@pytest.fixture(scope="module")
def door(files: Path) -> Path:
    """Its bundle; not to be changed."""
    deploy(DeployOptions(str(files), "pi", files.parent / "app"))
    return files.parent / "app"


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("patches")
    colours = {"red": (230, 10, 10), "pink": (160, 58, 60)}
    for name, colour in colours.items():
        Image.new("RGB", (20, 20), colour).save(folder / f"{name}.png")
    return {name: folder / f"{name}.png" for name in colours}


def test_each_question_is_answered_by_the_model_that_it_is_for(
    door: Path, digits: list[Path], patches: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "review.txt").write_text("a dull film")
    words = (digits[0], patches["red"], "a charming film", tmp_path / "review.txt", patches["pink"])
    done = app(door, "predict", "--json", "--scores", *words)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    answers = lines(done.stdout)
    assert [answer["expert"] for answer in answers] == ["digits", "colours", "praise", "praise", None]
    assert [answer["guesses"][0]["label"] for answer in answers[:4]] == ["7", "red", "good", "bad"]
    assert (answers[4]["guesses"], answers[4]["scores"]) == ([], [])
    assert answers[4]["sure"] < 0.9 <= answers[0]["sure"]
    assert [len(answer["scores"]) for answer in answers[:4]] == [10, 2, 2, 2]
    assert ["text" in answer for answer in answers] == [False, False, True, True, False]
    assert app(door, "predict", patches["pink"]).stdout.endswith("pink.png: none is sure: \n")
    assert "none.png: No such file" in app(door, "predict", tmp_path / "none.png").stderr


def test_the_service_answers_the_same(door: Path, files: Path, digits: list[Path], patches: dict[str, Path]) -> None:
    pictures = [*digits[:2], *patches.values()]
    answers = lines(app(door, "predict", "--json", *pictures, "a dull film").stdout)
    with (
        Store(files.parent / "store.db") as store,
        TestClient(service_app(store, 1 << 30), "http://localhost") as client,
    ):
        asked = [*({"content": path.read_bytes()} for path in pictures), {"json": {"text": "a dull film"}}]
        served = [client.post("/models/door/predict", **body).json() for body in asked]  # type: ignore[arg-type]
    said = ("expert", "sure", "guesses")
    assert [[answer[key] for key in said] for answer in answers] == [[answer[key] for key in said] for answer in served]


def test_the_bundle_has_what_its_models_need_once(door: Path, files: Path) -> None:
    assert (door / "door.json").read_bytes() == (files / "door.json").read_bytes()
    needs = (door / "requirements.txt").read_text()
    assert all(needs.count(package) == 1 for package in ("numpy", "pillow", "ai-edge-litert", "onnxruntime"))
    assert not (door / "requirements-32bit.txt").exists()
    readme = (door / "README.md").read_text()
    assert "$" not in readme
    assert "Classifies pictures and texts" in readme
    assert "chooses who answers: digits, colours, praise" in readme
    assert (door / "experts" / "digits" / "operators.json").is_file()


def test_models_are_opened_when_asked_and_the_longest_unused_closed_for_room(
    door: Path, digits: list[Path], patches: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # restored afterwards
    sizes = {name: said["bytes"] for name, said in json.loads((door / "door.json").read_text())["experts"].items()}
    opened = Door(door, threads=1, most=sizes["digits"] + sizes["colours"])
    assert list(opened.experts.open) == []
    for path in (digits[0], patches["red"], digits[1]):
        opened.named(str(path)).answer(path.read_bytes(), "")
    assert list(opened.experts.open) == ["colours", "digits"]
    assert opened.named("a charming film").answer(b"a charming film", "")["expert"] == "praise"
    assert list(opened.experts.open) == ["praise"]  # it is larger than both


def test_an_expert_that_answers_differently_here_is_named(door: Path, tmp_path: Path, digits: list[Path]) -> None:
    odd = Path(shutil.copytree(door, tmp_path / "odd"))
    described = odd / "experts" / "digits" / "model.json"
    about = json.loads(described.read_text())
    about["golden"]["output"] = [-value for value in about["golden"]["output"]]
    described.write_text(json.dumps(about))
    manifest = json.loads((odd / "manifest.json").read_text())
    del manifest["files"]["experts/digits/model.json"]
    (odd / "manifest.json").write_text(json.dumps(manifest))
    assert "warning: digits: this device answers differently" in app(odd, "predict", digits[0]).stderr
    assert "warning" not in app(odd, "predict", "a charming film").stderr


@pytest.fixture
def served(door: Path) -> Iterator[int]:
    with running(Door(door, threads=1)) as port:
        yield port


def test_pictures_and_texts_are_posted_to_one_address(served: int, patches: dict[str, Path]) -> None:
    asked = [(patches["red"].read_bytes(), "image/png"), (b'{"text": "a dull film"}', "application/json")]
    answers = []
    for body, kind in asked:
        connection = http.client.HTTPConnection("127.0.0.1", served, timeout=20)
        connection.request("POST", "/predict", body, {"Content-Type": kind})
        answers.append(json.loads(connection.getresponse().read()))
        connection.close()
    assert [answer["expert"] for answer in answers] == ["colours", "praise"]


def test_what_is_no_whole_door_is_one_sentence(files: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'door' is a door, of which there is no page yet; choose --target pi"):
        deploy(DeployOptions(str(files), "web", tmp_path / "out"))
    with pytest.raises(UsageError, match="described already; leave out --runtime"):
        deploy(DeployOptions(str(files), "pi", tmp_path / "out", runtime="ort"))
    own = Path(shutil.copytree(files, tmp_path / "own"))
    (own / "experts" / "digits" / "model.tflite").write_bytes(b"another")
    with pytest.raises(ModelError, match=r"is not the file of 'digits' that door.json means; export the door anew"):
        deploy(DeployOptions(str(own), "pi", tmp_path / "out"))
    shutil.rmtree(own / "experts" / "digits")
    with pytest.raises(ModelError, match=r"door.json leads to 'digits', of which .* is missing; write the door anew"):
        deploy(DeployOptions(str(own), "pi", tmp_path / "out"))
    about = json.loads((own / "door.json").read_text())
    del about["experts"]["digits"]
    (own / "door.json").write_text(json.dumps(about))
    with pytest.raises(ModelError, match="says no file of 'digits', to which the door leads"):
        deploy(DeployOptions(str(own), "pi", tmp_path / "out"))
    (own / "door.json").write_text("{}")
    with pytest.raises(ModelError, match=r"door.json cannot be read; write it anew"):
        deploy(DeployOptions(str(own), "pi", tmp_path / "out"))
    assert not (tmp_path / "out").exists()
