"""Temperature and throttling, from the files and the program that a Raspberry Pi has."""

import pytest

from edgekit.runtimes.worker import throttling


@pytest.fixture
def zones(tmp_path, monkeypatch):
    """Make thermal zones, each a type and a text of millidegrees."""
    monkeypatch.setattr(throttling, "ZONES", tmp_path)

    def make(*given):
        for number, (kind, temperature) in enumerate(given):
            (tmp_path / f"thermal_zone{number}").mkdir()
            (tmp_path / f"thermal_zone{number}" / "type").write_text(kind + "\n")
            (tmp_path / f"thermal_zone{number}" / "temp").write_text(temperature + "\n")

    return make


@pytest.fixture
def firmware(tmp_path, monkeypatch):
    """A vcgencmd that answers with a text."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(throttling, "FIRMWARE", tmp_path / "get_throttled")

    def answer(text, status=0):
        (tmp_path / "vcgencmd").write_text(f'#!/bin/sh\n[ "$1" = get_throttled ] && echo "{text}"\nexit {status}\n')
        (tmp_path / "vcgencmd").chmod(0o755)

    return answer


def test_the_temperature_is_that_of_the_processors_zone(zones):
    zones(("gpu-thermal", "40000"), ("cpu-thermal", "47236"))
    assert throttling.temperature_c() == 47.236


def test_a_zone_that_cannot_be_read_is_passed_over(zones):
    zones(("cpu-thermal", "<unknown>"), ("acpitz", "-5000"))
    assert throttling.temperature_c() == -5.0


@pytest.mark.usefixtures("zones", "firmware")
def test_a_machine_that_tells_nothing_leaves_it_open():
    facts = throttling.between(throttling.state(), throttling.state())
    assert facts == {
        "temperature_c": None,
        "temperature_c_after": None,
        "throttled": None,
        "throttled_earlier": None,
    }


def test_the_firmware_is_asked(firmware):
    firmware("throttled=0x50005")
    assert throttling.throttled_bits() == 0x50005


@pytest.mark.parametrize("text", ["VCHI initialization failed", ""])
def test_a_firmware_that_may_not_be_asked_leaves_it_open(firmware, text):
    firmware(text, status=255)
    assert throttling.throttled_bits() is None


@pytest.mark.usefixtures("firmware")
def test_where_there_is_no_program_the_kernels_file_tells():
    throttling.FIRMWARE.write_text("50000\n")
    assert throttling.throttled_bits() == 0x50000


@pytest.mark.parametrize(
    ("before", "after", "throttled", "earlier"),
    [
        (0x0, 0x0, [], []),
        (0x50000, 0x50000, [], ["under-voltage", "throttling"]),
        (0x0, 0xE0008, ["capped clock", "throttling", "soft temperature limit"], []),
        (0x10001, 0x10000, ["under-voltage"], ["under-voltage"]),
    ],
)
def test_what_held_or_began_while_it_was_measured_is_told_from_what_was_earlier(before, after, throttled, earlier):
    states = ({"temperature_c": 50.0, "throttled": bits} for bits in (before, after))
    facts = throttling.between(*states)
    assert (facts["throttled"], facts["throttled_earlier"]) == (throttled, earlier)
