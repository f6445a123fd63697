"""A program, compiled: by zig's C compiler (the package ziglang), or for this machine by one that is there."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from edgekit.conversion.c.layer import C_TYPES
from edgekit.conversion.c.program import Program
from edgekit.conversion.c.sections import Sizes, sizes_of
from edgekit.errors import EdgekitError, UnknownNameError, UsageError
from edgekit.extras import install, installed
from edgekit.files import staged, user_cache

LIMIT_S = 600
MAX_LETTERS = 300
STRING_H = """\
#include <stddef.h>
void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
"""
MAIN = """\
#include <stdio.h>

/* Answers the inputs on stdin, one after another, on stdout; with an argument it tests itself. */
int main(int words, char **word)
{{
    (void)word;
    if (words > 1) {{
        return {test};
    }}
    while ({reads}) {{
        {run};
        {writes}
    }}
    return 0;
}}
"""


@dataclass(frozen=True)
class Target:
    """A machine that programs are compiled for, and what is made for it.

    Attributes:
        file: the name of what is made.
        form: ``program``: static, from stdin to stdout; ``module``: of WebAssembly, without imports; ``object``: to be
            linked with a program of the user's; ``library``: shared, for ``edgekit.runtimes.c``.
        triple: what zig calls the machine; empty for this one.
        flags: what the compiler is told of it.
    """

    file: str
    form: str
    triple: str = ""
    flags: tuple[str, ...] = ()


TARGETS: Mapping[str, Target] = {
    "native": Target("model", "program", flags=("-O3", "-march=native")),
    "wasm": Target("model.wasm", "module", "wasm32-freestanding", ("-O2", "-mcpu=generic+simd128")),
    "aarch64": Target("model-aarch64", "program", "aarch64-linux-musl", ("-O3", "-mcpu=generic", "-static")),
    "armv7": Target("model-armv7", "program", "arm-linux-musleabihf", ("-O3", "-mcpu=cortex_a7", "-static")),
    "cortex-m4": Target("model-cortex-m4.o", "object", "thumb-freestanding-eabihf", ("-Os", "-mcpu=cortex_m4")),
}


@dataclass(frozen=True)
class Built:
    """What was made of a program: the file, its bytes, and for an object what it takes on a board."""

    path: Path
    file_bytes: int
    sizes: Sizes | None = None


def build(program: Program, target: str | Target, folder: Path) -> Built:
    """Compile a program for a target, one of TARGETS or another, into a folder.

    Raises:
        UnknownNameError: there is no such target.
        UsageError: no compiler is here.
        EdgekitError: the compiler fails or needs too long.
        StorageError: the folder cannot be written.
    """
    if isinstance(target, str):
        if target not in TARGETS:
            raise UnknownNameError("target", target, TARGETS)
        target = TARGETS[target]
    with tempfile.TemporaryDirectory() as scratch:
        made = _compiled(program, target, Path(scratch))
        with staged(folder) as place:
            shutil.copy(made, place)
        sizes = sizes_of(made.read_bytes()) if target.form == "object" else None
        return Built(folder / target.file, made.stat().st_size, sizes)


def library_sources(program: Program) -> dict[str, str]:
    """The files that a library is compiled of."""
    return {"model.c": program.source, "model.h": program.header, "host.c": _ends(program)}


def _compiled(program: Program, target: Target, folder: Path) -> Path:
    texts = library_sources(program)
    if target.form == "object":
        del texts["host.c"]
    elif target.form != "library":
        texts["host.c"] = _host(program, target.form)
    if target.triple and target.form != "program":  # no C library, but the two functions that all machines have
        texts["include/string.h"] = STRING_H
        (folder / "include").mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    ways = {
        "program": ("-s",),
        "module": _exports(program),
        "library": ("-shared", "-fPIC", "-s", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
        "object": ("-c", "-fno-unwind-tables"),
    }
    sources = [name for name in texts if name.endswith(".c")]
    include = ["-isystem", "include"] if "include/string.h" in texts else []
    _run(
        [
            *_compiler(target.triple),
            "-std=c99",
            *target.flags,
            *include,
            *ways[target.form],
            *sources,
            "-o",
            target.file,
        ],
        folder,
    )
    return folder / target.file


def _compiler(triple: str) -> list[str]:
    """The command of a C compiler for a machine."""
    own = next(filter(None, map(shutil.which, () if triple else ("cc", "clang", "gcc"))), None)
    if own is not None:
        return [own]
    if installed("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", *(["-target", triple] if triple else [])]
    machine, other = (f" for {triple}", "") if triple else ("", ", and so does the package gcc or clang of a system")
    raise UsageError(f"There is no C compiler{machine} here; {install('c')} brings one{other}.")


def _run(command: Sequence[str], folder: Path) -> None:
    cache = {"ZIG_GLOBAL_CACHE_DIR": str(user_cache() / "zig"), "ZIG_LOCAL_CACHE_DIR": str(folder / "zig")}
    name = "zig" if "ziglang" in command else command[0]
    try:
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, **cache}, capture_output=True, text=True, errors="replace",
            timeout=LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise EdgekitError(f"{name} needed more than {LIMIT_S} s to compile model.c; take a smaller model.") from None
    except OSError as exc:
        raise UsageError(f"{name} cannot be started ({exc.strerror}); {install('c')} brings another compiler.") from exc
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        said = next((line for line in lines if "error" in line), lines[0])[:MAX_LETTERS]
        raise EdgekitError(f"{name} does not compile model.c ({said}); try another compiler.")


def _exports(program: Program) -> tuple[str, ...]:
    names = [f"{program.prefix}_run", *program.inputs, *program.outputs]
    if program.tests_itself:
        names.append(f"{program.prefix}_self_test")
    return ("-Wl,--no-entry", "-Wl,--strip-all", *(f"-Wl,--export={name}" for name in names))


def _host(program: Program, form: str) -> str:
    """The C file beside model.c: memory for inputs and outputs, and what uses them."""
    ends = {**program.inputs, **program.outputs}
    buffers = "".join(f"{C_TYPES[item.dtype]} {name}[{math.prod(item.shape)}];\n" for name, item in ends.items())
    names = ", ".join(ends)
    main = MAIN.format(
        test=f"{program.prefix}_self_test({names}) != 0" if program.tests_itself else "2",
        reads=" && ".join(f"fread({name}, sizeof {name}, 1, stdin) == 1" for name in program.inputs),
        run=f"{program.prefix}_run({names})",
        writes=" ".join(f"fwrite({name}, sizeof {name}, 1, stdout);" for name in program.outputs),
    )
    return f'#include "model.h"\n\n{buffers}\n{main if form == "program" else ""}'


def _ends(program: Program) -> str:
    """The C file beside model.c in a library: what its ends are, and one function that takes them all."""
    ends = {"inputs": program.inputs, "outputs": program.outputs}
    text = json.dumps({kind: [astuple(spec) for spec in specs.values()] for kind, specs in ends.items()})
    addresses = ", ".join(f"end[{place}]" for place in range(len(program.inputs) + len(program.outputs)))
    return (
        f'#include "model.h"\n\nconst char *const host_ends = {json.dumps(text).replace("?", chr(92) + "?")};\n\n'
        f"void host_run(void *const *end)\n{{\n    {program.prefix}_run({addresses});\n}}\n"
    )
