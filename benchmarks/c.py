"""int8 files as C: integers beside TFLite Micro's, shared memory, code, and latency beside LiteRT's on one thread.

    python benchmarks/c.py FILE.tflite ...

Each file answers 200 random inputs. Integers are those of builds with sanitizers, by each way in which the program
computes here; timed is a build with -O3 -march=native, called from C in turns of a tenth of a second, LiteRT in turns
between them. Code is the .text of a build with -Os for this machine, weights included.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from compiled_c import PATHS, answers_of_c, answers_of_micro, random_inputs
from record import record

from edgekit.conversion.c import program_of
from edgekit.conversion.tflite.reader import read_record
from edgekit.devices.device import Job, open_device
from edgekit.modelfiles.times import Timed, times_in_turns
from edgekit.operators.lowered import ModelRecord

INPUTS = 200
ROUNDS = 7
TIMED = """
#include "model.h"
#include <stdio.h>
#include <time.h>
static int8_t in0[{size}], out0[{results}];
static double now(void) {{ struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e9 + t.tv_nsec; }}
int main(void)
{{
    long count = 0;
    double begun, taken = 0;
    for (int i = 0; i < {size}; ++i) in0[i] = (int8_t)(i * 37);
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
        same = all(answers_of_c(model, folder, tensors, path=way) == expected for way in PATHS)
        text = TIMED.format(size=size_of(model, model.inputs[0]), results=size_of(model, model.outputs[0]))
        (folder / "timed.c").write_text(text)
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
        "integers_identical": same,
        "arena_bytes": program.arena_bytes,
        "arena_bytes_of_tflite_micro": micro_arena(path),
        "code_bytes": code,
        "c_ns": round(c),
        "litert_ns": round(litert),
        "c_over_litert": round(c / litert, 3),
    }


def size_of(model: ModelRecord, index: int) -> int:
    size = 1
    for axis in model.tensors[index].shape:
        size *= axis
    return size


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
