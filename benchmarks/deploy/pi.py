"""The Pi bundle: its bytes, whether a Raspberry Pi's answers are this machine's, and what its start costs there.

    python benchmarks/deploy/pi.py

500 test images of MNIST go through the app as PNG files, here and on an emulated Raspberry Pi 4 with the real aarch64
wheels (edgekit devices setup raspberry-pi-4b). An emulator has no times, but counts instructions: those of one
``app.py predict`` from its first line to its end, Python's own start aside.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import record

from edgekit.data.mnist import open_mnist
from edgekit.deployment.deploy import DeployOptions, deploy
from edgekit.devices.cards import device_card
from edgekit.devices.emulated.setup import installation

BOARD = "raspberry-pi-4b"
IMAGES = 500
STARTS = 20
CHUNK = 250
"""Picture files named in one command line."""
COUNTED = """
import os, runpy, sys
sys.argv = ["app.py", "--threads", "1", "predict", {picture!r}]
sys.path.insert(0, {folder!r})
os.getppid()
try:
    runpy.run_path({app!r}, run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
os.getppid()
"""
INSTRUCTIONS = slice(1, 10)
"""Of the counters in a line of the plugin's log: the classes of instructions, without time and bytes."""


def answers(command: list[str], environment: dict[str, str] | None, pictures: list[Path]) -> list[dict[str, Any]]:
    """What the app says of pictures, with the model's raw outputs."""
    found = []
    for start in range(0, len(pictures), CHUNK):
        words = ["--threads", "1", "predict", "--json", "--scores", *map(str, pictures[start : start + CHUNK])]
        done = subprocess.run([*command, *words], env=environment, capture_output=True, text=True, check=True)
        found += [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return found


def starts(folder: Path, picture: Path) -> dict[str, float]:
    """Seconds of whole processes that classify one picture, on this machine."""
    samples = []
    for _ in range(STARTS):
        begin = time.perf_counter()
        subprocess.run([sys.executable, folder / "app.py", "predict", picture], capture_output=True, check=True)
        samples.append(time.perf_counter() - begin)
    return {"median_s": statistics.median(samples), "least_s": min(samples), "starts": STARTS}


def instructions(folder: Path, picture: Path) -> int:
    """Instructions of one ``predict`` on the emulated board."""
    card = device_card(BOARD)
    assert card.emulator is not None
    found = installation(card)
    code = COUNTED.format(picture=str(picture), folder=str(folder), app=str(folder / "app.py"))
    log = folder.parent / "counts.log"
    command = [*found.command(card.emulator.cpu, log), "-c", code]
    subprocess.run(command, env=found.environment, capture_output=True, check=True)
    first, *_, last = (list(map(int, line.split()[1:])) for line in log.read_text().splitlines() if line[:4] == "mark")
    return sum(last[INSTRUCTIONS]) - sum(first[INSTRUCTIONS])


def measure(model: str, scratch: Path, pictures: list[Path]) -> dict[str, Any]:
    """All figures of one bundle."""
    folder = scratch / model.replace("@", "-") / "app"
    made = deploy(DeployOptions(model, "pi", folder, archive=True))
    files = dict(made.files)
    own = files.pop("model.tflite" if made.runtime == "litert" else "model.onnx")
    card = device_card(BOARD)
    assert card.emulator is not None
    found = installation(card)
    here = answers([sys.executable, str(folder / "app.py")], None, pictures)
    there = answers([*found.command(card.emulator.cpu), str(folder / "app.py")], found.environment, pictures)
    return {
        "bytes_without_model": sum(files.values()),
        "model_bytes": own,
        "archive_bytes": Path(made.archive).stat().st_size,
        "images": len(here),
        "same_integers": sum(a["scores"] == b["scores"] for a, b in zip(here, there, strict=True)),
        "same_label": sum(
            a["guesses"][0]["label"] == b["guesses"][0]["label"] for a, b in zip(here, there, strict=True)
        ),
        "start_here": starts(folder, pictures[0]),
        "start_instructions": instructions(folder, pictures[0]),
    }


def main() -> None:
    """Measure both forms of mnist-tiny."""
    test = open_mnist().test
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        pictures = [scratch / f"{index}.png" for index in range(IMAGES)]
        for index, path in enumerate(pictures):
            Image.fromarray(test.images[index][..., 0]).save(path)
        results = {model: measure(model, scratch, pictures) for model in ("mnist-tiny", "mnist-tiny@ort")}
    record(__file__, {"board": BOARD, "bundles": results})


if __name__ == "__main__":
    main()
