"""Apps of a model that takes text: on a Pi, with the packages of Python 3.9 and NumPy alone, and in a browser."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pi_app import app, lines, running
from required import skip_unless_required
from static_site import serving
from text_models import BLAME, CONTRACT, PRAISE, text_files

from edgekit.deployment.app_model import read_app_model
from edgekit.deployment.deploy import DeployOptions, deploy
from edgekit.deployment.pi.files.classify.model import Model
from edgekit.evaluation.predict import PredictOptions, predict
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.quantize import quantize
from edgekit.web import compress
from edgekit.web.npm import find_package

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SAYING = {"good": PRAISE, "bad": BLAME}
SENTENCES = ("A charming film.", "It isn't good, it's awful", "😀", "dull dull dull")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = text_files(tmp_path_factory.mktemp("text"))
    rows = [
        f"A {word} {what},{label}" for what in ("film", "book") for label, words in SAYING.items() for word in words
    ]
    reviews = made["ort"].with_name("reviews.csv")
    reviews.write_text("\n".join(["text,label", *rows]))
    quantize(QuantizeOptions(str(made["ort"]), str(reviews), reviews.parent, int8=True, calibration=16, rungs=1))
    return {**made, "c": reviews.with_name("model.int8.tflite")}


@pytest.fixture(scope="module", params=["litert", "ort"])
def bundle(request: pytest.FixtureRequest, files: dict[str, Path]) -> Path:
    folder = files["ort"].parent / f"pi-{request.param}"
    deploy(DeployOptions(str(files[request.param]), "pi", folder))
    return folder


def test_an_app_knows_how_a_text_becomes_the_input(files: dict[str, Path]) -> None:
    about = read_app_model(str(files["litert"])).to_dict()
    assert about["takes"] == "text"
    assert about["input"]["shape"] == (1, CONTRACT.length)
    assert about["contract"]["tokenizer"] == {"buckets": 4096, "words": 1, "chars": (), "per_word": 1, "name": "ngrams"}
    assert about["golden"]["output"]


def test_the_app_answers_what_edgekit_answers(bundle: Path, files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "review.txt").write_text(SENTENCES[0])
    expected = predict(PredictOptions(str(files["ort"]), SENTENCES))
    done = app(bundle, "predict", "--json", *SENTENCES, tmp_path / "review.txt")
    assert "warning" not in done.stderr
    answers = lines(done.stdout)
    assert [answer["text"] for answer in answers[:-1]] == list(SENTENCES)
    for answer, prediction in zip(answers, expected.predictions, strict=False):
        assert [guess["label"] for guess in answer["guesses"]] == [guess.label for guess in prediction.guesses]
        assert answer["guesses"][0]["probability"] == pytest.approx(prediction.guesses[0].probability, abs=1e-3)
    assert answers[-1]["guesses"] == answers[0]["guesses"]


def test_a_bundle_has_what_a_text_needs_and_nothing_of_pictures(bundle: Path) -> None:
    names = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert "edgekit/inputs/tokens/ngrams.py" in names
    assert not {"edgekit/inputs/decode.py", "edgekit/inputs/contract.py"} & names
    assert "pillow" not in (bundle / "requirements.txt").read_text()
    readme = (bundle / "README.md").read_text()
    assert "$" not in readme
    assert "Classifies texts" in readme
    assert "camera" not in readme


def test_it_runs_without_pillow(bundle: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(bundle, tmp_path / "own"))
    (own / "PIL.py").write_text("raise SystemExit('Pillow was imported')")
    assert app(own, "predict", SENTENCES[0]).stdout.startswith(f"{SENTENCES[0]}: good")


@pytest.mark.parametrize(("words", "said"), [((" ",), "is empty"), (("\udcff",), "not written in UTF-8")])
def test_what_is_no_text_is_refused(bundle: Path, words: tuple[str, ...], said: str) -> None:
    done = app(bundle, "predict", *words)
    assert done.returncode == 1
    assert said in done.stderr


def test_a_text_model_has_no_camera(bundle: Path) -> None:
    assert "invalid choice: 'camera'" in app(bundle, "camera").stderr


@pytest.fixture
def served(bundle: Path) -> Iterator[int]:
    with running(Model(bundle, threads=1)) as port:
        yield port


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ('{"text": "A charming film."}', "application/json", 200),
        ("A charming film.", "text/plain;charset=UTF-8", 200),
        ("A charming film.", "application/json", 400),
        ('{"txt": "A"}', "application/json", 400),
        ('{"text": 1}', "application/json", 400),
        ('{"text": " "}', "application/json", 400),
        ("[" * 100_000, "application/json", 400),
    ],
)
def test_texts_are_posted_as_json_or_alone(served: int, body: str, kind: str, status: int) -> None:
    answered, answer = _post(served, body, kind)
    assert answered == status
    assert status != 200 or answer["guesses"][0]["label"] == "good"


def _post(port: int, body: str, kind: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/predict", body.encode(), {"Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_the_boards_page_has_a_field_for_a_text(served: int, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto(f"http://127.0.0.1:{served}/")
    page.locator("#text").fill("What a dull film")
    page.locator("#read").click()
    page.locator("#guesses li", has_text="bad").first.wait_for()
    assert not page.locator("#drawing").is_visible()
    assert not page.locator("#choosing").is_visible()
    page.close()


@pytest.fixture(scope="module", params=["litert", "c"])
def web_bundle(request: pytest.FixtureRequest, files: dict[str, Path]) -> Path:
    if shutil.which("npm") is None and not find_package("litert").archive.is_file():
        skip_unless_required("neither npm nor the runtime's archive in the cache")
    folder = files["ort"].parent / f"web-{request.param}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"BROTLI_QUALITY": 1, "GZIP_LEVEL": 1, "MIN_CACHED": 1 << 40}.items():
            patch.setattr(compress, name, value)
        deploy(DeployOptions(str(files[request.param]), "web", folder, runtime=request.param))
    return folder


def test_a_page_is_30_kilobytes_as_they_are_sent_beyond_the_model_and_the_runtime(web_bundle: Path) -> None:
    sizes = {path.relative_to(web_bundle).as_posix(): path.stat().st_size for path in web_bundle.rglob("*.*")}
    others = ("litert", "model.tflite", "model.wasm")
    own = {name for name in sizes if not name.startswith(others) and name[-3:] not in (".br", ".gz")}
    assert {"app.js", "model.json"} <= own
    script = (web_bundle / "app.js").read_text()
    assert "function ngrams" in script
    assert "startCamera" not in script
    assert sum(min(sizes.get(name + end, sizes[name]) for end in (".br", ".gz")) for name in own) <= 30_000


def test_a_written_sentence_is_answered_in_the_page(
    web_bundle: Path, chromium: Browser, files: dict[str, Path]
) -> None:
    about = json.loads((web_bundle / "model.json").read_text())
    expected = predict(PredictOptions(str(files[about["runtime"]]), SENTENCES))
    complaints: list[str] = []
    with serving(web_bundle) as site:
        page = chromium.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(site.url)
        page.wait_for_selector("html[data-ready]")
        assert page.locator("#odd").text_content() == ""
        for sentence, label in zip(SENTENCES, expected.labels, strict=True):
            page.locator("#text").fill(sentence)
            page.locator("#best", has_text=label).wait_for()
        page.locator("#clear").click()
        assert page.locator("#best").text_content() not in about["labels"]
        assert page.locator("#status").text_content() == "Write a sentence."
        page.close()
    assert complaints == []
