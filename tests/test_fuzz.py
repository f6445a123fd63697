"""A few thousand damaged model files: each is an error of ours or a right file, none ends or stalls the command.

The damage is drawn with a fixed seed. All files go the way of every command (looked at, opened and run on zeros in a
worker process); some of them, among them all that ended their worker, then go through the command line itself.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from rehearsal import Rehearsal
from tiny_models import Linear, float_onnx, int8_onnx, packed, quantized, tflite_model

from edgekit.errors import EdgekitError
from edgekit.sandbox import Limits

FILES_PER_RUNTIME = 800
COMMANDS = 2
EXTREMES = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**16)
HANG_S = 60


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """``data`` after one to four of: bits flipped, a byte or a word replaced, a part cut out, repeated or moved.

    The constants fill most of a file and say nothing, so most places are drawn from what lies around them.
    """
    result = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        size = len(result)
        place = int(
            rng.choice([rng.integers(min(size, 700)), size - 1 - rng.integers(min(size, 700)), rng.integers(size)])
        )
        length = int(rng.integers(1, 40))
        match rng.integers(6):
            case 0:
                result[place] ^= 1 << rng.integers(8)
            case 1:
                result[place] = rng.integers(256)
            case 2:
                result[place // 4 * 4 : place // 4 * 4 + 4] = int(rng.choice(EXTREMES)).to_bytes(4, "little")
            case 3:
                del result[place : place + length]
            case 4:
                result[place:place] = result[place : place + length]
            case _:
                source = int(rng.integers(size))
                result[place : place + length] = result[source : source + length]
        if not result:
            return b"\0"
    return bytes(result)


@pytest.mark.parametrize(
    ("form", "runtime"), [("onnx", "ort"), ("int8.onnx", "ort"), ("int8.tflite", "litert"), ("tflite", "tflm")]
)
def test_no_damaged_file_ends_or_stalls_a_command(linear: Linear, tmp_path: Path, form: str, runtime: str) -> None:
    sound = {
        "onnx": lambda: float_onnx(linear).SerializeToString(),
        "int8.onnx": lambda: int8_onnx(quantized(linear)).SerializeToString(),
        "tflite": lambda: packed(tflite_model(linear)),
        "int8.tflite": lambda: packed(tflite_model(quantized(linear))),
    }[form]()
    rng = np.random.default_rng(list(form.encode()))
    path = tmp_path / f"damaged.{form}"
    rehearse = Rehearsal(Limits(seconds=HANG_S, memory_bytes=1 << 30))
    outcomes: Counter[str] = Counter()
    suspects: list[bytes] = []
    for number in range(FILES_PER_RUNTIME):
        path.write_bytes(damaged(sound, rng))
        outcome = outcome_of(rehearse, path, runtime)
        outcomes[outcome] += 1
        if outcome == "RuntimeCrashError" or number < COMMANDS:
            suspects.append(path.read_bytes())
    rehearse.close()
    assert outcomes.keys() <= {"opened", "ModelError", "UnsupportedError", "RuntimeCrashError"}
    assert outcomes["ModelError"] > FILES_PER_RUNTIME / 4, outcomes
    assert outcomes["opened"] > 0, outcomes
    for data in suspects[-COMMANDS:]:
        path.write_bytes(data)
        assert_the_command_ends_well(path)


def outcome_of(rehearse: Rehearsal, path: Path, runtime: str) -> str:
    """``opened``, or the class of the error, which must be one of ours and name the file."""
    try:
        rehearse(path, runtime)
    except EdgekitError as exc:
        return type(exc).__name__ if str(path) in str(exc) else f"an error without the file's name: {exc}"
    return "opened"


def assert_the_command_ends_well(path: Path) -> None:
    command = [sys.executable, "-m", "edgekit", "inspect", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert (str(path) in done.stderr) == (done.returncode == 1)
