"""How long ``edgekit --help`` and ``import edgekit`` take, and which heavy modules they load: there should be none."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from record import record

HEAVY = ("torch", "onnx", "onnxruntime", "ai_edge_litert", "tflite_micro", "numpy", "PIL", "matplotlib", "pyarrow")
LOADED = f"print(','.join(name for name in {HEAVY!r} if name in sys.modules))"
HELP = f"""
import io, sys
from contextlib import redirect_stdout
from edgekit.cli.main import app
try:
    with redirect_stdout(io.StringIO()):
        app(["--help"])
except SystemExit:
    pass
{LOADED}
"""
IMPORT = "import time; begun = time.perf_counter(); import edgekit; print(time.perf_counter() - begun)"
RUNS = 21


def main() -> None:
    help_command = [sys.executable, "-m", "edgekit", "--help"]
    result = {
        "runs": RUNS,
        "edgekit --help, whole process": _row(lambda: _seconds(help_command), HELP),
        "import edgekit, in its process": _row(lambda: float(_output(IMPORT)), f"import sys, edgekit; {LOADED}"),
    }
    print(result)
    record(__file__, result)


def _row(measure: Callable[[], float], probe: str) -> dict[str, Any]:
    measure()
    seconds = [measure() for _ in range(RUNS)]
    figures = {"median_s": statistics.median(seconds), "min_s": min(seconds), "max_s": max(seconds)}
    heavy = [name for name in _output(probe).strip().split(",") if name]
    return {**{name: round(value, 4) for name, value in figures.items()}, "heavy_imports": heavy}


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _output(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
