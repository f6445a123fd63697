"""The board that the tests of this folder run on."""

from __future__ import annotations

import pytest

from edgekit.devices.device import Device, open_device


@pytest.fixture
def board(emulator: None) -> Device:
    return open_device("raspberry-pi-4b")
