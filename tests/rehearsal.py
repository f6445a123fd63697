"""Many files, one worker: what every command does to a model file, without a new process for each."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import RuntimeCrashError
from edgekit.modelfiles.contents import ModelContents
from edgekit.modelfiles.runtime_choice import default_runtime
from edgekit.sandbox import Limits, Sandbox


class Rehearsal:
    """``edgekit.modelfiles.session.rehearse`` with a worker that lives until a file ends it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.crashes = 0
        self._sandbox: Sandbox | None = None

    def __call__(self, path: Path, runtime: str | None = None) -> ModelContents:
        """Check a file, open it and run it once on zeros."""
        if self._sandbox is None:
            self._sandbox = Sandbox(str(path), self.limits)
        self._sandbox.subject = str(path)
        name = runtime or default_runtime(path)
        try:
            return ModelContents(
                **self._sandbox.call("edgekit.modelfiles.sandboxed:rehearse", path=str(path), runtime=name)
            )
        except RuntimeCrashError:
            self.crashes += 1
            self.close()
            raise

    def close(self) -> None:
        """End the worker; the next file starts another."""
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None
