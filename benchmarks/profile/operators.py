"""The operators' times, added up, beside the time of a run without the profiler."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from common import publish
from files import files, runtime_of

from edgekit.devices.device import Job
from edgekit.devices.drivers.local import LocalDevice
from edgekit.profiling.records import OperatorProfile

TIMES = 5


def main() -> None:
    with files(__doc__) as paths:
        publish(__file__, {path.name: _row(path) for path in paths})


def _row(path: Path) -> dict[str, Any]:
    job = Job("operators", runtime_of(path), path)
    profiles = [OperatorProfile.from_dict(LocalDevice().run(job, lambda share: None)) for _ in range(TIMES)]
    shares = [profile.sum_ns / profile.total_ns for profile in profiles]
    return {
        "operators": len(profiles[0].operators),
        "run_us": round(statistics.median(profile.total_ns for profile in profiles) / 1e3, 2),
        "profiler_saw_us": round(statistics.median(profile.profiled_ns for profile in profiles) / 1e3, 2),
        "sum_over_run": [round(share, 4) for share in sorted(shares)],
    }


if __name__ == "__main__":
    main()
