from pathlib import Path

import pytest

from edgekit.catalog import names
from edgekit.devices.device import DeviceCard, Job, device_card, open_device
from edgekit.errors import UnknownNameError


@pytest.mark.parametrize("name", names("devices"))
def test_every_device_of_the_catalog_has_a_card(name):
    assert device_card(name).summary


def test_this_machine_opens():
    device = open_device("cpu")
    assert (device.name, device.provenance) == ("cpu", "measured")


def test_an_unknown_device_is_refused_with_the_nearest_one():
    with pytest.raises(UnknownNameError, match="did you mean 'cpu'"):
        open_device("cpus")


def test_a_card_with_an_unknown_driver_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'local'"):
        DeviceCard("mine", "my board", "locale")


def test_a_job_has_a_known_task():
    with pytest.raises(UnknownNameError, match="did you mean 'measure'"):
        Job("mesure", "ort", Path("model.onnx"))
