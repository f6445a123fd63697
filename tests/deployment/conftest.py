"""A student to deploy, pictures of digits, and a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from required import skip_unless_required

from edgekit.data.dataset import Dataset
from edgekit.devices.browser.chromium import find_browser
from edgekit.errors import UsageError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

STUDENT = Path(__file__).parents[2] / "students" / "mnist-tiny"


@pytest.fixture(scope="session")
def tflite() -> Path:
    """The int8 .tflite file of mnist-tiny."""
    return STUDENT / "model.int8.tflite"


@pytest.fixture(scope="session")
def onnx() -> Path:
    """The int8 .onnx file of mnist-tiny."""
    return STUDENT / "model.int8.onnx"


@pytest.fixture(scope="session")
def digits(mnist: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three digits (7, 2, 1) as files: in MNIST's form, and dark on light and larger as PNG and JPEG."""
    folder = tmp_path_factory.mktemp("pictures")
    seven, two, one = (Image.fromarray(mnist.test.images[index][..., 0]) for index in range(3))
    paths = [folder / name for name in ("seven.png", "two.png", "one.jpg")]
    seven.save(paths[0])
    for image, path in ((two, paths[1]), (one, paths[2])):
        paper = Image.new("L", (200, 160), 230)
        paper.paste(Image.fromarray(230 - np.array(image.resize((112, 112))) // 2), (40, 20))
        paper.convert("RGB").save(path)
    return paths


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser. Not for the whole session: Playwright keeps an event loop running, beside which no other may start."""
    from playwright.sync_api import sync_playwright

    try:
        program = find_browser()
    except UsageError as exc:
        skip_unless_required(f"no browser here: {exc}")
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        options.append("--host-resolver-rules=MAP phone.test 127.0.0.1")
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()
