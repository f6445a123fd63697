"""What runs inside the sandbox for model files: open sessions, by number, until the process ends.

The functions are called through ``edgekit.sandbox``; their arguments and results are JSON values and ndarrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact import Array, TensorSpec
from edgekit.data.intake import as_run
from edgekit.errors import ModelError, UsageError
from edgekit.modelfiles.contents import read_contents
from edgekit.modelfiles.runtime_choice import require_runtime
from edgekit.runtimes.refusal import Refusal
from edgekit.runtimes.runtime import Shapes, refusing

_sessions: list[OpenFile] = []


class OpenFile:
    """A model, open in this process.

    Args:
        model: the path of a file, or its bytes.
        runtime: the name of one that is installed.
        threads: of the runtime.
        shapes: sizes for inputs that the file leaves open.

    Raises:
        ModelError: the runtime refuses it.
        UsageError: the runtime is unknown or not installed, or the shapes do not fit.
        MemoryError: it asks for more memory than there is.
    """

    def __init__(self, model: Path | bytes, runtime: str, threads: int = 1, shapes: Shapes | None = None) -> None:
        self.source = f"A model of {len(model)} bytes" if isinstance(model, bytes) else str(model)
        self.runtime = require_runtime(runtime)
        data = model if isinstance(model, bytes) else str(model)
        try:
            self.session = self.runtime.open(data, threads, shapes)
        except Refusal as exc:
            if exc.kind == "option":
                raise UsageError(f"{exc}.") from exc
            raise ModelError(
                f"{self.source} is not a model that {self.runtime.title} runs ({exc}); check or export it again."
            ) from exc
        self.inputs, self.outputs = (
            tuple(TensorSpec(*tensor) for tensor in tensors) for tensors in (self.session.inputs, self.session.outputs)
        )
        if self.runtime.suffix == ".onnx":
            self.inputs, self.outputs = _with_scales(data, self.inputs), _with_scales(data, self.outputs)

    def run(self, tensors: Sequence[Array]) -> list[Array]:
        """One inference.

        Raises:
            ModelError: the runtime fails.
        """
        try:
            with refusing():
                return self.session.run(tensors)
        except Refusal as exc:
            raise ModelError(f"{self.source} cannot be run ({exc}); check its inputs, or export it again.") from exc


def describe(path: str) -> dict[str, Any]:
    """The fields of a file's ModelContents, its structure checked."""
    return asdict(read_contents(Path(path)))


def open_model(path: str, runtime: str, threads: int, shapes: Shapes) -> dict[str, Any]:
    """Open a file; the answer has the session's number, its tensor specs and the runtime's version."""
    opened = OpenFile(Path(path), runtime, threads, shapes)
    _sessions.append(opened)
    return {
        "session": len(_sessions) - 1,
        "inputs": [asdict(spec) for spec in opened.inputs],
        "outputs": [asdict(spec) for spec in opened.outputs],
        "version": opened.runtime.version(),
    }


def run(session: int, tensors: list[Array]) -> list[Array]:
    """One inference."""
    return _sessions[session].run(tensors)


def run_rows(session: int, batches: list[Array]) -> list[Array]:
    """One inference per row of ``batches``, one [N, ...] for each input; outputs stacked [N, ...]."""
    opened = _sessions[session]

    def feed(row: int) -> list[Array]:
        return [as_run(batch, spec, row) for batch, spec in zip(batches, opened.inputs, strict=True)]

    rows = [opened.run(feed(row)) for row in range(len(batches[0]))]
    return [np.concatenate(list(map(np.atleast_1d, column))) for column in zip(*rows, strict=True)]


def rehearse(path: str, runtime: str) -> dict[str, Any]:
    """Check a file, open it, run it once on zeros, and forget it; the answer is that of ``describe``."""
    contents = describe(path)
    opened = OpenFile(Path(path), runtime)
    opened.run([np.zeros([max(size, 1) for size in spec.shape], spec.dtype) for spec in opened.inputs])
    return contents


def _with_scales(model: str | bytes, specs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
    """8-bit inputs or outputs of an ONNX file with the numbers of the QuantizeLinear or DequantizeLinear they touch."""
    names = {spec.name for spec in specs if spec.dtype in ("int8", "uint8")}
    if not names:
        return specs
    import onnx
    from onnx import numpy_helper

    data = model if isinstance(model, bytes) else Path(model).read_bytes()
    graph = onnx.load_model_from_string(data).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    found: dict[str, dict[str, Any]] = {}
    for node in graph.node:
        touched = node.input[0] if node.op_type == "DequantizeLinear" else None
        touched = node.output[0] if node.op_type == "QuantizeLinear" else touched
        if touched not in names or node.input[1] not in constants:
            continue
        scale = numpy_helper.to_array(constants[node.input[1]])
        zero_point = node.input[2] if len(node.input) > 2 else ""
        if scale.size == 1:
            zero = int(numpy_helper.to_array(constants[zero_point]).item()) if zero_point in constants else 0
            found[touched] = {"scale": float(scale.item()), "zero_point": zero}
    return tuple(replace(spec, **found.get(spec.name, {})) for spec in specs)
