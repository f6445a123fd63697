"""Bundles as they are copied to a board, and the app inside them as a program and as modules."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from edgekit.deployment.deploy import DeployOptions, deploy
from edgekit.deployment.pi.files.classify.model import Model


@pytest.fixture(scope="session")
def bundle(tflite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mnist-tiny for LiteRT; not to be changed."""
    folder = tmp_path_factory.mktemp("pi") / "bundle"
    deploy(DeployOptions(str(tflite), "pi", folder))
    return folder


@pytest.fixture(scope="session")
def onnx_bundle(onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mnist-tiny for ONNX Runtime; not to be changed."""
    folder = tmp_path_factory.mktemp("pi") / "onnx-bundle"
    deploy(DeployOptions(str(onnx), "pi", folder))
    return folder


@pytest.fixture(scope="session")
def c_bundle(tflite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mnist-tiny as C, with libraries for boards; not to be changed."""
    folder = tmp_path_factory.mktemp("pi") / "c-bundle"
    deploy(DeployOptions(str(tflite), "pi", folder, runtime="c"))
    return folder


@pytest.fixture
def model(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """The app's model, in this process."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # restored afterwards
    return Model(bundle, threads=1)
