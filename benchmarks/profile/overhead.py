"""What ``edgekit profile`` takes beyond the measuring itself: the whole command's wall time less the runs of the model.

The runs are those that are timed, the warming up before them, and the turns with and without the runtime's profiler.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from common import publish
from files import files

from edgekit.runtimes.worker.measure import WARMUP_NS
from edgekit.runtimes.worker.operators import DURATION_NS

TIMES = 5


def main() -> None:
    with files(__doc__) as paths:
        publish(__file__, {path.name: _row(path) for path in paths})


def _row(path: Path) -> dict[str, Any]:
    walls, rest = [], []
    for _ in range(TIMES):
        started = time.perf_counter()
        command = [sys.executable, "-m", "edgekit", "profile", str(path), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        walls.append(time.perf_counter() - started)
        (model,) = json.loads(done.stdout)["models"]
        rest.append(walls[-1] - (sum(model["samples_ns"]) + WARMUP_NS + DURATION_NS) / 1e9)
    return {
        "wall_s": round(statistics.median(walls), 2),
        "beyond_measuring_s": round(statistics.median(rest), 2),
        "worst_s": round(max(rest), 2),
    }


if __name__ == "__main__":
    main()
