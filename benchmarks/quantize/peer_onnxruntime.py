"""ONNX Runtime's static quantization as its documentation advises for x86: pre-processed, QDQ, uint8 × int8."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from peer_job import Job, run_job


class Reader(CalibrationDataReader):
    """The calibration images, one at a time."""

    def __init__(self, job: Job) -> None:
        self._images: Iterator[Any] = job.inputs()

    def get_next(self) -> dict[str, Any] | None:
        """The next one's feed, or None after the last."""
        image = next(self._images, None)
        return None if image is None else {"image": image}


def quantize(job: Job, calibration: CalibrationMethod, per_channel: bool) -> None:
    prepared = Path(job.out) / "prepared.onnx"
    quant_pre_process(job.onnx, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        Path(job.out) / "model.int8.onnx",
        Reader(job),
        quant_format=QuantFormat.QDQ,
        per_channel=per_channel,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=calibration,
    )
    prepared.unlink()


run_job(
    {
        "minmax": partial(quantize, calibration=CalibrationMethod.MinMax, per_channel=True),
        "percentile": partial(quantize, calibration=CalibrationMethod.Percentile, per_channel=True),
        "entropy": partial(quantize, calibration=CalibrationMethod.Entropy, per_channel=True),
        "minmax-per-tensor": partial(quantize, calibration=CalibrationMethod.MinMax, per_channel=False),
    }
)
