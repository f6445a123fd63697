"""A report with made-up figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgekit.report.record import Latency, ModelRow, Parity, Picture, Report

CLASSES = ("0", "1", "2")


def model_row(role: str, file: str, file_bytes: int, microseconds: float) -> ModelRow:
    samples = np.random.default_rng(0).lognormal(np.log(1000 * microseconds), 0.1, 400).astype(int)
    return ModelRow(
        role=role,
        file=file,
        sha256=f"{file_bytes:064x}",
        file_bytes=file_bytes,
        accuracy=0.99,
        interval=(0.985, 0.993),
        latency=Latency(float(np.median(samples)), (990.0, 1010.0), tuple(samples.tolist()), "LiteRT 2.3.0", 1),
        weight_bytes=file_bytes // 2,
        memory_bytes=3_000_000,
        arena_bytes=14_800,
        per_class=(0.99, 0.98, 1.0),
        operators=(("CONV_2D", 3000.0), ("FULLY_CONNECTED", 1000.0)),
    )


@pytest.fixture
def models() -> tuple[ModelRow, ...]:
    large = replace(model_row("teacher", "teacher.onnx", 832_000, 420.0), per_class=(), arena_bytes=None)
    return (large, model_row("student, int8 TFLite", "model.int8.tflite", 11_208, 21.0))


@pytest.fixture
def report(models: tuple[ModelRow, ...]) -> Report:
    digit = np.zeros((28, 28, 1), np.uint8)
    return Report(
        title="teacher → student",
        summary="What was done.",
        data="mnist",
        images=10_000,
        classes=CLASSES,
        models=models,
        parity=Parity("model.int8.onnx", "model.int8.tflite", 1000, 0.9994, 1, 1.0),
        mistakes=(Picture(digit, "0", "2", 0.97, 0.004),),
        mistakes_total=100,
        context={"processor": "a Cortex-A72"},
        warnings=("the machine was busy",),
        commands=("edgekit demo --seed 0",),
    )
