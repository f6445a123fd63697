"""A bundle of a small student, its site on loopback, and a phone: Chromium with a phone's screen and touch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from required import skip_unless_required
from static_site import Site, serving

from edgekit.deployment.deploy import DeployOptions, deploy
from edgekit.evaluation.input_options import InputOptions
from edgekit.web import compress
from edgekit.web.npm import find_package
from edgekit.web.page_files import own_files

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def make_bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """Deploys a student to the web; with little Brotli, which takes half a minute for a runtime."""

    if shutil.which("npm") is None and not find_package("litert").archive.is_file():
        skip_unless_required("neither npm nor the runtime's archive in the cache")

    @cache
    def make(model: str, domain: str = "") -> Path:
        folder = tmp_path_factory.mktemp("web") / "bundle"
        patch.setattr(compress, "BROTLI_QUALITY", 11 if model.endswith("@c") else 1)
        deploy(DeployOptions(model, "web", folder, input=InputOptions(domain=domain)))
        return folder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compress, "GZIP_LEVEL", 1)
        patch.setattr(compress, "MIN_CACHED", 1 << 40)
        yield make


@pytest.fixture(scope="session")
def digits_bundle(make_bundle: Callable[..., Path]) -> Path:
    """mnist-tiny in LiteRT, to draw on."""
    return make_bundle("mnist-tiny@litert")


@pytest.fixture(scope="session")
def photos_bundle(make_bundle: Callable[..., Path]) -> Path:
    """A student that takes any picture as it is, without looking for a digit in it."""
    return make_bundle("mnist-linear@litert", domain="photo")


@pytest.fixture
def serve() -> Iterator[Callable[[Path], Site]]:
    """Serves a bundle until the test ends, and the modules that its script is made of, for tests that call them."""

    def start(folder: Path) -> Site:
        site = stack.enter_context(serving(folder))
        about = json.loads((folder / "model.json").read_text())
        modules = own_files(about["runtime"], about["takes"])
        site.extra |= {name: data for name, data in modules.items() if not (folder / name).exists()}
        return site

    with ExitStack() as stack:
        yield start


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console said; a test that expects any takes it out."""
    return []


@pytest.fixture
def phone(chromium: Browser, complaints: list[str]) -> Iterator[Page]:
    """A page with a phone's screen and touch."""
    context = chromium.new_context(
        viewport={"width": 390, "height": 844}, device_scale_factor=2, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []
