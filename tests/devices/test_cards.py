"""Device cards: facts with sources, and the user's own."""

import re

import pytest

from edgekit.devices.cards import Emulator, card_paths, device_card
from edgekit.devices.device import Can, open_device
from edgekit.errors import EdgekitError, UnknownNameError

BOARDS = ("raspberry-pi-zero-2w", "raspberry-pi-3b-plus", "raspberry-pi-4b", "raspberry-pi-5", "phone-a76")


@pytest.mark.parametrize("name", BOARDS)
def test_every_fact_of_a_board_has_a_source(name):
    card = device_card(name)
    assert card.hardware.sources.keys() >= {"soc", "core", "isa", "clock_mhz", "memory_mib", "bandwidth_gbs"}
    assert all(card.hardware.sources.values())
    assert card.emulator.cores == card.hardware.cores
    device = open_device(name)
    assert "emulated" in device.figures
    assert Can.TIME not in device.can


def test_only_boards_with_dot_products_say_so_in_their_cpuinfo():
    for name in BOARDS:
        card = device_card(name)
        assert ("asimddp" in card.emulator.cpuinfo) == ("dotprod" in card.hardware.isa)


def test_this_machine_is_measured():
    assert open_device("cpu").figures == ("measured",)


def test_a_users_own_card_overlays_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKIT_DEVICES", str(tmp_path))
    (tmp_path / "cpu.toml").write_text('summary = "my laptop"\ndriver = "local"\n')
    (tmp_path / "lab.toml").write_text('summary = "in the lab"\ndriver = "null"\n')
    assert device_card("cpu").summary == "my laptop"
    assert {"lab", "raspberry-pi-5"} <= set(card_paths())


def test_a_card_with_an_unknown_key_is_refused_with_the_nearest_one(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKIT_DEVICES", str(tmp_path))
    (tmp_path / "lab.toml").write_text('sumary = "in the lab"\ndriver = "null"\n')
    with pytest.raises(UnknownNameError, match="did you mean 'summary'"):
        device_card("lab")


def test_a_fact_without_a_source_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKIT_DEVICES", str(tmp_path))
    text = card_paths()["raspberry-pi-4b"].read_text()
    (tmp_path / "mine.toml").write_text(
        "\n".join(line for line in text.splitlines() if not line.startswith('clock_mhz = "'))
    )
    with pytest.raises(EdgekitError, match=r"clock_mhz of BCM2711B0 have no source"):
        device_card("mine")


@pytest.mark.parametrize(
    ("clock", "why"),
    [
        ("1.5", r"clock_mhz = 1.5 of BCM2711B0 is not in MHz: 100 to 10000"),
        ('"fast"', "clock_mhz = 'fast' of BCM2711B0 must be a number above 0"),
    ],
)
def test_a_clock_that_is_not_in_megahertz_is_refused(tmp_path, monkeypatch, clock, why):
    monkeypatch.setenv("EDGEKIT_DEVICES", str(tmp_path))
    lines = card_paths()["raspberry-pi-4b"].read_text().splitlines()
    changed = [f"clock_mhz = {clock}" if re.match(r"clock_mhz = \d", line) else line for line in lines]
    (tmp_path / "mine.toml").write_text("\n".join(changed))
    with pytest.raises(EdgekitError, match=why):
        device_card("mine")


def test_a_cpuinfo_that_names_no_processor_is_refused():
    with pytest.raises(EdgekitError, match="names no 'CPU part'"):
        Emulator("cortex-a72", "processor : 0\n")
