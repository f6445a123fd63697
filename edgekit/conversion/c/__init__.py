"""TFLite → C: ``c_program`` turns a file into one C99 file and its header, which need no runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgekit.conversion.c.program import Program, program_of
from edgekit.conversion.tflite.reader import read_record
from edgekit.errors import EdgekitError, ModelError, naming
from edgekit.inputs.golden import Golden
from edgekit.modelfiles.golden import example_of
from edgekit.sandbox import Sandbox

__all__ = ["Program", "c_program", "program_of", "untested_program"]


def c_program(path: Path, golden: Golden | None, name: str) -> Program:
    """The C program of an int8 or float .tflite file, whose functions begin with ``name``; a worker parses the file.

    ``golden`` is the example that the file carries; without one it is made here.

    Raises:
        ModelError, UnsupportedError, RuntimeCrashError: the file is broken, or has what C has not.
    """
    return _program(path, golden or example_of(path.read_bytes(), "litert"), name)


def untested_program(path: Path, name: str) -> Program:
    """The same without a self-test."""
    return _program(path, None, name)


def _program(path: Path, golden: Golden | None, name: str) -> Program:
    with Sandbox(str(path)) as sandbox:
        example = None if golden is None else golden.to_dict()
        made = sandbox.call("edgekit.conversion.c:program_in_worker", path=str(path), name=name, golden=example)
    return Program.from_dict(made)


def program_in_worker(path: str, name: str, golden: Mapping[str, Any] | None) -> dict[str, Any]:
    """What ``c_program`` does inside its worker."""
    with naming(path):
        known, record = None if golden is None else Golden.from_dict(golden), read_record(Path(path))
        try:
            return asdict(program_of(record, name, known))
        except EdgekitError:
            raise
        except Exception as exc:  # kernels take for granted that an operator's tensors fit it
            raise ModelError(
                f"An operator has tensors or options that do not fit it ({type(exc).__name__}: {exc}); export it again."
            ) from exc
