"""``edgekit doctor ssh://…`` with a real connection; what it makes of odd boards is in tests/diagnosis."""

import platform

import pytest

import edgekit
from edgekit.errors import DeviceError
from edgekit.extras import installed


def test_a_device_tells_what_it_is_and_has(server):
    found = edgekit.doctor(server.address)
    assert found.about["python"] == platform.python_version()
    assert found.about["kernel"] == platform.machine()
    there = {one.name: one.found for one in found.facilities}
    assert there["numpy"] == f"{installed('numpy')}, of its own python3"
    assert there["ai-edge-litert"] == f"{installed('ai-edge-litert')}, of its own python3"
    assert found.refusals == ()
    assert server.left_behind() == []


def test_a_device_that_is_not_there_is_an_error(server):
    server.stop()
    with pytest.raises(DeviceError, match="Connection refused"):
        edgekit.doctor(server.address)
