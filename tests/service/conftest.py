from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from served import edgekit_serve, png
from text_models import text_files

from edgekit.catalog import resolve_model
from edgekit.data.dataset import Dataset
from edgekit.evaluation.input_options import InputOptions
from edgekit.store.card import read_model
from edgekit.store.store import Store


@pytest.fixture(scope="session")
def stored(digit_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a store: ``tiny`` (LiteRT, int8), ``linear`` (ONNX Runtime, int8), ``float`` and ``text``."""
    path = tmp_path_factory.mktemp("store") / "store.db"
    models = {
        "tiny": str(resolve_model("mnist-tiny", ".tflite")),
        "linear": str(digit_files["int8.onnx"]),
        "float": str(digit_files["tflite"]),
        "text": str(text_files(path.parent)["litert"]),
    }
    with Store(path) as store:
        for name, model in models.items():
            read = read_model(model, InputOptions())
            store.add(name, read.data, read.card)
    return path.read_bytes()


@pytest.fixture
def store_file(stored: bytes, tmp_path: Path) -> Path:
    """A store of one's own, to be changed or broken."""
    path = tmp_path / "store.db"
    path.write_bytes(stored)
    return path


@pytest.fixture(scope="session")
def digits(mnist: Dataset) -> list[bytes]:
    """Twenty test images as PNG."""
    return [png(image) for image in mnist.test.images[np.arange(20)]]


@pytest.fixture(scope="session")
def service(stored: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of ``edgekit serve --store``, the whole program."""
    path = tmp_path_factory.mktemp("service") / "store.db"
    path.write_bytes(stored)
    with edgekit_serve("--store", str(path)) as (said, _), httpx.Client(base_url=said["url"], timeout=60) as client:
        yield client
