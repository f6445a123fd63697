"""Sony's Model Compression Toolkit: post-training quantization of PyTorch networks with its defaults.

Its files compute what integers would, in float: weights already rounded, activations through QDQ pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import model_compression_toolkit as mct
import numpy as np
import torch
from networks import NETWORKS
from peer_job import Job, run_job

OPSET = 17
BATCH = 20
TARGET = mct.get_target_platform_capabilities("pytorch", "tflite", "v1")
"""int8 as TFLite has it, symmetric weights for each channel; its default is a chip that knows powers of two alone."""
# MCT takes torch's default, the newer exporter, which needs a package more.
torch.onnx.export = partial(torch.onnx.export, dynamo=False)


def quantize(job: Job) -> None:
    images = np.concatenate(list(job.inputs()))

    def batches() -> Iterator[list[torch.Tensor]]:
        return ([torch.from_numpy(images[start : start + BATCH])] for start in range(0, len(images), BATCH))

    network = NETWORKS[job.model].build().eval()
    quantized, _ = mct.ptq.pytorch_post_training_quantization(network, batches, target_platform_capabilities=TARGET)
    mct.exporter.pytorch_export_model(
        quantized,
        str(Path(job.out) / "model.int8.onnx"),
        batches,
        quantization_format=mct.exporter.QuantizationFormat.FAKELY_QUANT,
        onnx_opset_version=OPSET,
    )


run_job({"default": quantize})
