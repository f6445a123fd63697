"""AIMET's quantization of ONNX models: ranges by error, and AdaRound, or sequential MSE of the weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import aimet_onnx
import onnx
from peer_job import Job, run_job

Feeds = list[dict[str, Any]]
ITERATIONS = 1000
"""For each layer; AIMET recommends ten times as many for 8 bits, which take ten times as long."""


def quantize(job: Job, ranges: str, improve: Callable[[Any, Feeds], None] | None = None) -> None:
    images = [{"image": image} for image in job.inputs()]
    simulated = aimet_onnx.QuantizationSimModel(
        onnx.load(job.onnx),
        param_type=aimet_onnx.int8,
        activation_type=aimet_onnx.int8,
        quant_scheme=ranges,
    )
    if improve:
        improve(simulated, images)
    simulated.compute_encodings(images)
    file = simulated.to_onnx_qdq(export_int32_bias=True, prequantize_constants=True)
    onnx.save(file, Path(job.out) / "model.int8.onnx")


round_weights = partial(aimet_onnx.apply_adaround, num_iterations=ITERATIONS)
run_job(
    {
        "default": partial(quantize, ranges="tf_enhanced"),
        "adaround": partial(quantize, ranges="tf_enhanced", improve=round_weights),
        # Sequential MSE knows minima and maxima alone.
        "seqmse": partial(quantize, ranges="min_max", improve=aimet_onnx.apply_seq_mse),
    }
)
