"""The peak memory that the worker reports, beside what /usr/bin/time -v says of the same process (package ``time``)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import publish
from files import files, runtime_of

from edgekit.devices.conversation import request_line
from edgekit.devices.device import Job
from edgekit.devices.process import WORKER, WORKER_NAME

LINE = re.compile(r"Maximum resident set size \(kbytes\): (\d+)")


def main() -> None:
    with files(__doc__) as paths:
        publish(__file__, {path.name: _row(path) for path in paths})


def _row(path: Path) -> dict[str, Any]:
    job = Job("measure", runtime_of(path), path.resolve(), runs=1, seconds=0.0)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(WORKER, Path(folder) / WORKER_NAME)
        command = ["/usr/bin/time", "-v", sys.executable, "-m", WORKER_NAME]
        done = subprocess.run(command, input=request_line(job), capture_output=True, text=True, cwd=folder, check=True)
    own = json.loads(done.stdout.splitlines()[-1])["result"]["peak_bytes"]
    found = LINE.search(done.stderr)
    assert found is not None
    other = int(found[1]) * 1024
    return {"worker_bytes": own, "time_bytes": other, "difference": round(own / other - 1, 5)}


if __name__ == "__main__":
    main()
