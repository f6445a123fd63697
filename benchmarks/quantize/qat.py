"""Quantization-aware fine-tuning of CIFAR-10's ResNet-56 from a deliberately broken start.

The start: 4-bit weights with one scale for each tensor, rounded to the nearest, and activation ranges cut to a quarter
of what calibration saw. It is trained on the float network's answers to training images, without their labels. Then
both files are written and judged on the test images, beside the accuracy of what was trained there.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from images import part_of
from models import Model, open_model
from onnx import ModelProto
from places import FILES, PRODUCTS, ROOT
from scores import Judge

from edgekit.artifact import Metadata
from edgekit.conversion.tflite.lower_model import lower
from edgekit.data.dataset import Split
from edgekit.data.intake import Pictures
from edgekit.files import write_bytes, write_json
from edgekit.graph.isolated import open_prepared
from edgekit.graph.metadata import write_metadata
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.quantization.calibrate import RealInputs, calibrate
from edgekit.quantization.plan import Plan
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.rungs.fake_quantized import QuantizedModule
from edgekit.quantization.rungs.finetune import FinetuneOptions, finetune
from edgekit.quantization.tensor_groups import affines, tie_groups

sys.path.append(str(ROOT / "benchmarks"))
from record import record

WEIGHT_BITS = 4
RANGE_SHARE = 1 / 4
CALIBRATION_IMAGES = 100
BATCH = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=int, default=5000, help="train on so many images")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--images", type=int, help="judge on the first so many test images only")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--publish", action="store_true", help="write the figures beside the command")
    choice = parser.parse_args()
    torch.set_num_threads(choice.threads)
    result = measure(choice.train, FinetuneOptions(epochs=choice.epochs), choice.images)
    if choice.publish:
        record(__file__, result)
    else:
        write_json(PRODUCTS / "qat.json", result)
    print({name: result[name] for name in ("start", "end", "seconds")})


def measure(count: int, options: FinetuneOptions, images: int | None) -> dict[str, Any]:
    """Train on ``count`` images and judge start and end on the first ``images`` test images, or all."""
    source = open_model("resnet56")
    judge = Judge(source, "test", images)
    model = open_prepared(source.path)
    plan = broken(model, source)
    start = judged(judge, "start", model, plan)
    print("start", start, flush=True)
    part = part_of(source.images, "development")
    inputs = RealInputs(
        Split(np.asarray(part.images)), np.arange(min(count, len(part.images))), Pictures(source.contract)
    )
    started = time.perf_counter()
    done = finetune(model, plan, inputs, options)
    seconds = round(time.perf_counter() - started, 1)
    return {
        **judge.context(),
        "training_images": done.images,
        "options": asdict(options),
        "start": start,
        "end": judged(judge, "end", done.model, done.plan),
        "seconds": seconds,
        "threads": torch.get_num_threads(),
        "history": done.to_dict(),
    }


def broken(model: ModelProto, source: Model) -> Plan:
    """The start."""
    part = part_of(source.images, "calibration")
    inputs = RealInputs(Split(np.asarray(part.images)), np.arange(CALIBRATION_IMAGES), Pictures(source.contract))
    groups = tie_groups(model, Pictures(source.contract))
    seen = calibrate(model, [name for group in groups for name in group.tensors], inputs)
    ranges = [group.range("minmax", seen) for group in groups]
    cut = [(RANGE_SHARE * low, RANGE_SHARE * high) for low, high in ranges]
    return Plan(affines(groups, cut), scheme=WeightScheme(per_tensor=True, weight_bits=WEIGHT_BITS))


def judged(judge: Judge, name: str, model: ModelProto, plan: Plan) -> dict[str, Any]:
    """Accuracies as simulated in training and of both files; the largest difference between these, in points."""
    folder = FILES / "resnet56" / f"qat {name}"
    metadata = Metadata(judge.model.contract)
    onnx, tflite = folder / "model.int8.onnx", folder / "model.int8.tflite"
    folder.mkdir(parents=True, exist_ok=True)
    quantized = write_metadata(insert_qdq(model, plan), metadata)
    write_bytes(onnx, quantized.SerializeToString(deterministic=True))
    write_bytes(tflite, lower(quantized, metadata))
    trained = simulated_accuracy(judge, model, plan)
    files = {path.suffix[1:]: asdict(judge.judge(path)) for path in (onnx, tflite)}
    differences = [abs(100 * (file["accuracy"] - trained)) for file in files.values()]
    return {"in_training": trained, **files, "largest_difference": round(max(differences), 4)}


def simulated_accuracy(judge: Judge, model: ModelProto, plan: Plan) -> float:
    """Top-1 accuracy of the torch module that is trained."""
    module, part, contract = QuantizedModule(model, plan).eval(), judge.part, judge.model.contract
    assert part.labels is not None
    correct = 0
    with torch.inference_mode():
        for images, labels in Split(np.asarray(part.images), part.labels).batches(BATCH):
            answers = module(torch.from_numpy(contract.real(images).transpose(0, 3, 1, 2).copy()))[0]
            correct += int((answers.argmax(1).numpy() == labels).sum())
    return correct / len(part.labels)


if __name__ == "__main__":
    main()
