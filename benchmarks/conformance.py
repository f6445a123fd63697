"""The shipped int8 files in every runtime: equal integers on the same 1,000 test images, and against int8 ONNX on all.

tflite-runtime 2.14 was built against numpy 1, so it gets an environment of its own below .venvs/.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from record import record

from edgekit import catalog
from edgekit.evaluation.compare import CompareOptions, compare_samples

ENVIRONMENT = Path(".venvs/tflite-runtime")
IMAGES = 1000
PAIRS = (
    ("litert", "tflite-runtime"),
    ("litert", "tflm"),
    ("litert", "litert-builtin"),
    ("tflite-runtime", "litert-builtin"),
    ("tflm", "tflite-runtime"),
    ("tflm", "litert-builtin"),
    ("tflm", "litert-reference"),
    ("tflm", "c"),
)
"""litert has XNNPACK's kernels, which round once; the others multiply by a 31-bit integer and round twice."""


def tflite_runtime_python() -> Path:
    """The Python of an environment with tflite-runtime 2.14 and numpy 1, made if it is not there."""
    python = ENVIRONMENT.resolve() / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        packages = ["tflite-runtime==2.14.0", "numpy<2"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def parity(first: str, second: str, images: int) -> dict[str, object]:
    """Equal integers and largest difference of two files or runtimes."""
    result = compare_samples(CompareOptions(first, second, "mnist", images))
    found = result.fidelity.parity
    if found is None:
        raise SystemExit(f"{first} and {second} have no scale in common")
    return {
        "images": result.images,
        "versions": [result.reference.version, result.other.version],
        "identical_images": found.equal_images,
        "largest_step": found.largest,
        "values_by_steps": {str(steps): count for steps, count in found.differences.items()},
        "top1_agreement": result.agreement,
    }


def main() -> None:
    os.environ["EDGEKIT_TFLITE_RUNTIME_PYTHON"] = str(tflite_runtime_python())
    results: dict[str, object] = {}
    for name in catalog.names("students"):
        card = catalog.network_card("students", name)
        files = {path.name: path for path in card.model_files}
        if card.data != "mnist" or "model.int8.tflite" not in files:
            continue
        tflite = files["model.int8.tflite"]
        runtimes = {f"{a} / {b}": parity(f"{tflite}@{a}", f"{tflite}@{b}", IMAGES) for a, b in PAIRS}
        against = parity(f"{tflite}@litert", f"{files['model.int8.onnx']}@ort", 10_000)
        results[name] = {**runtimes, "litert / int8 ONNX in ort": against}
    record(__file__, results)


if __name__ == "__main__":
    main()
