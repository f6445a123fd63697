"""A browser, and the runtimes that pages carry. Without them tests are skipped, but not in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from edgekit.devices.browser.chromium import find_browser
from edgekit.devices.browser.job import RUNTIMES
from edgekit.errors import DeviceError, UsageError
from edgekit.web.npm import find_package


@pytest.fixture
def chromium() -> str:
    """A browser's program."""
    try:
        return find_browser()
    except UsageError as exc:
        _skip_unless_required(f"no browser here: {exc}")


@pytest.fixture
def pages(own_cache: None) -> None:
    """The runtimes of pages, in the cache of the tests."""
    try:
        for runtime in RUNTIMES:
            find_package(runtime).read()
    except DeviceError as exc:
        _skip_unless_required(f"no runtime for pages here: {exc}")


def _skip_unless_required(reason: str) -> NoReturn:
    if os.environ.get("EDGEKIT_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)
