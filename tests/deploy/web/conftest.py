"""A bundle of a small student, its site on loopback, and a phone: Chromium with a phone's screen and touch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from static_site import Site, serving

from edgekit.deploy.deploy import DeployOptions, deploy
from edgekit.deploy.web import compress
from edgekit.deploy.web.npm import find_package
from edgekit.devices.browser.chromium import find_browser
from edgekit.errors import UsageError
from edgekit.evaluate.input_options import InputOptions

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def skip_unless_required(reason: str) -> NoReturn:
    if os.environ.get("EDGEKIT_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
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


@pytest.fixture(scope="session")
def make_bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """Deploys a student to the web; without Brotli, which takes half a minute for a runtime."""

    if shutil.which("npm") is None and not find_package("litert").archive.is_file():
        skip_unless_required("neither npm nor the runtime's archive in the cache")

    @cache
    def make(model: str, domain: str = "") -> Path:
        folder = tmp_path_factory.mktemp("web") / "bundle"
        deploy(DeployOptions(model, "web", folder, input=InputOptions(domain=domain)))
        return folder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compress, "BROTLI_QUALITY", 1)
        patch.setattr(compress, "GZIP_LEVEL", 1)
        patch.setattr(compress, "MIN_CACHED", 1 << 40)
        yield make


@pytest.fixture(scope="session")
def digits_bundle(make_bundle: Callable[..., Path]) -> Path:
    """mnist-tiny in LiteRT, to draw on."""
    return make_bundle("mnist-tiny")


@pytest.fixture(scope="session")
def photos_bundle(make_bundle: Callable[..., Path]) -> Path:
    """A student that takes any picture as it is, without looking for a digit in it."""
    return make_bundle("mnist-linear", domain="photo")


@pytest.fixture
def serve() -> Iterator[Callable[[Path], Site]]:
    """Serves a bundle until the test ends."""
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(serving(folder))


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
