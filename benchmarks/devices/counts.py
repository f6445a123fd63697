"""Instructions of layers and of whole networks on each core, counted: what latencies are fitted through.

    python benchmarks/devices/counts.py [MODEL.tflite MODEL.onnx ...]

Counts the files of ``latency/layers.py``, the shipped students', the smallest two networks with a published latency and
those named, with every runtime and in every precision, and writes ``counts.json`` beside this file. The boards must
have been set up (edgekit devices setup raspberry-pi-4b). It takes about half an hour of one core.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from latency.files import published_model
from latency.layers import layer_models
from record import record

from edgekit import catalog
from edgekit.console import progress
from edgekit.devices.device import Job, open_device
from edgekit.devices.latency.workload import Layer, read_layers
from edgekit.profiling.calibrate import FORMS, forms_of
from edgekit.profiling.counts import CLASSES, InstructionCounts, count_runs

if TYPE_CHECKING:
    from onnx import ModelProto

CORES = {"Cortex-A53": "raspberry-pi-3b-plus", "Cortex-A72": "raspberry-pi-4b", "Cortex-A76": "raspberry-pi-5"}
RUNTIMES = {"litert": ".tflite", "litert-builtin": ".tflite", "ort": ".onnx"}
PUBLISHED = ("mobilenet-v1-0.25-128", "mobilenet-v2-0.35-96")
RUNS = 3
"""How often a job counts each of its files."""
DEFAULTS = {item.name: item.default for item in fields(Layer) if item.default is not MISSING}


def count(board: str, runtime: str, files: Sequence[Path]) -> list[InstructionCounts]:
    """The middle one of the runs of each file, all opened in one process."""
    with closing(open_device(board)) as device:
        job = Job("count", runtime, files[0], others=tuple((runtime, path) for path in files[1:]))
        runs = count_runs(device.run(job, lambda share: None)["log"])
    groups = (runs[start : start + RUNS] for start in range(0, len(runs), RUNS))
    return [sorted(group, key=lambda run: run.total)[RUNS // 2] for group in groups]


def write_files(folder: Path, models: Iterable[tuple[str, ModelProto]]) -> dict[str, Path]:
    """Float networks in every form, as ``conv-12-8-8-3-1.int8.tflite``."""
    paths = {}
    for name, model in models:
        for (runtime, precision), data in forms_of(model, FORMS):
            path = folder / f"{name}.{precision}{RUNTIMES[runtime]}"
            path.write_bytes(data)
            paths[path.name] = path
    return paths


def layers_of(path: Path) -> dict[str, Any]:
    """The workload of a file as plain values, without what is as by default."""
    found = read_layers(str(path))
    layers = [{key: value for key, value in layer.items() if value != DEFAULTS.get(key)} for layer in found["layers"]]
    return {"precision": found["precision"], "layers": layers}


def collect(paths: Mapping[str, Path]) -> dict[str, Any]:
    """What is counted of the files that have these names: core → runtime → name → instructions, as CLASSES are."""
    jobs = [(core, runtime) for core in CORES for runtime in RUNTIMES]
    counts: dict[str, dict[str, dict[str, str]]] = {core: {} for core in CORES}
    with progress("counting", len(jobs)) as bar:
        for number, (core, runtime) in enumerate(jobs):
            bar.update(number, f"{runtime} on {core}")
            mine = {name: path for name, path in paths.items() if path.suffix == RUNTIMES[runtime]}
            found = count(CORES[core], runtime, list(mine.values()))
            counts[core][runtime] = {
                name: " ".join(str(getattr(item, kind)) for kind in CLASSES)
                for name, item in zip(mine, found, strict=True)
            }
    return {"workloads": {name: layers_of(path) for name, path in paths.items()}, "counts": counts}


def main() -> None:
    """Count and record."""
    shipped = [
        path for name in catalog.names("students") for path in catalog.network_card("students", name).model_files
    ]
    files = {f"{path.parent.name}/{path.name}": path for path in [*shipped, *map(Path, sys.argv[1:])]}
    with tempfile.TemporaryDirectory() as folder:
        layers = collect(write_files(Path(folder), layer_models()))
        files |= write_files(Path(folder), ((name, published_model(name)) for name in PUBLISHED))
        networks = collect(files)
    result = {"classes": " ".join(CLASSES), "layers": layers, "networks": networks}
    record(__file__, result, " ".join(Path(text).name for text in sys.argv[1:]))


if __name__ == "__main__":
    main()
