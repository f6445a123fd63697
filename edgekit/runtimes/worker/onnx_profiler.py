"""ONNX Runtime's own profiler: a session that writes down when each operator ran, and for how long."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from .runtimes import bind_tensors, onnx_options


class ProfiledOnnx:
    """A session with profiling on. Use as a context manager; the events come at its end."""

    def __init__(self, onnxruntime: Any, path: str, threads: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        options = onnx_options(onnxruntime, path, threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(self._folder.name) / "profile")
        self._session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        self._binding = bind_tensors(onnxruntime, self._session)

    def __enter__(self) -> ProfiledOnnx:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def run(self) -> None:
        """One inference on random inputs."""
        self._session.run_with_iobinding(self._binding)

    def events(self) -> list[list[tuple[str, str, float]]]:
        """End the profile: (name, type, nanoseconds) of each operator of each run."""
        runs: list[list[tuple[str, str, float]]] = [[]]
        for event in json.loads(Path(self._session.end_profiling()).read_text()):
            if event["name"] == "SequentialExecutor::Execute":  # comes after the operators that it has executed
                runs.append([])
            elif event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
                label = event["name"][: -len("_kernel_time")]
                runs[-1].append((label, event["args"]["op_name"], event["dur"] * 1000.0))
        return runs[:-1]
