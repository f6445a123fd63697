"""Tools that a test needs and that not every machine has; .ci/run installs them, so that CI skips nothing."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def skip_unless_required(reason: str, tool: str = "BROWSER") -> NoReturn:
    """Skip a test that a tool is missing for, but let it fail where $EDGEKIT_REQUIRE_TOOL is set."""
    if os.environ.get(f"EDGEKIT_REQUIRE_{tool}"):
        pytest.fail(reason)
    pytest.skip(reason)
