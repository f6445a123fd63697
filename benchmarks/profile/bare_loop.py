"""The profiler's p50 beside that of a bare loop over the runtime's own Python interface, one thread, same core.

Both are fresh processes that alternate; a row is the median over the pairs of the profiler's p50 over the loop's, with
its 95% interval. ONNX Runtime's wheel has no performance tool that takes a number of threads, so the loop is the peer:
over ``run_with_iobinding``, which the profiler calls, and over ``run``, which copies inputs and outputs on top.
EdgeKit's int8 files are opened for exact sums on x86 in both.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from common import publish
from files import files, runtime_of

from edgekit.console import progress
from edgekit.devices.device import Job
from edgekit.devices.drivers.local import LocalDevice
from edgekit.profiling.ratio import ratio_interval

PAIRS = 12
SECONDS = 0.7
LOOP = """
import json, os, sys, time
import numpy as np
path, kind, seconds, core = sys.argv[1:]
os.sched_setaffinity(0, [int(core)])
if kind == "litert":
    from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], np.ones(detail["shape"], detail["dtype"]))
    run = interpreter.invoke
else:
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if b"edgekit" in open(path, "rb").read():
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(path, options)
    types = {"tensor(float)": np.float32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8}
    feed = {item.name: np.ones([size if isinstance(size, int) else 1 for size in item.shape], types[item.type])
            for item in session.get_inputs()}
    if kind == "run":
        run = lambda: session.run(None, feed)
    else:
        binding = session.io_binding()
        for name, value in feed.items():
            binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(value))
        for item in session.get_outputs():
            binding.bind_output(item.name)
        run = lambda: session.run_with_iobinding(binding)
begin = time.perf_counter()
while time.perf_counter() - begin < 0.3:
    run()
times = []
begin = time.perf_counter()
while time.perf_counter() - begin < float(seconds):
    started = time.perf_counter_ns()
    run()
    times.append(time.perf_counter_ns() - started)
print(json.dumps(sorted(times)[len(times) // 2]))
"""


def main() -> None:
    core = max(os.sched_getaffinity(0))
    result: dict[str, Any] = {}
    with files(__doc__) as paths, progress("measuring", len(paths) * PAIRS) as bar:
        for path in paths:
            kinds = ("litert",) if runtime_of(path) == "litert" else ("run_with_iobinding", "run")
            pairs: dict[str, list[float]] = {kind: [] for kind in kinds}
            own = []
            for number in range(PAIRS):
                loops = {} if number % 2 else {kind: _loop(path, kind, core) for kind in kinds}
                own.append(_profiler(path, core))
                loops = loops or {kind: _loop(path, kind, core) for kind in kinds}
                for kind, time in loops.items():
                    pairs[kind].append(own[-1] / time)
                bar.update(len(result) * PAIRS + number + 1, path.name)
            result[path.name] = {"p50_us": round(statistics.median(own) / 1e3, 2)} | {
                f"p50 / {kind} loop": [round(value, 4) for value in ratio_interval(ratios)]
                for kind, ratios in pairs.items()
            }
    publish(__file__, result)


def _profiler(path: Path, core: int) -> float:
    job = Job("measure", runtime_of(path), path, seconds=SECONDS, pin=str(core))
    return statistics.median(LocalDevice().run(job, lambda share: None)["samples_ns"])


def _loop(path: Path, kind: str, core: int) -> float:
    command = [sys.executable, "-c", LOOP, str(path), kind, str(SECONDS), str(core)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


if __name__ == "__main__":
    main()
