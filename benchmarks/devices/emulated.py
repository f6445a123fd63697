"""Emulated boards: int8 TFLite outputs against this machine's, how repeatable counts are, and what they say.

    python benchmarks/devices/emulated.py [MODEL.int8.tflite ...]

The shipped int8 files answer 200 test images of MNIST; files named on the command line answer 200 inputs of noise. The
boards must have been set up: edgekit devices setup raspberry-pi-4b.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import record

from edgekit import catalog
from edgekit.devices.device import Device, Job, open_device
from edgekit.evaluation.device_session import DeviceSession
from edgekit.evaluation.evaluate import EvaluateOptions, evaluate
from edgekit.profiling.counts import count_runs
from edgekit.profiling.profile import profile
from edgekit.profiling.records import ProfileOptions

BOARDS = {"cortex-a53": "raspberry-pi-3b-plus", "cortex-a72": "raspberry-pi-4b", "cortex-a76": "raspberry-pi-5"}
IMAGES = 200
PROCESSES = 3


def agreement(file: Path, board: str, own: bool) -> dict[str, object]:
    """Inputs that got the same integers there and here."""
    if own:
        (found,) = evaluate(EvaluateOptions((str(file),), "mnist", device=board, images=IMAGES)).evaluations
        assert found.agreement is not None
        same, figures = found.figures.images - found.agreement.differing, asdict(found.figures)
        return {"inputs": "MNIST test images", "identical": same, "of": IMAGES, "accuracy": figures["accuracy"]}
    with DeviceSession(file, None, None, open_device(board)) as session:
        (spec,) = session.inputs
        limits = np.iinfo(spec.dtype)
        noise = np.random.default_rng(0).integers(
            limits.min, limits.max, (IMAGES, *spec.shape[1:]), spec.dtype, endpoint=True
        )
        session.run_rows([noise])
        same = session.compared - session.differing
        return {"inputs": "noise", "identical": same, "of": IMAGES, "difference": session.difference}


def repeated(device: Device, file: Path, runtime: str) -> dict[str, object]:
    """Instructions of three runs in each of three processes.

    ``spread`` is the share by which all differ; ``spread_of_reported`` that of each process's median, which is what
    ``edgekit profile`` reports.
    """
    processes = [
        [run.total for run in count_runs(device.run(Job("count", runtime, file), lambda share: None)["log"])]
        for _ in range(PROCESSES)
    ]
    totals = [total for runs in processes for total in runs]
    reported = [statistics.median_low(runs) for runs in processes]
    return {
        "instructions": processes,
        "spread": max(totals) / min(totals) - 1,
        "spread_of_reported": max(reported) / min(reported) - 1,
    }


def main() -> None:
    shipped = [
        path for name in catalog.names("students") for path in catalog.network_card("students", name).model_files
    ]
    int8 = [path for path in shipped if path.name == "model.int8.tflite"]
    files = dict.fromkeys(int8, True) | {Path(text): False for text in sys.argv[1:]}
    result: dict[str, object] = {}
    for file, own in files.items():
        name = f"{file.parent.name}/{file.name}" if own else file.name
        boards: dict[str, object] = {}
        for cpu, board in BOARDS.items():
            started = time.perf_counter()
            device = open_device(board)
            (model,) = profile(ProfileOptions((f"{file}@litert",), (board,))).models
            counted = model.counting
            assert counted is not None
            boards[cpu] = {
                "outputs": agreement(file, board, own),
                "counts": counted.counts.to_dict(),
                "dot_product": counted.uses_dot_product,
                "operators": len(counted.operators or ()),
                "operators_sum_of_whole": sum(item.counts.total for item in counted.operators or ())
                / counted.counts.total,
                "heap_bytes": counted.heap_bytes,
                "repeated": repeated(device, file, "litert"),
                "seconds": round(time.perf_counter() - started, 1),
            }
            print(name, cpu, boards[cpu])
        result[name] = boards
    onnx = [path for path in shipped if path.name == "model.int8.onnx"]
    result["onnxruntime"] = {path.parent.name: repeated(open_device("raspberry-pi-4b"), path, "ort") for path in onnx}
    record(__file__, result, " ".join(Path(text).name for text in sys.argv[1:]))


if __name__ == "__main__":
    main()
