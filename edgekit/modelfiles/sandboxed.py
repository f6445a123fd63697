"""What runs inside the sandbox for model files: open sessions, by number, until the process ends.

The functions are called through ``edgekit.sandbox``; their arguments and results are JSON values and ndarrays.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact import Array
from edgekit.errors import ModelError
from edgekit.modelfiles.contents import read_contents
from edgekit.runtimes import open_runtime
from edgekit.runtimes.session import Session, first_line

_sessions: list[Session] = []


def describe(path: str) -> dict[str, Any]:
    """The fields of a file's ModelContents, its structure checked."""
    return asdict(read_contents(Path(path)))


def open_model(path: str, runtime: str, threads: int) -> dict[str, Any]:
    """Open a file; the answer has the session's number, its tensor specs and the runtime's version."""
    found = open_runtime(runtime)
    session = found.load(Path(path), threads)
    _sessions.append(session)
    return {
        "session": len(_sessions) - 1,
        "inputs": [asdict(spec) for spec in session.inputs],
        "outputs": [asdict(spec) for spec in session.outputs],
        "version": found.version(),
    }


def run(session: int, tensors: list[Array], source: str) -> list[Array]:
    """One inference."""
    return _run(_sessions[session], tensors, source)


def run_rows(session: int, batch: Array, source: str) -> list[Array]:
    """One inference per row of ``batch`` [N, ...] of a model with one input; outputs stacked [N, ...]."""
    opened = _sessions[session]
    rows = [_run(opened, [batch[index : index + 1]], source) for index in range(len(batch))]
    return [np.concatenate(column) for column in zip(*rows, strict=True)]


def rehearse(path: str, runtime: str) -> dict[str, Any]:
    """Check a file, open it, run it once on zeros, and forget it; the answer is that of ``describe``."""
    contents = describe(path)
    session = open_runtime(runtime).load(Path(path))
    zeros = [np.zeros([max(size, 1) for size in spec.shape], spec.dtype) for spec in session.inputs]
    _run(session, zeros, path)
    return contents


def _run(session: Session, tensors: list[Array], source: str) -> list[Array]:
    try:
        return session.run(tensors)
    except MemoryError:
        raise
    except Exception as exc:  # each runtime has exceptions of its own
        raise ModelError(f"{source} cannot be run ({first_line(exc)}); check or export it again.") from exc
