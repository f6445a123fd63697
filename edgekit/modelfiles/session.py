"""Model files opened in a sandbox: the way every command opens one."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgekit.artifact import Array, TensorSpec
from edgekit.closing import Closing
from edgekit.errors import ModelError
from edgekit.files import require_file
from edgekit.modelfiles.contents import ModelContents
from edgekit.modelfiles.runtime_choice import default_runtime, find_runtime, runtime_python
from edgekit.runtimes.runtime import Shapes
from edgekit.sandbox import Limits, Sandbox

MAX_THREADS = 4


class FileSession(Closing):
    """A model file, open in a worker process. A Session, and a context manager that ends the worker.

    Args:
        path: an .onnx or .tflite file.
        runtime: its name; None chooses by the file's suffix.
        threads: of the runtime; None takes the processor's, at most MAX_THREADS.
        shapes: sizes for inputs that the file leaves open, by name.
        opened: what the runtime opens in the file's place; None is the file itself.

    Raises:
        ModelError: the file is missing, broken or of a kind that the runtime does not open.
        RuntimeCrashError: the runtime crashed, hung or wanted too much memory over it.
        UsageError: the runtime is unknown or not installed, or the shapes do not fit.
    """

    def __init__(
        self,
        path: Path,
        runtime: str | None = None,
        threads: int | None = None,
        limits: Limits | None = None,
        shapes: Shapes | None = None,
        opened: Path | None = None,
    ) -> None:
        require_file(path)
        chosen = find_runtime(runtime or default_runtime(path))
        if path.suffix.lower() != chosen.suffix:
            raise ModelError(f"{path} is not a file that {chosen.title} opens; give it a {chosen.suffix} file.")
        self.path, self.runtime = path, chosen.name
        python = runtime_python(chosen.name)
        if python != sys.executable:
            self.contents = vet(path, limits)
        self._sandbox = Sandbox(str(path), limits, python)
        try:
            if python == sys.executable:
                self.contents = _contents(self._sandbox, path)
            threads = threads or min(MAX_THREADS, os.cpu_count() or 1)
            sizes = {name: list(given) for name, given in (shapes or {}).items()}
            source = str(opened or path)
            answer = self._call("open_model", path=source, runtime=chosen.name, threads=threads, shapes=sizes)
        except BaseException:
            self._sandbox.close()
            raise
        self._number = answer["session"]
        self.version = str(answer["version"])
        self.inputs = tuple(map(TensorSpec.from_dict, answer["inputs"]))
        self.outputs = tuple(map(TensorSpec.from_dict, answer["outputs"]))

    def run(self, tensors: Sequence[Array]) -> list[Array]:
        """One inference: arrays of the inputs' shapes and dtypes to those of the outputs."""
        return list(self._call("run", session=self._number, tensors=list(tensors)))

    def run_rows(self, batches: Sequence[Array]) -> list[Array]:
        """One inference per row of ``batches``, one [N, ...] for each input; each output stacked to [N, ...]."""
        return list(self._call("run_rows", session=self._number, batches=list(batches)))

    def close(self) -> None:
        """End the worker."""
        self._sandbox.close()

    def _call(self, function: str, **arguments: Any) -> Any:
        return self._sandbox.call(f"edgekit.modelfiles.sandboxed:{function}", **arguments)


def vet(path: Path, limits: Limits | None = None) -> ModelContents:
    """Check a model file's structure in a worker and say what is in it, without running it.

    Raises:
        ModelError: the file is missing, broken, of another kind, or refers to other files.
        RuntimeCrashError: it made the worker crash, hang or want too much memory.
    """
    require_file(path)
    with Sandbox(str(path), limits) as sandbox:
        return _contents(sandbox, path)


def rehearse(path: Path, runtime: str | None = None, limits: Limits | None = None) -> ModelContents:
    """Check a model file, open it and run it once on zeros, in a worker; then it may be opened here.

    Dimensions that the file leaves open are taken as 1, which some models do not accept.

    Raises:
        ModelError: as ``vet``, or the runtime refuses to open or run it.
        RuntimeCrashError: it made the worker crash, hang or want too much memory.
    """
    require_file(path)
    name = runtime or default_runtime(path)
    with Sandbox(str(path), limits, runtime_python(name)) as sandbox:
        answer = sandbox.call("edgekit.modelfiles.sandboxed:rehearse", path=str(path), runtime=name)
    return ModelContents(**answer)


def _contents(sandbox: Sandbox, path: Path) -> ModelContents:
    return ModelContents(**sandbox.call("edgekit.modelfiles.sandboxed:describe", path=str(path)))
