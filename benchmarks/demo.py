"""Wall time of ``edgekit demo`` as a user meets it: a new process, an empty cache of answers, the shipped teacher."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

from record import record


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "EDGEKIT_CACHE": f"{folder}/cache"}
        command = [sys.executable, "-m", "edgekit", "demo", "--out", f"{folder}/demo", "--json"]
        started = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        seconds = time.perf_counter() - started
    demo = json.loads(done.stdout)
    for model in demo.get("models", []):
        model.get("profile", {}).pop("samples_ns", None)
    record(__file__, {"seconds": round(seconds, 1), "demo": demo})


if __name__ == "__main__":
    main()
