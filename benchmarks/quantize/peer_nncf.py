"""NNCF's post-training quantization of ONNX models, with its defaults but for the number of images."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import nncf
import onnx
from peer_job import Job, run_job


def quantize(job: Job, fast_bias_correction: bool) -> None:
    images = nncf.Dataset([None] * job.images, lambda _: {"image": next(source)})
    source = job.inputs()
    quantized = nncf.quantize(
        onnx.load(job.onnx), images, subset_size=job.images, fast_bias_correction=fast_bias_correction
    )
    onnx.save(quantized, Path(job.out) / "model.int8.onnx")


run_job(
    {
        "default": partial(quantize, fast_bias_correction=True),
        "bias-correction": partial(quantize, fast_bias_correction=False),
    }
)
