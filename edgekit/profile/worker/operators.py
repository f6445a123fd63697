"""Where the time goes: the mean time of every operator, by the runtime's own profiler.

Profiling slows a run down, so this is a run of its own and its sum is compared with its own total. Both runtimes stamp
in whole microseconds: a single operator below a few of them is known badly, and the sum falls short by up to half a
microsecond per operator.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .refusal import first_line
from .runtimes import bind_tensors, import_runtime, onnx_options

WARMUP_RUNS = 5
MIN_RUNS = 20
MAX_RUNS = 2000
DURATION_S = 0.5

Run = list[tuple[str, str, float]]
"""(name, type, nanoseconds) of each operator in order of execution."""


def time_operators(request: dict[str, Any], emit: Callable[..., None]) -> dict[str, Any]:
    """``operators``: name, type and mean nanoseconds of each; ``total_ns``: the mean of the whole run around them.

    Means over the faster half of the runs: a whole-microsecond clock needs a mean, and a mean needs quiet runs.
    ``unavailable`` says why there is no answer.
    """
    emit(phase="timing its operators")
    name, path, threads = request["runtime"], request["model"], request["threads"]
    if name == "tflite-runtime":
        return {"unavailable": "tflite-runtime has no profiler that Python can reach"}
    module = import_runtime(name)
    try:
        if name == "ort":
            runs, totals = _profile_onnx(module, path, threads)
        else:
            from .litert_profiler import ProfiledModel

            with ProfiledModel(path, threads) as model:
                _repeat(model.run)
                runs, totals = model.events()
    except Exception as exc:  # whatever a profiler stumbles over, the measurement stands without it
        return {"unavailable": first_line(exc)}
    return _faster_half(runs[WARMUP_RUNS:], totals[WARMUP_RUNS:])


def _faster_half(runs: list[Run], totals: list[float]) -> dict[str, Any]:
    if not runs or not runs[0]:
        return {"unavailable": "the runtime's profiler reported no operators"}
    alike = [index for index in range(len(runs)) if len(runs[index]) == len(runs[0])]
    order = sorted(alike, key=totals.__getitem__)[: max(1, len(alike) // 2)]
    operators = [
        {"name": name, "type": kind, "mean_ns": sum(runs[index][position][2] for index in order) / len(order)}
        for position, (name, kind, _) in enumerate(runs[order[0]])
    ]
    return {"operators": operators, "total_ns": sum(totals[index] for index in order) / len(order), "runs": len(order)}


def _repeat(run: Callable[[], object]) -> None:
    started = time.perf_counter()
    for count in range(MAX_RUNS):
        if count >= WARMUP_RUNS + MIN_RUNS and time.perf_counter() - started > DURATION_S:
            return
        run()


def _profile_onnx(onnxruntime: Any, path: str, threads: int) -> tuple[list[Run], list[float]]:
    """By ONNX Runtime's own profile, a list of trace events that it writes to a file at the end."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnx_options(onnxruntime, path, threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        binding = bind_tensors(onnxruntime, session)
        _repeat(lambda: session.run_with_iobinding(binding))
        events = json.loads(Path(session.end_profiling()).read_text())
    runs: list[Run] = [[]]
    totals = []
    for event in events:
        if event["name"] == "SequentialExecutor::Execute":  # comes after the operators that it has executed
            totals.append(event["dur"] * 1000.0)
            runs.append([])
        elif event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
            label = event["name"][: -len("_kernel_time")]
            runs[-1].append((label, event["args"]["op_name"], event["dur"] * 1000.0))
    return runs[:-1], totals
