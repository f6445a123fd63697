"""The int8 ONNX file whose first layer reads channels by four, beside the one before, the float one and the TFLite one.

    python benchmarks/quantize/first_layer.py

One thread; the files of a network take turns in one process, in fourteen episodes. Ranges are made up: they do not
change what a file costs. mnist-tiny is the student that is shipped, the others have random weights.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx

sys.path.append(str(Path(__file__).resolve().parents[1]))
from record import record

from edgekit.artifact import Metadata
from edgekit.conversion.compact import compact
from edgekit.conversion.tflite import lower
from edgekit.conversion.torch_onnx import to_onnx
from edgekit.devices.device import open_device
from edgekit.graph.metadata import write_metadata
from edgekit.graph.prepare import prepare
from edgekit.inputs.contract import InputContract
from edgekit.modelfiles.model_ref import find_models
from edgekit.profiling.calibrate import int8_plan
from edgekit.profiling.ratio import compare_latency
from edgekit.profiling.records import ProfileOptions
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.stem import with_fast_stem
from edgekit.zoo import build

STUDENT = Path(__file__).resolve().parents[2] / "students" / "mnist-tiny" / "model.onnx"
NETWORKS = {"resnet8": 32, "ds_cnn": 32, "mobilenet_v2": 224}
"""By name, with the size of their image."""


def models() -> dict[str, onnx.ModelProto]:
    """The float networks."""
    found = {"mnist-tiny": onnx.load(STUDENT)}
    for name, size in NETWORKS.items():
        contract = InputContract(size, size, 3)
        found[name] = to_onnx(build(name, (size, size, 3), 10), contract, Metadata(contract))
    return found


def compare(model: onnx.ModelProto, folder: Path) -> dict[str, Any]:
    """Bytes of each file, and its time over that of the file with the first layer as it was."""
    ready = prepare(model)
    plan = int8_plan(ready)
    plain, fast = (
        compact(insert_qdq(*how, activations="uint8")) for how in ((ready, plan), with_fast_stem(ready, plan))
    )
    files = {
        "plain.onnx": write_metadata(plain, Metadata()).SerializeToString(),
        "fast.onnx": write_metadata(fast, Metadata()).SerializeToString(),
        "float.onnx": ready.SerializeToString(),
        "int8.tflite": lower(insert_qdq(ready, plan), Metadata()),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    targets = [target for name in files for target in find_models(str(folder / name))]
    ratios = compare_latency(targets, open_device("cpu"), ProfileOptions(seconds=3.0), lambda share: None)
    rows = {
        Path(ratio.file).name: {
            "ratio": round(ratio.ratio, 4),
            "low": round(ratio.low, 4),
            "high": round(ratio.high, 4),
        }
        for ratio in ratios
    }
    return {"bytes": {name: len(data) for name, data in files.items()}, "time over plain.onnx": rows}


def main() -> None:
    """Compare, print and record."""
    result = {}
    for name, model in models().items():
        with TemporaryDirectory() as folder:
            result[name] = compare(model, Path(folder))
        print(name, result[name], flush=True)
    record(__file__, result)


if __name__ == "__main__":
    main()
