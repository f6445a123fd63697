"""Instructions of a layer as a function of its shape, for each core, runtime and precision, from ``counts.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.devices.latency.model import FINE_IN_BLOCKS, features, fit_rates
from edgekit.devices.latency.workload import Layer, Workload

FILE = Path(__file__).resolve().parents[1] / "counts.json"
RUNTIMES = {"tflite-xnnpack": "litert", "tflite-builtin": "litert-builtin", "ort": "ort"}
"""Kernels → the runtime that they are counted in."""
PRECISIONS = ("float32", "int8")
STRENGTH = 1e-5
SORTING = 12.0
"""Instructions for each score that is sorted: an estimate, after the loops of TFLite's detection_postprocess.cc."""


@cache
def instructions(core: str, kernels: str, precision: str) -> Mapping[str, float]:
    """Instructions per unit of each feature that has any, fitted to the counted layers."""
    counted = [
        (workload, total) for name, workload, total in _counted("layers", core, kernels) if f".{precision}." in name
    ]
    names = tuple(name for name in FINE_IN_BLOCKS if any(features(workload, (name,))[0] for workload, _ in counted))
    matrix = np.array([features(workload, names) for workload, _ in counted])
    rates = fit_rates(matrix, np.array([total for _, total in counted]), strength=STRENGTH)
    known = {name: float(rate) for name, rate in zip(names, rates, strict=True) if rate > 0}
    return {**known, "sort.inputs": SORTING}


def judged() -> Iterator[tuple[str, str, str, float, float]]:
    """Core, kernels, name, instructions counted and those that its layers let expect, of each network in the file."""
    for core in document()["counts"]:
        for kernels in RUNTIMES:
            for name, workload, total in _counted("networks", core, kernels):
                if workload.precision not in PRECISIONS:
                    continue
                rates = instructions(core, kernels, workload.precision)
                yield core, kernels, name, total, float(features(workload, tuple(rates)) @ np.array([*rates.values()]))


@cache
def document(part: str = "networks") -> Mapping[str, Any]:
    """The ``layers`` or the ``networks`` of the file."""
    found: Mapping[str, Any] = json.loads(FILE.read_text())["result"][part]
    return found


def workload_in(values: Mapping[str, Any]) -> Workload:
    """The workload of a file as ``counts.json`` has it."""
    return Workload(values["precision"], tuple(Layer(**layer) for layer in values["layers"]))


def _counted(part: str, core: str, kernels: str) -> Iterator[tuple[str, Workload, float]]:
    found = document(part)
    for name, classes in found["counts"][core][RUNTIMES[kernels]].items():
        yield name, workload_in(found["workloads"][name]), float(sum(map(int, classes.split())))
