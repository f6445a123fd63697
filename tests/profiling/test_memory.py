"""The memory that the worker reports is what ``/usr/bin/time -v`` (the package ``time``) says of the same process."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.devices.conversation import request_line
from edgekit.devices.device import Job
from edgekit.devices.process import WORKER, WORKER_NAME

TIME = Path("/usr/bin/time")
TOLERANCE = 0.03
"""The kernel counts a process's pages in batches for each thread."""


@pytest.mark.skipif(not TIME.exists(), reason="needs /usr/bin/time: apt-get install time")
@pytest.mark.parametrize("runtime", ["ort", "litert"])
def test_the_peak_memory_is_the_maximum_resident_set_size(request, tmp_path, runtime):
    path = request.getfixturevalue("onnx_file" if runtime == "ort" else "tflite_file")
    shutil.copytree(WORKER, tmp_path / WORKER_NAME)
    done = subprocess.run(
        [str(TIME), "-v", sys.executable, "-m", WORKER_NAME],
        input=request_line(Job("measure", runtime, path, runs=1, seconds=0.0)),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    result = json.loads(done.stdout.splitlines()[-1])["result"]
    kilobytes = re.search(r"Maximum resident set size \(kbytes\): (\d+)", done.stderr)
    assert result["peak_bytes"] == pytest.approx(int(kilobytes[1]) * 1024, rel=TOLERANCE)
    assert 10e6 < result["baseline_bytes"] < result["peak_bytes"]
