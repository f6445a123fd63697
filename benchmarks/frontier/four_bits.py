"""MNIST in 6,000 bytes with weights of four bits: a wider mnist-xs, distilled by its recipe, ended under the quantizer.

    python benchmarks/frontier/four_bits.py mnist runs/mnist-four-bits

What an earlier call with the same folder has trained is not trained again. The test images are looked at once, when all
is done.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import of_run, record

from edgekit import catalog
from edgekit.catalog import Architecture
from edgekit.evaluation.evaluate import EvaluateOptions, evaluate
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.training.distill import DistillOptions, distill
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.runs import Structure
from edgekit.zoo import build

CARD = "mnist-xs"
WIDER = Architecture("mnist_tiny", {"widths": [16, 16, 28, 32], "kernels": [5, 3, 5, 5], "strides": [1, 2, 2, 1]})
FILES = ("model.onnx", "model.int8.onnx", "model.int8.tflite")


def main(data: str, folder: Path) -> None:
    """Distill, evaluate, and record."""
    card = catalog.network_card("students", CARD)
    torch.manual_seed(0)
    options = DistillOptions(
        build(WIDER, card.contract.shape, len(card.classes)),
        card.teacher,
        data=data,
        out=folder,
        recipe=DistillRecipeOptions(card.recipe("full")),
        seed=0,
        qat=True,
        weights=WeightScheme(per_tensor=True, weight_bits=4),
        resume=True,
        contract=card.contract,
        structure=Structure(WIDER, card.contract.shape),
    )
    distilled = distill(options)
    evaluations = evaluate(EvaluateOptions(tuple(str(folder / file) for file in FILES), data)).evaluations
    figures = {Path(found.model).name: found.to_dict() for found in evaluations}
    known = {"bytes": "", "test_accuracy": "accuracy", "interval95": "interval", "runtime": "runtime"}
    files = {
        file: {key: figures[file][name] if name else (folder / file).stat().st_size for key, name in known.items()}
        for file in FILES
    }
    shown = {"architecture": str(WIDER), "validation_accuracy": distilled.validation_accuracy}
    record(__file__, {**shown, "files": files, **of_run(folder, "distill.json")}, f"{Path(data).name} DIR")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
