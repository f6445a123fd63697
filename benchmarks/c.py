"""Files as C: answers beside TFLite Micro's, shared memory, code, latency and instructions beside LiteRT's, one thread.

    python benchmarks/c.py FILE.tflite ...

Each file answers 200 random inputs. Answers are those of builds with sanitizers, by each way in which the program
computes here: integers are compared to the bit, real numbers by their difference as a share of the largest. Timed is a
build with -O3 -march=native, called from C in turns of a tenth of a second, LiteRT in turns between them. Code is the
.text of a build with -Os for this machine, weights included. Instructions are one inference's on emulated boards, which
must have been set up (edgekit devices setup raspberry-pi-4b).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import closing
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from compiled_c import PATHS, answers_of_c, answers_of_micro, random_inputs
from record import record

from edgekit.conversion.c import program_of
from edgekit.conversion.c.layer import ctype
from edgekit.conversion.c.library import run_job
from edgekit.conversion.tflite.reader import read_record
from edgekit.devices.device import Job, open_device
from edgekit.modelfiles.times import Timed, times_in_turns
from edgekit.operators.lowered import ModelRecord
from edgekit.profiling.counts import count_runs

INPUTS = 200
ROUNDS = 7
CORES = {"Cortex-A53": "raspberry-pi-3b-plus", "Cortex-A72": "raspberry-pi-4b", "Cortex-A76": "raspberry-pi-5"}
TIMED = """
#include "model.h"
#include <stdio.h>
#include <time.h>
static {input} in0[{size}];
static {output} out0[{results}];
static double now(void) {{ struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e9 + t.tv_nsec; }}
int main(void)
{{
    long count = 0;
    double begun, taken = 0;
    for (int i = 0; i < {size}; ++i) in0[i] = ({input})(int8_t)(i * 37);
    for (int round = 0; round < 3; ++round) net_run(in0, out0);
    begun = now();
    while (taken < 1e8) {{
        for (int i = 0; i < 4; ++i) net_run(in0, out0);
        count += 4;
        taken = now() - begun;
    }}
    printf("%f\\n", taken / count);
    return 0;
}}
"""


def main(paths: list[Path]) -> None:
    result = {name_of(path): of(path) for path in paths}
    for name, found in result.items():
        print(name, found)
    record(__file__, result, "FILE.tflite ...")


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}" if path.stem.startswith("model") else path.name


def of(path: Path) -> dict[str, Any]:
    """One file."""
    model = read_record(path)
    program, tensors = program_of(model, "net"), random_inputs(model, INPUTS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        expected = answers_of_micro(model, tensors)
        answers = [answers_of_c(model, folder, tensors, path=way) for way in PATHS]
        (folder / "timed.c").write_text(timed(model))
        built("-O3", "-march=native", "model.c", "timed.c", "-o", "timed", folder=folder)
        built("-Os", "-c", "model.c", "-o", "small.o", folder=folder)
        code = int(built_output("size", "small.o", folder=folder).splitlines()[1].split()[0])
        times: dict[str, list[float]] = {"c": [], "litert": []}
        for _ in range(ROUNDS):
            times["c"].append(float(built_output("./timed", folder=folder)))
            times["litert"] += times_in_turns([Timed("litert", path)])
    c, litert = (median(found) for found in times.values())
    return {
        "inputs": INPUTS,
        **compared(answers, expected, model.tensors[model.outputs[0]].dtype),
        "arena_bytes": program.arena_bytes,
        "arena_bytes_of_tflite_micro": micro_arena(path),
        "code_bytes": code,
        "c_ns": round(c),
        "litert_ns": round(litert),
        "c_over_litert": round(c / litert, 3),
        "instructions": {core: counted(board, path) for core, board in CORES.items()},
    }


def compared(answers: list[bytes], expected: bytes, dtype: str) -> dict[str, Any]:
    """How the answers of all builds differ from those expected."""
    if dtype != "float32":
        return {"integers_identical": all(found == expected for found in answers)}
    real = np.frombuffer(expected, np.float32)
    difference = max(float(np.abs(np.frombuffer(found, np.float32) - real).max()) for found in answers)
    return {"largest_difference": float(f"{difference / np.abs(real).max():.2g}")}


def timed(model: ModelRecord) -> str:
    """A program that prints the nanoseconds of an inference."""
    source, result = (model.tensors[indices[0]] for indices in (model.inputs, model.outputs))
    types = {"input": ctype(source), "output": ctype(result)}
    return TIMED.format(size=prod(source.shape), results=prod(result.shape), **types)


def counted(board: str, path: Path) -> dict[str, float]:
    """Instructions of one inference on a board, by C and by LiteRT."""
    found = {}
    with closing(open_device(board)) as device:
        for runtime in ("c", "litert"):
            log = run_job(device, Job("count", runtime, path), lambda share: None)["log"]
            found[runtime] = median(run.total for run in count_runs(log))
    return {**found, "ratio": round(found["c"] / found["litert"], 3)}


def micro_arena(path: Path) -> int | None:
    """What TFLite Micro allocates."""
    answer = open_device("cpu").run(Job("arena", "tflm", path), lambda share: None)
    return answer.get("arena_bytes")


def built(*words: str, folder: Path) -> None:
    subprocess.run(["cc", "-std=c99", "-D_POSIX_C_SOURCE=199309L", *words], cwd=folder, check=True)


def built_output(*words: str, folder: Path) -> str:
    return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
