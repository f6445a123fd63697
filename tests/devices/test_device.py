from pathlib import Path

import pytest

from edgekit.catalog import names
from edgekit.devices.cards import DRIVERS, DeviceCard, device_card
from edgekit.devices.device import Can, Job, find_driver, open_device
from edgekit.devices.setup import SetupOptions, set_up
from edgekit.errors import UnknownNameError, UsageError


@pytest.mark.parametrize("name", names("devices"))
def test_every_device_of_the_catalog_has_a_card(name):
    assert device_card(name).summary


def test_this_machine_opens():
    device = open_device("cpu")
    assert (device.name, device.provenance) == ("cpu", "measured")


@pytest.mark.parametrize("name", DRIVERS)
def test_every_driver_of_the_folder_says_what_its_devices_can_do(name):
    assert find_driver(name).abilities & (Can.TIME | Can.COUNT | Can.PREDICT)


def test_an_address_names_its_driver():
    device = open_device("ssh://pi@kitchen/")
    assert device.name == "ssh://pi@kitchen"
    assert Can.ASIDE in device.can
    with pytest.raises(UnknownNameError, match="did you mean 'ssh'"):
        open_device("sshh://pi@kitchen")
    with pytest.raises(UnknownNameError, match="No device is called 'local://pi@kitchen'"):
        open_device("local://pi@kitchen")


def test_a_device_that_needs_no_setup_says_so():
    with pytest.raises(UsageError, match="cpu needs no setup"):
        set_up(SetupOptions("cpu"))


def test_an_unknown_device_is_refused_with_the_nearest_one():
    with pytest.raises(UnknownNameError, match="did you mean 'cpu'"):
        open_device("cpus")


def test_a_card_with_an_unknown_driver_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'local'"):
        DeviceCard("mine", "my board", "locale")


def test_a_job_has_a_known_task():
    with pytest.raises(UnknownNameError, match="did you mean 'measure'"):
        Job("mesure", "ort", Path("model.onnx"))
