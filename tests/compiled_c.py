"""C programs of lowered models, built with all warnings and sanitizers, and what they and TFLite Micro answer."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.conversion.c import Program, program_of
from edgekit.conversion.c import build as building
from edgekit.conversion.c.build import TARGETS, Target
from edgekit.conversion.c.layer import ctype
from edgekit.conversion.tflite.writer import write_model
from edgekit.files import user_cache
from edgekit.inputs.golden import Golden
from edgekit.operators.lowered import ModelRecord

ARENA_BYTES = 1 << 22
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror")
PROCESSOR = set(Path("/proc/cpuinfo").read_text().split()) if Path("/proc/cpuinfo").is_file() else set()
EXTENSIONS = {"avx2": ("avx2",), "short-vnni": ("avx2", "avx512vl", "avx512_vnni")}
"""Ways of processors without AVX-512's vectors, by the extensions that they need."""
PATHS = {
    "native": ("-march=native",),
    "vectors": (),
    "plain": ("-DPLAIN_C",),
    **{
        name: tuple(f"-m{item.replace('_', '')}" for item in extensions)
        for name, extensions in EXTENSIONS.items()
        if set(extensions) <= PROCESSOR
    },
}
"""Flags of the ways in which a program can compute here."""
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
MAIN = """
#include "model.h"
#include <stdio.h>
{buffers}
int main(void)
{{
    while ({reads}) {{
        net_run({names});
        {writes}
    }}
    return {result};
}}
"""


def build(
    program: Program, model: ModelRecord, folder: Path, tests_itself: bool = False, path: str = "vectors"
) -> Path:
    """A program that reads inputs and writes outputs, one inference after another; it may end with its self-test."""
    for name, content in (("model.c", program.source), ("model.h", program.header)):
        (folder / name).write_text(content, encoding="utf-8")
    (folder / "main.c").write_text(main_of(model, tests_itself), encoding="utf-8")
    command = ["cc", *STRICT, *SANITIZED, *PATHS[path], "model.c", "main.c", "-o", "net"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "net"


def build_for(target: Target, program: Program, model: ModelRecord, folder: Path) -> Path:
    """The same, the model compiled as an object for a processor of another machine.

    The C library is that of any such machine: one for each would take a minute each.
    """
    building.build(program, target, folder)
    (folder / "model.h").write_text(program.header, encoding="utf-8")
    (folder / "main.c").write_text(main_of(model), encoding="utf-8")
    machine = TARGETS["aarch64" if target.triple.startswith("aarch64") else "armv7"]
    command = [sys.executable, "-m", "ziglang", "cc", "-target", machine.triple, *machine.flags]
    cache = {"ZIG_GLOBAL_CACHE_DIR": str(user_cache() / "zig"), "ZIG_LOCAL_CACHE_DIR": str(folder / "zig")}
    files = ["main.c", target.file, "-o", "net"]
    subprocess.run([*command, *files], cwd=folder, env={**os.environ, **cache}, check=True)
    return folder / "net"


def main_of(model: ModelRecord, tests_itself: bool = False) -> str:
    """The C file beside model.c that makes it a program."""
    inputs, outputs = (
        {f"{kind}{number}": model.tensors[index] for number, index in enumerate(indices)}
        for kind, indices in (("in", model.inputs), ("out", model.outputs))
    )
    buffers = {**inputs, **outputs}
    names = ", ".join(buffers)
    return MAIN.format(
        buffers=" ".join(f"static {ctype(item)} {name}[{math.prod(item.shape)}];" for name, item in buffers.items()),
        reads=" && ".join(f"fread({name}, sizeof {name}, 1, stdin) == 1" for name in inputs),
        writes=" ".join(f"fwrite({name}, sizeof {name}, 1, stdout);" for name in outputs),
        names=names,
        result=f"net_self_test({names})" if tests_itself else "0",
    )


def run(executable: Path, data: bytes) -> tuple[int, bytes]:
    """(exit status, what was written) for one input after another."""
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run([executable], input=data, capture_output=True, env=environment, check=False)
    assert not done.stderr, done.stderr.decode()
    return done.returncode, done.stdout


def answers_of_c(
    model: ModelRecord,
    folder: Path,
    inputs: list[list[NDArray]],
    golden: Golden | None = None,
    path: str = "vectors",
) -> bytes:
    """The outputs for each list of inputs, as bytes in their order; with a golden example the self-test is passed."""
    executable = build(program_of(model, "net", golden), model, folder, golden is not None, path)
    status, written = run(executable, b"".join(tensor.tobytes() for tensors in inputs for tensor in tensors))
    assert status == 0
    return written


def answers_of_micro(model: ModelRecord, inputs: list[list[NDArray]]) -> bytes:
    """The same of TFLite Micro."""
    from tflite_micro import runtime

    opened, found = runtime.Interpreter.from_bytes(write_model(model), arena_size=ARENA_BYTES), []
    for tensors in inputs:
        for position, tensor in enumerate(tensors):
            opened.set_input(tensor, position)
        opened.invoke()
        found += [opened.get_output(position).tobytes() for position in range(len(model.outputs))]
    return b"".join(found)


def random_inputs(model: ModelRecord, count: int) -> list[list[NDArray]]:
    """Lists of inputs of any bytes; ids are those of the rows of the first table."""
    generator = np.random.default_rng(count)
    rows = next((model.tensors[item.inputs[0]].shape[0] for item in model.operators if item.code == "GATHER"), 0)
    ranges = {"int8": (-128, 128), "uint8": (0, 256), "int32": (0, rows)}
    inputs = [model.tensors[index] for index in model.inputs]
    return [
        [
            generator.integers(*ranges[item.dtype], item.shape).astype(item.dtype)
            if item.dtype in ranges
            else generator.normal(0, 3, item.shape).astype(item.dtype)
            for item in inputs
        ]
        for _ in range(count)
    ]
