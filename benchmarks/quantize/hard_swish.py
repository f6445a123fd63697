"""int8 HardSwish: the file's three operators beside TFLite's one, and MobileNetV3-Small in int8 beside float.

Timed on one thread of this machine and counted on emulated boards, which must have been set up:
edgekit devices setup raspberry-pi-4b. The network has no trained weights; it takes as long as with them.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx import helper
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import record

import edgekit
from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.conversion.tflite.writer import write_model
from edgekit.graph.prepare import prepare
from edgekit.operators.lowered import ModelRecord, OperatorRecord, TensorRecord
from edgekit.profiling.records import DeviceProfile, ModelProfile
from edgekit.quantization.plan import Plan
from edgekit.quantization.qdq import insert_qdq
from edgekit.scales import range_quantization

BOARDS = {"cortex-a53": "raspberry-pi-3b-plus", "cortex-a72": "raspberry-pi-4b", "cortex-a76": "raspberry-pi-5"}
VALUES = (1, 56, 56, 64)
REACH = 4.0
BLOCKS = (
    (3, 16, 16, False, True, 2), (3, 72, 24, False, False, 2), (3, 88, 24, False, False, 1), (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1), (5, 240, 40, True, True, 1), (5, 120, 48, True, True, 1), (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2), (5, 576, 96, True, True, 1), (5, 576, 96, True, True, 1),
)  # fmt: skip
"""Of Howard et al. 2019, table 2: kernel, inner and outer channels, HardSwish, squeeze and excitation, stride."""


class Squeeze(nn.Module):
    """Squeeze and excitation with a HardSigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(8, (channels // 4 + 4) // 8 * 8)
        self.down, self.up = nn.Conv2d(channels, inner, 1), nn.Conv2d(inner, channels, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """[N, C, H, W] to the same."""
        seen = self.up(functional.relu(self.down(inputs.mean((2, 3), keepdim=True))))
        return inputs * functional.hardsigmoid(seen)


class Block(nn.Sequential):
    """An inverted residual."""

    def __init__(self, inputs: int, kernel: int, inner: int, outputs: int, hard: bool, squeeze: bool, stride: int):
        activation = nn.Hardswish if hard else nn.ReLU
        wide = [] if inner == inputs else [*conv(inputs, inner), activation()]
        deep = [*conv(inner, inner, kernel, stride, inner), activation()]
        super().__init__(*wide, *deep, *([Squeeze(inner)] if squeeze else []), *conv(inner, outputs))
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """[N, inputs, H, W] to [N, outputs, H / stride, W / stride]."""
        results: Tensor = super().forward(inputs)
        return inputs + results if self.is_residual else results


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(outputs)]


def mobilenet_v3_small() -> nn.Module:
    """Images [N, 3, 224, 224] to logits [N, 1000]; the statistics of its normalizations are those of noise."""
    torch.manual_seed(0)
    channels = (16, *(block[2] for block in BLOCKS))
    blocks = (Block(before, *block) for before, block in zip(channels, BLOCKS, strict=False))
    tail = [*conv(96, 576), nn.Hardswish(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    head = [nn.Linear(576, 1024), nn.Hardswish(), nn.Linear(1024, 1000)]
    network = nn.Sequential(*conv(3, 16, 3, 2), nn.Hardswish(), *blocks, *tail, *head)
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(8, 3, 224, 224))
    return network.eval()


def network_files(folder: Path) -> tuple[Path, Path]:
    """MobileNetV3-Small as float and as int8 .tflite file."""
    images = np.random.default_rng(0).integers(0, 256, (40, 224, 224, 3), np.uint8)
    np.savez(folder / "noise.npz", x_train=images)
    exported = partial(torch.onnx.export, opset_version=17, dynamo=False, input_names=["image"])
    exported(mobilenet_v3_small(), (torch.zeros(1, 3, 224, 224),), str(folder / "mobilenet_v3_small.onnx"))
    model = str(folder / "mobilenet_v3_small.onnx")
    edgekit.export(model, to="tflite", out=folder / "float")
    edgekit.quantize(model, data=str(folder / "noise.npz"), int8=True, rungs=1, calibration=20, out=folder / "int8")
    return next((folder / "float").glob("*.tflite")), folder / "int8" / "model.int8.tflite"


def operator_files(folder: Path) -> tuple[Path, Path]:
    """HardSwish of VALUES as the quantizer writes it, and as one HARD_SWISH of the same integers."""
    batch, height, width, channels = VALUES
    ends = [helper.make_tensor_value_info(name, 1, (batch, channels, height, width)) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("HardSwish", ["x"], ["y"])], "hard_swish", ends[:1], ends[1:])
    stored = {"x": range_quantization(-REACH, REACH), "y": range_quantization(-0.375, REACH)}
    model = prepare(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]))
    three, one = folder / "three.tflite", folder / "one.tflite"
    three.write_bytes(lower(insert_qdq(model, Plan(stored)), Metadata()))
    tensors = [TensorRecord(VALUES, "int8", quant=quant, name=name) for name, quant in stored.items()]
    one.write_bytes(write_model(ModelRecord(tensors, [OperatorRecord("HARD_SWISH", (0,), (1,))], [0], [1])))
    return three, one


def compared(files: tuple[Path, Path], device: str) -> dict[str, Any]:
    """Both files on a device, named by ``files``' stems, and the second's share of the first."""
    (found,) = edgekit.profile([str(file) for file in files], device=device, pin="off").devices
    rows = {file.stem: row(model) for file, model in zip(files, found.models, strict=True)}
    return {**rows, "second / first": share(found)}


def row(model: ModelProfile) -> dict[str, Any]:
    """Milliseconds here, or instructions of an emulated board, and the runtime's operators by their kind."""
    if model.timing is not None:
        operators = model.timing.operators.operators if model.timing.operators else ()
        figures = {"fastest_ms": min(model.timing.samples_ns) / 1e6}
    else:
        assert model.counting is not None
        operators = model.counting.operators or ()
        figures = {"instructions": model.counting.counts.total}
    return {**figures, "operators": dict(Counter(operator.type for operator in operators))}


def share(found: DeviceProfile) -> dict[str, float]:
    """Of time, with its interval, or of instructions."""
    if found.ratios:
        (ratio,) = found.ratios
        return {"ratio": ratio.ratio, "low": ratio.low, "high": ratio.high}
    first, second = (model.counting.counts.total for model in found.models if model.counting)
    return {"ratio": second / first}


def main() -> None:
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, files in (("operator", operator_files(Path(folder))), ("network", network_files(Path(folder)))):
            devices = {"this machine": "cpu", **BOARDS}
            result[name] = {place: compared(files, device) for place, device in devices.items()}
            print(name, result[name], flush=True)
    record(__file__, result)


if __name__ == "__main__":
    main()
