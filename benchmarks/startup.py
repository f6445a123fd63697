"""How long ``edgekit --help`` takes as a whole process, and which heavy modules it imports (it should import none)."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from record import record

HEAVY = ("torch", "onnx", "onnxruntime", "ai_edge_litert", "tflite_micro", "numpy", "PIL", "matplotlib", "pyarrow")
RUNS = 21
PROBE = f"""
import sys
from edgekit.cli.main import app
try:
    app(["--help"])
except SystemExit:
    pass
print(",".join(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)
"""


def main() -> None:
    command = [sys.executable, "-m", "edgekit", "--help"]
    seconds = []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    del seconds[0]
    probe = subprocess.run([sys.executable, "-c", PROBE], check=True, capture_output=True, text=True)
    record(
        __file__,
        {
            "runs": RUNS,
            "median_s": round(statistics.median(seconds), 4),
            "min_s": round(min(seconds), 4),
            "max_s": round(max(seconds), 4),
            "heavy_imports": [name for name in probe.stderr.strip().split(",") if name],
        },
    )


if __name__ == "__main__":
    main()
