"""Wall time of ``edgekit demo`` as a user meets it: a new process, an empty cache of answers, the shipped teacher."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from record import record

KEPT = ("data", "images", "models", "comparison", "warnings", "seconds")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "EDGEKIT_CACHE": f"{folder}/cache"}
        command = [sys.executable, "-m", "edgekit", "demo", "--out", f"{folder}/demo", "--json"]
        started = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        seconds = time.perf_counter() - started
    demo = json.loads(done.stdout)
    kept = {name: demo[name] for name in KEPT}
    for model in kept["models"]:
        del model["operators"], model["per_class"]
    for side in ("reference", "other"):
        kept["comparison"][side]["model"] = Path(kept["comparison"][side]["model"]).name
    record(__file__, {"seconds": round(seconds, 1), "demo": kept})


if __name__ == "__main__":
    main()
