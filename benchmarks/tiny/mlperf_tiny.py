"""MLPerf Tiny's four networks from their float files to int8 files: quality, drop, size, arena and latency.

    python benchmarks/tiny/mlperf_tiny.py [NAME ...]

Its files and the data that there are lie in ../shared (docs/benchmarks.md). Of keyword spotting only the int8 file was
published: its float network has the real values of those weights. Photos of persons and sounds of machines are not
there: visual wake words is judged by agreement with its float network on photos of clothes, and the autoencoder on made
spectra, of which some have a tone more than the others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from float_onnx import float_onnx
from numpy.typing import NDArray

import edgekit

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "quantize")]
from images import part_of
from places import ROOT, SHARED
from record import record

from edgekit.data import open_data
from edgekit.inputs.contract import InputContract

PRODUCTS = ROOT / "runs" / "benchmarks" / "tiny"
Arrays = dict[str, NDArray[Any]]
SEED = 0


def cifar() -> Arrays:
    """The 500 training images of MLPerf Tiny to calibrate, the 10,000 test images; pixels are 0 to 255."""
    parts = {split: part_of("cifar10", name) for split, name in {"train": "calibration", "test": "test"}.items()}
    images = {f"input_1_{split}": np.asarray(part.images) for split, part in parts.items()}
    return {**images, "labels_test": np.asarray(parts["test"].labels)}


def words() -> Arrays:
    """The 1,000 inputs of the energy runner as real values: 200 to calibrate, 800 to measure."""
    held = np.load(SHARED / "data" / "kws01" / "kws01_mfcc_int8.npz")
    with edgekit.open(SHARED / "models" / "mlperftiny_kws_dscnn_int8.tflite") as model:
        spectra = model.inputs[0].dequantize(held["x"])
    order = np.random.default_rng(SEED).permutation(len(spectra))
    train, test = order[:200], order[200:]
    return {"input_1_train": spectra[train], "input_1_test": spectra[test], "labels_test": held["y"][test]}


def frames() -> Arrays:
    """Made log-mel frames in dB, five of 128 bands: noise over a falling spectrum, and anomalies with a tone more."""
    generator = np.random.default_rng(SEED)
    bands = np.arange(128)

    def spectra(count: int, tones: int) -> NDArray[np.float32]:
        level = -20 - 15 * bands / 128 + generator.normal(0, 3, (count, 1, 1))
        sound = np.repeat(level, 5, axis=1) + generator.normal(0, 2, (count, 5, 128))
        for _ in range(tones):
            centre = generator.uniform(20, 110, (count, 1, 1))
            sound = sound + 12 * np.exp(-np.square((bands - centre) / 3))
        return sound.reshape(count, 640).astype(np.float32)

    test = np.concatenate([spectra(500, 2), spectra(500, 3)])
    return {"input_1_train": spectra(1000, 2), "input_1_test": test, "labels_test": np.repeat([0, 1], 500)}


def photos() -> Arrays:
    """Photos of clothes in 96x96 as real pixels in [0, 1], without labels."""
    data = open_data(SHARED / "data" / "clothing", InputContract(96, 96, 3))
    generator = np.random.default_rng(SEED)
    chosen = generator.choice(len(data.train), 300, replace=False)
    images = {"input_1_train": data.train.images[chosen], "input_1_test": data.test.images[:]}
    return {name: pixels.astype(np.float32) / 255 for name, pixels in images.items()}


TASKS: dict[str, tuple[str, str, Callable[[], Arrays]]] = {
    "image classification": ("mlperftiny_resnet8_fp32", "mlperftiny_resnet8_int8", cifar),
    "keyword spotting": ("mlperftiny_kws_dscnn_int8", "mlperftiny_kws_dscnn_int8", words),
    "anomaly detection": ("mlperftiny_ad01_fp32", "mlperftiny_ad01_int8", frames),
    "visual wake words": ("mlperftiny_vww96_fp32", "mlperftiny_vww96_int8", photos),
}


def run(name: str) -> dict[str, Any]:
    """One task, end to end."""
    source, published, make = TASKS[name]
    folder = PRODUCTS / name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "float.onnx"
    model.write_bytes(float_onnx(SHARED / "models" / f"{source}.tflite").SerializeToString())
    data = folder / "samples.npz"
    np.savez(data, **make())
    done = edgekit.quantize(model, data=data, out=folder, int8=True)
    costs = {}
    for file in (folder / "model.int8.tflite", SHARED / "models" / f"{published}.tflite"):
        timing = edgekit.profile([file], threads=1).models[0].timing
        assert timing is not None
        costs[file.name] = {
            "bytes": file.stat().st_size,
            "arena_bytes": timing.arena.arena_bytes if timing.arena else None,
            "p50_ns": timing.latency.p50_ns,
        }
    files = (done.original, done.onnx, done.tflite)
    qualities = {file.file: file.quality.to_dict() | {"drop": file.quality.drop} for file in files if file.quality}
    return {
        "samples": {"calibration": done.calibration_images, "test": done.evaluation_images},
        "drop": done.drop,
        "quality": qualities,
        "kept_rung": next(rung.name for rung in done.rungs if rung.kept),
        "onnx_bytes": done.onnx.file_bytes,
        "files": costs,
    }


if __name__ == "__main__":
    results = {name: run(name) for name in sys.argv[1:] or TASKS}
    record(__file__, results)
