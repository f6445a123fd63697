"""The emulator as it was set up in the user's own cache. Without it these tests are skipped, but not in CI."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekit.devices.cards import device_card
from edgekit.devices.device import Device, open_device
from edgekit.devices.emulated.setup import installation
from edgekit.errors import UsageError

USERS_CACHE = os.environ.get("EDGEKIT_CACHE") or str(
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgekit"
)


@pytest.fixture
def emulator(own_cache: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", USERS_CACHE)
    try:
        installation(device_card("raspberry-pi-4b"))
    except UsageError as exc:
        if os.environ.get("EDGEKIT_REQUIRE_EMULATOR"):
            raise
        pytest.skip(f"no emulator here: {exc}")


@pytest.fixture
def board(emulator: None) -> Device:
    return open_device("raspberry-pi-4b")
