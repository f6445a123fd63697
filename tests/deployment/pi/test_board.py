"""The bundles on an emulated Raspberry Pi 4, with the real aarch64 wheels."""

import subprocess
from pathlib import Path

import pytest
from pi_app import app, lines

from edgekit.devices.cards import device_card
from edgekit.devices.emulated.setup import installation


@pytest.mark.parametrize("form", ["bundle", "onnx_bundle", "c_bundle"])
def test_the_board_gives_the_labels_and_integers_of_this_machine(
    form: str, request: pytest.FixtureRequest, emulator: None, digits: list[Path]
) -> None:
    folder = request.getfixturevalue(form)
    card = device_card("raspberry-pi-4b")
    assert card.emulator is not None
    found = installation(card)
    words = ["--threads", "1", "predict", "--json", "--scores", *map(str, digits)]
    command = [*found.command(card.emulator.cpu), str(folder / "app.py"), *words]
    done = subprocess.run(command, env=found.environment, capture_output=True, text=True, timeout=240, check=True)
    there, here = lines(done.stdout), lines(app(folder, *words).stdout)
    assert [result["scores"] for result in there] == [result["scores"] for result in here]
    assert [result["guesses"] for result in there] == [result["guesses"] for result in here]
    assert [result["guesses"][0]["label"] for result in there] == ["7", "2", "1"]
