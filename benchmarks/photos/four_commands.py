"""From a folder of photos to a page that answers, in four commands, as a new user meets them: an empty cache, no runs.

    python benchmarks/photos/four_commands.py FOLDER

500 photos are taken of the folder's classes, all alike, by their names. Each command is a new process; the last is
done when the page and its model have come. The test photos are those that the commands hold out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import record

PHOTOS = 500
PORT = 8931


def main(source: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        classes = _take(source, folder / "my-photos")
        environment = {**os.environ, "EDGEKIT_CACHE": f"{folder}/cache"}
        seconds = {}
        for command in (
            "distill --data my-photos --out runs/mine",
            "quantize --int8 runs/mine --data my-photos",
            "deploy runs/mine --target web --out app",
        ):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-m", "edgekit", *command.split()], check=True, cwd=folder, env=environment)
            seconds[command] = round(time.perf_counter() - started, 1)
        started = time.perf_counter()
        _visit(folder, environment)
        seconds["serve app"] = round(time.perf_counter() - started, 1)
        shrunk, quantized, taught = (
            json.loads((folder / "runs" / path).read_text())
            for path in ("mine/shrink.json", "mine/quantize.json", "my-photos-teacher/teach.json")
        )
        result = {
            "photos": PHOTOS,
            "classes": classes,
            "seconds": seconds,
            "total_seconds": round(sum(seconds.values()), 1),
            "test_photos": taught["test"]["images"],
            "teacher": {"tune": taught["tune"], "test_accuracy": taught["test_accuracy"]},
            "student_test_accuracy": shrunk["test_accuracy"],
            "int8_tflite": {
                "bytes": (folder / "runs/mine/model.int8.tflite").stat().st_size,
                "test_accuracy": quantized["tflite"]["quality"]["accuracy"],
            },
        }
    record(__file__, result, "FOLDER")


def _take(source: Path, folder: Path) -> int:
    """Copy as many photos of each class; the number of classes."""
    classes = sorted(path for path in (source / "train").iterdir() if path.is_dir())
    for kind in classes:
        (folder / kind.name).mkdir(parents=True)
        for photo in sorted(kind.iterdir())[: PHOTOS // len(classes)]:
            shutil.copy(photo, folder / kind.name)
    return len(classes)


def _visit(folder: Path, environment: dict[str, str]) -> None:
    """Serve the page until it and its model have come."""
    command = [sys.executable, "-m", "edgekit", "serve", "app", "--port", str(PORT)]
    with subprocess.Popen(command, cwd=folder, env=environment) as server:
        try:
            for path in ("", "model.tflite"):
                _fetch(f"http://127.0.0.1:{PORT}/{path}")
        finally:
            server.terminate()


def _fetch(address: str, tries: int = 600) -> None:
    """Fetch a file of a server that is still starting."""
    for attempt in range(tries):
        try:
            urlopen(address).read()
            return
        except URLError as exc:
            if isinstance(exc, HTTPError) or attempt == tries - 1:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
