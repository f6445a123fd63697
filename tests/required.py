"""Tools that a test needs and that not every machine has; .ci/run installs them, so that CI skips nothing."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def skip_unless_required(reason: str) -> NoReturn:
    """Skip a test that a browser is missing for, but let it fail where $EDGEKIT_REQUIRE_BROWSER is set."""
    if os.environ.get("EDGEKIT_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)
