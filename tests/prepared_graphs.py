"""What the tests of preparing share."""

from __future__ import annotations

import numpy as np
import onnx
from small_graphs import run_onnx


def operators(model: onnx.ModelProto) -> list[str]:
    return [item.op_type for item in model.graph.node]


def assert_same_answers(model: onnx.ModelProto, prepared: onnx.ModelProto, *inputs: np.ndarray) -> None:
    for expected, got in zip(run_onnx(model, *inputs), run_onnx(prepared, *inputs), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
