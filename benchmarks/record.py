"""Where a benchmark's result goes: JSON beside the command, with the machine and the versions that it was made with."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgekit.files import write_json

FOLDER = Path(__file__).resolve().parent
PACKAGES = ("edgekit", "torch", "numpy", "onnx", "onnxruntime", "ai-edge-litert", "tflite-micro")


def processor() -> str:
    """The processor's name as the kernel gives it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def of_run(folder: Path, document: str) -> dict[str, Any]:
    """What decided a training in a run folder, by its ``document`` (teach.json or distill.json), and what it took."""
    run = json.loads((folder / document).read_text())
    seconds = [json.loads(line)["seconds"] for line in (folder / "timing.jsonl").read_text().splitlines()]
    known = {name: run[name] for name in ("architecture", "parameters", "seed", "recipe")}
    return {"epochs": len(seconds), "seconds": round(sum(seconds)), **known}


def record(command: str, result: dict[str, Any], options: str = "", name: str = "") -> None:
    """Write ``result`` as the JSON beside the benchmark ``command`` (run with ``options``), and print where.

    ``name`` is that of the file where a command makes several.
    """
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    context = {
        "command": f"python benchmarks/{Path(command).resolve().relative_to(FOLDER).as_posix()} {options}".rstrip(),
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": versions,
    }
    path = Path(command).with_name(f"{name or Path(command).stem}.json")
    write_json(path, {**context, "result": result})
    print(f"wrote {path}")
