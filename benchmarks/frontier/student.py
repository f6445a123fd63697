"""A student of the catalog distilled by its card and quantized: the int8 TFLite file in LiteRT on the test images.

    python benchmarks/frontier/student.py cifar-s cifar10.npz runs/cifar-s
    python benchmarks/frontier/student.py mnist-tiny mnist runs/mnist-tiny --per-tensor

What an earlier call with the same folder has trained is not trained again. Validation images choose everything; the
test images are looked at once, when all is done.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import of_run, record

from edgekit.evaluation.evaluate import EvaluateOptions, evaluate
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.quantize import quantize
from edgekit.training.distill import DistillOptions, distill

FILES = ("model.onnx", "model.int8.onnx", "model.int8.tflite")


def main(name: str, data: str, folder: Path, per_tensor: bool) -> None:
    """Distill, quantize, evaluate, and record."""
    distilled = distill(DistillOptions(name, data=data, out=folder, resume=True))
    result = {
        "teacher_test_accuracy": distilled.teacher_test_accuracy,
        "validation_accuracy": distilled.validation_accuracy,
        "teacher_share": teacher_share(folder),
        **of_files(folder, data, per_tensor),
    }
    record(__file__, result, f"{name} {Path(data).name} DIR{' --per-tensor' if per_tensor else ''}", name=name)


def teacher_share(folder: Path) -> float:
    """The share of a run's time that the teacher's answers took, in [0, 1]."""
    times = [json.loads(line) for line in (folder / "timing.jsonl").read_text(encoding="utf-8").splitlines()]
    return round(sum(time["answering_seconds"] for time in times) / sum(time["seconds"] for time in times), 4)


def of_files(folder: Path, data: str, per_tensor: bool = False) -> dict[str, Any]:
    """Quantize the student of a run, and measure its files on the test images."""
    quantize(QuantizeOptions(str(folder), data, folder, weights=WeightScheme(per_tensor)))
    evaluations = evaluate(EvaluateOptions(tuple(str(folder / file) for file in FILES), data)).evaluations
    figures = {Path(found.model).name: found.to_dict() for found in evaluations}
    return {
        "files": {
            file: {
                "bytes": (folder / file).stat().st_size,
                "test_accuracy": figures[file]["accuracy"],
                "interval95": figures[file]["interval"],
                "runtime": figures[file]["runtime"],
            }
            for file in FILES
        },
        "drop_points": 100 * (figures["model.onnx"]["accuracy"] - figures["model.int8.tflite"]["accuracy"]),
        **of_run(folder, "distill.json"),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("data")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--per-tensor", action="store_true")
    main(**vars(parser.parse_args()))
