"""Open 70,000 photos: seconds, peak memory, and what several processes gain over one.

    python benchmarks/photos/many.py FOLDER

The photos are made of those in the given folder: cut a little differently each time, the short side 160, JPEG of
various qualities. What is measured runs in processes of its own: opening the folder for the first time and a pass over
all batches, and both again. One process and several decode a part of the photos in turns. Everything is made in a new
folder in the current one, about 7 GB, and removed. ``load`` in the result says how much else ran: beside other programs
seconds say little, and processor seconds more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from record import record

from edgekit.inputs.decode import READABLE

COUNT, SIDE, BATCH = 70_000, 160, 128
PART, TURNS = 10_000, 3

MEASURED = f"""
import json, os, resource, sys, time
from edgekit.data import decoding, open_data
from edgekit.inputs.contract import InputContract

folder, processes, passes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
decoding.PROCESSES = processes or decoding.PROCESSES
begin = time.perf_counter()
data = open_data(folder, InputContract({SIDE}, {SIDE}, 3))
seconds = time.perf_counter() - begin
begin = time.perf_counter()
for _ in range(passes):
    total = sum(int(images[0, 0, 0, 0]) for images, _ in data.train.batches({BATCH}, data.train.sample(10**9, 0)))
peaks = [resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
times = [os.times()[place] for place in range(4)]
print(json.dumps({{"seconds": seconds, "pass_seconds": time.perf_counter() - begin, "processor_seconds": sum(times),
    "own_peak_bytes": peaks[0], "largest_worker_peak_bytes": peaks[1], "processes": decoding.PROCESSES,
    "photos": sum(map(len, (data.train, data.validation, data.test)))}}))
"""


def main(source: Path) -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place:
        photos, part = Path(place) / "photos", Path(place) / "part"
        begin = time.perf_counter()
        make(source, photos, COUNT)
        print(f"made in {time.perf_counter() - begin:.0f} s")
        for number, path in enumerate(sorted(photos.rglob("*.jpg"))[:: COUNT // PART]):
            (part / path.parent.name).mkdir(parents=True, exist_ok=True)
            (part / path.parent.name / f"{number}.jpg").hardlink_to(path)
        turns: dict[str, list[float]] = {"one": [], "several": []}
        for _ in range(TURNS):
            for name, processes in (("one", 1), ("several", 0)):
                with tempfile.TemporaryDirectory(dir=place) as fresh:
                    turns[name].append(measured(part, Path(fresh), processes, passes=0)["seconds"])
        cache = Path(place) / "cache"
        first = measured(photos, cache, 0, passes=1)
        again = measured(photos, cache, 0, passes=1)
        result = {
            "photos": first["photos"],
            "pixels": [SIDE, SIDE],
            "jpeg_bytes": bytes_in(photos),
            "cache_bytes": bytes_in(cache),
            "processes": first["processes"],
            "first": first,
            "again": again,
            "turns": {"photos": PART, "seconds": turns},
            "several_over_one": round(median(turns["one"]) / median(turns["several"]), 3),
            "load": os.getloadavg(),
        }
    record(__file__, result, "FOLDER")


def measured(folder: Path, cache: Path, processes: int, passes: int) -> dict[str, float]:
    command = [sys.executable, "-c", MEASURED, str(folder), str(processes), str(passes)]
    environment = {**os.environ, "EDGEKIT_CACHE": str(cache)}
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    print(folder.name, run.stdout.strip())
    found: dict[str, float] = json.loads(run.stdout)
    return {name: round(value, 3) for name, value in found.items()}


def make(source: Path, target: Path, count: int) -> None:
    originals = sorted(path for path in source.rglob("*") if path.suffix in READABLE)
    shares = [len(range(index, count, len(originals))) for index in range(len(originals))]
    with ProcessPoolExecutor() as pool:
        names = [str(target / path.parent.name / path.stem) for path in originals]
        list(pool.map(vary, map(str, originals), names, shares, range(len(originals)), chunksize=32))


def vary(original: str, name: str, count: int, seed: int) -> None:
    """Save ``count`` variants of a photo."""
    rng = np.random.default_rng(seed)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    with Image.open(original) as image:
        photo = image.convert("RGB")
    for number in range(count):
        left, top, right, bottom = rng.uniform(0, 0.06, 4) * np.tile(photo.size, 2)
        box = (left, top, photo.width - right, photo.height - bottom)
        scale = SIDE / min(box[2] - box[0], box[3] - box[1])
        size = [max(SIDE, round(scale * side)) for side in (box[2] - box[0], box[3] - box[1])]
        photo.resize((size[0], size[1]), box=box).save(f"{name}-{number}.jpg", quality=int(rng.integers(70, 96)))


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
