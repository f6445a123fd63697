"""Where a page runs the compiled model, and where a runtime."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.conversion.c import build as building
from edgekit.deployment.app_model import AppModel, read_app_model
from edgekit.deployment.deploy import DeployOptions
from edgekit.deployment.web import build as web
from edgekit.deployment.web.build import RUNTIMES, build, settled
from edgekit.errors import ModelError, UnsupportedError, UsageError


@pytest.fixture(scope="module")
def tiny() -> AppModel:
    """mnist-tiny as it is read for a page."""
    return read_app_model("mnist-tiny", preferred=RUNTIMES)


def options(runtime: str | None = None, model: str = "mnist-tiny") -> DeployOptions:
    return DeployOptions(model, "web", runtime=runtime)


def test_a_model_that_c_takes_is_compiled_and_needs_no_runtime(
    tiny: AppModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = settled(tiny, options())
    assert capsys.readouterr().err == "the model is compiled, and the page needs no runtime\n"
    assert (model.runtime, model.file, model.sha256) == ("c", "model.wasm", tiny.sha256)
    assert model.data.startswith(b"\0asm")
    files = build(model, options()).files
    assert "there is no runtime" in files["app.js"].decode()
    assert not [name for name in files if "litert" in name or "tflite" in name or "ort" in name]
    assert "needs no runtime" in files["NOTICE.txt"].decode()
    assert json.loads(files["model.json"])["runtime"] == "c"


@pytest.mark.parametrize("chosen", [options("litert"), options(model="mnist-tiny@litert")])
def test_a_runtime_that_is_named_is_taken(tiny: AppModel, chosen: DeployOptions) -> None:
    assert settled(tiny, chosen) is tiny


@pytest.mark.parametrize("chosen", [options("c"), options(model="mnist-tiny@c")])
def test_without_a_compiler_litert_runs_the_model(
    tiny: AppModel, chosen: DeployOptions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(building, "installed", lambda _: "")
    assert settled(tiny, options()) is tiny
    assert capsys.readouterr().err.startswith("the page carries LiteRT.js: There is no C compiler for wasm32")
    with pytest.raises(UsageError, match="There is no C compiler"):
        settled(tiny, chosen)


def test_what_c_does_not_take_runs_in_litert(
    tiny: AppModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise UnsupportedError("'hat' needs TILE, which has no C form; C takes ADD. Change that layer.")

    monkeypatch.setattr(web, "c_program", refuse)
    assert settled(tiny, options()) is tiny
    assert capsys.readouterr().err == "the page carries LiteRT.js: 'hat' needs TILE, which has no C form\n"
    with pytest.raises(UnsupportedError):
        settled(tiny, options("c"))


def test_another_file_has_its_runtime(onnx: Path) -> None:
    model = read_app_model(str(onnx), preferred=RUNTIMES)
    assert settled(model, options(model=str(onnx))) is model
    with pytest.raises(ModelError, match=r"has no \.tflite file"):
        read_app_model(str(onnx), runtime="c", preferred=RUNTIMES)
